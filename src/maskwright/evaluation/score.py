"""Score the predictions of any framework against truth, both as class maps on disk.

A prediction belongs to the truth file with the same path below its folder, without suffixes.
Files are read and counted on all cores; a few images are in memory at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.errors import DataError
from ..core.labels import IGNORE, LabelMap
from ..core.progress import Progress, silent
from ..core.provenance import DataSource, MapsSource, Provenance
from ..core.report import Report
from ..core.results import read_manifest
from ..core.scores import mean_iou
from ..core.threads import map_in_order
from ..core.verdict import describe_difference, read_rule
from ..core.versioned import Document
from ..core.versions import versions_of
from ..data.classmaps import ClassMapPair, ClassMaps, describe_resampled
from ..data.entries.scan import normalise_split
from ..data.opening.splitfile import match_groups
from ..data.pixels.alignment import describe_place
from ..data.pixels.images import open_image
from ..metrics.family import ScoreDetail, ScoredImage
from ..pages.text import format_small_share
from .counting import REGIONS_ONLY, Counted, Scoring
from .extremes import Extremes
from .slices import Attributes, read_attributes
from .tally import Tally
from .volumes import find_volumes

_VERSIONS = ("maskwright", "numpy", "opencv-python-headless", "pillow")
_SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOptions:
    """How the files of predictions and truth are read and matched.

    `spec` is a dataset.yaml or classes.txt; None looks for one beside the truth, then beside
    the predictions, and else infers the classes from all values. `raw_predictions`: one-channel
    predictions hold raw values that the codec of `spec` maps, as truth does, not class indices.
    `group` is a regular expression whose match in a key is its group, `attributes` a CSV file.
    `skip_undecided` leaves labelled pixels out of all scores where the prediction is IGNORE, as
    in the maps of an annotator; without it they are refused. `mapping` is a mapping file that
    merges the classes of both.
    `align` resamples predictions that do not lie where their truth lies; without it they are
    refused.
    """

    spec: Path | None = None
    raw_predictions: bool = False
    group: str | None = None
    attributes: Path | None = None
    skip_undecided: bool = False
    mapping: Path | None = None
    align: bool = False

    def list_notes(self) -> tuple[str, ...]:
        """A sentence where classes are merged."""
        return () if self.mapping is None else (f"classes are merged by {self.mapping}",)


PLAIN = ScoreOptions()


def score(
    predictions: Path | str,
    truth: Path | str,
    *,
    options: ScoreOptions = PLAIN,
    detail: ScoreDetail = REGIONS_ONLY,
    progress: Progress = silent,
) -> Report:
    """Score the class maps in `predictions` against those in `truth`.

    Args:
        predictions: A folder searched to the bottom, or one file.
        truth: A folder with the same names, or one file.
        options: How the files are read; detected by default.
        detail: What is counted beside the region scores.
        progress: Called for each pair.

    Raises:
        DataError: A file is missing, damaged, of another size or place, or holds other values.
        ConfigError: The file with the classes, or the expression of the group, is wrong.
    """
    pair = ClassMapPair.open(
        Path(truth),
        Path(predictions),
        spec=options.spec,
        other_raw=options.raw_predictions,
        mapping=options.mapping,
        align=options.align,
        progress=progress,
    )
    truth_maps, predicted_maps, keys = pair.reference, pair.other, list(pair.keys)
    attributes = _attributes(keys, options)
    extremes = Extremes(truth_maps.spec.palette)
    scoring = _choose_scoring(pair, detail, attributes.groups)
    tally = Tally(truth_maps.spec, scoring)

    def count(key: str) -> tuple[Counted, ScoredImage, Undecided]:
        image, skipped = _read_image(pair, key, skip_undecided=options.skip_undecided)
        counted = Counted.from_image(
            image,
            scoring.count(image),
            group=attributes.groups[key],
            attributes=attributes.values.get(key, {}),
            place=describe_place(pair.reference.files[key]),
        )
        return counted, image, skipped

    done, undecided = map_in_order(count, keys), Undecided()
    for counted, image, skipped in progress(done, total=len(keys), what="scoring"):
        tally.add(counted)
        tally.add_maps(image, counted.group)
        undecided += skipped
        miou = float(mean_iou(image.confusion))
        extremes.add_maps(image.key, image.truth_HW, image.predicted_HW, miou)
    report = tally.report(
        provenance=_provenance(predicted_maps, truth_maps, options),
        settings=replace(scoring.settings(), decide=_find_rule(predicted_maps)),
        ranked=extremes.rank(),
    )
    return replace(report, notes=(*report.notes, *_list_notes(pair, options, undecided)))


def _list_notes(
    pair: ClassMapPair, options: ScoreOptions, undecided: "Undecided"
) -> tuple[str, ...]:
    notes = (*_compare_rules(pair), *options.list_notes(), *undecided.list_notes())
    return (*notes, *describe_resampled(pair.resampled, "predictions"))


def _choose_scoring(
    pair: ClassMapPair, detail: ScoreDetail, groups: Mapping[str, str]
) -> Scoring:
    truth, other = pair.reference, pair.other
    for maps in (truth, other):
        if not detail.volumes:
            files = {key: open_image(maps.files[key]) for key in pair.keys}
            detail = detail.with_volumes(find_volumes(files, groups, detail))
    detail = detail.with_spacings(
        (key, truth.spacing_mm(key) or other.spacing_mm(key)) for key in pair.keys
    )
    return Scoring.from_detail(replace(detail, things=truth.spec.things), has_logits=False)


@dataclass(frozen=True, slots=True)
class Undecided:
    """Labelled pixels of the truth, and those of them that the prediction leaves open."""

    skipped: int = 0
    labelled: int = 0

    def __add__(self, other: "Undecided") -> "Undecided":
        return Undecided(self.skipped + other.skipped, self.labelled + other.labelled)

    def list_notes(self) -> tuple[str, ...]:
        """One sentence where pixels are left out."""
        if not self.skipped:
            return ()
        share = format_small_share(self.skipped / self.labelled)
        counted = f"{self.skipped:,} of {self.labelled:,} labelled pixels ({share})"
        return (f"{counted} are IGNORE in the predictions and are left out of every score",)


def _read_image(
    pair: ClassMapPair, key: str, *, skip_undecided: bool
) -> tuple[ScoredImage, Undecided]:
    """Read both class maps of one key.

    Raises:
        DataError: One is damaged, or the two do not fit; the message names both files.
    """
    truth_maps, predicted_maps = pair.reference, pair.other
    try:
        truth_HW, predicted_HW = truth_maps.read(key), predicted_maps.read(key)
        truth_HW, undecided = _mark_undecided(truth_HW, predicted_HW, skip=skip_undecided)
        image = ScoredImage.from_labels(key, truth_HW, predicted_HW, len(truth_maps.spec))
    except DataError as error:
        files = f"{predicted_maps.files[key]} and {truth_maps.files[key]}"
        raise DataError(f"{files}: {error}") from error
    return image, undecided


def _mark_undecided(
    truth_HW: LabelMap, predicted_HW: LabelMap, *, skip: bool
) -> tuple[LabelMap, Undecided]:
    """The truth, IGNORE too where the prediction is; refuses such pixels unless `skip`."""
    if truth_HW.shape != predicted_HW.shape:
        return truth_HW, Undecided()  # refused where they are counted
    labelled_HW = truth_HW != IGNORE
    open_HW = labelled_HW & (predicted_HW == IGNORE)
    num_open = int(np.count_nonzero(open_HW))
    if num_open and not skip:
        raise DataError(
            f"the prediction is IGNORE ({IGNORE}) in {num_open:,} px where the truth is "
            f"labelled, and a model must decide; for maps of a second annotator, leave such "
            f"pixels out of all scores with --skip-undecided"
        )
    undecided = Undecided(num_open, int(np.count_nonzero(labelled_HW)))
    return np.where(open_HW, np.uint8(IGNORE), truth_HW), undecided


def _attributes(keys: list[str], options: ScoreOptions) -> Attributes:
    """Read the attributes, and choose a group for every key: listed, matched, or its folder."""
    listed = Attributes()
    if options.attributes is not None:
        listed = read_attributes(options.attributes, keys)
    groups = [_folder_group(key) for key in keys]
    if options.group is not None:
        groups = match_groups(keys, options.group)
    group_of = dict(zip(keys, groups, strict=True))
    return Attributes(listed.values, {**group_of, **listed.groups})


def _find_rule(maps: ClassMaps) -> Document | None:
    """The rule for verdicts by which `predict` made the maps, None where it made none so."""
    folders = (maps.root, maps.root.parent)  # predict writes OUT/classes
    manifests = (read_manifest(folder) for folder in folders)
    return next((found.decide for found in manifests if found is not None), None)


def _compare_rules(pair: ClassMapPair) -> tuple[str, ...]:
    """A warning where predictions are scored against those of another rule."""
    predicted, truth = (read_rule(_find_rule(maps)) for maps in (pair.other, pair.reference))
    if truth is None:
        return ()
    difference = describe_difference(predicted, truth, ("predictions", "truth"))
    return (difference,) if difference else ()


def _folder_group(key: str) -> str:
    """The folder of a key below that of its split, or the key itself where there is none."""
    folders = key.split("/")[:-1]
    if folders and normalise_split(folders[0]) in _SPLITS:
        folders = folders[1:]
    return "/".join(folders) or key


def _provenance(predictions: ClassMaps, truth: ClassMaps, options: ScoreOptions) -> Provenance:
    return Provenance(
        data=DataSource(
            name=f"{predictions.root.name} against {truth.root.name}",
            splits={"all": len(truth)},
            labels_fingerprint=truth.spec.fingerprint,
        ),
        maps=MapsSource(
            predictions=str(predictions.root),
            truth=str(truth.root),
            raw=predictions.raw,
            spec=None if options.spec is None else str(options.spec),
        ),
        versions=versions_of(_VERSIONS),
    )
