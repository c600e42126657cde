"""The content of labels as a hash, by which two versions of a dataset are told apart."""

import hashlib
from pathlib import Path

from ...core.files import keep_unchanged, open_file
from ..pixels.imageref import ImageRef
from ..pixels.images import MAX_FILE_BYTES
from .annotation import Labels


def describe_labels(labels: Labels) -> tuple[str, object]:
    """The hash of the file of labels, and what else changes their pixels: a rule, or a page."""
    if isinstance(labels, ImageRef):
        return _hash_content(labels.file), labels.page
    others = [_hash_content(file) for file in labels.others]
    return _hash_content(labels.file), (labels.overlap, *others) if others else labels.overlap


@keep_unchanged(1 << 17)
def _hash_content(file: Path) -> str:
    """Hash a file; one that many images share is read once, until its size or time changes."""
    with open_file(file, most_bytes=MAX_FILE_BYTES) as content:
        return hashlib.file_digest(content, "blake2b").hexdigest()[:32]
