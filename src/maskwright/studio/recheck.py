"""Recheck: the latest work of a person who fails the gold images is reviewed first.

That is all work since the last gold image that the person passed; its images get the highest
priority. Nobody is told which images were gold.
"""

from ..store import items as stored
from ..store.chain import add_event, list_events
from ..store.database import Connection
from ..store.items import Item
from ..store.judgements import list_scores
from .judging import estimate_iou
from .people import LOCAL
from .performance import judge


def review_first(connection: Connection, person: str, least_iou: float) -> list[Item]:
    """Put the images of a person who fails before all others; those images."""
    scores = [s for s in list_scores(connection) if (s.kind, s.person) == ("gold", person)]
    if judge(scores, least_iou)["passes"] is not False:
        return []
    passed = [s.at for s in scores if (estimate_iou([s.counts]).value or 0.0) >= least_iou]
    since = max(passed, default="")
    submitted = {
        event.item_id
        for event in list_events(connection, verb="submit")
        if event.actor == person and event.at >= since
    }
    items = {item.id: item for item in stored.list_items(connection)}
    sources = sorted(
        {
            items[number].source_id or 0
            for number in submitted
            if number in items and items[number].kind == "copy"
        }
    )
    waiting = [n for n in sources if n in items and items[n].state != "accepted"]
    first = max((item.priority for item in items.values()), default=0.0) + 1
    for number in waiting:
        stored.change_item(connection, number, priority=first, reason="gold")
    if waiting:
        document = {"person": person, "items": waiting}
        add_event(connection, "recheck", document, actor=LOCAL)
    found = (stored.find_item(connection, number) for number in waiting)
    return [item for item in found if item is not None]
