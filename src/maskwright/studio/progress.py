"""Progress: how many images are in which state, were accepted by day, and when all will be."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from ..store.chain import list_events
from .project import Project

_WINDOW_DAYS = 14
"""The speed of the last two weeks says when the work ends."""


def measure_progress(project: Project, today: date) -> dict[str, object]:
    """States, images left at the end of each day with a step, and the projected end."""
    with project.store.read() as connection:
        items = [i for i in project.list_items(connection) if i.source_id is None]
        numbers = {item.id for item in items}
        steps = [
            (datetime.fromisoformat(event.at).date(), 1 if event.verb == "accept" else -1)
            for event in list_events(connection)
            if event.verb in ("accept", "reopen") and event.item_id in numbers
        ]
    left = sum(item.state != "accepted" for item in items)
    return {
        "states": dict(Counter(item.state for item in items)),
        "days": _count_left(steps, len(items)),
        "left": left,
        "end": project_end(steps, left, today),
    }


def _count_left(steps: Sequence[tuple[date, int]], total: int) -> list[dict[str, object]]:
    by_day: Counter[date] = Counter()
    for day, number in steps:
        by_day[day] += number
    rows = []
    for day in sorted(by_day):
        total -= by_day[day]
        rows.append({"day": day.isoformat(), "left": total})
    return rows


def project_end(steps: Sequence[tuple[date, int]], left: int, today: date) -> str | None:
    """The day on which the last image is accepted at the speed of the last two weeks.

    The speed is that since the first step in these weeks; None where it is not above 0.
    """
    recent = [(d, n) for d, n in steps if (today - d).days < _WINDOW_DAYS]
    number = sum(n for _, n in recent)
    if number <= 0:
        return None
    days = (today - min(day for day, _ in recent)).days + 1
    return (today + timedelta(days=-(-left * days // number))).isoformat()
