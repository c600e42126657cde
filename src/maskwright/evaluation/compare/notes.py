"""What a reader of a comparison must know: what is left out, and what cannot be shown."""

import numpy as np

from ...core.provenance import ModelSource
from ...core.report import MIN_GROUPS
from ...core.scores import Values, mean_present
from ...core.verdict import describe_difference, read_rule
from ...data.opening.neighbours import find_neighbours
from ...metrics.family import all_families
from .changes import Changes
from .permutation import ALPHA, least_p
from .read import ReportPair
from .scorer import compute_scores


def write_notes(pair: ReportPair, changes: Changes) -> list[str]:
    """The notes of a comparison, one sentence or two each."""
    notes = []
    if pair.left_out:
        notes.append(
            f"Only one report has {_name_scores(pair)}: these are left out. `evaluate` and "
            f"`score --full` count them, with the same tolerance."
        )
    if not pair.has_truth_hashes:
        notes.append(
            "The reports have no hashes of the truth: it is only known that each image has the "
            "same pixels of each class. Score again to be sure that the truth is the same."
        )
    rule_a, rule_b = (read_rule(one.report.settings.decide) for one in (pair.a, pair.b))
    if difference := describe_difference(rule_a, rule_b, ("A", "B")):
        notes.append(difference)
    ran_a, ran_b = (_name_run(one.report.provenance.model) for one in (pair.a, pair.b))
    if ran_a and ran_b and ran_a != ran_b:
        notes.append(f"A ran on {ran_a}, B on {ran_b}.")
    notes += _notes_on_classes(pair, changes)
    notes += _notes_on_groups(pair)
    return notes


def _name_run(model: ModelSource | None) -> str | None:
    """The engine and the precision that predicted, None where no model did."""
    return None if model is None else f"{model.engine} in {model.precision}"


def _name_scores(pair: ReportPair) -> str:
    """The scores that only one report has, by the titles of their families."""
    titles = {
        name: family.TITLE.lower()
        for family in all_families().values()
        for name in family.COLUMNS
    }
    names = sorted({titles.get(name, name) for name in pair.left_out})
    return f"the scores of {', '.join(names)}"


def _notes_on_classes(pair: ReportPair, changes: Changes) -> list[str]:
    """Which classes are in no mean, in no interval, and which can never count as worse."""
    rows = list(
        zip(
            pair.a.labels.names,
            changes.is_mean_C.tolist(),
            changes.groups_C.tolist(),
            changes.touched_C.tolist(),
            strict=True,
        )
    )
    num_groups = len(pair.group_names)
    notes = []
    absent = [name for name, is_mean, _, touched in rows if touched and not is_mean]
    if absent:
        notes.append(f"Not in the truth, and therefore in no mean: {', '.join(absent)}.")
    few = [f"{n} ({g})" for n, is_mean, g, _ in rows if is_mean and g < MIN_GROUPS]
    if few and num_groups >= MIN_GROUPS:
        notes.append(
            f"In the truth of fewer than {MIN_GROUPS} groups, and therefore in no interval: "
            f"{', '.join(few)}. The interval of a mean is that of the mean without them, "
            f"which follows it."
        )
    powerless = [f"{n} ({t})" for n, is_mean, _, t in rows if is_mean and least_p(t) >= ALPHA]
    if powerless and least_p(num_groups) < ALPHA:
        notes.append(
            f"In too few groups to count as worse, however far they fall: "
            f"{', '.join(powerless)}; 6 groups are needed."
        )
    return notes


def _notes_on_groups(pair: ReportPair) -> list[str]:
    notes = []
    num_groups = len(pair.group_names)
    if least_p(num_groups) >= ALPHA:
        notes.append(
            f"{num_groups} groups give no p below {least_p(num_groups):.3g}: too few to show "
            f"a difference."
        )
    if num_groups == len(pair.a.keys):
        before_N, after_N = image_mious(pair)
        found = find_neighbours(pair.a.keys, (after_N - before_N)[:, None])
        if found is not None:
            notes.append(found.warn("The change of mIoU of"))
    return notes


def image_mious(pair: ReportPair) -> tuple[Values, Values]:
    """The mIoU of each image in A and in B, over the classes that its truth holds, (N,)."""
    in_truth_NC = pair.a.counts["truth"] > 0
    a, b = (
        mean_present(np.where(in_truth_NC, compute_scores(f.counts).classes["iou"], np.nan))
        for f in (pair.a, pair.b)
    )
    return a, b
