import json
from dataclasses import replace
from pathlib import Path

import imbalance
import numpy as np
import pytest
import settings

from maskwright.core.confusion import Confusion
from maskwright.core.scores import iou, precision, recall
from maskwright.training.planning.rare_classes import (
    PASTE_GAIN,
    RARE_IOU,
    SETS,
    WEIGHTS_PRECISION,
    WEIGHTS_RECALL,
    decide_rare_classes,
)
from maskwright.training.planning.rules import make_plan

from ..situations import FREE, situation

TAKEN = "dice_rare_crops"
RESULTS = Path(imbalance.__file__).with_name("imbalance.json")


@pytest.fixture(scope="module")
def measured():
    """Rare IoU in %, by remedy, set and seed."""
    return _of_rare_classes(iou)


def _of_rare_classes(score):
    found = {}
    for key, run in json.loads(RESULTS.read_text())["runs"].items():
        name, remedy, seed = key.split("/")
        share_C = np.array(run["train_share"])
        rare_C = (share_C > 0) & (share_C < imbalance.RARE_SHARE)
        value = np.nan_to_num(score(Confusion(np.array(run["confusion"])))[rare_C]).mean()
        found.setdefault(remedy, {}).setdefault(name, {})[seed] = 100 * float(value)
    return found


def test_the_figures_in_the_reasons_are_those_that_the_benchmark_wrote(measured):
    shown = {
        remedy: tuple(round(np.mean(list(measured[remedy][name].values()))) for name in SETS)
        for remedy in RARE_IOU
    }
    assert shown == RARE_IOU
    for score, figure in ((recall, WEIGHTS_RECALL), (precision, WEIGHTS_PRECISION)):
        values = _of_rare_classes(score)["weights"][SETS[0]].values()
        assert round(np.mean(list(values))) == figure


@pytest.mark.parametrize("name", PASTE_GAIN)
def test_the_gain_of_pasted_objects_is_that_of_the_trials_beside_the_remedy_taken(name):
    rows = [json.loads(line) for line in settings.RESULTS.read_text().splitlines()]
    of_data = [row for row in rows if row["data"] == name and "setting" in row]
    gains = settings.list_gains(of_data, "data.copy_paste 0.5")
    interval = settings.compute_interval(gains)
    assert tuple(round(end, 1) for end in interval) == PASTE_GAIN[name]
    assert (
        f"{PASTE_GAIN[name][1]:+g} on {name}"
        in make_plan(situation(), FREE).reasons["data.copy_paste"]
    )


@pytest.mark.parametrize("remedy", [r for r in imbalance.REMEDIES if r != TAKEN])
def test_the_remedy_taken_is_better_over_both_sets_than_each_other_on_the_same_seeds(
    measured, remedy
):
    gains = []
    for name in SETS if remedy in measured else ():
        taken, other = measured[TAKEN][name], measured[remedy].get(name, {})
        gains.append(np.mean([taken[seed] - other[seed] for seed in taken.keys() & other]))
    assert not gains or np.mean(gains) > 0


def test_rare_classes_bring_rare_crops_and_dice_and_the_reasons_name_figures_and_source():
    plan = make_plan(situation(), FREE)
    assert (plan.recipe.data.rare_share, plan.recipe.loss.sum) == (0.5, "ce+dice")
    assert (plan.recipe.data.copy_paste, plan.recipe.loss.class_weights) == (0, "none")
    reason = plan.reasons["data.rare_share"]
    assert reason.startswith("1 class has under 2% of the pixels; IoU of rare ones on")
    for key in ("data.rare_share", "data.copy_paste", "loss.sum", "loss.class_weights"):
        assert plan.reasons[key].endswith("(benchmarks/imbalance.md)")
    first, second = RARE_IOU["dice_rare_crops"]
    assert f"crops and Dice {first} % and {second} %" in reason


def test_without_rare_classes_no_evidence_on_them_is_cited():
    even = replace(situation().facts, class_share_C=(0.5, 0.3, 0.2))
    assert "data.copy_paste" not in decide_rare_classes(even)
    assert decide_rare_classes(even)["data.rare_share"] == (
        0.25,
        "0 classes have under 2% of the pixels",
    )


def test_what_the_user_sets_for_rare_classes_holds():
    plan = make_plan(situation(), FREE | {"loss.sum": "focal", "data.copy_paste": 0.3})
    assert (plan.recipe.loss.sum, plan.recipe.data.copy_paste) == ("focal", 0.3)
    assert plan.reasons["loss.sum"] == "given"
