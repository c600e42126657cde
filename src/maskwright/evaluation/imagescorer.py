"""ImageScorer: predicts and counts one image of a dataset, here or in a worker."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from ..core.errors import DataError
from ..core.labels import LabelMap
from ..core.sample import Sample
from ..data.dataset import Dataset
from ..data.pixels.alignment import describe_place
from ..inference.predictor import Predictor
from ..inference.resolution import planes
from ..metrics.family import ModelOutput, ScoredImage
from .counting import Counted, Scoring
from .slices import Attributes, bin_brightness


class ScoredSample(NamedTuple):
    """One image with its prediction, and what it adds to a report.

    Of several slices the sample has the one that is labelled.
    """

    sample: Sample
    image: ScoredImage
    counted: Counted


@dataclass(frozen=True, slots=True)
class ImageScorer:
    """Scores single images; `dataset` has the channels that the model takes."""

    model: Predictor
    dataset: Dataset
    scoring: Scoring
    listed: Attributes

    def score_all(self) -> Iterator[ScoredSample]:
        """Score all images, one after the other."""
        return map(self.score, range(len(self.dataset)))

    def score(self, index: int) -> ScoredSample:
        """Predict one image at its own size, and count it.

        Raises:
            DataError: It cannot be read, or is not of the modality of the model.
        """
        sample, truth_HW = self._read(index)
        file, where = self.dataset.image_file(index), self.dataset.describe(index)
        if file is not None:
            self.model.card.input.require_modality(file.modality, where=where)
        spacing_mm_HW = None if file is None else file.spacing_mm_HW
        labels_HW, output = self._predict(sample, spacing_mm_HW, where)
        image = ScoredImage.from_labels(
            sample.key, truth_HW, labels_HW, self._num_classes, model=output
        )
        sample = self._select_slice(sample)
        return ScoredSample(sample, image, self._count(index, image, sample))

    def _predict(
        self, sample: Sample, spacing_mm_HW: tuple[float, float] | None, where: str
    ) -> tuple[LabelMap, ModelOutput | None]:
        """The class map, and the output of a model that gives logits."""
        image_HWC, valid_HW = sample.image_HWC, sample.valid_HW
        if not self.model.gives_logits:
            return self.model.label(image_HWC, valid_HW, where=where), None
        logits = self.model.logits(image_HWC, valid_HW, where=where)
        decision = self.model.decide(
            logits, image_HWC, valid_HW, spacing_mm_HW=spacing_mm_HW, where=where
        )
        output = ModelOutput(decision=decision, planes=partial(planes, decision.logits))
        return decision.labels_HW, output

    def restore(self, index: int, predicted_HW: LabelMap, counted: Counted) -> ScoredSample:
        """The result of `score` of another process, without the output of the model."""
        sample, truth_HW = self._read(index)
        image = ScoredImage.from_labels(sample.key, truth_HW, predicted_HW, self._num_classes)
        return ScoredSample(self._select_slice(sample), image, counted)

    @property
    def _num_classes(self) -> int:
        return len(self.model.card.labels)

    def _read(self, index: int) -> tuple[Sample, LabelMap]:
        sample = self.dataset[index]
        if sample.labels_HW is None:
            raise DataError(f"{self.dataset.describe(index)}: has no mask")
        return sample, sample.labels_HW

    def _select_slice(self, sample: Sample) -> Sample:
        """The sample with the slice that is predicted alone, without its neighbours."""
        return replace(sample, image_HWC=self.model.card.input.select_slice(sample.image_HWC))

    def _count(self, index: int, image: ScoredImage, sample: Sample) -> Counted:
        """The counts of one image, in its group and its slices."""
        brightness = {"brightness": bin_brightness(sample.image_HWC)}
        return Counted.from_image(
            image,
            self.scoring.count(image),
            group=self.listed.groups[sample.key],
            attributes=brightness | dict(self.listed.values.get(sample.key, {})),
            place=describe_place(self.dataset.mask_file(index)),
        )
