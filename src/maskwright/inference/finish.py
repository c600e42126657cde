"""What `predict` writes when all images are done: tables, legend, volumes, annotations."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.journal import Journal
from ..core.labels import LabelSpec
from ..core.progress import Progress
from ..core.results import Results
from ..core.verdict import Verdict
from ..core.versioned import Document
from ..data.conversion.account import Account
from ..data.pixels.imageref import ImageRef
from ..pages.text import format_count, list_names
from .annotations import find_map, write_annotations
from .engine import describe_run
from .folds import FoldPredictors
from .inputs import FoundImages
from .outputs import (
    COVERAGE,
    OBSERVATIONS,
    Destination,
    write_coverage,
    write_legend,
    write_observations,
    write_verdicts,
)
from .predictor import Predictor
from .remarks import list_remarks
from .segmentations import SegmentationWriter
from .summary import PredictionSummary
from .vectors import FOLDER as VECTORS
from .vectors import write_vectors
from .volumes import CLASSES, VolumeWriter
from .wanted import Wanted


def finish_results(
    model: Predictor | FoldPredictors,
    results: Results,
    found: FoundImages,
    to: Destination,
    wanted: Wanted,
    *,
    out: Path,
    progress: Progress,
) -> PredictionSummary:
    """Write what belongs to all images, from the lines of the journal.

    Args:
        model: The one that predicted them.
        results: Has a line for each image in its journal, and the failed ones.
        found: The inputs.
        to: Where the files of the images are.
        wanted: The kinds of files and the formats.
        out: The name that the folder of results will have.
        progress: Of writing annotations and polygons.
    """
    write, rule, labels = wanted.write, model.card.decide, to.labels
    _write_shared(results, to, write)
    listed = _list_verdicts(results.journal)
    verdicts = write_verdicts(results.folder, listed, results.failed) if rule else {}
    accounts = _annotate(
        results, wanted.formats, found.images, to.labels, out=out, progress=progress
    )
    _vectorise(results, wanted.vectorise, found.images, to, progress)
    not_written = _write_volumes(model, results, found.images, write)
    if CLASSES not in write:
        shutil.rmtree(results.folder / CLASSES, ignore_errors=True)
    pixels_C = _sum_pixels(results, len(labels))
    results.decide = None if rule is None else rule.to_json()
    results.model = describe_run(model.model_id, model.engine)
    remarks = list_remarks(_list_traits(results.journal), model.card, model.tiling.effect)
    if OBSERVATIONS in write:
        not_written = (*not_written, *_list_unobserved(results.journal))
    results.remarks = [*found.notes, *remarks, *not_written]
    return PredictionSummary.of_results(results, pixels_C, model, accounts, verdicts)


def require_any(results: Results) -> None:
    """Refuse results without any image.

    Raises:
        DataError: None could be predicted.
    """
    if next(results.journal.lines(), None) is None:
        first = results.failed[0].error
        num = len(results.failed)
        raise DataError(
            first if num == 1 else f"{first} (none of {num} images could be predicted)"
        )


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
    if OBSERVATIONS in write:
        lines = (line["observation"] for line in results.journal.lines() if _is_observed(line))
        write_observations(results.folder, lines)
    if COVERAGE in write:
        write_coverage(results.folder, to.labels, _list_counts(results.journal))


def _sum_pixels(results: Results, num_classes: int) -> NDArray[np.int64]:
    """Pixels per class of all predicted images, (C,); counts the images as well."""
    pixels_C = np.zeros(num_classes, np.int64)
    for _, counts_C in _list_counts(results.journal):
        results.num_read += 1
        pixels_C += counts_C
    return pixels_C


def _annotate(
    results: Results,
    formats: Sequence[str],
    images: Mapping[str, ImageRef],
    labels: LabelSpec,
    *,
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
            labels,
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


def _list_counts(journal: Journal) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield the key of each predicted image, and its pixels per class."""
    for line in journal.lines():
        yield line["key"], np.asarray(line["pixels"], np.int64)


def _is_observed(line: Document) -> bool:
    return "observation" in line


def _list_unobserved(journal: Journal) -> Iterator[str]:
    """A sentence on images that are not observed, if there are any."""
    keys = [line["key"] for line in journal.lines() if not _is_observed(line)]
    if keys:
        yield (
            f"{format_count(len(keys), 'image')} not in observations.ndjson, as large images "
            f"that are read by tiles are not observed: {list_names(keys)}"
        )


def _list_traits(journal: Journal) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the key of each predicted image, and what is unusual about the image."""
    for line in journal.lines():
        yield line["key"], line.get("traits", ())


def _list_verdicts(journal: Journal) -> Iterator[tuple[str, Verdict]]:
    for line in journal.lines():
        yield line["key"], Verdict(tuple(line["reported"]))
