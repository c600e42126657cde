"""Predict one image and write its files: the part of `predict` that each image needs."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, MissingDependencyError
from ..core.journal import describe_content
from ..core.results import FailedInput
from ..core.threads import Allowance, count_cores, map_in_order
from ..core.versioned import Document
from ..data.opening.stratify import count_pixels
from ..data.pixels.imagefile import ImageFile
from ..data.pixels.imageref import ImageRef
from ..data.pixels.images import open_image
from .area import ImageArea
from .bands import plan_bands, predict_bands
from .folds import FoldPredictors
from .need import LARGE_PX
from .observe import observe
from .outputs import MOSAIC, ImageOutputs, PredictedImage
from .predictor import Predictor
from .probabilities import PROBABILITIES
from .remarks import OUTSIDE, TILED, find_traits
from .tiling import TilePlan
from .volumes import UNCERTAINTY, is_slice

_MANY_PER_CORE = 2
"""Images per core from which on it is worth to open the model a second time."""

Result = Document | FailedInput
"""What the journal keeps of an image, or why it failed."""


@dataclass(frozen=True, slots=True)
class ImageWork:
    """Predicts images with a model and writes the outputs of each.

    Images run side by side in one thread per core, so that reading, scaling, deciding and
    writing overlap with the engine; that of `serial`, where given, runs each in one thread.
    Together they take no more pixels than one image may have that is not cut into tiles. An
    image of more, or of tiles, runs alone, in its turn and in the thread of the caller, where
    an interrupt ends it at once.
    """

    model: Predictor | FoldPredictors
    outputs: ImageOutputs
    pixels: Allowance
    num_threads: int | None = None
    serial: Predictor | None = None

    @classmethod
    def begin(
        cls,
        model: Predictor | FoldPredictors,
        outputs: ImageOutputs,
        *,
        num_threads: int | None = None,
        serial: Predictor | None = None,
    ) -> Self:
        """The work of one run, in one thread per core unless a number is given."""
        pixels = Allowance(min(model.tiling.most_px, LARGE_PX))
        return cls(model, outputs, pixels, num_threads, serial)

    def run(self, images: Iterable[tuple[str, ImageRef]]) -> Iterator[tuple[str, Result]]:
        """Yield the key and the result of each image, in order.

        Raises:
            BundleError: The model's logits are NaN or infinite.
            OSError: A file cannot be written.
        """
        in_turn = MOSAIC in self.outputs.kinds  # images lie over each other in their order
        begun = (
            map(self._begin, images)
            if in_turn
            else map_in_order(self._begin, images, num_threads=self.num_threads)
        )
        for key, found in begun:
            yield key, found() if callable(found) else found

    def _begin(self, item: tuple[str, ImageRef]) -> tuple[str, Result | Callable[[], Result]]:
        """The result of an image, or for one that runs alone a call that gives it."""
        key, image = item
        model = self.model
        model = model.choose(key) if isinstance(model, FoldPredictors) else model
        with _listing_failures(image) as failed:
            content = describe_content(image.files)
            opened = open_image(image)
            model.card.input.require_modality(opened.modality, where=str(image))
            num_px = _count_pixels(model, opened)
            if num_px >= self.pixels.total:
                return key, partial(self._finish, model, key, opened, content, num_px)
            return key, self._finish(self.serial or model, key, opened, content, num_px)
        return key, failed[0]

    def _finish(
        self,
        model: Predictor,
        key: str,
        opened: ImageFile,
        content: object,
        num_px: float,
    ) -> Result:
        """Predict one image and write its files."""
        aoi = self.outputs.to.area
        with _listing_failures(opened.ref) as failed, self.pixels.hold(num_px):
            area = None if aoi is None else aoi.place(opened)
            found = self._predict(model, key, opened, area, content)
            if area is not None and area.misses(opened.size_HW):
                found["traits"] = [*found.get("traits", ()), OUTSIDE]
            return {"key": key, "read": content} | found
        return failed[0]

    def _predict(
        self,
        model: Predictor,
        key: str,
        opened: ImageFile,
        area: ImageArea | None,
        content: object,
    ) -> Document:
        plan = plan_bands(model, opened, self.outputs.to, self.outputs.kinds)
        if plan is None:
            return self._predict_whole(model, key, opened, area)
        return self._predict_bands(model, plan, key, opened, area, content)

    def _predict_whole(
        self, model: Predictor, key: str, opened: ImageFile, area: ImageArea | None
    ) -> Document:
        """Predict an image in memory; returns what the journal keeps of it."""
        kinds = self.outputs.kinds
        image_HWC, data_HW = opened.read_data()
        valid_HW = data_HW if area is None else area.restrict(data_HW, opened.size_HW)
        prediction = model.predict(
            image_HWC,
            valid_HW,
            spacing_mm_HW=opened.spacing_mm_HW,
            uncertainty=bool(set(kinds) & set(UNCERTAINTY)),
            probabilities=bool(set(kinds) & set(PROBABILITIES)),
            where=str(opened.ref),
        )
        item = PredictedImage(
            key=key,
            image_HWC=model.card.input.select_slice(image_HWC),
            prediction=prediction,
            tags=opened.geotags,
            is_slice=is_slice(opened.ref),
        )
        for writer in self.outputs.writers:
            writer.write(item)
        counts_C = count_pixels(prediction.labels_HW, len(model.card.labels))
        found = _describe(counts_C, find_traits(image_HWC, data_HW, model.card))
        if prediction.verdict is not None:
            found["reported"] = prediction.verdict.classes
        if self.outputs.observes:
            found["observation"] = observe(item, model.card.input).to_json()
        return found

    def _predict_bands(
        self,
        model: Predictor,
        plan: TilePlan,
        key: str,
        opened: ImageFile,
        area: ImageArea | None,
        content: object,
    ) -> Document:
        """Predict a large image by rows; returns what the journal keeps of it."""
        to, kinds = self.outputs.to, self.outputs.kinds
        done = predict_bands(model, plan, opened, key, to, kinds, content=content, area=area)
        traits = [TILED, *find_traits(*done.sample, model.card, size_HW=opened.size_HW)]
        return _describe(done.counts_C, traits)


def make_serial(model: Predictor | FoldPredictors, num_images: int) -> Predictor | None:
    """The model for images side by side, where there are several for each core."""
    if num_images < _MANY_PER_CORE * count_cores() or count_cores() == 1:
        return None
    if isinstance(model, FoldPredictors) or model.ensemble is not None:
        return None
    engine = model.engine.make_serial()
    return None if engine is None else replace(model, engine=engine)


def _count_pixels(model: Predictor, opened: ImageFile) -> float:
    """The pixels that an image takes, its own or those of the network; no limit for tiles."""
    spec = model.card.input
    if model.tiling.plan(model.engine, model.card, opened.size_HW) is not None:
        return math.inf
    return max(math.prod(opened.size_HW), math.prod(spec.network_size(opened.size_HW)))


def _describe(counts_C: NDArray[np.int64], traits: Sequence[str]) -> Document:
    found: Document = {"pixels": counts_C.tolist()}
    return found | ({"traits": traits} if traits else {})


@contextmanager
def _listing_failures(image: ImageRef) -> Iterator[list[FailedInput]]:
    """Yield a list, to which an error of the block on the image is added."""
    failed: list[FailedInput] = []
    try:
        yield failed
    except (DataError, MissingDependencyError) as error:
        text = str(error) if isinstance(error, DataError) else f"{image}: {error}"
        failed.append(FailedInput(str(image), text))
