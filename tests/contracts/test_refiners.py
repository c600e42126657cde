"""Every file in inference/refine keeps the same promises."""

import numpy as np
import pytest

from maskwright.core import parts
from maskwright.core.errors import ConfigError, UnknownNameError
from maskwright.core.labels import IGNORE, LabelSpec
from maskwright.core.logits import Logits
from maskwright.core.refinechain import RefineChain
from maskwright.inference.refiner import REFINERS, Refinement, RefinerPart, SourceImage
from maskwright.inference.resolution import decide, planes

LABELS = LabelSpec.from_names(("car", "bus", "road"))
NAMES = parts.names(REFINERS)


def _part(name):
    return parts.load(REFINERS, name, like=RefinerPart)


@pytest.fixture(params=NAMES)
def refinement(request):
    needed = ":classes=car+bus" if _part(request.param).NEEDS_CLASSES else ""
    return Refinement.from_text(request.param + needed, LABELS)


@pytest.fixture(params=NAMES)
def of_two_classes(request):
    return Refinement.from_text(f"{request.param}:classes=bus+car", LABELS)


def network_decision(*, seed=0, temperature=1.0, valid_HW=None):
    rng = np.random.default_rng(seed)
    logits_Khw = rng.normal(size=(3, 8, 11)).astype(np.float32)
    image_HWC = rng.integers(0, 256, (16, 21, 3), dtype=np.uint8)
    decision = decide(Logits.of_image(logits_Khw, (16, 21)), temperature=temperature)
    if valid_HW is not None:
        decision = decision.leave_out(valid_HW)
    return decision, SourceImage(image_HWC, where="a.png")


def shares(decision):
    stack = planes(decision.logits)
    return np.stack([decision.shares(plane_HW) for plane_HW in stack])


def test_a_decision_has_the_size_of_the_image_and_shares_that_sum_to_one(refinement):
    decision = refinement(*network_decision(temperature=1.5))
    assert decision.labels_HW.shape == (16, 21)
    assert decision.labels_HW.dtype == np.uint8
    assert decision.labels_HW.max() < 3
    shares_KHW = shares(decision)
    np.testing.assert_allclose(shares_KHW.sum(axis=0), 1, atol=1e-5)
    chosen_HW = np.take_along_axis(shares_KHW, decision.labels_HW[None].astype(int), axis=0)[0]
    np.testing.assert_allclose(decision.confidence_HW, chosen_HW, atol=1e-5)
    by_share_HW = decision.refined_HW if decision.refined_HW is not None else False
    assert ((shares_KHW.argmax(axis=0) == decision.labels_HW) | by_share_HW).all(), (
        "the largest share decides where no refiner of class maps did"
    )


def test_a_refiner_of_classes_keeps_the_logits_and_names_the_pixels_it_changed(refinement):
    given, image = network_decision()
    decision = refinement(given, image)
    (step,) = refinement.chain.steps
    if _part(step.refiner).ON == "shares":
        assert decision.refined_HW is None
    else:
        assert decision.logits is given.logits
        changed_HW = decision.labels_HW != given.labels_HW
        named_HW = decision.refined_HW
        assert (changed_HW <= (False if named_HW is None else named_HW)).all()
        np.testing.assert_allclose(
            decision.confidence_HW[~changed_HW], given.confidence_HW[~changed_HW], rtol=1e-5
        )


def test_the_same_image_is_decided_the_same(refinement):
    one, two = (refinement(*network_decision()) for _ in range(2))
    np.testing.assert_array_equal(one.labels_HW, two.labels_HW)
    np.testing.assert_array_equal(one.confidence_HW, two.confidence_HW)


def test_a_decision_is_not_changed_in_place(refinement):
    given, image = network_decision()
    before = given.labels_HW.copy(), given.confidence_HW.copy(), given.logits.values_Khw.copy()
    refinement(given, image)
    after = given.labels_HW, given.confidence_HW, given.logits.values_Khw
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)


def test_pixels_without_data_stay_ignore_and_become_nothing_else(refinement):
    valid_HW = np.ones((16, 21), bool)
    valid_HW[3:9, 4:12] = False
    decision = refinement(*network_decision(valid_HW=valid_HW))
    np.testing.assert_array_equal(decision.labels_HW == IGNORE, ~valid_HW)
    assert (decision.confidence_HW[~valid_HW] == 0).all()
    assert np.isfinite(decision.confidence_HW).all()


def test_an_image_without_any_data_stays_without(refinement):
    decision = refinement(*network_decision(valid_HW=np.zeros((16, 21), bool)))
    assert (decision.labels_HW == IGNORE).all()


def test_a_single_pixel_is_refined(refinement):
    decision = decide(Logits.of_image(np.zeros((3, 1, 1), np.float32), (1, 1)))
    refined = refinement(decision, SourceImage(np.zeros((1, 1, 3), np.uint8)))
    assert refined.labels_HW.tolist() == [[0]]


def test_a_step_of_some_classes_gives_no_pixel_a_class_from_the_others(of_two_classes):
    given, image = network_decision()
    decision = of_two_classes(given, image)
    road_before, road_after = (d.labels_HW == 2 for d in (given, decision))
    (step,) = of_two_classes.chain.steps
    if step.refiner in {"components", "morphology"}:
        assert (road_after | ~road_before).all(), "others only grow, where these are removed"
    elif step.refiner == "holes":
        assert (road_before | ~road_after).all(), "others only shrink, where these are filled"
    else:
        np.testing.assert_array_equal(road_before, road_after)
    np.testing.assert_allclose(shares(decision).sum(axis=0), 1, atol=1e-5)


def test_its_text_and_its_json_hold_name_classes_and_settings(refinement):
    again = Refinement.from_text(str(refinement), LABELS)
    assert again.chain == refinement.chain
    document = refinement.to_json()
    assert RefineChain.from_json(document) == refinement.chain
    (step,) = document["steps"]
    config = _part(step["refiner"]).Config
    settings = {k: v for k, v in step.items() if k not in {"refiner", "classes"}}
    assert config(**settings) == config()


def test_what_is_written_on_the_command_line_is_read():
    (step,) = Refinement.from_text("crf:theta_alpha=30.5,iterations=5", LABELS).chain.steps
    assert step.settings["theta_alpha"] == 30.5
    assert step.settings["iterations"] == 5
    with pytest.raises(UnknownNameError, match="named 'crff'; did you mean 'crf'"):
        Refinement.from_text("crff", LABELS)
    with pytest.raises(ConfigError, match=r"'crf:w1': 'w1' has no value; write w1=VALUE"):
        Refinement.from_text("crf:w1", LABELS)
