"""DICOM files that tests write: slices, series and enhanced images of a phantom."""

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)

AXIAL = (1, 0, 0, 0, 1, 0)
CORONAL = (1, 0, 0, 0, 0, -1)
SAGITTAL = (0, 1, 0, 0, 0, -1)


def make_image(pixels, *, sop_class=CTImageStorage, instance=None, **tags):
    """A data set with the pixels of one slice or of several frames."""
    head = Dataset()
    head.file_meta = FileMetaDataset()
    head.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    head.SOPClassUID, head.SOPInstanceUID = sop_class, instance or generate_uid()
    head.file_meta.MediaStorageSOPClassUID = head.SOPClassUID
    head.file_meta.MediaStorageSOPInstanceUID = head.SOPInstanceUID
    head.PatientID, head.PatientName = "P1", "Doe^Jane"
    head.PatientBirthDate, head.PatientSex = "19700101", "F"
    head.AccessionNumber, head.StudyID, head.StudyDate, head.StudyTime = "", "1", "", ""
    head.ReferringPhysicianName = ""
    head.StudyInstanceUID = "1.2.840.99.1"
    head.Modality, head.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    head.FrameOfReferenceUID, head.PositionReferenceIndicator = "1.2.840.99.7", ""
    head.Manufacturer = head.InstitutionName = ""
    head.SeriesNumber, head.InstanceNumber = 1, 1
    head.Rows, head.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        head.NumberOfFrames = len(pixels)
    head.SamplesPerPixel, head.PhotometricInterpretation = 1, "MONOCHROME2"
    if pixels.dtype.kind == "f":
        head.BitsAllocated = 8 * pixels.itemsize
        name = "FloatPixelData" if pixels.itemsize == 4 else "DoubleFloatPixelData"
        setattr(head, name, pixels.tobytes())
    else:
        head.BitsAllocated = head.BitsStored = 8 * pixels.itemsize
        head.HighBit = head.BitsStored - 1
        head.PixelRepresentation = int(pixels.dtype.kind == "i")
        head.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(head, name, value)
    return head


