"""Stream: the next work of a person.

First what the person has begun, and for a reviewer what others have submitted. Where copies are
labelled, practice comes then, until it is passed, gold where it is due, and else a copy of an
image that needs one. Gold is drawn at positions that follow from the name alone: nobody can
predict them, and they stay when the studio is started again. The gold that the fewest people
have seen comes first.
"""

import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..store import items as stored
from ..store.chain import add_event
from ..store.database import Connection, read_meta, write_meta
from ..store.items import Item
from ..store.judgements import Reference, list_references, list_scores
from .editing import EDITABLE
from .errors import StudioError
from .judging import estimate_iou
from .people import LOCAL, Person
from .project import Project
from .settings import Settings, read_settings

_BLOCK = 20
_SEED = "seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """How far a person is with practice.

    `num_done` of `num_images` were tried; `iou` is the mean IoU over the last try of each one,
    None before the first; `least_iou` is the one to reach.
    """

    num_done: int
    num_images: int
    iou: float | None
    least_iou: float

    @property
    def is_passed(self) -> bool:
        """Whether all images were tried, and are right enough together."""
        is_right = self.iou is not None and self.iou >= self.least_iou
        return self.num_done == self.num_images and is_right


def measure_practice(project: Project, person: Person) -> dict[str, object]:
    """How far a person is with practice, as JSON; without IoU where settings hide numbers."""
    with project.store.read() as connection:
        settings = read_settings(connection)
        items = project.list_items(connection)
        practice = _read_practice(connection, items, person.name, settings)
    return {
        "done": practice.num_done,
        "images": practice.num_images,
        "iou": practice.iou if settings.shows_metrics else None,
        "least_iou": practice.least_iou,
        "is_passed": practice.is_passed,
    }


def find_next(project: Project, person: Person) -> Item:
    """The next work of a person, a copy that may have been made for it.

    Raises:
        StudioError: 404, there is none.
    """
    with project.store.write() as connection:
        settings = read_settings(connection)
        items = project.list_items(connection)
        mine = [i for i in items if i.annotator == person.name and i.state in EDITABLE]
        if mine:
            return min(mine, key=lambda item: (item.state != "returned", -item.priority))
        if person.name != LOCAL and (waiting := _list_waiting(items, person)):
            return max(waiting, key=lambda item: (item.state == "in_review", item.priority))
        if not settings.copies:
            return _choose_free(items, person, time.time())
        return _make_copy(project, connection, items, person.name, settings)


def _list_waiting(items: Sequence[Item], person: Person) -> list[Item]:
    """What a reviewer has begun to review, and what others have submitted."""
    if not person.may("reviewer"):
        return []
    images = [i for i in items if i.source_id is None and i.annotator != person.name]
    return [
        i
        for i in images
        if i.state == "submitted" or (i.state == "in_review" and i.reviewer == person.name)
    ]


def _choose_free(items: Sequence[Item], person: Person, now_s: float) -> Item:
    """An image that is nobody's, and that nobody else has open for painting if there is one."""
    free = [i for i in items if i.annotator is None and i.state in EDITABLE]
    if not free:
        raise StudioError(404, "there is no more work; all images are somebody's")

    def rank(item: Item) -> tuple[bool, float, int]:
        is_held = item.lease_person not in (None, person.name) and item.lease_until > now_s
        return not is_held, item.priority, -item.id

    return max(free, key=rank)


def _make_copy(
    project: Project,
    connection: Connection,
    items: Sequence[Item],
    name: str,
    settings: Settings,
) -> Item:
    by_id = {item.id: item for item in items}
    mine = [i for i in items if i.source_id is not None and i.annotator == name]
    references = [r for r in list_references(connection) if r.item_id in by_id]
    is_passed = _read_practice(connection, items, name, settings).is_passed
    practice = None if is_passed else _find_practice(references, mine)
    gold = None if practice else _find_gold(connection, references, items, mine, name, settings)
    reference = practice or gold
    if reference is not None:
        source, kind, rev = by_id[reference.item_id], reference.kind, reference.rev
    else:
        source, kind, rev = _choose_source(items, mine, settings), "copy", 0
    number = stored.add_copy(connection, source, kind, name, source_rev=rev)
    # the log of an image names no kind: annotators read it
    add_event(connection, "copy", {"annotator": name}, actor=name, item_id=number)
    return project.find_item(connection, number)


def _find_practice(references: Sequence[Reference], mine: Sequence[Item]) -> Reference | None:
    """The practice image that a person has tried least."""
    tried = Counter(i.source_id for i in mine if i.kind == "practice")
    practice = [r for r in references if r.kind == "practice"]
    return min(practice, key=lambda r: tried[r.item_id], default=None)


def _read_practice(
    connection: Connection, items: Sequence[Item], name: str, settings: Settings
) -> Practice:
    source_by_copy = {i.id: i.source_id for i in items if i.annotator == name}
    known = {item.id for item in items}
    wanted = {
        r.item_id
        for r in list_references(connection)
        if r.kind == "practice" and r.item_id in known
    }
    last = {
        source_by_copy.get(score.item_id): score.counts
        for score in list_scores(connection)
        if (score.kind, score.person) == ("practice", name)
    }
    tries = [counts for source, counts in last.items() if source in wanted]
    return Practice(
        num_done=len(tries),
        num_images=len(wanted),
        iou=estimate_iou(tries).value if tries else None,
        least_iou=settings.practice_iou,
    )


def _find_gold(
    connection: Connection,
    references: Sequence[Reference],
    items: Sequence[Item],
    mine: Sequence[Item],
    name: str,
    settings: Settings,
) -> Reference | None:
    position = sum(item.kind != "practice" for item in mine)
    if not _is_gold_due(_read_seed(connection), name, position, settings):
        return None
    seen = {item.source_id for item in mine}
    painted = {item.id for item in items if item.annotator == name}
    gold = [r for r in references if r.kind == "gold" and r.item_id not in seen | painted]
    exposures = Counter(item.source_id for item in items if item.kind == "gold")
    return min(gold, key=lambda r: exposures[r.item_id], default=None)


def _is_gold_due(seed: str, name: str, position: int, settings: Settings) -> bool:
    """Whether the image at a position of a person's stream is gold."""
    block, place = divmod(position, _BLOCK)
    number = settings.gold_later if block else settings.gold_first
    digest = hashlib.sha256(f"{seed} {name} {block}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    return place in rng.permutation(_BLOCK)[:number]


def _read_seed(connection: Connection) -> str:
    seed = read_meta(connection, _SEED)
    if seed is None:
        seed = secrets.token_hex(16)
        write_meta(connection, _SEED, seed)
    return seed


def _choose_source(items: Sequence[Item], mine: Sequence[Item], settings: Settings) -> Item:
    """The image with the highest priority that needs a copy; begun ones are completed first."""
    copies = Counter(item.source_id for item in items if item.kind == "copy")
    seen = {item.source_id for item in mine}
    open_ones = [
        i
        for i in items
        if i.kind == stored.POOL
        and i.state != "accepted"
        and i.id not in seen
        and copies[i.id] < settings.copies
    ]
    if not open_ones:
        raise StudioError(404, "there is no more work for you now")
    return max(open_ones, key=lambda item: (item.priority, copies[item.id], -item.id))
