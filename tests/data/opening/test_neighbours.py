"""Neighbours by name that are alike are named, with the expression that groups them."""

import numpy as np
import pytest

from maskwright.data.opening.neighbours import (
    MIN_IMAGES,
    find_neighbours,
    natural_order,
    suggest_pattern,
)
from maskwright.data.opening.splitfile import match_groups


def clips(num_clips, num_frames, spread=1.0, seed=0):
    """Names of frames and a score of each, which varies with the clip."""
    rng = np.random.default_rng(seed)
    keys = [f"clip{c}_{f}" for c in range(num_clips) for f in range(num_frames)]
    level = np.repeat(rng.normal(0, spread, num_clips), num_frames)
    return keys, (level + rng.normal(0, 1, len(keys)))[:, None]


def test_frames_of_clips_are_found_with_their_design_effect():
    keys, scores_N1 = clips(12, 10, spread=2)
    found = find_neighbours(keys, scores_N1)
    assert (found.pattern, found.num_groups) == (r"^(.*?)\d+\D*$", 12)
    assert 0.5 < found.correlation < 0.95
    assert found.design_effect == pytest.approx(1 + 9 * found.correlation)
    text = found.warn("The mIoU of")
    assert f"r = {found.correlation:.2f}), but every image is its own group" in text
    assert r"use --group '^(.*?)\d+\D*$', which makes 12 groups" in text


def test_the_order_of_the_images_does_not_matter_but_that_of_their_names():
    keys, scores_N1 = clips(12, 10, spread=2)
    order = np.random.default_rng(1).permutation(len(keys))
    shuffled = find_neighbours([keys[i] for i in order], scores_N1[order])
    assert shuffled == find_neighbours(keys, scores_N1)
    assert sorted(["a10", "a9", "a1"], key=natural_order) == ["a1", "a9", "a10"]


def test_images_that_are_not_alike_are_hardly_ever_named():
    named = sum(find_neighbours(*clips(8, 8, spread=0, seed=s)) is not None for s in range(40))
    assert named <= 3  # 1 % of 40


def test_few_images_equal_scores_and_missing_ones_are_not_tested():
    keys, scores_N1 = clips(3, 9, spread=5)
    assert len(keys) < MIN_IMAGES
    assert find_neighbours(keys, scores_N1) is None
    keys, scores_N1 = clips(8, 8)
    assert find_neighbours(keys, np.ones_like(scores_N1)) is None
    assert find_neighbours(keys, np.full_like(scores_N1, np.nan)) is None


@pytest.mark.parametrize(
    ("keys", "groups"),
    [
        (["a_1", "a_2", "b_1", "b_2"], ["a_", "a_", "b_", "b_"]),
        (
            [f"aachen_{s:06}_{f:06}_leftImg8bit" for s in range(3) for f in range(4)],
            [f"aachen_{s:06}_" for s in range(3) for _ in range(4)],
        ),
        (["seq 1/f2", "seq 1/f3", "seq 2/f2", "seq 2/f3"], ["seq 1/f"] * 2 + ["seq 2/f"] * 2),
    ],
)
def test_the_expression_groups_by_what_is_before_the_number_of_the_frame(keys, groups):
    pattern, num_groups = suggest_pattern(keys)
    assert match_groups(keys, pattern) == groups
    assert num_groups == len(set(groups))


@pytest.mark.parametrize(
    "keys", [[f"frame_{i}" for i in range(9)], ["cat", "dog", "cow", "pig"], ["a1", "b2", "c3"]]
)
def test_names_that_show_no_groups_suggest_none(keys):
    assert suggest_pattern(keys) == ("", 0)


def test_without_groups_in_the_names_the_warning_asks_for_them():
    _, scores_N1 = clips(6, 10, spread=3)
    found = find_neighbours([f"frame_{i}" for i in range(60)], scores_N1)
    assert found.pattern == ""
    assert found.warn("The mIoU of").endswith("Name the groups of images with --group REGEX.")
