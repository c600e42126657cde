"""Write nnU-Net's raw data: files of cases, dataset.json and splits_final.json."""

import gzip
import math
import re
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ....core.atomic import new_file, write_json
from ....core.codec import LabelCodec
from ....core.errors import DataError
from ....core.labels import IGNORE, LabelSpec
from ....core.pseudonyms import keeps_ids
from ...entries.picture import Picture, Record, WriteResult, write_mask
from ...entries.scan import name_slice
from ...pixels.bands import RGB, BandStack
from ...pixels.faults import explain_damage
from ...pixels.imagefile import ImageFile
from ...pixels.images import open_image
from ...pixels.nifti import open_volume, read_header
from ...pixels.nifti_write import is_nifti, write_like, write_placed
from ...pixels.private import copy_pixels
from .table import IGNORE_NAME, SPLITS_TABLE, TABLE

PACKED = ".nii.gz"
_PAGES = ".pages-"
"""Begins the name of the folder in which slices of labels wait for the others."""
_FREE_TEXT = {"descrip", "aux_file", "db_name", "intent_name"}
_CHUNK_BYTES = 1 << 20
_DAMAGED = (OSError, EOFError, zlib.error)
_FOLD = re.compile(r"fold\d+")
_CODING = "images that are not PNG, whose pixels are written as PNG"
_PLACES = "georeferences of images, which PNG and TIFF files of nnU-Net do not hold"
_ALPHA = "maps of pixels without data, which nnU-Net does not read (their labels are kept)"


def write(folder: Path, picture: Picture) -> WriteResult:
    """Write the files of one image, or of one slice of a volume; `finish` joins slices."""
    image = picture.entry.image
    if image.page is not None:
        if all(map(is_nifti, image.files)):
            return _write_slice(folder, picture, _copy_channel)
        if open_image(image).patient_frame is not None:
            return _write_slice(folder, picture, _write_series)
    return _write_image(folder, picture)


def _write_slice(
    folder: Path, picture: Picture, write_channel: Callable[[ImageFile, str, Path], None]
) -> WriteResult:
    """Write a slice of labels, and with the first slice the channels of its volume."""
    image = picture.entry.image
    case = _name_case(picture)
    if max(list_values(picture.spec, picture.background)) >= IGNORE:
        raise DataError(
            f"{image}: {len(picture.spec)} classes without a background, a volume of labels "
            f"holds up to {IGNORE - 1}; merge some, or name one background"
        )
    ending = _choose_folder(picture.entry.split)
    opened = open_image(image)
    names = opened.bands or (opened.modality or "image",)
    for number, name in enumerate(names):
        target = folder / f"images{ending}" / f"{case}_{number:04}{PACKED}"
        if image.page == 0 or not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_channel(opened, name, target)
    pages = folder / f"labels{ending}" / f"{_PAGES}{case}"
    write_mask(pages / f"{image.page:04}.png", encode(picture))
    record = _make_record(picture, case, names, PACKED)
    if write_channel is _write_series and opened.patient_frame is not None:
        record["affine"] = opened.patient_frame.affine_44.tolist()
        record["shape"] = [opened.num_pages, *opened.size_HW]
    return WriteResult(record=record)


def _write_series(opened: ImageFile, _name: str, target: Path) -> None:
    """Write the slices of a DICOM volume with their values, where they lie in the patient."""
    frame = opened.patient_frame
    if frame is None:
        raise DataError(f"{opened.ref}: states no place in the patient")
    pages = range(opened.num_pages)
    slices = ((k, open_image(opened.ref.with_page(k)).read()[..., 0]) for k in pages)
    write_placed(
        target,
        frame.affine_44,
        slices,
        shape_DHW=(opened.num_pages, *opened.size_HW),
        dtype=np.dtype(opened.kind.dtype),
        empty=0,
    )