def save_series(
    folder,
    values_DHW,
    *,
    names="{:03}.dcm",
    spacing_DHW=(3.0, 0.5, 0.7),
    orientation=AXIAL,
    origin=(-10.0, -20.0, -30.0),
    series="1.2.840.99.2",
    change=None,
    **tags,
):
    """Write a series; slice k lies k spacings along the normal from the origin.

    `names` gives the name of slice k, `change(k, head)` alters its header. Returns the paths in
    the order of slices, along the normal of the orientation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    normal = np.cross(orientation[:3], orientation[3:])
    paths = []
    for k, values_HW in enumerate(values_DHW):
        position = np.array(origin) + k * spacing_DHW[0] * normal
        head = make_image(
            values_HW,
            instance=f"{series}.{k + 1}",
            SeriesInstanceUID=series,
            ImagePositionPatient=[float(v) for v in position],
            ImageOrientationPatient=list(orientation),
            PixelSpacing=list(spacing_DHW[1:]),
            SliceThickness=spacing_DHW[0],
            **tags,
        )
        if change is not None:
            change(k, head)
        path = folder / (names(k) if callable(names) else names.format(k))
        path.parent.mkdir(parents=True, exist_ok=True)
        head.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def _item(**tags):
    item = Dataset()
    for name, value in tags.items():
        setattr(item, name, value)
    return Sequence([item])


def save_enhanced(path, values_DHW, positions, *, slopes=None, orientation=AXIAL):
    """Write an enhanced MR with the position, and the slope, of each frame."""
    frames = []
    for index, position in enumerate(positions):
        frame = Dataset()
        frame.PlanePositionSequence = _item(ImagePositionPatient=[float(p) for p in position])
        if slopes is not None:
            frame.PixelValueTransformationSequence = _item(
                RescaleSlope=slopes[index], RescaleIntercept=0, RescaleType="US"
            )
        frames.append(frame)
    shared = Dataset()
    shared.PlaneOrientationSequence = _item(ImageOrientationPatient=list(orientation))
    shared.PixelMeasuresSequence = _item(PixelSpacing=[0.5, 0.7], SliceThickness=3)
    head = make_image(
        values_DHW,
        sop_class=EnhancedMRImageStorage,
        Modality="MR",
        SeriesInstanceUID="1.2.840.99.3",
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    head.save_as(path, enforce_file_format=True)
    return path


def read(path):
    """The file as pydicom reads it."""
    return pydicom.dcmread(path)


SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"


def save_seg(path, sources, masks, labels, **tags):
    """Write a binary SEG: `masks` are (source index, segment number, H x W), frame by frame."""
    heads = [read(source) for source in sources]
    frames = []
    for index, number, _ in masks:
        frame = Dataset()
        source = _item(ReferencedSOPInstanceUID=heads[index].SOPInstanceUID)
        frame.DerivationImageSequence = _item(SourceImageSequence=source)
        frame.SegmentIdentificationSequence = _item(ReferencedSegmentNumber=number)
        frame.PlanePositionSequence = _item(
            ImagePositionPatient=heads[index].ImagePositionPatient
        )
        frames.append(frame)
    shared = Dataset()
    first = heads[0]
    shared.PlaneOrientationSequence = _item(
        ImageOrientationPatient=first.ImageOrientationPatient
    )
    shared.PixelMeasuresSequence = _item(PixelSpacing=first.PixelSpacing)
    stored = np.stack([mask_HW for _, _, mask_HW in masks]).astype(np.uint8)
    bits = np.packbits(stored.ravel(), bitorder="little").tobytes()
    head = make_image(
        stored,
        sop_class=SEGMENTATION,
        Modality="SEG",
        SeriesInstanceUID=generate_uid(),
        SegmentationType="BINARY",
        BitsAllocated=1,
        BitsStored=1,
        HighBit=0,
        PixelData=bits + bytes(len(bits) % 2),
        SegmentSequence=Sequence(
            [
                _item(SegmentNumber=number, SegmentLabel=label)[0]
                for number, label in enumerate(labels, 1)
            ]
        ),
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
        **tags,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    head.save_as(path, enforce_file_format=True)
    return path


def save_structures(path, regions, *, series, kind="CLOSED_PLANAR", instances=None):
    """Write an RTSTRUCT: `regions` are names and contours, each (N, 3) in mm."""
    head = Dataset()
    head.file_meta = FileMetaDataset()
    head.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    head.SOPClassUID, head.SOPInstanceUID = STRUCTURES, generate_uid()
    head.file_meta.MediaStorageSOPClassUID = head.SOPClassUID
    head.file_meta.MediaStorageSOPInstanceUID = head.SOPInstanceUID
    head.Modality, head.PatientID = "RTSTRUCT", "P1"
    rois, contours = [], []
    for number, (name, outlines) in enumerate(regions, 1):
        rois += _item(ROINumber=number, ROIName=name)
        items = []
        for points in outlines:
            item = _item(
                ContourGeometricType=kind,
                NumberOfContourPoints=len(points),
                ContourData=[float(f"{value:.10g}") for value in np.ravel(points)],
            )[0]
            if instances is not None:
                item.ContourImageSequence = _item(ReferencedSOPInstanceUID=instances)
            items.append(item)
        contours += _item(ReferencedROINumber=number, ContourSequence=Sequence(items))
    head.StructureSetROISequence = Sequence(rois)
    head.ROIContourSequence = Sequence(contours)
    head.ReferencedFrameOfReferenceSequence = _item(
        RTReferencedStudySequence=_item(
            RTReferencedSeriesSequence=Sequence(
                [_item(SeriesInstanceUID=uid)[0] for uid in series]
            )
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    head.save_as(path, enforce_file_format=True)
    return path
