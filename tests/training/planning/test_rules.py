from dataclasses import replace

import numpy as np
import pytest

from maskwright.training.machine import Machine
from maskwright.training.planning.rules import make_plan
from maskwright.training.recipe import Recipe

from ..situations import CPU, FREE, situation

SETTINGS = {
    "model.encoder_weights": "none",
    "model.config": {"pyramid_channels": 8, "decoder_channels": 32},
    "data.crop_px": [64, 64],
}


def decided(settings=None, **changes):
    fixed = SETTINGS | {"optim.precision": "fp32"} | (settings or {})
    return make_plan(situation(**changes), fixed)


def test_every_value_is_explicit_and_reasons_are_given():
    plan = make_plan(situation(), SETTINGS)
    text = plan.to_yaml()
    assert "scale_ratio: 2.0  # the median image is 360 x 480 px, objects of the" in text
    assert "smallest class are 9 px across" in text
    assert "rare_share: 0.5  # 1 class has under 2% of the pixels" in text
    assert "precision:" in text
    assert "measured here: a step takes" in text


def test_a_processor_without_bf16_is_not_measured_in_it():
    old = situation(replace(CPU, has_bf16=False))
    plan = make_plan(old, SETTINGS)
    assert plan.recipe.optim.precision == "fp32"
    assert plan.reasons["optim.precision"] == "the processor has no instructions for bf16"
    assert old.step_seconds.calls == 0


def test_what_the_user_sets_holds():
    recipe = decided({"optim.lr": 0.5, "schedule.epochs": 3, "data.rare_share": 0.1}).recipe
    assert (recipe.optim.lr, recipe.schedule.epochs, recipe.data.rare_share) == (0.5, 3, 0.1)


@pytest.mark.parametrize(("channels", "max_value"), [(1, 65535), (4, 255)])
def test_unusual_images_are_normalised_by_their_own_numbers_without_jpeg(channels, max_value):
    values = {"mean": (0.25,) * channels, "std": (0.125,) * channels}
    recipe = decided(channels=channels, max_value=max_value, **values).recipe
    assert recipe.input.mean == (0.25,) * channels
    assert recipe.input.channels == channels
    assert recipe.augment.jpeg == 0


def test_few_images_are_seen_more_often_augmented_more_and_taught_to_a_smaller_network():
    plan = make_plan(situation(), FREE)
    recipe, reasons = plan.recipe, plan.reasons
    assert recipe.schedule.epochs == 160
    assert (
        reasons["schedule.epochs"] == "8,000 crops from 50 images, few, so each is seen often"
    )
    assert recipe.augment.scale == (0.5, 2.0)
    assert reasons["augment.scale"].startswith("50 images, each seen 160 times: stronger")
    assert recipe.model.config == {"pyramid_channels": 128, "decoder_channels": 64}
    assert "50 images are few (under 100), a smaller model" in reasons["model.config"]


def test_many_images_keep_the_usual_augmentation_and_at_least_ten_passes():
    plan = make_plan(situation(counts_NC=np.ones((3000, 3), np.int64)), FREE)
    assert plan.recipe.augment == Recipe().augment
    assert plan.recipe.schedule.epochs == 10
    assert plan.reasons["schedule.epochs"] == "30,000 crops from 3,000 images"
    assert "few" not in plan.reasons["model.config"]


def test_few_images_that_are_seen_rarely_keep_the_usual_augmentation():
    plan = make_plan(situation(), FREE | {"schedule.epochs": 20})
    assert plan.recipe.augment == Recipe().augment


def test_on_a_gpu_few_images_take_a_smaller_encoder():
    gpu = Machine("cuda", "GPU", 8, 8 << 30)
    few, many = (
        make_plan(situation(machine=gpu, counts_NC=np.ones((n, 3), np.int64)), FREE)
        for n in (50, 200)
    )
    assert (few.recipe.model.encoder, many.recipe.model.encoder) == ("resnet18", "resnet50")
    assert few.recipe.model.config["pyramid_channels"] == 128
    assert many.recipe.model.config == {}
    assert "smaller than resnet50" in few.reasons["model.encoder"]


def test_what_the_user_sets_holds_against_few_images():
    recipe = make_plan(situation(), FREE | {"augment.scale": [0.9, 1.1]}).recipe
    assert recipe.augment.scale == (0.9, 1.1)
