"""Evaluate a model on a dataset at source resolution, with one image in memory at a time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ..core.decision import Decision
from ..core.errors import ConfigError, DataError
from ..core.labels import LabelSpec
from ..core.progress import Progress, silent
from ..core.provenance import DataSource, ModelSource, Provenance, ScoreSettings
from ..core.report import Report
from ..core.sample import Sample
from ..core.scores import mean_iou
from ..core.versions import versions_of
from ..data.dataset import Dataset
from ..data.opening.splitfile import match_groups
from ..data.pixels.imagefile import ImageFile
from ..inference.predictor import Predictor
from ..metrics.family import ScoreDetail, ScoredImage
from ..pages.display import Display
from .album import VolumeAlbum
from .browse import Gallery
from .counting import Scoring
from .extremes import Extremes
from .imagescorer import ImageScorer, ScoredSample
from .remote import Remote
from .seenvalues import SeenValues
from .slices import Attributes, read_attributes
from .tally import Tally
from .volumes import find_volumes

_VERSIONS = ("maskwright", "numpy", "opencv-python-headless", "onnxruntime", "torch")


Observer = Callable[[Sample, Decision], None]
"""Gets a sample and what was predicted for it."""

FULL = ScoreDetail(full=True)
"""The default of `evaluate`: beside running the model, counting costs little."""


def evaluate(
    model: Predictor,
    dataset: Dataset,
    *,
    detail: ScoreDetail = FULL,
    group: str | None = None,
    attributes: Path | None = None,
    gallery_in: Path | None = None,
    observe: Observer | None = None,
    remote: Remote | None = None,
    progress: Progress = silent,
) -> Report:
    """Score `model` on every image of `dataset`; take one split with `dataset.subset`.

    Args:
        model: From `open_model`.
        dataset: Images with masks, of the model's classes.
        detail: What is counted beside the region scores.
        group: Regular expression whose match in a key is its group; else that of the dataset.
        attributes: CSV with a column `key` and others; each of their values makes a slice.
        gallery_in: A folder, in which a gallery of the predictions is written.
        observe: Gets each sample with what was predicted for it.
        remote: Workers that predict and count instead; not with `gallery_in` or `observe`.
        progress: Called for each image.

    Raises:
        DataError: No labels or misplaced ones, other classes, an image that ends its worker.
        ConfigError: `group` is not a regular expression, or `remote` cannot be used.
    """
    spec = model.card.input
    dataset = _prepare(model, dataset, progress)
    listed, display = _list_attributes(dataset, attributes, group), Display.from_input(spec)
    extremes = Extremes(dataset.spec.palette, display=display)
    files = {key: dataset.image_file(index) for index, key in enumerate(dataset.keys)}
    scoring = _choose_scoring(model, dataset, detail, files, listed.groups)
    values = SeenValues(labels=dataset.spec, spec=spec, total=len(dataset))
    album = _plan_album(dataset, files, listed.groups, display)
    gallery = _open_gallery(gallery_in, dataset, album)
    tally, scorer = Tally(dataset.spec, scoring), ImageScorer(model, dataset, scoring, listed)
    scored = _score_all(scorer, remote, is_seen=bool(gallery_in or observe))
    scored = progress(scored, total=len(dataset), what="evaluating")
    for index, (sample, image, counted) in enumerate(scored):
        name = listed.groups[sample.key]
        tally.add(counted)
        tally.add_maps(image, name)
        extremes.add(sample, image.predicted_HW, float(mean_iou(image.confusion)))
        album.add(sample, image, name)
        values.add(index, sample)
        if image.model is not None:
            _pass_on(sample, image, image.model.decision, gallery, observe)
    if gallery is not None:
        gallery.write(dataset.name)
    report = tally.report(
        provenance=_provenance(model, dataset),
        settings=_describe_settings(model, scoring),
        ranked=extremes.rank(),
        intensities=values.finish(),
        volumes=album.finish(),
    )
    return replace(report, notes=(*report.notes, *_list_notes(model)))


def _list_notes(model: Predictor) -> tuple[str, ...]:
    """What a report lacks where the model is one of a server."""
    if model.gives_logits:
        return ()
    return ("a server predicted the class maps: scores of confidence need the Bundle itself",)


def _prepare(model: Predictor, dataset: Dataset, progress: Progress) -> Dataset:
    """The dataset with the input of the model; see `evaluate` for what is refused."""
    require_fit(model.card.labels, dataset)
    dataset = dataset.with_input(model.card.input)
    dataset.require_one_place(progress)
    return dataset


def _score_all(
    scorer: ImageScorer, remote: Remote | None, *, is_seen: bool
) -> Iterator[ScoredSample]:
    """Each image with its counts, in order; `is_seen`: its prediction is needed here."""
    if is_seen and not scorer.model.gives_logits:
        raise ConfigError(
            "a gallery needs the shares of the classes, which a server does not give; open the "
            "Bundle for it"
        )
    if remote is None:
        return scorer.score_all()
    if is_seen:
        raise ConfigError("a gallery needs each prediction in this process; leave out workers")
    return remote.score(scorer)


def _pass_on(
    sample: Sample,
    image: ScoredImage,
    decision: Decision,
    gallery: Gallery | None,
    observe: Observer | None,
) -> None:
    if gallery is not None:
        gallery.add(sample, image.truth_HW, decision, image.confusion)
    if observe is not None:
        observe(sample, decision)


def _plan_album(
    dataset: Dataset,
    files: Mapping[str, ImageFile | None],
    groups: Mapping[str, str],
    display: Display,
) -> VolumeAlbum:
    spec = dataset.spec
    return VolumeAlbum.plan(
        files, groups, palette=spec.palette, display=display, names=spec.names
    )


def _describe_settings(model: Predictor, scoring: Scoring) -> ScoreSettings:
    """The settings of the scores, and what of the model decides the classes."""
    return replace(
        scoring.settings(),
        temperature=model.card.temperature,
        refine=None if model.refine is None else model.refine.to_json(),
        ensemble=None if model.ensemble is None else model.ensemble.to_json(),
        decide=None if model.card.decide is None else model.card.decide.to_json(),
        tiling=model.tiling.to_json(),
    )


def _choose_scoring(
    model: Predictor,
    dataset: Dataset,
    detail: ScoreDetail,
    files: Mapping[str, ImageFile | None],
    groups: Mapping[str, str],
) -> Scoring:
    detail = detail.with_volumes(find_volumes(files, groups, detail)).with_spacings(
        (key, None if file is None else file.spacing_mm_HW) for key, file in files.items()
    )
    rule, labels = model.card.decide, model.card.labels
    reported = () if rule is None else tuple(map(labels.index, rule.classes))
    detail = replace(detail, things=dataset.spec.things, reported=reported)
    return Scoring.from_detail(detail, has_logits=model.gives_logits)


def _open_gallery(folder: Path | None, dataset: Dataset, album: VolumeAlbum) -> Gallery | None:
    if folder is None:
        return None
    return Gallery(
        folder=folder,
        labels=dataset.spec,
        total=len(dataset),
        display=album.display,
        places=album.places,
        sizes=album.sizes,
    )


def _list_attributes(dataset: Dataset, table: Path | None, group: str | None) -> Attributes:
    """Read the attributes, and choose a group for every key: listed, matched, or its own."""
    listed = Attributes()
    if table is not None:
        listed = read_attributes(table, list(dataset.keys))
    matched = dataset.groups if group is None else match_groups(dataset.keys, group)
    groups = dict(zip(dataset.keys, matched, strict=True))
    return Attributes(listed.values, {**groups, **listed.groups})


def require_fit(labels: LabelSpec, dataset: Dataset) -> None:
    """Refuse a dataset whose images cannot all be scored with a model of these classes.

    Raises:
        DataError: The classes differ, an image has no labels, or there is no image.
    """
    _require_same_classes(labels, dataset)
    _require_labels(dataset)


def _require_same_classes(labels: LabelSpec, dataset: Dataset) -> None:
    """Names in order decide; colours do not enter a score, and the data gives the kinds."""
    if labels.names == dataset.spec.names:
        return
    pairs = zip(labels.names, dataset.spec.names, strict=False)
    index = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
    first = (
        ""
        if index is None
        else (
            f"; class {index} is {labels.names[index]!r} for the model and "
            f"{dataset.spec.names[index]!r} in the data"
        )
    )
    raise DataError(
        f"{dataset.source}: {len(dataset.spec)} classes, the model has {len(labels)}{first}; "
        f"evaluate on data with the model's classes ({', '.join(labels.names)}), "
        f"or map the values in dataset.yaml"
    )


def _require_labels(dataset: Dataset) -> None:
    bare = [index for index in range(len(dataset)) if not dataset.has_labels(index)]
    if bare:
        raise DataError(
            f"{dataset.describe(bare[0])}: {len(bare)} of {len(dataset)} images have no mask, "
            f"so nothing can be scored there; add the masks, or use `maskwright predict`"
        )
    if not len(dataset):
        raise DataError(f"{dataset.source}: no images to evaluate on")


def _provenance(model: Predictor, dataset: Dataset) -> Provenance:
    card = model.card
    return Provenance(
        model=ModelSource(
            id=model.model_id,
            engine=model.engine.name,
            precision=model.engine.precision,
            arch=card.arch.to_json(),
            input=card.input.to_json(),
            training=card.provenance,
        ),
        data=DataSource(
            name=dataset.name,
            splits=dataset.splits,
            fingerprint=dataset.fingerprint,
            labels_fingerprint=dataset.spec.fingerprint,
        ),
        versions=versions_of(_VERSIONS),
    )