def _copy_channel(opened: ImageFile, name: str, target: Path) -> None:
    """Write one channel of a volume with its voxels and its grid as they are stored.

    Free text of the header, and extensions, may name a patient and are left out.
    """
    part, channel = opened.find_band(name) if isinstance(opened, BandStack) else (opened, 0)
    volume = open_volume(part.ref.file)
    header = read_header(volume.path).copy()
    header.set_data_shape(volume.shape)
    header["vox_offset"] = header.single_vox_offset
    for text in () if keeps_ids.get() else _FREE_TEXT & {*header.keys()}:
        header[text] = b""
    num_bytes = math.prod(volume.shape) * volume.dtype.itemsize
    unpack = gzip.open if volume.is_packed else open
    with (
        new_file(target) as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        unpack(volume.path, "rb") as voxels,
    ):
        header.write_to(packed)
        # the indices of the last axis lie one after the other
        voxels.seek(volume.offset + channel * num_bytes)
        while num_bytes:
            chunk = _read_chunk(voxels, min(num_bytes, _CHUNK_BYTES), volume.path)
            num_bytes -= len(chunk)
            packed.write(chunk)


def _read_chunk(voxels: gzip.GzipFile | BufferedReader, size: int, path: Path) -> bytes:
    """Up to `size` bytes, at least one.

    Raises:
        DataError: The file is cut short or damaged.
    """
    with explain_damage(path, "the volume is cut short or damaged", _DAMAGED):
        chunk = voxels.read(size)
        if not chunk:
            raise EOFError("its voxels end early")
    return chunk


def _write_image(folder: Path, picture: Picture) -> WriteResult:
    """Write an image as PNG, of which one file holds colours, else each channel a file."""
    image, key = picture.entry.image, picture.entry.key
    ending = _choose_folder(picture.entry.split)
    place = folder / f"images{ending}"
    place.mkdir(parents=True, exist_ok=True)
    opened = open_image(image)
    image_HWC, valid_HW = opened.read_data()
    suffix = ".tif" if image_HWC.dtype == np.float32 else ".png"
    names = opened.bands or tuple(f"channel {c}" for c in range(image_HWC.shape[2]))
    if image_HWC.shape[2] == 3 and image_HWC.dtype == np.uint8:
        names = RGB
        _write_pixels(opened, image_HWC, place / f"{key}_0000{suffix}")
    else:
        for channel in range(image_HWC.shape[2]):
            path = place / f"{key}_{channel:04}{suffix}"
            _write_pixels(opened, image_HWC[..., channel : channel + 1], path)
    labels = folder / f"labels{ending}" / f"{key}{suffix}"
    labels.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".png":
        write_mask(labels, encode(picture))
    else:
        _write_tiff(labels, encode(picture))
    lost = {
        _PLACES: int(opened.placement is not None),
        _ALPHA: int(valid_HW is not None),
        _CODING: int(suffix == ".png" and image.path.suffix.lower() != ".png"),
    }
    return WriteResult(record=_make_record(picture, key, names, suffix), lost=lost)


def _write_pixels(opened: ImageFile, image_HWC: NDArray[Any], path: Path) -> None:
    """Write 1 or 3 channels; a PNG that stores just these is copied."""
    if path.suffix == ".png" and _is_plain_png(opened, image_HWC.shape[2]):
        if keeps_ids.get():
            shutil.copyfile(opened.ref.file, path)
        else:
            copy_pixels(opened.ref, path)
        return
    if path.suffix == ".tif":
        _write_tiff(path, image_HWC[..., 0])
        return
    colors_HWC = image_HWC[..., ::-1] if image_HWC.shape[2] == 3 else image_HWC
    _, content = cv2.imencode(".png", np.ascontiguousarray(colors_HWC))
    path.write_bytes(content.tobytes())


def _is_plain_png(opened: ImageFile, channels: int) -> bool:
    """Whether an image is a PNG of these channels, without palette, alpha or orientation."""
    ref, palette_N3 = opened.ref, opened.palette_N3
    return (
        ref.file.suffix.lower() == ".png"
        and (ref.page, ref.others) == (None, ())
        and opened.kind.channels == channels
        and palette_N3 is not None
        and not len(palette_N3)
        and not opened.may_lack_data
        and opened.orientation == 1
    )


def _write_tiff(path: Path, values_HW: NDArray[Any]) -> None:
    import tifffile

    tifffile.imwrite(path, values_HW, metadata=None)


def encode(picture: Picture) -> NDArray[np.unsignedinteger]:
    """The labels as nnU-Net counts them."""
    codec = codec_for(picture.spec, picture.background)
    return codec.encode(picture.labels_HW)


def codec_for(spec: LabelSpec, background: int | None) -> LabelCodec:
    """Background is 0, the other classes follow in order, IGNORE is the last value."""
    values = list_values(spec, background)
    raw_to_index = {value: index for index, value in enumerate(values)}
    return LabelCodec(
        spec=spec,
        raw_to_index=raw_to_index,
        ignored=frozenset({max(values) + 1}),
        pixels="index",
    )


