"""Bulk: one step for many images; each is done or refused by itself."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from ..store.items import Item
from .copies import follow_step
from .errors import StudioError
from .models import Body
from .people import Person
from .project import Project
from .states import STEPS, change_state

BulkVerb = Literal["accept", "return"]


class Seen(Body):
    """An image at the revision that a person saw."""

    item: int
    rev: Annotated[int, Field(ge=0)]


class Bulk(Body):
    """A step for many images."""

    verb: BulkVerb
    items: Annotated[tuple[Seen, ...], Field(min_length=1, max_length=100_000)]


def take_steps(
    project: Project, bulk: Bulk, person: Person
) -> tuple[list[Item], list[Item], list[str]]:
    """Take a step for each image; those that took it, others that changed, and refusals.

    Images that are not in a state from which the step leads are passed over.
    """
    done: list[Item] = []
    others: list[Item] = []
    refused: list[str] = []
    for seen in bulk.items:
        try:
            if not _is_open(project, seen.item, bulk.verb):
                continue
            item = change_state(project, seen.item, bulk.verb, seen.rev, person)
        except StudioError as error:
            refused.append(str(error))
            continue
        done.append(item)
        others += follow_step(project, item, bulk.verb)
    return done, others, refused


def _is_open(project: Project, number: int, verb: BulkVerb) -> bool:
    with project.store.read() as connection:
        return project.find_item(connection, number).state in STEPS[verb].sources


def describe_refusals(refused: Sequence[str]) -> list[str]:
    """The first refusals, and how many there are more."""
    most = 5
    rest = len(refused) - most
    return [*refused[:most], *([f"and {rest} more"] if rest > 0 else [])]
