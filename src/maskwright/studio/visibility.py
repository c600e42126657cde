"""Who sees which image: an annotator sees the own work and what is nobody's.

So nobody copies from another one, and a copy that is made to judge a person looks like any
other work.
"""

from ..store.database import Connection
from ..store.items import POOL, Item
from .errors import StudioError
from .people import LOCAL, Person
from .project import Project


def sees(person: Person, item: Item) -> bool:
    """Whether a person sees an image; copies are seen by their annotator and by reviewers."""
    if person.name == LOCAL or person.may("reviewer"):
        return True
    if item.source_id is not None:
        return item.annotator == person.name
    if person.role == "annotator":
        is_free = item.annotator is None and item.kind != POOL and item.state != "accepted"
        return is_free or item.annotator == person.name
    return True


def find_visible(
    project: Project, connection: Connection, item_id: int, person: Person
) -> Item:
    """One image of the store; one that the person does not see is as if it were not there.

    Raises:
        StudioError: 404.
    """
    item = project.find_item(connection, item_id)
    if not sees(person, item):
        raise StudioError(404, f"no image has the number {item_id}")
    return item
