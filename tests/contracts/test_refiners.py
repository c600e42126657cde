"""Every file in inference/refine keeps the same promises."""

import numpy as np
import pytest

from maskwright.core import parts
from maskwright.core.errors import ConfigError, UnknownNameError
from maskwright.inference.refiner import REFINERS, Refinement, RefinerPart
from maskwright.inference.resolution import planes

NAMES = parts.names(REFINERS)


@pytest.fixture(params=NAMES)
def refinement(request):
    return Refinement.from_text(request.param)


def decided(refinement, *, seed=0, temperature=1.0):
    rng = np.random.default_rng(seed)
    logits_Khw = rng.normal(size=(3, 8, 11)).astype(np.float32)
    image_HWC = rng.integers(0, 256, (16, 21, 3), dtype=np.uint8)
    return refinement.refiner(logits_Khw, image_HWC, temperature=temperature, where="a.png")


def test_a_decision_has_the_size_of_the_image_and_shares_that_sum_to_one(refinement):
    decision = decided(refinement, temperature=1.5)
    assert decision.labels_HW.shape == (16, 21)
    assert decision.labels_HW.dtype == np.uint8
    assert decision.labels_HW.max() < 3
    shares_KHW = np.stack(
        [
            np.exp((plane - decision.best_HW) / decision.temperature) * decision.confidence_HW
            for plane in planes(decision.logits_Khw, (16, 21))
        ]
    )
    np.testing.assert_allclose(shares_KHW.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(shares_KHW.argmax(axis=0), decision.labels_HW)


def test_the_same_image_is_decided_the_same(refinement):
    one, two = decided(refinement), decided(refinement)
    np.testing.assert_array_equal(one.labels_HW, two.labels_HW)
    np.testing.assert_array_equal(one.confidence_HW, two.confidence_HW)


def test_its_text_and_its_json_hold_name_and_settings(refinement):
    assert Refinement.from_text(str(refinement)).config == refinement.config
    document = refinement.to_json()
    assert document["name"] == refinement.name
    part = parts.load(REFINERS, refinement.name, like=RefinerPart)
    assert part.Config(**{k: v for k, v in document.items() if k != "name"}) == part.Config()


def test_what_is_written_on_the_command_line_is_read():
    chosen = Refinement.from_text("crf:theta_alpha=30.5,iterations=5")
    assert chosen.config.theta_alpha == 30.5
    assert chosen.config.iterations == 5
    with pytest.raises(UnknownNameError, match="named 'crff'; did you mean 'crf'"):
        Refinement.from_text("crff")
    with pytest.raises(ConfigError, match=r"'crf:w1': 'w1' has no value; write w1=VALUE"):
        Refinement.from_text("crf:w1")
