"""Assignment: whose work an image is, one by one or many at once.

`group` keeps the images of a group with one person, the person with the fewest images gets
the next group; `round-robin` deals images out in the order of the list; `queue` deals them
out by priority, so that each person has an equal share of the urgent ones.
"""

from collections import defaultdict
from collections.abc import Sequence

from ..store import items as stored
from ..store.chain import add_event
from ..store.database import Connection
from ..store.items import Item
from ..store.people import find_user
from .errors import StudioError
from .project import Project

RULES = ("group", "round-robin", "queue")


def assign(
    project: Project, items: Sequence[int], people: Sequence[str], rule: str, actor: str
) -> list[Item]:
    """Make images the work of people by a rule, or without people that of nobody.

    Accepted images stay whose they are.

    Raises:
        StudioError: 404, no such image; 422, no such user, or one who may not paint.
    """
    with project.store.write() as connection:
        for name in people:
            user = find_user(connection, name)
            if user is None or user.role == "viewer":
                raise StudioError(422, f"{name!r} is not a user who paints")
        found = [project.find_item(connection, number) for number in items]
        free = [i for i in found if i.state != "accepted" and i.source_id is None]
        dealt = _deal(free, people, rule) if people else {i.id: None for i in free}
        for item in free:
            _assign(connection, item, dealt[item.id], actor)
        return [project.find_item(connection, item.id) for item in free]


def _assign(connection: Connection, item: Item, annotator: str | None, actor: str) -> None:
    stored.change_item(connection, item.id, annotator=annotator)
    if item.lease_person != annotator:  # a page that only showed it keeps nobody from painting
        stored.change_item(connection, item.id, lease_client=None, lease_until=0.0)
    document = {"before": item.annotator, "after": annotator}
    add_event(connection, "assign", document, actor=actor, item_id=item.id)


def _deal(items: Sequence[Item], people: Sequence[str], rule: str) -> dict[int, str | None]:
    if rule == "queue":
        items = sorted(items, key=lambda item: -item.priority)
    if rule != "group":
        return {item.id: people[n % len(people)] for n, item in enumerate(items)}
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.group].append(item)
    load = dict.fromkeys(people, 0)
    dealt: dict[int, str | None] = {}
    for group in sorted(groups.values(), key=len, reverse=True):
        person = min(load, key=load.__getitem__)
        load[person] += len(group)
        dealt |= {item.id: person for item in group}
    return dealt
