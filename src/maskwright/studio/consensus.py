"""Consensus: one class map of the copies of an image, as an edit that can be undone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.labels import IGNORE, LabelMap
from ..measurement.figures.finite import finite_or_none
from ..quality.agreement import krippendorffs_alpha, mean_kappa
from ..quality.majority import find_uncertainty, vote
from ..quality.staple import estimate
from ..quality.votes import Votes, count_votes
from ..store import items as stored
from ..store.chain import add_event, list_events
from ..store.database import Connection
from ..store.items import Item
from ..store.judgements import set_score
from .editing import replace_map
from .errors import StudioError
from .history import read_map_at
from .judging import count_errors
from .project import Project
from .settings import Settings

DONE = ("submitted", "accepted")


@dataclass(frozen=True, slots=True)
class _Merged:
    labels_HW: LabelMap
    details: Mapping[str, object]


def merge(project: Project, source_id: int, settings: Settings, actor: str) -> Item:
    """Make the consensus of all copies the class map of their image, which is then submitted.

    Raises:
        StudioError: 409, a copy is not submitted, there is none, or the image is accepted.
    """
    project.open_item(source_id)
    with project.store.write() as connection:
        source = project.find_item(connection, source_id)
        copies = stored.list_copies(connection, source_id, "copy")
        waiting = [copy for copy in copies if copy.state not in DONE]
        if not copies or waiting or source.state == "accepted":
            raise StudioError(
                409,
                f"{source.key}: {len(waiting)} of {len(copies)} copies are not submitted, and "
                f"the image is {source.state}",
                {"why": "state"},
            )
        maps = [project.read_map(connection, copy) for copy in copies]
        num_classes = len(project.spec)
        merged = _merge_maps(
            maps, [copy.annotator or "" for copy in copies], num_classes, settings
        )
        inputs = [[copy.id, copy.rev, copy.annotator] for copy in copies]
        document = {"tool": "consensus", "inputs": inputs, **merged.details}
        replace_map(connection, source, merged.labels_HW, document, actor)
        stored.change_item(connection, source_id, state="submitted")
        add_event(connection, "merge", {"inputs": inputs}, actor=actor, item_id=source_id)
        _score_each(connection, copies, maps, num_classes, settings)
        return project.find_item(connection, source_id)


def _merge_maps(
    maps: Sequence[LabelMap], people: Sequence[str], num_classes: int, settings: Settings
) -> _Merged:
    votes = count_votes(maps)
    details: dict[str, object] = {
        "method": settings.method,
        "alpha": finite_or_none(round(krippendorffs_alpha(votes, num_classes), 4)),
        "kappa": finite_or_none(round(mean_kappa(votes, num_classes), 4)),
    }
    if settings.method == "staple":
        found = estimate(votes, num_classes)
        decided_T = found.decide(settings.least_posterior)
        details["least_posterior"] = settings.least_posterior
        details["sensitivity"] = {
            name: np.diagonal(theta_CC).round(4).tolist()
            for name, theta_CC in zip(people, found.theta_KCC, strict=True)
        }
    else:
        decided_T = _decide(votes, num_classes, settings)
        details |= {"quorum": settings.quorum, "share": settings.share}
    details["undecided_px"] = int(votes.counts_T[decided_T == IGNORE].sum())
    return _Merged(votes.paint(decided_T), details)


def _decide(votes: Votes, num_classes: int, settings: Settings) -> NDArray[np.uint8]:
    """By majority; the quorum is at most the number of those who were asked."""
    quorum = min(settings.quorum, votes.tuples_TK.shape[1])
    return vote(votes, num_classes, quorum=quorum, share=settings.share)


def _score_each(
    connection: Connection,
    copies: Sequence[Item],
    maps: Sequence[LabelMap],
    num_classes: int,
    settings: Settings,
) -> None:
    """Score each copy by the consensus of the others: its own vote would raise its score."""
    if len(copies) < 2:
        return
    for k, copy in enumerate(copies):
        votes = count_votes([*maps[:k], *maps[k + 1 :]])
        truth_HW = votes.paint(_decide(votes, num_classes, settings))
        counts = count_errors(truth_HW, maps[k], num_classes, settings.tolerance_px)
        set_score(connection, copy.id, "consensus", copy.annotator or "", counts)


def read_uncertainty(project: Project, source: Item) -> NDArray[np.float64]:
    """Where the copies of the last consensus of an image differ, in [0, 1], (H, W).

    Raises:
        StudioError: 404, the image has no consensus.
    """
    with project.store.read() as connection:
        merges = list(list_events(connection, item_id=source.id, verb="merge"))
        if not merges:
            raise StudioError(404, f"{source.key}: has no consensus of copies")
        maps = [
            read_map_at(connection, project.find_item(connection, number), rev)
            for number, rev, _ in merges[-1].document["inputs"]
        ]
    votes = count_votes(maps)
    uncertainty_HW: NDArray[np.float64] = find_uncertainty(votes, len(project.spec))[
        votes.index_HW
    ]
    return uncertainty_HW
