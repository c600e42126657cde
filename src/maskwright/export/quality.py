"""Quality: the scores of a network and of its graph on the same labelled images."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from zlib import compress, decompress

import numpy as np

from ..core.card import ModelCard
from ..core.confusion import Confusion
from ..core.errors import DataError
from ..core.graph import Quality
from ..core.labels import IGNORE, LabelMap
from ..core.progress import Progress
from ..core.scores import mean_iou
from ..data.protocol import Dataset
from ..inference.engine import Engine
from ..inference.predictor import Predictor
from ..metrics import boundary
from ..metrics.boundary import TOLERANCE
from ..metrics.counts import Counts


@dataclass(slots=True)
class _Scored:
    """Counts of one engine so far."""

    confusion: Confusion
    outlines: Counts = field(default_factory=dict)

    def add(self, truth_HW: LabelMap, labels_HW: LabelMap) -> None:
        num_classes = len(self.confusion.counts_CC)
        self.confusion += Confusion.from_labels(truth_HW, labels_HW, num_classes)
        counts = boundary.count(truth_HW, labels_HW, num_classes, tolerance=TOLERANCE)
        self.outlines = {n: a + self.outlines.get(n, 0) for n, a in counts.items()}

    @property
    def miou(self) -> float:
        return float(mean_iou(self.confusion))

    @property
    def boundary_f1(self) -> float | None:
        value = float(boundary.scores(self.outlines).overall["mean_boundary_f1"])
        return value if np.isfinite(value) else None


def choose_split(dataset: Dataset) -> tuple[Dataset, str]:
    """The validation images that graphs are scored on, with the name of their split.

    Of a dataset without that split, all images.
    """
    if "val" in dataset.splits:
        return dataset.subset("val"), "val"
    return dataset, "all images"


class QualityTest:
    """The labelled images of a split with the classes that the network predicts in them.

    The network runs once; each graph is scored against the same class maps, which are kept
    packed: about a hundredth of a byte per pixel.

    Raises DataError where the classes of the data are not those of the model, or an image has
    no labels.
    """

    def __init__(
        self, network: Engine, card: ModelCard, dataset: Dataset, split: str, progress: Progress
    ) -> None:
        _require_classes(card, dataset)
        self._card, self._dataset, self._split = card, dataset, split
        self._progress = progress
        self._network = _Scored(Confusion.zero(len(card.labels)))
        self._expected: list[bytes] = []
        for truth_HW, labels_HW in self._run(network, "the network"):
            self._expected.append(compress(labels_HW.tobytes(), 1))
            self._network.add(truth_HW, labels_HW)

    @property
    def network_miou(self) -> float:
        """What the network scores, in 0..1."""
        return self._network.miou

    def score(
        self, graph: Engine, *, what: str = "the graph", card: ModelCard | None = None
    ) -> Quality:
        """Score `graph` on the images, beside the network; `card` is its own, if it has one."""
        network, ours = self._network, _Scored(Confusion.zero(len(self._card.labels)))
        num_equal = num_pixels = 0
        runs = zip(self._run(graph, what, card), self._expected, strict=True)
        for (truth_HW, labels_HW), packed in runs:
            expected_HW = np.frombuffer(decompress(packed), np.uint8).reshape(truth_HW.shape)
            ours.add(truth_HW, labels_HW)
            num_equal += int((labels_HW == expected_HW).sum())
            num_pixels += labels_HW.size
        return Quality(
            split=self._split,
            num_images=len(self._expected),
            equal_pixel_share=num_equal / num_pixels,
            network_miou=network.miou,
            graph_miou=ours.miou,
            network_boundary_f1=network.boundary_f1,
            graph_boundary_f1=ours.boundary_f1,
        )

    def _run(
        self, engine: Engine, what: str, card: ModelCard | None = None
    ) -> Iterator[tuple[LabelMap, LabelMap]]:
        """Truth and prediction of each image; IGNORE in truth where an image has no data."""
        model = Predictor(engine, card or self._card, "")
        dataset, total = self._dataset, len(self._dataset)
        for index in self._progress(range(total), total=total, what=f"scoring {what}"):
            sample = dataset[index]
            if sample.labels_HW is None:
                raise DataError(f"{dataset.describe(index)}: has no mask")
            where = dataset.describe(index)
            labels_HW = model.label(sample.image_HWC, sample.valid_HW, where=where)
            truth_HW = np.where(labels_HW == IGNORE, np.uint8(IGNORE), sample.labels_HW)
            yield truth_HW, labels_HW


def _require_classes(card: ModelCard, dataset: Dataset) -> None:
    if card.labels.names != dataset.spec.names:
        raise DataError(
            f"{dataset.source}: has the classes {', '.join(dataset.spec.names)}, the model "
            f"{', '.join(card.labels.names)}; give data with the classes of the model, or map "
            f"its classes in dataset.yaml (--mapping)"
        )
