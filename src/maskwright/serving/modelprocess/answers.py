"""The forms of an answer: a Prediction becomes the body of a response."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ...core.errors import ConfigError, UnknownNameError
from ...core.labels import IGNORE
from ...core.progress import silent
from ...core.versioned import Document
from ...data.opening.stratify import count_pixels
from ...data.pixels.imageref import ImageRef
from ...inference.mosaic import to_bytes
from ...inference.outputs import ClassMaps, Destination, PredictedImage
from ...inference.prediction import Prediction
from ...inference.vectors import FOLDER, require_vectors, write_vectors
from ...inference.volumes import CLASSES
from ...measurement.rules.verdicts import Verdict
from ...pages.pictures import encode_indexed_png, encode_jpeg, heat_palette
from ..messages import TENSORS
from .runs import encode_classes

_JSON, _PNG, _BYTES = "application/json", "image/png", "application/octet-stream"
GEOJSON = "geojson"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What an answer is made of.

    `facts` name the model, engine, precision and tiling. `order` is that of run lengths, and
    `image` the file of the client. `verdicts` are those of the rules of the server, None
    without any.
    """

    prediction: Prediction
    facts: Document
    order: str
    confidence: bool
    image: ImageRef | None
    verdicts: Sequence[Verdict] | None = None


def encode(form: str, of: Answered) -> tuple[str, bytes]:
    """The media type and the body of an answer.

    Raises:
        UnknownNameError: No such form.
        MissingDependencyError: The form needs a package that is not installed.
        ConfigError: The form needs what this model or image lacks.
    """
    if form not in _FORMS:
        raise UnknownNameError("format", form, FORMS)
    return _FORMS[form](of)


def needs_confidence(form: str, *, asked: bool) -> bool:
    """Whether an answer shows confidence, which takes longer than classes alone."""
    return asked or form in {"confidence", TENSORS}


def _encode_json(of: Answered) -> tuple[str, bytes]:
    labels_HW, spec = of.prediction.labels_HW, of.prediction.labels
    runs = {
        "order": of.order,
        "encoding": "coco",
        "size": list(labels_HW.shape),
        "counts": encode_classes(labels_HW, spec, of.order),
    }
    document = _describe(of) | {"rle": runs}
    if of.confidence:
        confidence_HW = of.prediction.confidence_HW
        known = confidence_HW[labels_HW != IGNORE]
        document["confidence"] = {
            "mean": round(float(known.mean()), 4) if known.size else None,
            "png": base64.b64encode(_draw_confidence(of)).decode(),
        }
    return _write(document)


def _encode_coverage(of: Answered) -> tuple[str, bytes]:
    return _write(_describe(of))


def _encode_verdict(of: Answered) -> tuple[str, bytes]:
    if of.prediction.verdict is None and of.verdicts is None:
        raise ConfigError(
            "format=verdict: this model has no rule for verdicts; choose one with `maskwright "
            "decide` and serve its Bundle, or give the server a file of rules"
        )
    return _write(_describe(of))


def _encode_classes(of: Answered) -> tuple[str, bytes]:
    palette = of.prediction.labels.palette
    return _PNG, encode_indexed_png(of.prediction.labels_HW, palette)


def _encode_raw(of: Answered) -> tuple[str, bytes]:
    """Class indices row by row; with confidence, its steps of 1 / 255 after them."""
    body = of.prediction.labels_HW.tobytes()
    if of.confidence:
        body += to_bytes(of.prediction.confidence_HW).tobytes()
    return _BYTES, body


def _encode_tensors(of: Answered) -> tuple[str, bytes]:
    confidence_HW = to_bytes(of.prediction.confidence_HW)
    return _BYTES, of.prediction.labels_HW.tobytes() + confidence_HW.tobytes()


def _encode_overlay(of: Answered) -> tuple[str, bytes]:
    return "image/jpeg", encode_jpeg(of.prediction.overlay())


def _encode_confidence(of: Answered) -> tuple[str, bytes]:
    return _PNG, _draw_confidence(of)


def _draw_confidence(of: Answered) -> bytes:
    return encode_indexed_png(to_bytes(of.prediction.confidence_HW), heat_palette())


def _encode_geojson(of: Answered) -> tuple[str, bytes]:
    """The polygons that `predict --vectorise geojson` writes."""
    if of.image is None:
        raise ConfigError("format=geojson: send an image file, not bare pixels")
    require_vectors(GEOJSON)
    with TemporaryDirectory(prefix="maskwright-") as folder:
        return "application/geo+json", _write_polygons(of.prediction, of.image, Path(folder))


def _write_polygons(prediction: Prediction, image: ImageRef, folder: Path) -> bytes:
    from ...data.pixels.imagefile import list_geotags
    from ...data.pixels.images import open_image

    key = "image"
    (folder / CLASSES).mkdir()
    to = Destination(folder=folder, labels=prediction.labels, display=prediction.display)
    tags = list_geotags(open_image(image))
    item = PredictedImage(
        key=key, image_HWC=prediction.image_HWC, prediction=prediction, tags=tags
    )
    ClassMaps(to).write(item)
    (written,) = (folder / CLASSES).glob(f"{key}.*")
    write_vectors(
        GEOJSON,
        folder / FOLDER,
        {key: ImageRef(written)},
        {key: image},
        prediction.labels,
        progress=silent,
    )
    return (folder / FOLDER / f"{key}.{GEOJSON}").read_bytes()


def _describe(of: Answered) -> Document:
    """What every JSON answer has: the model, the size, and the share of each class."""
    prediction = of.prediction
    labels = prediction.labels
    counts_C = count_pixels(prediction.labels_HW, len(labels))
    percents = 100 * counts_C / max(1, int(counts_C.sum()))
    verdict = prediction.verdict
    document: Document = {
        "model": of.facts,
        "size": list(prediction.labels_HW.shape),
        "classes": [
            {
                "index": index,
                "name": name,
                "color": list(labels.classes[index].color),
                "pixels": int(counts_C[index]),
                "percent": round(float(percents[index]), 4),
            }
            for index, name in enumerate(labels.names)
        ],
    }
    if verdict is not None:
        document["verdict"] = {"ok": verdict.is_ok, "reported": list(verdict.classes)}
    if of.verdicts is not None:
        document["rules"] = {
            "passed": all(one.passed for one in of.verdicts),
            "verdicts": [one.to_json() for one in of.verdicts],
        }
    return document


def _write(document: Document) -> tuple[str, bytes]:
    return _JSON, json.dumps(document, separators=(",", ":")).encode()


_FORMS: Mapping[str, Callable[[Answered], tuple[str, bytes]]] = {
    "json": _encode_json,
    "png": _encode_classes,
    "raw": _encode_raw,
    GEOJSON: _encode_geojson,
    "overlay": _encode_overlay,
    "confidence": _encode_confidence,
    "coverage": _encode_coverage,
    "verdict": _encode_verdict,
    TENSORS: _encode_tensors,
}
FORMS = tuple(name for name in _FORMS if name != TENSORS)
"""What clients may ask for, the default first."""

DESCRIBED = ("json", "coverage", "verdict")
"""Those that are a JSON document about the class map."""
