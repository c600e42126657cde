"""Protocol: how edits and tiles travel, and the JSON of answers.

An edit is the length of its JSON (4 bytes, little-endian), the JSON (`edit.Edit`), and the
patches of its tiles one after the other.
"""

import re
from dataclasses import dataclass
from typing import Literal

from ..core.errors import DataError
from ..store.items import Item
from .edit import PROPOSAL_SOURCES, Edit, Prompted, ProposalSource, parse_edit
from .errors import StudioError
from .models import parse_model
from .tiles import LENGTH, MOST_TILES_ASKED

MOST_BYTES = 64 << 20
_MOST_JSON = 4 << 20
_SHA = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[\w:.-]{8,100}")
_WHOLE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class ReceivedEdit:
    """An edit and its patches."""

    edit: Edit
    patches: tuple[bytes, ...]


def parse_body(body: bytes) -> ReceivedEdit:
    """Read the body of an edit.

    Raises:
        DataError: It is not one, or its patches are not as long as it says.
    """
    if len(body) < LENGTH.size:
        raise DataError("the body has no length of its JSON in the first 4 bytes")
    (length,) = LENGTH.unpack_from(body)
    start = LENGTH.size + length
    if length > _MOST_JSON or start > len(body):
        raise DataError(f"the JSON is said to have {length:,} bytes, the body {len(body):,}")
    edit = parse_edit(body[LENGTH.size : start])
    patches = []
    for change in edit.tiles or ():
        patches.append(body[start : start + change.size])
        start += change.size
    if start != len(body):
        raise DataError(f"the patches end at byte {start:,}, the body has {len(body):,}")
    return ReceivedEdit(edit, tuple(patches))


def parse_shas(text: str) -> list[str]:
    """The hashes of tiles that a client asks for, joined by dots.

    Raises:
        StudioError: 404, not hashes, or too many.
    """
    shas = text.split(".")
    if len(shas) > MOST_TILES_ASKED or not all(map(_SHA.fullmatch, shas)):
        raise StudioError(404, f"up to {MOST_TILES_ASKED} hashes of tiles, joined by dots")
    return shas


def parse_key(text: str) -> str:
    """The name that a client gives to its request.

    Raises:
        StudioError: 400, there is none.
    """
    if not _KEY.fullmatch(text):
        raise StudioError(400, "the header Idempotency-Key names the edit in 8 to 100 letters")
    return text


def parse_rev(text: str) -> int:
    """The revision in the header If-Match.

    Raises:
        StudioError: 428, there is none.
    """
    number = text.strip('"')
    if not _WHOLE.fullmatch(number):
        raise StudioError(428, "the header If-Match has the revision that was seen")
    return int(number)


def parse_number(text: str, name: str, most: int = 999_999_999) -> int:
    """The whole number of a parameter of the query.

    Raises:
        StudioError: 422, not a whole number from 0 to `most`.
    """
    if not _WHOLE.fullmatch(text) or int(text) > most:
        raise StudioError(422, f"{name} is {text!r}; expected a whole number up to {most}")
    return int(text)


def parse_prompts(text: str) -> Prompted:
    """Prompts and their part in a parameter of the query, as the geometry of an edit has them.

    Raises:
        DataError: Not prompts; the message names the first value that is wrong.
    """
    return parse_model(_Prompts, text.encode())


def parse_source(text: str) -> ProposalSource:
    """Who proposes.

    Raises:
        StudioError: 422, none of them.
    """
    for source in PROPOSAL_SOURCES:
        if text == source:
            return source
    raise StudioError(422, f"source is {text!r}; expected one of {', '.join(PROPOSAL_SOURCES)}")


class _Prompts(Prompted):
    kind: Literal["prompted"] = "prompted"


def describe_item(item: Item) -> dict[str, object]:
    """An image as JSON."""
    return {
        "id": item.id,
        "key": item.key,
        "split": item.split,
        "group": item.group,
        "state": item.state,
        "rev": item.rev,
        "size_HW": item.size_HW,
        "annotator": item.annotator,
        "reviewer": item.reviewer,
        "priority": item.priority,
        "is_practice": item.kind == "practice",
        "lease": item.lease_client
        and {
            "client": item.lease_client,
            "person": item.lease_person,
            "until": item.lease_until,
        },
    }


def describe_origin(item: Item) -> dict[str, object]:
    """What reviewers see of an image beside that: whether it is a copy, and of which image."""
    return {"kind": item.kind, "source": item.source_id}
