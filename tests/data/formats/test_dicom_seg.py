"""DICOM-SEG as labels: segmentations written by highdicom, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.core.progress import silent
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.formats import dicom_seg
from maskwright.data.opening.groupby import find_groups
from maskwright.evaluation.score import score

from ...dicoms import read, save_enhanced, save_seg, save_series, save_structures

hd = pytest.importorskip("highdicom")
from highdicom.seg import Segmentation, SegmentDescription  # noqa: E402 - an optional package
from pydicom.sr.codedict import codes  # noqa: E402 - an optional package

RNG = np.random.default_rng(3)
SHAPE = 6, 5, 7
LIVER, TUMOUR = np.zeros((2, *SHAPE), np.uint8)
LIVER[2:5, 1:4, 1:6] = 1
TUMOUR[3, 2, 2:4] = 1


def write_seg(path, sources, pixels, *, kind="BINARY", labels=("liver", "tumour"), **options):
    """A segmentation as highdicom writes it; the files are in the order of `pixels`."""
    described = [
        SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Liver,
            algorithm_type="MANUAL",
        )
        for number, label in enumerate(labels, 1)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    Segmentation(
        source_images=[read(source) for source in sources],
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=described,
        series_instance_uid=hd.UID(),
        series_number=9,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="a",
        manufacturer_model_name="b",
        software_versions="1",
        device_serial_number="1",
        **options,
    ).save_as(path)


@pytest.fixture
def slices(tmp_path):
    values = RNG.integers(-1000, 2000, SHAPE).astype(np.int16)
    names = lambda k: f"IM{7 * k % 11:03}"  # noqa: E731 - names in another order than slices
    return save_series(tmp_path / "ct" / "p1", values, names=names)


def read_labels(root):
    dataset = open_as_is(root)
    order = np.argsort(dataset.keys)
    return dataset, np.stack([dataset.labels(index) for index in order])


def test_segments_are_classes_and_the_smaller_lies_on_top(tmp_path, slices):
    write_seg(tmp_path / "seg.dcm", slices, np.stack([LIVER, TUMOUR], axis=-1))
    dataset, labels_DHW = read_labels(tmp_path)
    assert (dataset.format, dataset.spec.names) == (
        "dicom_seg",
        ("background", "liver", "tumour"),
    )
    assert dataset.keys[0] == "ct__p1__0000"
    assert set(dataset.groups) == {"ct__p1"}
    np.testing.assert_array_equal(labels_DHW, np.where(TUMOUR, 2, LIVER))
    assert dataset.left_out == ()


def test_the_order_of_segments_decides_where_dataset_yaml_says_so(tmp_path, slices):
    pixels = np.stack([TUMOUR, LIVER], axis=-1)
    write_seg(tmp_path / "seg.dcm", slices, pixels, labels=("tumour", "liver"))
    (tmp_path / "dataset.yaml").write_text("overlap: file\n")
    np.testing.assert_array_equal(read_labels(tmp_path)[1], LIVER)


def test_a_label_map_holds_numbers_of_segments(tmp_path, slices):
    pixels = np.where(TUMOUR, 2, LIVER).astype(np.uint8)
    write_seg(tmp_path / "seg.dcm", slices, pixels, kind="LABELMAP")
    dataset, labels_DHW = read_labels(tmp_path)
    assert dataset.spec.names == ("background", "liver", "tumour")
    np.testing.assert_array_equal(labels_DHW, pixels)


@pytest.mark.parametrize("most", [200, 255])
def test_a_fraction_of_one_half_belongs_to_the_segment(tmp_path, slices, most):
    fractions = np.where(LIVER, 0.55, 0.45) * (1 - TUMOUR * 0.2)
    write_seg(
        tmp_path / "seg.dcm",
        slices,
        fractions.astype(np.float32),
        kind="FRACTIONAL",
        labels=("liver",),
        max_fractional_value=most,
    )
    np.testing.assert_array_equal(read_labels(tmp_path)[1], LIVER & ~TUMOUR & 1)


def test_frames_without_a_reference_are_found_by_their_position(tmp_path, slices):
    write_seg(tmp_path / "seg.dcm", slices, LIVER, labels=("liver",))
    head = read(tmp_path / "seg.dcm")
    for frame in head.PerFrameFunctionalGroupsSequence:
        del frame.DerivationImageSequence
    head.save_as(tmp_path / "seg.dcm")
    np.testing.assert_array_equal(read_labels(tmp_path)[1], LIVER)


def test_two_files_of_one_series_are_read_as_one_and_said_so(tmp_path, slices):
    write_seg(tmp_path / "a.dcm", slices, LIVER, labels=("liver",))
    write_seg(tmp_path / "b.dcm", slices, TUMOUR, labels=("tumour",))
    dataset, labels_DHW = read_labels(tmp_path)
    np.testing.assert_array_equal(labels_DHW, np.where(TUMOUR, 2, LIVER))
    assert any("several files are on one image" in note for note in dataset.notes)
    assert dataset.left_out == ()
    before = dataset.fingerprint
    write_seg(tmp_path / "b.dcm", slices, LIVER, labels=("tumour",))
    assert open_as_is(tmp_path).fingerprint != before


def test_frames_of_an_enhanced_image_are_named_by_their_number(tmp_path):
    places, order = [(0, 0, 3 * k) for k in range(6)], [5, 4, 3, 2, 1, 0]
    values = RNG.integers(0, 2000, SHAPE).astype(np.uint16)
    path = save_enhanced(tmp_path / "mr.dcm", values[order], [places[k] for k in order])
    write_seg(tmp_path / "seg.dcm", [path], LIVER[order], labels=("liver",))
    np.testing.assert_array_equal(read_labels(tmp_path)[1], LIVER[order])


def test_series_without_a_segmentation_and_lost_references_are_left_out_by_name(
    tmp_path, slices
):
    write_seg(tmp_path / "seg.dcm", slices, LIVER, labels=("liver",))
    save_series(tmp_path / "ct" / "p2", np.zeros(SHAPE, np.int16), series="1.2.3.4")
    for file in slices[:3]:
        file.unlink()
    dataset = open_as_is(tmp_path)
    assert len(dataset) == 3
    left_out = {item.reason: item.names for item in dataset.left_out}
    assert left_out == {
        "DICOM images to which none of the segmentations refers": ("ct/p2",),
        "segmentations that refer to images that are not there": ("seg.dcm (1 frame)",),
    }


def test_a_segmentation_of_no_image_here_is_refused(tmp_path, slices):
    write_seg(tmp_path / "seg.dcm", slices, LIVER, labels=("liver",))
    for file in slices:
        file.unlink()
    save_series(tmp_path / "ct", np.zeros(SHAPE, np.int16), series="1.2.3.4")
    with pytest.raises(DataError, match=r"none of the segmentations refers to one of 6 images"):
        dicom_seg.scan(tmp_path, DatasetFile())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda h: setattr(
                h.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0],
                "ImagePositionPatient",
                [-9.5, -20, -24],
            ),
            r"seg.dcm: frame 1 lies 1 px away from its image .*; resample the segmentation",
        ),
        (
            lambda h: setattr(
                h.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0],
                "PixelSpacing",
                [1, 1],
            ),
            r"frame 1 has pixels of 1 x 1 mm, its image .* of 0.5 x 0.7 mm; resample",
        ),
        (
            lambda h: setattr(
                h.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0],
                "ImageOrientationPatient",
                [-1, 0, 0, 0, 1, 0],
            ),
            "frame 1 is turned from its image",
        ),
        (lambda h: setattr(h, "Rows", 4), "frame 1 is 4 x 7, its image .* is 5 x 7"),
    ],
)
def test_a_frame_that_does_not_lie_on_its_image_is_refused(tmp_path, slices, change, words):
    frames = [(2, 1, LIVER[2])]
    path = save_seg(tmp_path / "seg.dcm", slices, frames, ["liver"])
    head = read(path)
    change(head)
    head.save_as(path)
    dataset = open_as_is(tmp_path)
    with pytest.raises(DataError, match=words):
        dataset.labels(dataset.keys.index("ct__p1__0002"))


def test_a_segmentation_that_is_cut_short_is_refused(tmp_path, slices):
    path = save_seg(tmp_path / "seg.dcm", slices, [(2, 1, LIVER[2])], ["liver"])
    head = read(path)
    head.Rows = head.Columns = 60_000
    head.save_as(path)
    with pytest.raises(DataError, match=r"declares 1 frames of 60000 x 60000 in a file of"):
        open_as_is(tmp_path)


def test_convert_writes_the_classes_of_segments(tmp_path, slices):
    write_seg(tmp_path / "in" / "seg.dcm", slices, LIVER, labels=("liver",))
    (tmp_path / "ct").rename(tmp_path / "in" / "ct")
    account = convert(tmp_path / "in", tmp_path / "out", to="mask_folder", verify=True)
    assert account.num_images == 6
    assert account.agreement.differing == 0
    np.testing.assert_array_equal(read_labels(tmp_path / "out")[1], LIVER)


def test_score_reads_segmentations_on_either_side_by_the_images_they_lie_on(tmp_path, slices):
    write_seg(tmp_path / "seg.dcm", slices, LIVER, labels=("liver",))
    predicted = LIVER.copy()
    predicted[2] = 0
    write_seg(tmp_path / "out" / "p1.dcm", slices, predicted, labels=("liver",))
    truth = tmp_path / "truth"
    truth.mkdir()
    for name in ("ct", "seg.dcm"):
        (tmp_path / name).rename(truth / name)
    report = score(tmp_path / "out", truth)
    found, missed = predicted.sum(), (LIVER & ~predicted).sum()
    counts_CC = report.confusion.counts_CC.tolist()
    assert counts_CC == [[LIVER.size - LIVER.sum(), 0], [missed, found]]
    for k in range(6):
        path = tmp_path / "maps" / "ct" / "p1" / f"{k:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(predicted[k]).save(path)
    for maps in (tmp_path / "maps", tmp_path / "maps" / "ct"):  # as of `predict DATA/ct`
        assert score(maps, truth).confusion.counts_CC.tolist() == counts_CC
    assert report.labels.names == ("background", "liver")


def test_patients_are_groups_of_series_with_segmentations(tmp_path, slices):
    other = save_series(
        tmp_path / "ct" / "p2", np.zeros(SHAPE, np.int16), series="1.2.3.4", PatientID="P1"
    )
    third = save_series(
        tmp_path / "ct" / "p3", np.zeros(SHAPE, np.int16), series="1.2.3.5", PatientID="P3"
    )
    for number, files in enumerate((slices, other, third)):
        write_seg(tmp_path / f"{number}.dcm", files, LIVER, labels=("liver",))
    entries = dicom_seg.scan(tmp_path, DatasetFile()).entries
    groups = find_groups(entries, "PatientID", silent, folder=tmp_path)
    by_series = {entry.group: groups[entry.key] for entry in entries}
    assert by_series["ct__p1"] == by_series["ct__p2"] != by_series["ct__p3"]
    assert not any("P1" in group or "P3" in group for group in groups.values())


def test_images_in_another_folder_are_named_in_dataset_yaml(tmp_path, slices):
    write_seg(tmp_path / "labels" / "seg.dcm", slices, LIVER, labels=("liver",))
    (tmp_path / "ct").rename(tmp_path / "labels" / "ct")
    save_series(tmp_path / "labels" / "old", np.zeros(SHAPE, np.int16), series="1.2.3.4")
    (tmp_path / "labels" / "dataset.yaml").write_text("format: dicom_seg\nimages: ct\n")
    dataset, labels_DHW = read_labels(tmp_path / "labels")
    assert dataset.keys[0] == "p1__0000"
    np.testing.assert_array_equal(labels_DHW, LIVER)


def test_localizers_and_other_objects_are_left_out_by_name(tmp_path, slices):
    write_seg(tmp_path / "seg.dcm", slices, LIVER, labels=("liver",))
    save_series(
        tmp_path / "scout",
        np.zeros((1, 5, 7), np.int16),
        series="1.2.3.4",
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
    )
    save_structures(tmp_path / "rt.dcm", [], series=[])
    (tmp_path / "dataset.yaml").write_text("format: dicom_seg\n")
    reasons = {item.reason: item.names for item in open_as_is(tmp_path).left_out}
    assert reasons["DICOM localizers, which are no slices of a volume"] == ("scout/000.dcm",)
    assert [names for reason, names in reasons.items() if "hold no image" in reason] == [
        ("rt.dcm",)
    ]


def test_a_segmentation_in_the_folder_of_its_series_leaves_the_name_of_the_folder(
    tmp_path, slices
):
    write_seg(tmp_path / "ct/p1/seg.dcm", slices, LIVER, labels=("liver",))
    assert open_as_is(tmp_path).keys[0] == "ct__p1__0000"
