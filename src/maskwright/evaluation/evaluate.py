"""A model on a data set -> Report: one Confusion at source resolution, one image in memory."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..core.atomic import into_folder
from ..core.confusion import Confusion
from ..core.errors import DataError
from ..core.labels import LabelSpec
from ..core.progress import Progress, silent
from ..core.report import Report
from ..core.scores import mean_iou
from ..data.dataset import Dataset
from ..inference.predictor import Predictor
from .extremes import Extremes
from .render import render

_VERSIONS = ("maskwright", "numpy", "opencv-python-headless", "onnxruntime", "torch")


def evaluate(model: Predictor, dataset: Dataset, *, progress: Progress = silent) -> Report:
    """Score `model` on every image of `dataset`; take one split with `dataset.subset`.

    Raises:
        DataError: An image has no labels, or the classes are not those of the model.
    """
    labels = model.card.labels
    _require_same_classes(labels, dataset)
    _require_labels(dataset)
    total = Confusion.zero(len(labels))
    extremes = Extremes(dataset.spec.palette)
    for number in progress(range(len(dataset)), total=len(dataset), what="evaluating"):
        sample = dataset[number]
        where = str(dataset.entries[number].image)
        predicted_HW = model.predict(sample.image_HWC, where=where).labels_HW
        if sample.labels_HW is None:
            raise DataError(f"{where}: has no mask")
        confusion = Confusion.of(sample.labels_HW, predicted_HW, len(labels))
        total += confusion
        extremes.add(sample, predicted_HW, mean_iou(confusion))
    ranked = extremes.ranked()
    return Report(
        labels=dataset.spec,
        confusion=total,
        provenance=_provenance(model, dataset),
        images=tuple({k: v for k, v in i.items() if k != "panels"} for i in ranked),
        pictures={i["key"]: i["panels"] for i in ranked},
    )


def write_report(report: Report, out: Path | str) -> None:
    """Write report.json and report.html into `out`, both or neither.

    Raises:
        OutputError: `out` cannot be written.
    """
    document = report.to_json()
    page = render(report)
    with into_folder(Path(out)) as staging:
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        (staging / "report.json").write_text(text, encoding="utf-8")
        (staging / "report.html").write_text(page, encoding="utf-8")


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
        "versions": {"python": platform.python_version()} | _installed(),
    }


def _installed() -> dict[str, str]:
    found = {}
    for name in _VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # torch is not there on a machine that only serves
    return found
