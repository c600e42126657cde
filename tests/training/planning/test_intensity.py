"""The kind of images, by modality, values, place, bits and bands; and what follows from it."""

import re

import numpy as np
import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.data.intensities import find_ct_window
from maskwright.training.planning.rules import make_plan

from ..situations import FREE, make_values, situation

RNG = np.random.default_rng(0)
BODY = RNG.choice([-1000.0, -100.0, 40.0, 900.0], (2000, 1)) + RNG.normal(0, 12, (2000, 1))
HU = np.rint(BODY).astype(np.float32)


def planned(
    settings=FREE, *, channels=1, max_value=65535, size_HW=(360, 480), bands=(), **values
):
    sample = make_values(channels, max_value, **values)
    facts = {"channels": channels, "max_value": max_value, "values": sample, "bands": bands}
    facts |= {"object_area_px_C": (9000.0, 3136.0, 3136.0)}
    facts |= {"mean": (0.1,) * channels, "std": (0.05,) * channels}
    return make_plan(situation(median_size_HW=size_HW, **facts), settings)


def hounsfield(**changes):
    values = {
        "values_PC": HU,
        "foreground_PC": HU[HU[:, 0] > 0],
        "types": frozenset({"float32"}),
    }
    return values | changes


@pytest.mark.parametrize(
    ("values", "kind", "reason"),
    [
        (hounsfield(modalities={"CT": 9}), "ct", "DICOM says Modality CT: Hounsfield units"),
        (
            hounsfield(modalities={"": 9}),
            "ct",
            "values from -10[0-9]+ to 9[0-9]+, as Hounsfield units",
        ),
        (hounsfield(), "ct", "as Hounsfield units"),
        (hounsfield(num_georeferenced=9), "reflectance", "georeferenced"),
        ({"modalities": {"MR": 9}}, "mr", "DICOM says Modality MR"),
        ({"modalities": {"": 9}}, "mr", "values are not Hounsfield units"),
        ({"modalities": {"US": 9}}, "photograph", "DICOM says Modality US"),
        ({"channels": 4}, "reflectance", "4 bands wider than 8 bits"),
        ({"channels": 3}, "reflectance", "3 bands wider than 8 bits"),
        ({"num_georeferenced": 9}, "reflectance", "georeferenced"),
        ({"types": frozenset({"float32"})}, "reflectance", "with a sign or fractions"),
        ({}, "photograph", "16-bit images of one channel"),
        ({"max_value": 255, "num_georeferenced": 9}, "photograph", "8-bit images"),
    ],
)
def test_the_kind_follows_from_the_data(values, kind, reason):
    plan = planned(**values)
    assert plan.recipe.input.kind == kind
    assert re.search(reason, plan.reasons["input.kind"])
    assert bool(plan.histogram) == (kind != "photograph")


def test_images_of_two_modalities_are_refused():
    with pytest.raises(DataError, match=r"2 modalities \(CT, MR\).*--set input\.kind=mr"):
        planned(modalities={"CT": 5, "MR": 4})
    chosen = planned(FREE | {"input.kind": "mr"}, modalities={"CT": 5, "MR": 4})
    assert chosen.recipe.input.kind == "mr"


def test_values_with_a_sign_are_no_photographs():
    with pytest.raises(
        ConfigError, match=r"input\.kind photograph takes values of 8 or 16 bits"
    ):
        planned(FREE | {"input.kind": "photograph"}, **hounsfield())


def test_a_ct_is_clipped_to_its_foreground_and_not_brightened():
    recipe = planned(**hounsfield()).recipe
    ((low, high),) = recipe.input.window
    assert 0 <= low < 40
    assert 900 < high < 960
    assert recipe.augment.unit == "std"
    assert recipe.augment.brightness == recipe.augment.contrast == recipe.augment.noise == 0


def test_mean_and_std_are_those_of_the_window_that_is_given():
    recipe = planned(FREE | {"input.window": [-200, 300]}, **hounsfield()).recipe
    clipped = HU[HU[:, 0] > 0].clip(-200, 300)
    assert recipe.input.window == ((-200.0, 300.0),)
    assert recipe.input.mean == pytest.approx((clipped.mean(),), abs=1e-3)
    assert recipe.input.std == pytest.approx((clipped.std(),), abs=1e-3)


def test_bone_that_is_a_class_does_not_stretch_the_window():
    of_class = {
        0: np.full((99, 1), 40.0, np.float32),
        1: RNG.uniform(60, 100, (99, 1)).astype(np.float32),
        2: RNG.uniform(100, 140, (99, 1)).astype(np.float32),
        3: np.full((99, 1), 1000.0, np.float32),
    }
    foreground = np.concatenate([of_class[1], of_class[2], of_class[3]])
    values = make_values(1, 65535, **hounsfield(foreground_PC=foreground, of_class=of_class))
    ((low, high),) = find_ct_window(values)
    assert 55 < low < 65  # that of the foreground
    assert 160 < high < 185  # the organ's 140, and as much as its values spread
    alone = make_values(1, 65535, **hounsfield(foreground_PC=foreground, of_class={}))
    assert find_ct_window(alone)[0, 1] == 1000


def test_wide_images_of_three_bands_have_measured_statistics_and_8_bit_ones_those_learnt():
    pretrained = {"model.encoder_weights": "imagenet", "optim.precision": "fp32"}
    wide = planned(pretrained, channels=3).recipe.input
    assert wide.mean == pytest.approx((32767.5,) * 3, rel=0.01)
    photograph = planned(pretrained, channels=3, max_value=255).recipe.input
    assert photograph.mean == (0.485, 0.456, 0.406)


def test_few_images_do_not_brighten_what_is_calibrated():
    recipe = planned(FREE | {"schedule.epochs": 200}, **hounsfield()).recipe
    assert recipe.augment.scale == (0.5, 2.0)
    assert recipe.augment.brightness == recipe.augment.contrast == 0


@pytest.mark.parametrize(("placed", "ratio"), [(0, 0.5), (9, 1.0)])
def test_georeferenced_scenes_keep_their_size(placed, ratio):
    recipe = planned(channels=4, num_georeferenced=placed, size_HW=(3000, 3000)).recipe
    assert recipe.input.scale_ratio == ratio


@pytest.mark.parametrize("bands", [("B04",), ("B04", "B08"), ("B02", "B03", "B04", "B08")])
def test_any_number_of_bands_can_be_chosen(bands):
    settings = FREE | {"input.bands": list(bands)}
    spec = planned(settings, channels=len(bands), bands=bands, num_georeferenced=9).recipe.input
    assert (spec.bands, spec.channels, len(spec.mean)) == (bands, len(bands), len(bands))


PRETRAINED = {"model.encoder_weights": "imagenet", "optim.precision": "fp32"}


@pytest.mark.parametrize(
    ("settings", "values", "norm"),
    [
        (PRETRAINED, hounsfield(), "frozen"),
        (PRETRAINED, {"channels": 3, "num_georeferenced": 9}, "batch"),
        (PRETRAINED, {"modalities": {"MR": 9}}, "batch"),
        (PRETRAINED | {"data.batch_size": 16}, hounsfield(), "batch"),
        (PRETRAINED | {"model.norm": "batch"}, hounsfield(), "batch"),
        (FREE, hounsfield(), "batch"),
    ],
)
def test_small_batches_do_not_hide_hounsfield_units_from_a_pretrained_encoder(
    settings, values, norm
):
    assert planned(settings, **values).recipe.model.norm == norm
