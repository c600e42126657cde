"""Shades: a colour over the image that shows where something is, as a PNG with alpha."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from ..core.labels import IGNORE
from ..store.items import Item
from .assist import Assistant
from .consensus import DONE, read_uncertainty
from .edit import Edit, Prompted, Proposal
from .errors import StudioError
from .history import read_map_at
from .judging import find_errors
from .people import Person
from .project import Project
from .proposals import Proposed, find_taken
from .repairs import Mask
from .versions import read_two

KINDS = (
    "uncertainty",
    "errors",
    "preview",
    "proposal",
    "prompted",
    "changes",
)
_PROPOSAL_ALPHA = 170
_MEANT_SHARE = 0.6
"""How much is covered of what an edit would change: the picture is seen through it."""

_ORANGE_RGB = (179, 71, 0)
_MOST_PX = 64_000_000
_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadeOptions:
    """Who asks, the proposal that is shown, since which revision, the prompts, and an edit."""

    person: Person
    proposal: Proposal
    before: int = 0
    prompted: Prompted | None = None
    edit: Edit | None = None


def draw_shade(
    project: Project,
    assistant: Assistant,
    item: Item,
    kind: str,
    options: ShadeOptions,
) -> bytes:
    """Where copies differ, errors of practice, proposals, what changed or what would change.

    Without prompts, the features of the image are computed, and nothing is shown.

    Raises:
        StudioError: 404, there is no such shade of this image; 422, it is too large.
    """
    height, width = item.size_HW or (0, 0)
    if height * width > _MOST_PX:
        raise StudioError(
            422, f"{item.key}: {height:,} x {width:,} pixels are too many to shade"
        )
    if kind == "uncertainty":
        return encode_shade(read_uncertainty(project, item))
    if kind == "errors":
        return encode_mask(_find_practice_errors(project, item))
    if kind == "preview":
        return _draw_preview(project, assistant, item, options)
    if kind == "proposal":
        proposal = options.proposal
        proposed = assistant.propose(item, proposal.source, options.person)
        return _draw_proposal(project, proposed, proposal)
    if kind == "prompted":
        return _draw_object(assistant, item, options.prompted)
    if kind == "changes":
        with project.store.read() as connection:
            before_HW, after_HW = read_two(connection, item, options.before, item.rev)
        return encode_mask(np.asarray(before_HW != after_HW))
    raise StudioError(404, f"no shade {kind!r}; there are {', '.join(KINDS)}")


def encode_shade(shares_HW: NDArray[np.float64]) -> bytes:
    """A PNG of one colour whose alpha is the share, in [0, 1]."""
    shade_HW4 = np.empty((*shares_HW.shape, 4), np.uint8)
    shade_HW4[..., :3] = _ORANGE_RGB[::-1]
    shade_HW4[..., 3] = np.rint(shares_HW * 255)
    _, content = cv2.imencode(".png", shade_HW4, _FAST)
    return content.tobytes()


def encode_mask(mask_HW: Mask, share: float = 1.0) -> bytes:
    """As `encode_shade` where all shares are equal: with one bit for a pixel."""
    image = PillowImage.fromarray(mask_HW.view(np.uint8))
    image.putpalette([0, 0, 0, *_ORANGE_RGB])
    alphas = bytes([0, round(share * 255)])
    file = io.BytesIO()
    image.save(file, format="PNG", bits=1, transparency=alphas, compress_level=1)
    return file.getvalue()


def _draw_preview(
    project: Project, assistant: Assistant, item: Item, options: ShadeOptions
) -> bytes:
    """The pixels that an edit would change."""
    edit = options.edit
    if edit is None:
        raise StudioError(422, "a preview needs the `edit` that it shows")
    assistant.prepare(item, edit, options.person)
    with project.store.read() as connection:
        before_HW = project.read_map(connection, item)
    after_HW = assistant.draw(item, before_HW, edit, person=options.person)
    return encode_mask(np.asarray(after_HW != before_HW), _MEANT_SHARE)


def _draw_object(assistant: Assistant, item: Item, prompted: Prompted | None) -> bytes:
    if prompted is None:
        return encode_mask(np.zeros(assistant.prompter.prepare(item.key), np.bool_))
    return encode_mask(assistant.prompter.find_object(item.key, prompted), _MEANT_SHARE)


def _draw_proposal(project: Project, proposed: Proposed, proposal: Proposal) -> bytes:
    """What is proposed, in the colours of the classes."""
    colors_K4 = np.zeros((256, 4), np.uint8)
    for index, entry in enumerate(project.spec):
        colors_K4[index] = (*entry.color[::-1], _PROPOSAL_ALPHA)
    taken_HW = find_taken(proposed, proposal)
    shade_HW4 = colors_K4[np.where(taken_HW, proposed.labels_HW, IGNORE)]
    _, content = cv2.imencode(".png", shade_HW4, _FAST)
    return content.tobytes()


def _find_practice_errors(project: Project, copy: Item) -> NDArray[np.bool_]:
    if copy.kind != "practice" or copy.source_id is None:
        raise StudioError(404, f"{copy.key}: is not a practice image")
    if copy.state not in DONE:
        raise StudioError(404, f"{copy.key}: is {copy.state}; errors are shown once submitted")
    with project.store.read() as connection:
        source = project.find_item(connection, copy.source_id)
        truth_HW = read_map_at(connection, source, copy.source_rev or 0)
        return find_errors(truth_HW, project.read_map(connection, copy))
