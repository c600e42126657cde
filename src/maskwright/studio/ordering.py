"""Order of work: a priority for each image that is not accepted, by one of five rules.

| order | first come |
|---|---|
| scores | the images with the highest number of a file |
| uncertainty | those of which the model is least sure: 1 - its mean confidence |
| disagreement | those whose labels it contradicts: its mean confidence where classes differ |
| rarity | those with a class that few images have: - log of the share of images with it |
| queue | as `queue.csv` in the folder has them, which `maskwright watch --relabel` writes |
| random | a permutation that the seed 0 draws |

Where maps are read or a model predicts, the work takes long: `LONG` has these rules.
"""

import csv
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.labels import IGNORE, LabelMap
from ..core.progress import Progress, silent
from ..store import items as stored
from ..store.chain import add_event
from ..store.items import Item
from .assist import Assistant
from .errors import StudioError
from .project import Project

Order = Literal["scores", "uncertainty", "disagreement", "rarity", "queue", "random"]

LONG: tuple[Order, ...] = ("uncertainty", "disagreement", "rarity")

_QUEUE = "queue.csv"


def order_items(
    project: Project,
    assistant: Assistant,
    order: Order,
    scores: Mapping[str, float],
    actor: str,
    progress: Progress = silent,
) -> int:
    """Give all images that are not accepted a priority; the number of images.

    Raises:
        StudioError: 422, scores are missing or of no image, or there is no model or queue.
    """
    with project.store.read() as connection:
        items = [i for i in project.list_items(connection) if i.source_id is None]
    found = _rate(project, assistant, order, items, scores, progress)
    with project.store.write() as connection:
        for item in items:
            stored.change_item(
                connection, item.id, priority=found.get(item.id, 0.0), reason=order
            )
        add_event(connection, "order", {"order": order, "images": len(found)}, actor=actor)
    return len(found)


def _rate(
    project: Project,
    assistant: Assistant,
    order: Order,
    items: Sequence[Item],
    scores: Mapping[str, float],
    progress: Progress,
) -> dict[int, float]:
    waiting = [item for item in items if item.state != "accepted"]
    if order == "scores":
        return _match_scores(waiting, scores)
    if order == "queue":
        return _match_scores(waiting, _read_queue(project))
    if order == "random":
        values = np.random.default_rng(0).permutation(len(waiting))
        return {item.id: float(v) for item, v in zip(waiting, values, strict=True)}
    rated = progress(waiting, total=len(waiting), what="rating images")
    if order == "rarity":
        return rate_rarity({i.id: set(np.unique(_read_map(project, i))) for i in rated})
    if order == "uncertainty":
        return {item.id: _rate_uncertainty(assistant, item) for item in rated}
    return {item.id: _rate_disagreement(project, assistant, item) for item in rated}


def _read_queue(project: Project) -> dict[str, float]:
    """Scores of keys that fall in the order of the queue.

    Keys of a queue have folders; those of a dataset join them by two underscores.
    """
    file = project.folder.parent / _QUEUE
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            keys = [row["key"] for row in csv.DictReader(stream)]
    except FileNotFoundError as error:
        raise StudioError(
            422, f"{file}: is not there; `maskwright watch --relabel` writes it with its images"
        ) from error
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise StudioError(422, f"{file}: is not a CSV file with a column key") from error
    return {key.replace("/", "__"): float(len(keys) - n) for n, key in enumerate(keys)}


def _match_scores(items: Sequence[Item], scores: Mapping[str, float]) -> dict[int, float]:
    by_key = {item.key: item.id for item in items}
    matched = {by_key[key]: value for key, value in scores.items() if key in by_key}
    if not matched:
        raise StudioError(
            422, f"none of {len(scores)} scores is of an image that is not accepted"
        )
    return matched


def rate_rarity(classes_by_item: Mapping[int, set[int]]) -> dict[int, float]:
    """- log of the share of images that have the rarest class of an image."""
    counts = np.zeros(256)
    for classes in classes_by_item.values():
        counts[list(classes)] += 1
    shares = counts / max(len(classes_by_item), 1)
    return {
        number: max((-float(np.log(shares[c])) for c in classes if c != IGNORE), default=0.0)
        for number, classes in classes_by_item.items()
    }


def rate_disagreement(
    labels_HW: LabelMap, predicted_HW: LabelMap, confidence_HW: NDArray[np.float32]
) -> float:
    """The mean over labelled pixels of the confidence where the prediction differs."""
    both_HW = (labels_HW != IGNORE) & (predicted_HW != IGNORE)
    if not both_HW.any():
        return 0.0
    wrong_HW = both_HW & (labels_HW != predicted_HW)
    return float(confidence_HW[wrong_HW].sum() / both_HW.sum())


def _rate_uncertainty(assistant: Assistant, item: Item) -> float:
    return 1.0 - float(assistant.predict(item.key).confidence_HW.mean())


def _rate_disagreement(project: Project, assistant: Assistant, item: Item) -> float:
    predicted = assistant.predict(item.key)
    labels_HW = _read_map(project, item)
    return rate_disagreement(labels_HW, predicted.labels_HW, predicted.confidence_HW)


def _read_map(project: Project, item: Item) -> LabelMap:
    """The present class map, or what the dataset has of an image that nobody opened."""
    if item.size_HW is None:
        try:
            return project.read_labels(item)
        except DataError:
            return np.full((1, 1), IGNORE, np.uint8)
    with project.store.read() as connection:
        return project.read_map(connection, item)
