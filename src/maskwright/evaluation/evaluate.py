"""A model on a data set -> Report: one Confusion at source resolution, one image in memory."""

from typing import Any

from ..core.errors import DataError
from ..core.labels import LabelSpec
from ..core.progress import Progress, silent
from ..core.report import Report
from ..core.scores import mean_iou
from ..data.dataset import Dataset
from ..inference.predictor import Predictor
from .counting import Counted, Detail, count_pair
from .extremes import Extremes
from .files import versions_of
from .slices import brightness
from .tally import Tally

_VERSIONS = ("maskwright", "numpy", "opencv-python-headless", "onnxruntime", "torch")


def evaluate(model: Predictor, dataset: Dataset, *, progress: Progress = silent) -> Report:
    """Score `model` on every image of `dataset`; take one split with `dataset.subset`.

    Raises:
        DataError: An image has no labels, or the classes are not those of the model.
    """
    labels = model.card.labels
    _require_same_classes(labels, dataset)
    _require_labels(dataset)
    detail = Detail(full=True)
    extremes = Extremes(dataset.spec.palette)
    tally = Tally(dataset.spec, detail.families)
    for number in progress(range(len(dataset)), total=len(dataset), what="evaluating"):
        sample = dataset[number]
        where = str(dataset.entries[number].image)
        predicted_HW = model.predict(sample.image_HWC, where=where).labels_HW
        if sample.labels_HW is None:
            raise DataError(f"{where}: has no mask")
        confusion, counts = count_pair(sample.labels_HW, predicted_HW, len(labels), detail)
        tally.add(
            Counted(
                key=sample.key,
                group=sample.group,
                confusion=confusion,
                counts=counts,
                attributes={"brightness": brightness(sample.image_HWC)},
            )
        )
        extremes.add(sample, predicted_HW, float(mean_iou(confusion)))
    ranked = extremes.ranked()
    return tally.report(
        provenance=_provenance(model, dataset),
        settings=detail.to_json(),
        images=tuple({k: v for k, v in i.items() if k != "panels"} for i in ranked),
        pictures={i["key"]: i["panels"] for i in ranked},
    )


def _require_same_classes(labels: LabelSpec, dataset: Dataset) -> None:
    """Names in order decide; colours and kinds do not enter a score."""
    if labels.names == dataset.spec.names:
        return
    pairs = zip(labels.names, dataset.spec.names, strict=False)
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
    first = (
        ""
        if place is None
        else (
            f"; class {place} is {labels.names[place]!r} for the model and "
            f"{dataset.spec.names[place]!r} in the data"
        )
    )
    raise DataError(
        f"{dataset.root}: {len(dataset.spec)} classes, the model has {len(labels)}{first}; "
        f"evaluate on data with the model's classes ({', '.join(labels.names)}), "
        f"or map the values in dataset.yaml"
    )


def _require_labels(dataset: Dataset) -> None:
    bare = [entry.image for entry in dataset.entries if entry.labels is None]
    if bare:
        raise DataError(
            f"{bare[0]}: {len(bare)} of {len(dataset)} images have no mask, so nothing can be "
            f"scored there; add the masks, or use `maskwright predict`"
        )
    if not len(dataset):
        raise DataError(f"{dataset.root}: no images to evaluate on")


def _provenance(model: Predictor, dataset: Dataset) -> dict[str, Any]:
    card = model.card
    return {
        "model": {
            "id": model.model_id,
            "engine": type(model.engine).__name__,
            "arch": card.arch,
            "input": card.input.to_json(),
            "training": card.provenance,
        },
        "data": {
            "name": dataset.root.resolve().name,
            "splits": dataset.splits,
            "fingerprint": dataset.fingerprint,
            "labels_fingerprint": dataset.spec.fingerprint,
        },
        "seed": card.provenance.get("seed"),
        "versions": versions_of(_VERSIONS),
    }
