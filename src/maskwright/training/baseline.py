"""The baseline of a model: observations of the validation images, which goes into its Bundle.

`drift` compares the images of today with it, and a service watches with it until it has a
reference of its own. Images of one group are one source; without groups all are one series.
"""

from pathlib import Path

from maskwright.core.atomic import write_text
from maskwright.core.decision import Decision
from maskwright.core.observation import Observation, format_observations
from maskwright.core.sample import Sample
from maskwright.data.dataset import Dataset
from maskwright.inference.observe import choose_pixels, measure_families
from maskwright.inference.predictor import Predictor


class Baseline:
    """Collects the observations of the images that `evaluate` predicts."""

    def __init__(self, model: Predictor, dataset: Dataset) -> None:
        self._card, self._model_id = model.card, model.model_id
        self._has_groups = len(set(dataset.groups)) < len(dataset)
        self._rows: list[Observation] = []

    def add(self, sample: Sample, decision: Decision) -> None:
        """Observe one more image."""
        labels_HW = decision.labels_HW
        families = measure_families(
            sample.image_HWC,
            labels_HW,
            decision.confidence_HW[choose_pixels(labels_HW.shape)],
            self._card.input,
            self._card.labels.names,
            features_D=decision.features_D,
        )
        source = sample.group if self._has_groups else ""
        row = Observation(
            key=sample.key, model=self._model_id, source=source, families=families
        )
        self._rows.append(row)

    def write(self, path: Path) -> None:
        """Write a line for each image."""
        write_text(path, format_observations(self._rows))
