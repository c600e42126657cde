"""Flips are off where a mirrored image would be wrong, and the plan says why."""

from dataclasses import replace

import pytest

from maskwright.training.planning.rules import make_plan

from ..situations import FREE, situation


def plan_for(names=("soil", "leaf", "weed"), planes=(), settings=FREE):
    return make_plan(replace(situation(planes=planes), class_names=names), settings)


def test_photographs_are_mirrored_as_ever():
    plan = plan_for()
    assert (plan.recipe.augment.flip_lr, plan.recipe.augment.flip_vertical) == (0.5, 0.0)
    assert "augment.flip_lr" not in plan.reasons


@pytest.mark.parametrize("planes", [(), ("axial",)])
def test_classes_of_the_left_and_the_right_turn_the_flip_off(planes):
    plan = plan_for(("back", "lung_L", "lung_R"), planes)
    assert plan.recipe.augment.flip_lr == 0.0
    assert (
        "flip_lr: 0.0  # a mirrored image would exchange classes of the left and the right: "
        "lung_L, lung_R"
    ) in plan.to_yaml()


def test_volumes_say_which_axis_of_the_body_is_mirrored():
    plan = plan_for(planes=("axial", "coronal"))
    assert plan.recipe.augment.flip_lr == 0.5
    assert plan.reasons["augment.flip_lr"] == (
        "columns of axial and coronal slices run from the right of the body to its left"
    )
    plan = plan_for(planes=("axial", "sagittal"))
    assert plan.recipe.augment.flip_lr == 0.0
    assert "from the front of the body to its back" in plan.reasons["augment.flip_lr"]


def test_a_given_flip_is_kept():
    plan = plan_for(("back", "left", "right"), settings={**FREE, "augment.flip_lr": 0.3})
    assert plan.recipe.augment.flip_lr == 0.3
