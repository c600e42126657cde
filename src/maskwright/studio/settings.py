"""Settings of a project that managers choose on the page; the log keeps each change."""

from typing import Annotated, Literal

from pydantic import Field

from ..quality.votes import MOST_ANNOTATORS
from ..store import items as stored
from ..store.chain import add_event
from ..store.database import Connection, read_meta, write_meta
from .models import Body
from .project import Project

_NAME = "settings"
_Share = Annotated[float, Field(ge=0, le=1)]


class Settings(Body):
    """How a project is labelled.

    With `copies` above 0, annotators get their work one by one: that many of them label a copy
    of each image, and a consensus of the copies is reviewed. `majority` needs `quorum` votes,
    of which `share` agree; `staple` a posterior of `least_posterior`. Of the first 20 images
    that an annotator gets, `gold_first` are gold; of each further 20, `gold_later`. `gold_iou`
    and `practice_iou` are the mean IoU to reach. Borders are right within `tolerance_px`.
    """

    copies: Annotated[int, Field(ge=0, le=MOST_ANNOTATORS)] = 0
    method: Literal["majority", "staple"] = "majority"
    quorum: Annotated[int, Field(ge=1, le=MOST_ANNOTATORS)] = 2
    share: _Share = 2 / 3
    least_posterior: _Share = 0.0
    gold_first: Annotated[int, Field(ge=0, le=10)] = 3
    gold_later: Annotated[int, Field(ge=0, le=10)] = 1
    gold_iou: _Share = 0.7
    practice_iou: _Share = 0.7
    tolerance_px: Annotated[int, Field(ge=1, le=100)] = 3
    shows_metrics: bool = True


def read_settings(connection: Connection) -> Settings:
    """The settings of a project; the defaults where nobody chose any."""
    return Settings.model_validate_json(read_meta(connection, _NAME) or "{}")


def change_settings(project: Project, settings: Settings, actor: str) -> None:
    """Choose settings; images that nobody began become copies, or are themselves labelled."""
    with project.store.write() as connection:
        before = read_settings(connection)
        write_meta(connection, _NAME, settings.model_dump_json())
        kind = stored.POOL if settings.copies else None
        for item in list(stored.list_items(connection)):
            is_source = item.source_id is None and item.annotator is None
            if is_source and item.kind != kind and item.state != "accepted":
                stored.change_item(connection, item.id, kind=kind)
        document = {"before": before.model_dump(), "after": settings.model_dump()}
        add_event(connection, "settings", document, actor=actor)
