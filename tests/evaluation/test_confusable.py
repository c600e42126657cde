"""Pairs of classes that are not told apart are named, and no others."""

from dataclasses import replace

import numpy as np
import pytest

from maskwright.core.labels import LabelSpec
from maskwright.core.report import Report
from maskwright.core.toldapart import ToldApart, compute_told_apart
from maskwright.data.classes.mapping import read_mapping
from maskwright.data.classes.proposal import write_proposal
from maskwright.evaluation.confusable import NUM_POOLS, PairTally, describe_pair, list_merges
from maskwright.evaluation.report.text import list_failures

SPEC = LabelSpec.from_names(("background", "scratch", "dent", "stain"))


def find(confusions, spec=SPEC, groups=None):
    tally = PairTally()
    holds_C = np.zeros(len(spec), np.int64)
    for number, counts_CC in enumerate(np.asarray(confusions, np.int64)):
        tally.add(f"g{number}" if groups is None else groups[number], counts_CC)
        holds_C += counts_CC.sum(axis=1) > 0
    return tally.find_pairs(spec, holds_C)


def confusion(rng, *, scratch=(50, 50), dent=(50, 50)):
    """Stains are found, and scratches and dents called as the two shares say."""
    counts_CC = np.diag([900, 0, 0, 80])
    counts_CC[1, 1:3] = rng.multinomial(100, np.array(scratch) / sum(scratch))
    counts_CC[2, 1:3] = rng.multinomial(100, np.array(dent) / sum(dent))
    return counts_CC


def test_youdens_j_of_a_hand_written_confusion():
    told_CC = compute_told_apart(np.array([[8, 2, 0], [4, 6, 0], [0, 0, 0]]))
    assert told_CC[0, 1] == told_CC[1, 0] == pytest.approx(0.8 + 0.6 - 1)
    assert np.isnan(told_CC[0, 0])
    assert np.isnan(told_CC[0, 2])


def test_classes_that_are_called_by_chance_are_not_told_apart():
    rng = np.random.default_rng(0)
    (pair,) = find([confusion(rng) for _ in range(30)])
    assert pair.names == ("scratch", "dent")
    assert pair.low < pair.value < pair.high < 0.25
    assert abs(pair.value) < 0.1


@pytest.mark.parametrize(
    ("scratch", "dent", "found"),
    [
        ((95, 5), (5, 95), False),
        ((70, 30), (30, 70), False),
        ((55, 45), (45, 55), True),
        ((90, 10), (85, 15), True),  # one swallows the other
    ],
)
def test_only_what_is_confused_is_found(scratch, dent, found):
    rng = np.random.default_rng(1)
    images = [confusion(rng, scratch=scratch, dent=dent) for _ in range(40)]
    assert bool(find(images)) == found


def test_few_groups_show_nothing_and_an_image_more_than_the_pools_is_counted():
    rng = np.random.default_rng(2)
    images = [confusion(rng) for _ in range(NUM_POOLS + 5)]
    assert find(images[:4]) == ()
    assert find(images, groups=["one"] * len(images)) == ()
    assert find(images)


def test_a_missed_class_is_not_merged_into_background_nor_into_a_much_larger_one():
    missed_CC = np.diag([900, 0, 50, 80])
    missed_CC[1] = [40, 0, 0, 0]
    assert find([missed_CC] * 10) == ()
    missed_CC[1] = [0, 0, 3, 0]  # a tenth of the dents and less
    assert find([missed_CC] * 10) == ()


def test_a_thing_and_stuff_stay_apart():
    rng = np.random.default_rng(3)
    images = [confusion(rng) for _ in range(20)]
    classes = [replace(c, kind="thing" if c.name == "dent" else "stuff") for c in SPEC]
    assert find(images, LabelSpec(tuple(classes))) == ()


def test_a_report_names_the_pair_and_keeps_it_and_the_proposal_is_a_mapping(
    full_report, tmp_path
):
    pair = ToldApart(names=("scratch", "dent"), value=0.031, low=-0.02, high=0.082)
    report = replace(full_report(SPEC.names), confusable=(pair,))
    line = (
        "scratch and dent are not told apart (3 %, interval -2 to 8; 0 % is chance): merge "
        "them with --propose-mapping FILE, or label more of what differs between them."
    )
    assert describe_pair(pair) == line
    assert line in list_failures(report)
    again = Report.from_json(report.to_json(), where="report.json")
    assert again.confusable == (pair,)
    path = tmp_path / "merged.yaml"
    said = write_proposal(path, report.labels, list_merges(report.confusable))
    assert said == (
        f"{path} merges scratch, dent; use it: maskwright check DATA --mapping {path}"
    )
    after = read_mapping(path, report.labels).after
    assert after.names == ("background", "scratch_or_dent", "stain")
