"""`tune-refine`: choose the refiners of a model and their values on validation images.

Stages are tried in order, each after the steps that were kept before. A stage proposes the
step, or for each class the value, with the largest gain in mean IoU on one half of the groups.
The proposal is kept if the interval of its paired difference on the other half lies above 0. So
a step that fits the noise of the images it was chosen on is left out, and the answer may be
that none helps. The test split is never read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...core.atomic import write_text
from ...core.bundle import ESTIMATOR, Bundle, add_files, fill_bundle, open_bundle
from ...core.errors import ConfigError, OutputError
from ...core.progress import Progress, silent
from ...core.refinechain import RefineChain, RefineStep
from ...core.results import NEW, WriteMode
from ...core.yamlfile import dump_yaml
from ...data.dataset import Dataset
from ...data.opening.splitfile import match_groups
from ...inference.predictor import Predictor, open_model
from ...inference.refiner import SCHEMA as CHAIN_SCHEMA
from ...inference.refiner import SUFFIXES, Refinement
from ..evaluate import require_fit
from ..verdicts.decide import TEST, require_bundle
from .candidates import Stage, list_stages
from .gains import compare, measure_gains
from .halves import Half, split_in_halves
from .result import FILE_NAME, Attempt, Tuning

LEAST_GAIN = 1e-4
"""A smaller gain in mean IoU, a hundredth of a point, is not worth a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneOptions:
    """What refiners are chosen on.

    `split` is where they are chosen. `group` is a regular expression whose match in a key is
    its group. `families` are classes of which a thing has one, by name.

    Raises ConfigError for the test split.
    """

    split: str = "val"
    group: str | None = None
    families: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.split == TEST:
            raise ConfigError(
                f"refiners are not chosen on the split {TEST!r}, whose scores would be too "
                f"good afterwards; choose them on 'val'"
            )


def choose_refiners(
    model: Predictor,
    dataset: Dataset,
    options: TuneOptions,
    *,
    progress: Progress = silent,
) -> Tuning:
    """Choose the refiners of a model on one split.

    Raises:
        ConfigError: A family names a class that the model lacks, or the model has thresholds
            for verdicts.
        DataError: There is no such split, an image has no labels, or there are too few groups.
    """
    if model.card.decide is not None:
        raise ConfigError(
            "the model has thresholds for verdicts, which were chosen with its refiners; use "
            "the model before `maskwright decide`, and decide again afterwards"
        )
    subset = dataset.subset(options.split)
    require_fit(model.card.labels, subset)
    subset = subset.with_bands(model.card.input.bands)
    groups = subset.groups
    if options.group is not None:
        groups = tuple(match_groups(subset.keys, options.group))
    choose, confirm = split_in_halves(model, subset, groups, progress)
    stages = list_stages(
        model.card.labels, options.families, photographs=_has_photographs(subset)
    )
    chain: Refinement | None = None
    attempts = []
    for stage in stages:
        attempt, chain = _try_stage(stage, choose, confirm, chain)
        attempts.append(attempt)
    return Tuning(
        model_id=model.model_id,
        data=dataset.name,
        split=options.split,
        chosen_on=choose.num_groups,
        shown_on=confirm.num_groups,
        attempts=attempts,
        chain=None if chain is None else chain.chain,
        comparison=None if chain is None else compare(confirm, None, chain, boundaries=True),
    )