def list_values(spec: LabelSpec, background: int | None) -> list[int]:
    """The value of each class; 0 is kept for a background that the classes do not have."""
    others = [index for index in range(len(spec)) if index != background]
    ranks = {index: rank for rank, index in enumerate(others, start=1)}
    return [ranks.get(index, 0) for index in range(len(spec))]


def finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
    """Join the slices of labels, and write dataset.json and splits_final.json.

    Raises:
        DataError: The images differ in channels or in kind, which nnU-Net does not read.
    """
    records = list(records)
    cases = {record["case"]: record for record in records}
    _require_one_kind(cases.values())
    for record in cases.values():
        _join_slices(folder, record)
    background = records[0]["background"] if records else None
    values = list_values(spec, background)
    labels = {"background": 0}
    labels |= {spec.names[i]: value for i, value in enumerate(values) if value}
    if any(record["ignored"] for record in records):
        labels[IGNORE_NAME] = max(values) + 1
    first = records[0] if records else {"channels": [], "ending": ".png"}
    training = [r["case"] for r in cases.values() if _choose_folder(r["split"]) == "Tr"]
    document = {
        "channel_names": {str(n): name for n, name in enumerate(first["channels"])},
        "labels": labels,
        "numTraining": len(training),
        "file_ending": first["ending"],
    }
    write_json(folder / TABLE, document)
    folds = list(_list_folds({r["case"]: r["split"] for r in cases.values()}))
    if folds:
        write_json(folder / SPLITS_TABLE, folds)


def _require_one_kind(records: Iterable[Record]) -> None:
    """Require one file ending and one list of channels: nnU-Net's dataset.json has one."""
    first: Record | None = None
    for record in records:
        first = first or record
        for key, what in (("ending", "files"), ("channels", "channels")):
            if record[key] != first[key]:
                raise DataError(
                    f"{record['case']}: its {what} would be {record[key]}, those of "
                    f"{first['case']} are {first[key]}; nnU-Net takes one kind of image: "
                    f"convert the two kinds apart"
                )


def _join_slices(folder: Path, record: Record) -> None:
    """Write the labels of a case as one volume on the grid of its first channel."""
    place = folder / f"labels{_choose_folder(record['split'])}"
    pages = place / f"{_PAGES}{record['case']}"
    if not pages.is_dir():
        return
    images = folder / f"images{_choose_folder(record['split'])}"
    slices = (
        (int(page.stem), open_image(page).read_stored()) for page in sorted(pages.iterdir())
    )
    target = place / f"{record['case']}{PACKED}"
    if "affine" in record:
        depth, height, width = record["shape"]
        write_placed(
            target,
            np.array(record["affine"]),
            slices,
            shape_DHW=(depth, height, width),
            dtype=np.dtype(np.uint8),
            empty=record["empty"],
        )
    else:
        image = images / f"{record['case']}_0000{PACKED}"
        write_like(image, target, slices, empty=record["empty"])
    shutil.rmtree(pages)


def _make_record(
    picture: Picture, case: str, channels: Sequence[str], ending: str
) -> dict[str, Any]:
    values = list_values(picture.spec, picture.background)
    return {
        "case": case,
        "split": picture.entry.split,
        "channels": list(channels),
        "ending": ending,
        "ignored": bool((picture.labels_HW == IGNORE).any()),
        "background": picture.background,
        "empty": max(values) + 1,
    }


def _name_case(picture: Picture) -> str:
    """The case of a slice: the key of its volume."""
    return name_slice(picture.entry).removesuffix(f"__{picture.entry.image.page:04}")


def _choose_folder(split: str) -> str:
    return "Ts" if split == "test" else "Tr"


def _list_folds(split_of: Mapping[str, str]) -> Iterator[dict[str, list[str]]]:
    """The folds of splits_final.json; none where no split validates."""
    cases = sorted(case for case, split in split_of.items() if _choose_folder(split) == "Tr")
    vals = sorted({s for s in split_of.values() if s == "val" or _FOLD.fullmatch(s)})
    for val in sorted(vals, key=lambda name: (len(name), name)):
        validate = [case for case in cases if split_of[case] == val]
        yield {"train": [c for c in cases if c not in {*validate}], "val": validate}
