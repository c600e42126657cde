"""Parity counts what differs and refuses a graph that says something else."""

import numpy as np
import pytest

from maskwright.core.errors import BundleError, ConfigError
from maskwright.core.graph import Tolerance
from maskwright.inference.parity import compare

INPUTS = [
    np.random.default_rng(i).normal(size=(2, 20 + i, 30)).astype(np.float32) for i in (0, 1)
]

DEFAULT = Tolerance()


def network(x_BCHW):
    """Two channels in, two classes out: the image is its own logits."""
    return x_BCHW.copy()


def require(parity, tolerance=DEFAULT):
    parity.require_agreement(tolerance, graph="the graph", fix="export it again")


def test_the_same_engine_agrees_with_itself():
    parity = compare(network, network, INPUTS)
    require(parity)
    assert parity.largest_logit_difference == 0
    assert parity.equal_pixel_share == 1
    assert parity.num_images == 2
    # each whole, and two crops of 13 x 19 (from 20 x 30) and 13 x 19 (from 21 x 30)
    assert parity.num_pixels == 20 * 30 + 21 * 30 + 4 * 13 * 19
    assert parity.to_json()["num_images"] == 2


def test_rounding_is_allowed_and_its_size_kept():
    parity = compare(network, lambda x: x * np.float32(1 + 1e-6), INPUTS)
    require(parity)
    assert 0 < parity.largest_logit_difference < 1e-5


def test_one_wrong_logit_is_refused_with_the_numbers():
    def spoiled(x_BCHW):
        logits_BKHW = x_BCHW.copy()
        logits_BKHW[0, 0, 0, 0] += 0.25
        return logits_BKHW

    parity = compare(network, spoiled, INPUTS)
    assert parity.largest_logit_difference == pytest.approx(0.25, abs=1e-6)
    with pytest.raises(
        BundleError, match=r"on 2 images: logits differ by up to 0\.25 \(allowed"
    ):
        require(parity)


def test_a_wider_tolerance_admits_a_coarser_graph():
    parity = compare(network, lambda x: x * np.float32(1.01), INPUTS)
    with pytest.raises(BundleError, match=r"the graph disagrees .*; export it again"):
        require(parity)
    require(parity, Tolerance(logit_ratio=0.02, equal_pixel_share=0.99))


def test_a_graph_that_holds_for_one_size_only_is_caught():
    def traced(x_BCHW):
        return x_BCHW if x_BCHW.shape[2] >= 20 else x_BCHW[:, ::-1]

    with pytest.raises(BundleError, match="disagrees with the network"):
        require(compare(network, traced, INPUTS))


def test_another_shape_is_refused():
    with pytest.raises(
        BundleError, match=r"gives \(1, 1, 20, 30\), the network \(1, 2, 20, 30\)"
    ):
        compare(network, lambda x: x[:, :1], INPUTS)


def test_logits_that_are_not_numbers_never_agree():
    parity = compare(lambda x: x * np.float32("nan"), lambda x: x * np.float32("nan"), INPUTS)
    with pytest.raises(BundleError, match="differ by up to nan"):
        require(parity)


def test_parity_needs_an_input():
    with pytest.raises(ConfigError, match="at least one image"):
        compare(network, network, [])


def test_an_image_of_one_pixel_can_be_compared():
    require(compare(network, network, [np.zeros((2, 1, 1), np.float32)]))