def tune_refine(
    model: Path | str,
    dataset: Dataset,
    out: Path | str,
    *,
    options: TuneOptions | None = None,
    engine: str | None = None,
    mode: WriteMode = NEW,
    progress: Progress = silent,
) -> Tuning:
    """Choose the refiners of `model` and write them to `out`, if any was shown to help.

    Args:
        model: A model of any kind; for a Bundle as `out`, a Bundle or a run that has one.
        dataset: Images with labels, of the model's classes, in splits.
        out: A YAML file for the chain, or a Bundle, which then holds it; may be the Bundle
            itself with overwrite.
        options: What refiners are chosen on.
        engine: Name of the engine that runs the model.
        mode: Overwrite replaces a file or a Bundle.
        progress: Called for each image.

    Raises:
        BundleError: A Bundle is to be written, and the model has none.
        ConfigError: As `choose_refiners`.
        DataError: As `choose_refiners`.
        OutputError: `out` exists and `mode` does not replace it, or it cannot be written.
    """
    out, options = Path(out), options or TuneOptions()
    is_file = out.suffix in SUFFIXES
    if out.exists() and not mode.overwrite:
        raise OutputError(f"{out}: exists already; replace it with --overwrite")
    bundle = None if is_file else open_bundle(require_bundle(Path(model)))
    predictor = open_model(model if bundle is None else bundle.root, engine=engine)
    tuning = choose_refiners(predictor, dataset, options, progress=progress)
    if tuning.chain is None:
        return tuning
    if bundle is None:
        document = CHAIN_SCHEMA.stamp(tuning.chain.to_json())
        write_text(out, dump_yaml(document) + "\n")
    else:
        _write_bundle(bundle, tuning, out, mode)
    return tuning


def _write_bundle(bundle: Bundle, tuning: Tuning, out: Path, mode: WriteMode) -> None:
    with fill_bundle(out, mode) as folder:
        text = json.dumps(tuning.to_json(), indent=1, allow_nan=False) + "\n"
        (folder / FILE_NAME).write_text(text, encoding="utf-8")
        kept = [name for name in bundle.files if name != ESTIMATOR]  # of other class maps
        files = {name: bundle.file(name) for name in kept}
        files[FILE_NAME] = folder / FILE_NAME
        card = replace(bundle.card, refine=tuning.chain)
        add_files(folder, card, files, graphs=bundle.graphs)


def _try_stage(
    stage: Stage, choose: Half, confirm: Half, chain: Refinement | None
) -> tuple[Attempt, Refinement | None]:
    """Propose on one half, compare on the other; the chain with the proposal if it is kept."""
    proposed = _propose(stage, choose, chain)
    if proposed is None:
        return Attempt(stage=stage.name, proposed=None, comparison=None), chain
    longer = _build((*(chain.chain.steps if chain else ()), *proposed), choose)
    comparison = compare(confirm, chain, longer)
    attempt = Attempt(stage=stage.name, proposed=RefineChain(proposed), comparison=comparison)
    return attempt, longer if attempt.is_kept else chain


def _propose(
    stage: Stage, choose: Half, chain: Refinement | None
) -> tuple[RefineStep, ...] | None:
    """The step with the largest gain, or a step per value with the classes it is best for."""
    candidates = [_build((step,), choose) for step in stage.steps]
    gains_NX = np.nan_to_num(measure_gains(choose, chain, candidates, stage))
    best_X = gains_NX.argmax(axis=0)
    is_worth_X = gains_NX.max(axis=0) >= LEAST_GAIN
    if not is_worth_X.any():
        return None
    if not stage.per_class:
        return (candidates[best_X[0]].chain.steps[0],)
    names = choose.model.card.labels.names
    steps = []
    for index, step in enumerate(stage.steps):
        chosen = np.flatnonzero((best_X == index) & is_worth_X)
        if len(chosen):
            steps.append(replace(step, classes=tuple(names[k] for k in chosen)))
    return tuple(steps)


def _build(steps: tuple[RefineStep, ...], half: Half) -> Refinement:
    return Refinement.from_chain(RefineChain(steps), half.model.card.labels)


def _has_photographs(dataset: Dataset) -> bool:
    """Whether images are grey or RGB of 8 or 16 bits, judged by the first."""
    image_HWC, _ = dataset.data(0)
    return image_HWC.shape[2] in {1, 3} and image_HWC.dtype != np.float32
