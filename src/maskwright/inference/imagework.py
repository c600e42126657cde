"""Predict one image and write its files: the part of `predict` that each image needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, MissingDependencyError
from ..core.journal import describe_content
from ..core.results import FailedInput
from ..core.versioned import Document
from ..data.opening.stratify import count_pixels
from ..data.pixels.imagefile import ImageFile
from ..data.pixels.imageref import ImageRef
from ..data.pixels.images import open_image
from .area import ImageArea
from .bands import plan_bands, predict_bands
from .folds import FoldPredictors
from .outputs import ImageOutputs, PredictedImage
from .predictor import Predictor
from .probabilities import PROBABILITIES
from .remarks import OUTSIDE, find_traits
from .tiling import TilePlan
from .volumes import UNCERTAINTY, is_slice


@dataclass(frozen=True, slots=True)
class ImageWork:
    """Predicts images with a model and writes the outputs of each."""

    model: Predictor | FoldPredictors
    outputs: ImageOutputs

    def __call__(self, key: str, image: ImageRef) -> Document | FailedInput:
        """Predict one image; returns what the journal keeps of it, or why it failed.

        Raises:
            BundleError: The model's logits are NaN or infinite.
            OSError: A file cannot be written.
        """
        model = self.model
        model = model.choose(key) if isinstance(model, FoldPredictors) else model
        try:
            content = describe_content(image.files)
            opened = open_image(image)
            model.card.input.require_modality(opened.modality, where=str(image))
            plan = plan_bands(model, opened, self.outputs.to, self.outputs.kinds)
            aoi = self.outputs.to.area
            area = None if aoi is None else aoi.place(opened)
            if plan is None:
                found = self._predict_whole(model, key, opened, area)
            else:
                found = self._predict_bands(model, plan, key, opened, area, content)
        except (DataError, MissingDependencyError) as error:
            return FailedInput(str(image), _name_image(image, error))
        if area is not None and area.misses(opened.size_HW):
            found["traits"] = [*found.get("traits", ()), OUTSIDE]
        return {"key": key, "read": content} | found

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
        traits = find_traits(*done.sample, model.card, size_HW=opened.size_HW)
        return _describe(done.counts_C, traits)


def _describe(counts_C: NDArray[np.int64], traits: Sequence[str]) -> Document:
    found: Document = {"pixels": counts_C.tolist()}
    return found | ({"traits": traits} if traits else {})


def _name_image(image: ImageRef, error: Exception) -> str:
    """The message of an error on an image, which begins with the name of the image."""
    return str(error) if isinstance(error, DataError) else f"{image}: {error}"
