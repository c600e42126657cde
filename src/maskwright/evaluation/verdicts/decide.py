"""`decide`: choose the thresholds of a model for its verdicts, and write them into a Bundle.

They are chosen on the validation split. Their rates on these images are too good, since the
thresholds were fitted to them; where there is a test split, the rates there are the estimate.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...core.bundle import Bundle, add_files, fill_bundle, find_bundle, open_bundle
from ...core.errors import BundleError, ConfigError, DataError
from ...core.labels import LabelSpec
from ...core.progress import Progress, silent
from ...core.results import NEW, WriteMode
from ...core.verdict import VerdictRule
from ...data.classes.kinds import BACKGROUND_NAMES
from ...data.dataset import Dataset
from ...data.opening.splitfile import match_groups
from ...inference.predictor import Predictor, open_model
from ...inference.resolution import planes
from ...metrics.verdicts.evidence import gather_evidence
from ..evaluate import require_fit
from .choice import FILE_NAME, PAGE_NAME, Choice, RuleOptions, SplitRates
from .choose import bound_miss_rate, choose_rule, count_needed, draw_curve
from .page import render_choice
from .parts import Parts
from .rates import list_rates

TEST = "test"


def choose(
    model: Predictor,
    dataset: Dataset,
    options: RuleOptions,
    *,
    progress: Progress = silent,
) -> Choice:
    """Choose the thresholds of a model on one split, and rate them there and on the test split.

    Raises:
        ConfigError: The classes to report do not fit the model.
        DataError: A class to report occurs in no part, there is no such split, or an image has
            no labels.
    """
    names = _choose_classes(model.card.labels, options.classes)
    model = replace(model, card=replace(model.card, decide=None))
    parts = _gather(model, dataset.subset(options.split), names, options, progress)
    where = f"{dataset.source}, split {options.split!r}"
    rules = {
        name: choose_rule(parts, index, options.miss, where=where)
        for index, name in enumerate(names)
    }
    rule = VerdictRule(classes=rules, miss=options.miss, by=options.by)
    rule.require_classes(model.card.labels.names)
    tested_on = None
    if TEST in dataset.splits and options.split != TEST:
        tested = _gather(model, dataset.subset(TEST), names, options, progress)
        tested_on = _rate(tested, rule, TEST)
    chosen_on = _rate(parts, rule, options.split)
    return Choice(
        model_id=model.model_id,
        data=dataset.name,
        labels=model.card.labels,
        rule=rule,
        chosen_on=chosen_on,
        tested_on=tested_on,
        curves={n: draw_curve(parts, i, rules[n]) for i, n in enumerate(names)},
        notes=tuple(_list_notes(rule, chosen_on, tested_on)),
    )


def decide(
    model: Path | str,
    dataset: Dataset,
    out: Path | str,
    *,
    options: RuleOptions | None = None,
    engine: str | None = None,
    mode: WriteMode = NEW,
    progress: Progress = silent,
) -> tuple[Bundle, Choice]:
    """Choose the thresholds of `model` and write the Bundle `out`, which has them.

    Args:
        model: A Bundle, or a finished run, whose Bundle is taken.
        dataset: Images with labels, of the model's classes, in splits.
        out: See `core.results`; may be the Bundle itself with overwrite.
        options: What the thresholds are chosen for.
        engine: Name of the engine that runs the model.
        mode: Overwrite replaces a Bundle.
        progress: Called for each image.

    Raises:
        BundleError: There is no Bundle, or it is damaged.
        ConfigError: As `choose`.
        DataError: As `choose`.
        OutputError: `out` exists and `mode` does not replace it, or it cannot be written.
    """
    path = require_bundle(Path(model))
    with fill_bundle(Path(out), mode) as folder:
        bundle = open_bundle(path)
        predictor = open_model(path, engine=engine)
        choice = choose(predictor, dataset, options or RuleOptions(), progress=progress)
        text = json.dumps(choice.to_json(), indent=1, allow_nan=False) + "\n"
        (folder / FILE_NAME).write_text(text, encoding="utf-8")
        (folder / PAGE_NAME).write_text(render_choice(choice), encoding="utf-8")
        files = {name: bundle.file(name) for name in bundle.files}
        files |= {name: folder / name for name in (FILE_NAME, PAGE_NAME)}
        card = replace(bundle.card, decide=choice.rule)
        add_files(folder, card, files, graphs=bundle.graphs)
    return open_bundle(Path(out)), choice


def require_bundle(path: Path) -> Path:
    """The folder of a Bundle: `path`, or that of the run which it is.

    Raises:
        BundleError: Neither is one.
    """
    found = find_bundle(path)
    if found is None:
        raise BundleError(
            f"{path}: neither a bundle nor a run with one; let the training finish, or write "
            f"one with `maskwright export`"
        )
    return found


def _choose_classes(labels: LabelSpec, given: Sequence[str] | None) -> tuple[str, ...]:
    """The classes to report: those given, the things, or all but the background."""
    if given is not None:
        for name in given:
            labels.index(name)
        return tuple(name for name in labels.names if name in given)
    things = tuple(labels.names[index] for index in labels.things)
    chosen = things or tuple(n for n in labels.names if n.lower() not in BACKGROUND_NAMES)
    if len(chosen) == len(labels):
        raise ConfigError(
            f"no class of {', '.join(labels.names)} is called background; name those that are "
            f"to be reported with --classes"
        )
    return chosen


def _gather(
    model: Predictor,
    dataset: Dataset,
    names: Sequence[str],
    options: RuleOptions,
    progress: Progress,
) -> Parts:
    """Predict every image of a split and gather its evidence."""
    require_fit(model.card.labels, dataset)
    dataset = dataset.with_input(model.card.input)
    groups = dataset.groups
    if options.group is not None:
        groups = tuple(match_groups(dataset.keys, options.group))
    indices = [model.card.labels.index(name) for name in names]
    parts = Parts(tuple(names))
    what = "deciding"
    for index in progress(range(len(dataset)), total=len(dataset), what=what):
        where, (image_HWC, valid_HW) = dataset.describe(index), dataset.data(index)
        truth_HW = dataset.labels(index)
        if truth_HW.shape != image_HWC.shape[:2]:
            raise DataError(f"{where}: labels and image differ in size; run `maskwright check`")
        file = dataset.image_file(index)
        logits = model.logits(image_HWC, valid_HW, where=where)
        decision = model.decide(
            logits,
            image_HWC,
            valid_HW,
            spacing_mm_HW=None if file is None else file.spacing_mm_HW,
            where=where,
        )
        shares = (
            (k, decision.evidence(k, plane_HW))
            for k, plane_HW in enumerate(planes(decision.logits))
            if k in indices
        )
        evidence = gather_evidence(truth_HW, shares)
        part = dataset.keys[index] if options.by == "image" else groups[index]
        parts.add(part, groups[index], evidence)
    return parts


def _rate(parts: Parts, rule: VerdictRule, split: str) -> SplitRates:
    return SplitRates(
        split=split,
        num_images=parts.num_images,
        num_parts=len(parts),
        num_shown=int(parts.shown_PK.any(axis=1).sum()),
        rates=tuple(list_rates(parts, rule)),
    )


def _list_notes(rule: VerdictRule, chosen: SplitRates, tested: SplitRates | None) -> list[str]:
    """What the numbers cannot say: optimism, too few parts, a rate that is not reached."""
    notes = []
    if tested is None:
        notes.append(
            f"there is no test split: the rates are on {chosen.split!r}, on which the "
            f"thresholds were chosen, and are too good"
        )
    judged = tested or chosen
    needed = count_needed(rule.miss)
    if judged.num_shown < needed:
        notes.append(
            f"a miss rate of {100 * rule.miss:g} % cannot be shown with {judged.num_shown:,} "
            f"parts of {judged.split!r} that show a class: none missed among them shows at "
            f"most {100 * bound_miss_rate(judged.num_shown):.3g} % (95 %, one-sided); "
            f"{100 * rule.miss:g} % needs {needed:,}"
        )
    notes += [
        f"{rate.name}: no threshold misses at most {100 * rule.miss:g} % of the parts in "
        f"{chosen.split!r}; the chosen one misses fewest, {rate}"
        for rate in chosen.rates
        if (rate.kind, rate.unit) == ("miss", "part")
        and rate.name is not None
        and rate.value > rule.miss
    ]
    return notes
