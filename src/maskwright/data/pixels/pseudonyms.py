"""Who is named in the header of a DICOM file, and what stands for them.

Names, identifiers and dates become the first digits of a hash with a key of the dataset
(HMAC, RFC 2104), so that whoever has the results alone cannot try out values. The key is made
from the content of the first file and kept in `pseudonyms.key` beside dataset.yaml, from where
it enters no result.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.atomic import write_text
from ...core.errors import DataError
from ..georef.identity import hash_identifier, make_secret
from .dicom_head import damage_errors, has_dicom_start, may_be_dicom
from .faults import no_warnings

KEY_NAME = "pseudonyms.key"
TAGS = (
    *("PatientID", "PatientName", "PatientBirthDate", "OtherPatientIDs", "OtherPatientNames"),
    *("AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
    *("FrameOfReferenceUID", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"),
)
"""Tags that name a patient or an examination; PS3.15, table E.1-1, has them all."""

_LEAST = 4
"""A shorter value is too common in names of files: 001 may be the number of a slice."""
_LEAST_INSIDE = 6
"""From this length on a value counts inside of a longer word too."""
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Stand-ins for names of people, by the key of a dataset."""

    key: bytes

    def name(self, value: str) -> str:
        """Sixteen hex digits for a value of a header; equal for equal values."""
        return hash_identifier(value, self.key)

    def replace(self, text: str, values: Iterable[str]) -> str:
        """The text with the hash of each of the values that it contains.

        Case and separators do not count: DOE^JOHN is found in `doe_john` and in `JohnDoe`.
        """
        for value in sorted(set(values), key=len, reverse=True):
            for words in _list_wordings(value):
                if "".join(words) in _squeeze(text):
                    text = _compile(words).sub(self.name(value), text)
        return text


def _list_wordings(value: str) -> Iterator[list[str]]:
    """The words by which a value may stand in a name of a file, in lower case.

    Those of a person's name stand in any order, and its longer words alone.
    """
    words = [word.lower() for word in _WORD.findall(value)]
    if sum(map(len, words)) >= _LEAST:
        yield words
    if "^" in value:
        yield words[::-1]
        yield from ([word] for word in words if len(word) >= _LEAST)


def _squeeze(text: str) -> str:
    """The letters and digits of a text, in lower case."""
    return "".join(_WORD.findall(text.lower()))


def _compile(words: list[str]) -> re.Pattern[str]:
    """An expression for words with any separators; a short one is a word of its own."""
    joined = r"[\W_]*".join(map(re.escape, words))
    if len(words) == 1 and len(words[0]) < _LEAST_INSIDE:
        joined = rf"(?<![^\W_]){joined}(?![^\W_])"
    return re.compile(joined, re.IGNORECASE)


def is_dicom_file(file: Path) -> bool:
    """Whether a file is DICOM, by its name and its content."""
    return may_be_dicom(file.name) and has_dicom_start(file)


def read_identity(file: Path) -> tuple[str, ...]:
    """Read the values of `TAGS` in a DICOM file; none of another or a damaged file."""
    if not is_dicom_file(file):
        return ()
    try:
        import pydicom
    except ModuleNotFoundError:
        return ()
    with suppress(*damage_errors()), no_warnings:
        head: Any = pydicom.dcmread(
            file, stop_before_pixels=True, specific_tags=list(TAGS), force=False
        )
        texts = (text for tag in TAGS for text in _list_texts(head.get(tag)))
        return tuple(dict.fromkeys(texts))
    return ()


def _list_texts(value: Any) -> list[str]:
    """The texts of an element, of which a multi-valued one has several."""
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return [str(one) for one in values if one is not None and str(one).strip()]


def open_pseudonyms(folder: Path, files: Iterable[Path], *, save: bool = False) -> Pseudonyms:
    """The pseudonyms of a dataset: by its key, or by the key that its first file gives.

    The key lies in `folder` or, where inputs are a part of a dataset, above it. `save` writes
    it to `folder`.

    Raises:
        DataError: The key file is damaged.
    """
    place = find_key_folder(folder)
    if place is not None:
        return Pseudonyms(_read_key(place / KEY_NAME))
    key = _make_key(files)
    if save:
        write_text(folder / KEY_NAME, f"{key.hex()}\n")
        (folder / KEY_NAME).chmod(0o600)
    return Pseudonyms(key)


def find_key_folder(folder: Path) -> Path | None:
    """The folder that holds the key: this one, or the nearest above; None without a key."""
    for place in (folder, *folder.absolute().parents):
        with suppress(OSError):
            if (place / KEY_NAME).is_file():
                return place
    return None


def _read_key(file: Path) -> bytes:
    text = file.read_text(encoding="utf-8", errors="replace").strip()
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise DataError(
            f"{file}: expected 64 hex digits, the key of the names in this dataset; restore "
            f"the file, or remove it for another key and other names"
        )
    return bytes.fromhex(text)


def _make_key(files: Iterable[Path]) -> bytes:
    """A key that changes with the content of the first file, by name."""
    first = min(files, default=None)
    return b"" if first is None else make_secret(first)
