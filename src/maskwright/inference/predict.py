"""Predict image files and write the results; memory holds as many images as there are cores.

An image that cannot be read or predicted is listed in the manifest, and the others are written.

Images do not share a batch here: measured on two CPU cores (U-Net on ResNet-18, 240 x 320 px),
a batch of 8 takes 0.75 times the processor time of its images one by one on ONNX Runtime and
1.2 times on torch, and images of a folder differ in size.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.journal import Journal
from ..core.progress import Progress, silent
from ..core.results import NEW, FailedInput, Results, WriteMode, open_results
from ..core.verdict import Verdict
from ..data.conversion.account import Account
from ..data.pixels.imageref import ImageRef
from ..pages.display import Display
from .annotations import find_map, write_annotations
from .area import AreaOfInterest
from .ensemble import Ensemble, require_members
from .folds import FoldPredictors
from .imagework import ImageWork
from .inputs import FoundImages, find_images
from .mosaic import MosaicGrid
from .outputs import (
    ALL,
    COVERAGE,
    MOSAIC,
    Destination,
    ImageOutputs,
    require_outputs,
    write_coverage,
    write_legend,
    write_verdicts,
)
from .predictor import Predictor
from .remarks import list_remarks
from .segmentations import SegmentationWriter
from .summary import PredictionSummary
from .vectors import FOLDER as VECTORS
from .vectors import require_vectors, write_vectors
from .volumes import CLASSES, INFORMATION, VolumeWriter


def predict(
    model: Predictor | FoldPredictors,
    inputs: Iterable[Path | str],
    out: Path | str,
    *,
    write: Sequence[str] = ALL,
    glob: str | None = None,
    aoi: Path | None = None,
    vectorise: str | None = None,
    mode: WriteMode = NEW,
    progress: Progress = silent,
) -> PredictionSummary:
    """Predict every image and write the outputs to the new folder `out`.

    Args:
        model: From `open_model`, or from `open_folds`, which brings its images along.
        inputs: Image files and folders of images, to the bottom; none with `open_folds`.
        out: See `core.results`.
        write: The kinds of files and the formats that are written; see `outputs`.
        glob: Pattern of the images that are taken from folders: of names, or with `/` of paths.
        aoi: A file of polygons; pixels outside of them are IGNORE. See `area`.
        vectorise: A format of polygons, `geojson` or `gpkg`; see `vectors`.
        mode: What to do with a folder that exists.
        progress: Called with the key and the result of every image, in order.

    Raises:
        ConfigError: `write` is empty, or names what is unknown or what one model lacks.
        DataError: An input does not exist, or no image at all could be predicted.
        BundleError: The model's logits are NaN or infinite.
        OutputError: `out` exists and `mode` does not allow it, or it cannot be written.
    """
    formats = require_outputs(write)
    if vectorise is not None:
        require_vectors(vectorise)
    rule = model.card.decide
    _require_uncertainty(model, write)
    area = None if aoi is None else AreaOfInterest.open(aoi)
    head = _identify(model, write, area) | {"vectorise": vectorise}
    with open_results(Path(out), "predict", mode, head=head) as results:
        found = _find(model, inputs, glob)
        results.pass_over(found.passed_over)
        to = replace(_find_destination(model, results.folder, found, write), area=area)
        needs_maps = bool(formats) or vectorise is not None
        outputs = ImageOutputs.open((*write, CLASSES) if needs_maps else write, to)
        _predict_left(model, found.images, outputs, results, progress)
        _write_shared(results, to, write)
        listed = _list_verdicts(results.journal)
        verdicts = write_verdicts(results.folder, listed, results.failed) if rule else {}
        accounts = _annotate(results, formats, found.images, to, Path(out), progress)
        _vectorise(results, vectorise, found.images, to, progress)
        not_written = _write_volumes(model, results, found.images, write)
        if CLASSES not in write:
            shutil.rmtree(results.folder / CLASSES, ignore_errors=True)
        pixels_C = _sum_pixels(results, len(to.labels))
        results.decide = None if rule is None else rule.to_json()
        remarks = list_remarks(_list_traits(results.journal), model.card)
        results.remarks = [*found.notes, *remarks, *not_written]
    return PredictionSummary.of_results(results, pixels_C, model, accounts, verdicts)


def _require_uncertainty(model: Predictor | FoldPredictors, write: Sequence[str]) -> None:
    """Refuse a kind of file that only several members can fill."""
    if INFORMATION in write:
        require_members(_find_ensemble(model))


def _identify(
    model: Predictor | FoldPredictors, write: Sequence[str], area: AreaOfInterest | None
) -> dict[str, object]:
    """What must be the same where a prediction is resumed."""
    return {
        "verb": "predict",
        "model": model.model_id,
        "engine": _name_engine(model),
        "refine": str(model.refine),
        "write": ",".join(write),
        "tiling": model.tiling.to_json(),
        "ensemble": str(_find_ensemble(model)),
        "aoi": None if area is None else area.digest,
    }


def _find_ensemble(model: Predictor | FoldPredictors) -> Ensemble | None:
    return model.ensemble if isinstance(model, Predictor) else None


def _predict_left(
    model: Predictor | FoldPredictors,
    images: Mapping[str, ImageRef],
    outputs: ImageOutputs,
    results: Results,
    progress: Progress,
) -> None:
    """Predict the images that the journal does not list; at least one is predicted then."""
    results.tiling = model.tiling.to_json()
    done = results.journal.find_done(lambda k: list(images[k].files) if k in images else None)
    left = {key: image for key, image in images.items() if key not in done}
    found_in_order = ImageWork.begin(model, outputs).run(left.items())
    for _, found in progress(found_in_order, total=len(left), what="predicting"):
        if isinstance(found, FailedInput):
            results.failed.append(found)
        else:
            results.journal.add(found)
    _require_any(results)


def _write_volumes(
    model: Predictor | FoldPredictors,
    results: Results,
    images: Mapping[str, ImageRef],
    kinds: Sequence[str],
) -> tuple[str, ...]:
    """Put the maps of slices together; returns remarks on what is not written."""
    done = {line["key"] for line in results.journal.lines()}
    remarks = VolumeWriter(folder=results.folder, images=images).write(kinds, done)
    if CLASSES not in kinds:
        return remarks
    segmentations = SegmentationWriter(
        folder=results.folder,
        images=images,
        labels=model.card.labels,
        model_id=model.model_id,
    )
    return (*remarks, *segmentations.write(done))


def _write_shared(results: Results, to: Destination, write: Sequence[str]) -> None:
    """Write the files that belong to all images: the legend and the table of coverage."""
    write_legend(to, write)
    if COVERAGE in write:
        write_coverage(results.folder, to.labels, _list_counts(results.journal))


def _sum_pixels(results: Results, num_classes: int) -> NDArray[np.int64]:
    """Pixels per class of all predicted images, (C,); counts the images as well."""
    pixels_C = np.zeros(num_classes, np.int64)
    for _, counts_C in _list_counts(results.journal):
        results.num_read += 1
        pixels_C += counts_C
    return pixels_C


def _find(
    model: Predictor | FoldPredictors, inputs: Iterable[Path | str], glob: str | None
) -> FoundImages:
    if isinstance(model, FoldPredictors):
        return FoundImages(dict(model.images))
    spec = model.card.input
    found = find_images(inputs, glob=glob, bands=spec.bands)
    images = {k: replace(image, num_slices=spec.slices) for k, image in found.images.items()}
    return FoundImages(images, found.passed_over)


def _find_destination(
    model: Predictor | FoldPredictors, folder: Path, found: FoundImages, write: Sequence[str]
) -> Destination:
    """Where the outputs go, and where images lie in the mosaic, if one is written."""
    grid = MosaicGrid.from_images(found.images) if MOSAIC in write else None
    return Destination(
        folder=folder,
        labels=model.card.labels,
        display=Display.from_input(model.card.input),
        source=_source(model),
        grid=grid,
    )


def _name_engine(model: Predictor | FoldPredictors) -> str:
    return model.engine_name if isinstance(model, FoldPredictors) else model.engine.name


def _annotate(
    results: Results,
    formats: Sequence[str],
    images: Mapping[str, ImageRef],
    to: Destination,
    out: Path,
    progress: Progress,
) -> dict[str, Account]:
    """Write the class maps that were predicted in each of the formats."""
    if not formats:
        return {}
    predicted = {key: images[key] for key, _ in _list_counts(results.journal)}
    return {
        name: write_annotations(
            name,
            results.folder / name,
            predicted,
            to.labels,
            maps=results.folder / CLASSES,
            target=out / name,
            progress=progress,
        )
        for name in formats
    }


def _vectorise(
    results: Results,
    form: str | None,
    images: Mapping[str, ImageRef],
    to: Destination,
    progress: Progress,
) -> None:
    """Write the class maps that were predicted as polygons."""
    if form is None:
        return
    keys = [key for key, _ in _list_counts(results.journal)]
    maps = {key: find_map(results.folder / CLASSES, key, images[key]) for key in keys}
    write_vectors(form, results.folder / VECTORS, maps, images, to.labels, progress=progress)


def _require_any(results: Results) -> None:
    if next(results.journal.lines(), None) is None:
        first = results.failed[0].error
        num = len(results.failed)
        raise DataError(
            first if num == 1 else f"{first} (none of {num} images could be predicted)"
        )


def _list_counts(journal: Journal) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield the key of each predicted image, and its pixels per class."""
    for line in journal.lines():
        yield line["key"], np.asarray(line["pixels"], np.int64)


def _list_traits(journal: Journal) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the key of each predicted image, and what is unusual about the image."""
    for line in journal.lines():
        yield line["key"], line.get("traits", ())


def _list_verdicts(journal: Journal) -> Iterator[tuple[str, Verdict]]:
    for line in journal.lines():
        yield line["key"], Verdict(tuple(line["reported"]))


def _source(model: Predictor | FoldPredictors) -> str | None:
    """The `source` in dataset.yaml, for maps that the largest logit alone did not decide."""
    rule = model.card.decide
    if rule is not None:
        return f"predicted by model {model.model_id}, decided by {rule}"
    if model.refine is None:
        return None
    return f"predicted by model {model.model_id}, refined by {model.refine}"
