"""Names made from what identifies a patient, a study or a series, which do not show it.

A value is hashed with a secret that is made from the content of a file of the dataset, so that
whoever has a key, a report or splits.json alone cannot try out values.
"""

import hashlib
import hmac
from pathlib import Path

from ...core.files import open_file
from ...core.pseudonyms import keeps_ids

_MOST_BYTES = 1 << 31
_DIGITS = 16


def make_secret(file: Path) -> bytes:
    """A secret that changes with the content of a file.

    Raises:
        DataError: The file cannot be read.
    """
    with open_file(file, most_bytes=_MOST_BYTES) as content:
        return hashlib.file_digest(content, "sha256").digest()


def hash_identifier(value: str, secret: bytes) -> str:
    """Sixteen hex digits that stand for a value; equal for equal values under one secret."""
    text = value.encode("utf-8", "surrogateescape")
    return hmac.new(secret, text, hashlib.sha256).hexdigest()[:_DIGITS]


def name_series(uid: str, first: Path) -> str:
    """The name of a DICOM series in keys, by its SeriesInstanceUID and the file of a slice.

    The secret is the content of the first slice, so that the name does not change with the
    folder that is opened, nor with other patients in it. Inside of `keeping_ids`, the UID.
    """
    if keeps_ids.get():
        return f"series_{uid}"
    return f"series_{hash_identifier(uid, make_secret(first))}"


def name_image(uid: str, file: Path) -> str:
    """The name in keys of a DICOM image whose file is called by its SOPInstanceUID."""
    if keeps_ids.get():
        return f"image_{uid}"
    return f"image_{hash_identifier(uid, make_secret(file))}"
