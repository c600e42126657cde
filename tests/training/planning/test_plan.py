import numpy as np
import pytest

from maskwright.core.errors import ConfigError
from maskwright.training.machine import Machine
from maskwright.training.planning.rules import make_plan
from maskwright.training.recipe import Recipe, parse_recipe

from ..situations import FREE, situation

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
    assert "rare_share: 0.5  # 1 classes have under 2% of the pixels" in text
    assert "precision:" in text
    assert "measured here: a step takes" in text


def test_what_the_user_sets_holds():
    recipe = decided({"optim.lr": 0.5, "schedule.epochs": 3, "data.rare_share": 0.1}).recipe
    assert (recipe.optim.lr, recipe.schedule.epochs, recipe.data.rare_share) == (0.5, 3, 0.1)


def test_large_images_shrink_but_small_objects_stay_visible():
    big = {"median_size_HW": (3000, 4000)}
    assert decided(object_area_px_C=(1e6, 1e6, None), **big).recipe.input.scale_ratio == (
        pytest.approx(0.23, abs=0.005)
    )
    # 60 px across must not fall under 28 px, and 7 px grow no more than twofold
    kept = decided(object_area_px_C=(1e6, 3600.0, None), **big).recipe.input.scale_ratio
    assert kept == pytest.approx(0.47)
    tiny = decided(object_area_px_C=(1e6, 49.0, None)).recipe.input.scale_ratio
    assert tiny == 2.0


@pytest.mark.parametrize(("channels", "max_value"), [(1, 65535), (4, 255)])
def test_unusual_images_are_normalised_by_their_own_numbers_without_jpeg(channels, max_value):
    values = {"mean": (0.25,) * channels, "std": (0.125,) * channels}
    recipe = decided(channels=channels, max_value=max_value, **values).recipe
    assert recipe.input.mean == (0.25,) * channels
    assert recipe.input.channels == channels
    assert recipe.augment.jpeg == 0


def test_a_budget_sets_the_epochs_so_that_more_time_gives_more():
    epochs = [
        make_plan(
            situation(), SETTINGS | {"optim.precision": "fp32"}, budget_s=s
        ).recipe.schedule.epochs
        for s in (200, 20_000)
    ]
    assert epochs[0] * 4 < epochs[1]


def test_a_budget_too_short_for_an_epoch_says_what_one_takes():
    with pytest.raises(ConfigError, match=r"too short: one epoch of 50 images takes"):
        make_plan(situation(), SETTINGS | {"optim.precision": "fp32"}, budget_s=0.01)


def test_few_images_are_seen_more_often_augmented_more_and_taught_to_a_smaller_network():
    plan = make_plan(situation(), FREE)
    recipe, reasons = plan.recipe, plan.reasons
    assert recipe.schedule.epochs == 160
    assert reasons["schedule.epochs"] == "8000 crops from 50 images, few, so each is seen often"
    assert recipe.augment.scale == (0.5, 2.0)
    assert reasons["augment.scale"].startswith("50 images, each seen 160 times: stronger")
    assert recipe.model.config == {"pyramid_channels": 128, "decoder_channels": 64}
    assert "50 images are few (under 100), a smaller model" in reasons["model.config"]


def test_many_images_keep_the_usual_augmentation_and_at_least_ten_passes():
    plan = make_plan(situation(counts_NC=np.ones((3000, 3), np.int64)), FREE)
    assert plan.recipe.augment == Recipe().augment
    assert plan.recipe.schedule.epochs == 10
    assert plan.reasons["schedule.epochs"] == "30000 crops from 3000 images"
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


def test_the_plan_reads_back_as_the_same_recipe():
    import yaml

    plan = decided()
    assert parse_recipe(yaml.safe_load(plan.to_yaml()), where="x") == plan.recipe


@pytest.mark.slow
def test_an_ample_budget_takes_the_usual_widths_and_a_tight_one_fewer_pixels():
    settings = {"model.encoder_weights": "none", "optim.precision": "fp32"}
    settings |= {"data.batch_size": 1}
    small = settings | {"input.scale_ratio": 0.25}
    many = situation(counts_NC=np.ones((200, 3), np.int64))
    ample = make_plan(many, small, budget_s=1e6).recipe
    assert (ample.model.config, ample.data.crop_px) == ({}, (96, 128))
    assert make_plan(situation(), small, budget_s=1e6).recipe.model.config != {}  # few images
    enlarged = make_plan(situation(), settings, budget_s=200).recipe
    assert (enlarged.input.scale_ratio, enlarged.data.crop_px) == (1.0, (352, 352))
    same_size = settings | {"input.scale_ratio": 1.0}
    tight = make_plan(situation(), same_size, budget_s=200).recipe
    assert (tight.data.crop_px, tight.model.config["pyramid_channels"]) == ((256, 256), 128)
