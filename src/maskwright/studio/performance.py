"""Performance of people: scores, speed and returns of each, over all time and by week.

Speed is active time: gaps of more than 60 s between two edits of a person do not count.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..store import items as stored
from ..store.chain import Event, list_events
from ..store.database import Connection
from ..store.judgements import Score, list_scores
from .fatigue import Sessions
from .judging import estimate_iou, score_sums
from .people import Person
from .project import Project
from .settings import read_settings

IDLE_S = 60.0
LEAST_GOLD = 8
"""Nobody is judged by fewer gold images."""


_NOT_PAINTED = ("consensus", "import")
"""Tools of edits that are nobody's work."""


@dataclass
class Work:
    """What one person did in a span of time."""

    scores: list[Score] = field(default_factory=list)
    edits: int = 0
    undos: int = 0
    active_s: float = 0.0
    submitted: set[int] = field(default_factory=set)
    steps: Counter[str] = field(default_factory=Counter)

    def to_json(self, hidden: str = "") -> dict[str, object]:
        """Numbers, but for one kind of scores; None where there is nothing to divide by."""
        images = len(self.submitted)
        return {
            "images": images,
            "active_s": round(self.active_s),
            "seconds_per_image": round(self.active_s / images, 1) if images else None,
            "edits": self.edits,
            "undo_share": self.undos / self.edits if self.edits else None,
            "returned_share": self.steps["return"] / self.steps["submit"]
            if self.steps["submit"]
            else None,
            "scores": {
                kind: score_sums([s.counts for s in self.scores if s.kind == kind])
                for kind in sorted({score.kind for score in self.scores} - {hidden})
            },
        }


def measure_people(project: Project, person: Person) -> list[dict[str, object]]:
    """The numbers of each person; those who are not managers see the own ones alone.

    Where the settings hide numbers, annotators see none. What a person sees of itself has no
    scores of gold, and is not judged.
    """
    with project.store.read() as connection:
        settings = read_settings(connection)
        is_manager = person.may("manager")
        if not (is_manager or settings.shows_metrics):
            return []
        works, sessions = _collect(connection)
    people = sorted({name for name, _ in works})
    shown = people if is_manager else [name for name in people if name == person.name]
    described = []
    for name in shown:
        row = _describe(name, works, settings.gold_iou, is_manager=is_manager)
        scores = [s for s in works[name, ""].scores if is_manager or s.kind != "gold"]
        described.append({**row, "fatigue": sessions[name].to_json(scores)})
    return described


def _describe(
    name: str, works: dict[tuple[str, str], Work], gold_iou: float, *, is_manager: bool
) -> dict[str, object]:
    whole = works[name, ""]
    hidden = "" if is_manager else "gold"
    weeks = sorted(
        ((week, work) for (n, week), work in works.items() if n == name and week),
        key=lambda pair: pair[0],
    )
    described: dict[str, object] = {
        "name": name,
        "overall": whole.to_json(hidden),
        "weeks": {week: work.to_json(hidden) for week, work in weeks},
    }
    if is_manager:
        described["gold"] = judge(whole.scores, gold_iou)
    return described


def judge(scores: Sequence[Score], least_iou: float) -> dict[str, object]:
    """Whether a person passes: by the lower end of the interval over gold images.

    With fewer than 8, nobody is judged. Where all are equally right, the value itself counts.
    """
    gold = [score.counts for score in scores if score.kind == "gold"]
    if len(gold) < LEAST_GOLD:
        return {"num": len(gold), "low": None, "passes": None}
    estimate = estimate_iou(gold)
    low = estimate.value if estimate.low is None else estimate.low
    return {"num": len(gold), "low": low, "passes": low is not None and low >= least_iou}


def _collect(
    connection: Connection,
) -> tuple[dict[tuple[str, str], Work], dict[str, Sessions]]:
    """The work of each person and week, the empty week is all time, and the sessions."""
    works: dict[tuple[str, str], Work] = defaultdict(Work)
    sessions: dict[str, Sessions] = defaultdict(Sessions)
    owner = {item.id: item.annotator for item in stored.list_items(connection)}
    last: dict[str, datetime] = {}
    for event in list_events(connection):
        if event.document.get("tool") in _NOT_PAINTED:
            continue
        if event.verb in ("edit", "submit", "return"):
            name = owner.get(event.item_id or 0) if event.verb == "return" else event.actor
            if name:
                active_s = _add_event(_pick(works, name, event.at), event, last)
                _add_to_session(sessions[name], event, active_s)
    for score in list_scores(connection):
        for work in _pick(works, score.person, score.at):
            work.scores.append(score)
    return works, sessions


def _add_to_session(session: Sessions, event: Event, active_s: float) -> None:
    at = datetime.fromisoformat(event.at)
    if event.verb == "edit":
        session.add_edit(at, active_s)
    elif event.verb == "submit" and event.item_id is not None:
        session.add_submit(at, event.item_id)


def _pick(works: dict[tuple[str, str], Work], name: str, at: str) -> tuple[Work, Work]:
    year, week, _ = datetime.fromisoformat(at).isocalendar()
    return works[name, ""], works[name, f"{year}-W{week:02}"]


def _add_event(works: Iterable[Work], event: Event, last: dict[str, datetime]) -> float:
    """Count an event; the active seconds that it took."""
    at = datetime.fromisoformat(event.at)
    gap_s = (at - last[event.actor]).total_seconds() if event.actor in last else IDLE_S + 1
    is_edit = event.verb == "edit"
    active_s = gap_s if is_edit and 0 <= gap_s <= IDLE_S else 0.0  # a clock may be set back
    if is_edit:
        last[event.actor] = at
    for work in works:
        work.steps[event.verb] += 1
        work.edits += is_edit
        work.undos += is_edit and "undoes" in event.document
        work.active_s += active_s
        if event.verb == "submit" and event.item_id is not None:
            work.submitted.add(event.item_id)
    return active_s
