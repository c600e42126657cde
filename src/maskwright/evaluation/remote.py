"""Evaluate on the workers of a cluster: they run the model and count, this process sums.

A worker answers with the counts of its images and with their class maps as PNG. They are added
here in the order of the images, so that the report is that of one process, byte for byte. The
images and masks are read here too, for the pictures of the report and the errors by place.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from ..core.errors import DataError
from ..core.labels import LabelMap
from ..data.dataset import Dataset
from ..inference.engine import EngineOptions
from ..inference.predictor import Predictor
from ..metrics.family import ScoreDetail
from .counting import Counted, Scoring
from .imagescorer import ImageScorer, ScoredSample
from .slices import Attributes

_MOST_IMAGES = 16
"""Images that a worker takes at once."""


@dataclass(frozen=True, slots=True)
class ImagePart:
    """Some images of a dataset, by index."""

    index: int
    images: range


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """What a worker answers of one image: its counts, and its class map as PNG."""

    counted: Counted
    labels_png: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationWork:
    """What a worker has to know to score images; see `inference.cluster.RemoteWork`."""

    open_model: Callable[..., Predictor]
    dataset: Dataset
    detail: ScoreDetail
    listed: Attributes
    start_in: Path = field(default_factory=Path.cwd)

    def begin(
        self,
        options: EngineOptions,
        *,
        num_threads: int,  # noqa: ARG002 - images are scored one after the other
    ) -> Callable[[ImagePart], tuple[int, list[RemoteImage]]]:
        """Open the model in the process of a worker; the result scores a part."""
        model = self.open_model(options=options)
        scoring = Scoring.from_detail(self.detail, has_logits=model.gives_logits)
        return partial(_score_part, ImageScorer(model, self.dataset, scoring, self.listed))

    def give_up(self, part: ImagePart, *, num_deaths: int) -> Any:
        """Refuse to score without the images of a part."""
        first, last = (self.dataset.describe(part.images[end]) for end in (0, -1))
        raise DataError(
            f"{first}: {num_deaths} workers in a row ended while they had it or one of the "
            f"{len(part.images)} images up to {last}, most often for lack of memory; evaluate "
            f"without --workers to see which, or use fewer workers"
        )


@dataclass(frozen=True, slots=True)
class Remote:
    """Workers: `run` gives the answers of parts in any order, as `RayWorkers` does.

    `open_model` opens the model in each of them.
    """

    open_model: Callable[..., Predictor]
    run: Callable[[EvaluationWork, Sequence[ImagePart]], Iterator[Any]]

    def score(self, scorer: ImageScorer) -> Iterator[ScoredSample]:
        """Score all images, and give them in their order."""
        number = len(scorer.dataset)
        starts = range(0, number, _MOST_IMAGES)
        parts = [
            ImagePart(index, range(start, min(start + _MOST_IMAGES, number)))
            for index, start in enumerate(starts)
        ]
        work = EvaluationWork(
            open_model=self.open_model,
            dataset=scorer.dataset,
            detail=scorer.scoring.detail,
            listed=scorer.listed,
        )
        early: dict[int, list[RemoteImage]] = {}
        next_part = 0
        for index, answers in self.run(work, parts):
            early[index] = answers
            while next_part in early:
                pairs = zip(parts[next_part].images, early.pop(next_part), strict=True)
                for image, answer in pairs:
                    labels_HW = _decode(answer.labels_png)
                    yield scorer.restore(image, labels_HW, answer.counted)
                next_part += 1


def _score_part(scorer: ImageScorer, part: ImagePart) -> tuple[int, list[RemoteImage]]:
    answers = []
    for index in part.images:
        scored = scorer.score(index)
        answers.append(RemoteImage(scored.counted, _encode(scored.image.predicted_HW)))
    return part.index, answers


def _encode(labels_HW: LabelMap) -> bytes:
    file = io.BytesIO()
    PillowImage.fromarray(labels_HW).save(file, format="PNG", compress_level=1)
    return file.getvalue()


def _decode(labels_png: bytes) -> LabelMap:
    with PillowImage.open(io.BytesIO(labels_png)) as image:
        return np.array(image, np.uint8)
