"""Renew a dataset.yaml that an inference wrote, where what it was inferred from has changed.

A file that a person edited since is never replaced; a note says what it no longer agrees with.
"""

import hashlib
from pathlib import Path

from ...core.errors import ConfigError, DataError
from ...core.files import open_file
from ..classes.dataset_yaml import DatasetFile, InferredFrom
from ..classes.infer import CLASSES_FILE, read_classes_file

LISTINGS = (
    CLASSES_FILE,
    "_classes.csv",
    *(f"{split}/_classes.csv" for split in ("train", "valid", "test")),
    "class_dict.csv",
    "class_dict_seg.csv",
    "codes.txt",
    "data.yaml",
    "dataset.json",
    "label_colors.txt",
    "labelmap.txt",
)
"""Files at the root of a dataset that list its classes."""

_MOST_BYTES = 1 << 20


def record_inference(root: Path, file: Path, document: DatasetFile) -> InferredFrom:
    """Record what an inference begins with: listings of classes, codec and mapping."""
    names = [*LISTINGS, *document.mappings]
    hashes = {name: _hash_listing(root, file, name) for name in names}
    return InferredFrom(
        files={name: value for name, value in hashes.items() if value},
        codec=document.codec,
        mapping=document.mapping,
    )


def renew(root: Path, file: Path, document: DatasetFile) -> tuple[DatasetFile, tuple[str, ...]]:
    """The document to open the dataset with, and notes.

    Where a listing changed since the inference, the classes and the codec that the inference
    wrote are taken out, so that they are inferred again; they stay where they were edited.
    """
    record = document.inferred_from
    if record is None:
        return document, _compare_names(root, document)
    before = document.model_copy(update={"codec": record.codec, "mapping": record.mapping})
    current = record_inference(root, file, before)
    adopted = (*before.mappings, *document.mappings)  # the former are in the classes by now
    changed = sorted(
        name
        for name in record.files.keys() | current.files.keys()
        if record.files.get(name) != current.files.get(name)
    )
    if not changed:
        return document, ()
    shown = " and ".join(changed)
    if record.result != document.result_hash:
        note = (
            f"{file} no longer agrees with {shown}, which changed since; it was edited by hand "
            f"and stays as it is: correct it, or remove its 'classes' to infer them again"
        )
        return document, (note,)
    cleared: dict[str, object] = {"classes": None, "inferred": (), "inferred_from": None}
    if document.mappings:
        cleared["mapping"] = adopted
    return before.model_copy(update=cleared), (
        f"{file} is written again, since {shown} changed after it was inferred",
    )


def _compare_names(root: Path, document: DatasetFile) -> tuple[str, ...]:
    """A note where a file that an earlier version inferred names classes unlike classes.txt."""
    listing = root / CLASSES_FILE
    if not document.inferred or not document.classes or not listing.is_file():
        return ()
    try:
        listed = set(read_classes_file(listing).values())
    except ConfigError:
        return ()
    named = {entry.name for entry in document.classes}
    if named == listed:
        return ()
    odd = ", ".join(repr(name) for name in sorted(named ^ listed)[:4])
    note = (
        f"dataset.yaml no longer agrees with {listing}: only one of them names {odd}; remove "
        f"'classes' and 'codec' from it to infer them again"
    )
    return (note,)


def _hash_listing(root: Path, file: Path, name: str) -> str:
    """The hash of a listing, or of a mapping beside dataset.yaml; "" where there is none."""
    path = root / name if name in LISTINGS else file.parent / name
    if not path.is_file():
        return ""
    try:
        with open_file(path, most_bytes=_MOST_BYTES) as content:
            return hashlib.sha256(content.read()).hexdigest()[:16]
    except DataError:
        return ""
