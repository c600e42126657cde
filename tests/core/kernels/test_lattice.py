"""The lattice holds each point between its vertices, and its blur is nearly a Gaussian."""

from itertools import pairwise

import numpy as np
import pytest

from maskwright.core import parts
from maskwright.core.errors import ConfigError
from maskwright.core.kernels.kernel import KERNELS, Kernel, kernel
from maskwright.core.kernels.lattice import build_lattice


@pytest.fixture(params=(1, 2, 3, 5))
def cloud(request):
    rng = np.random.default_rng(request.param)
    return (rng.random((request.param, 700)) * 6).astype(np.float32)


def _all_kernels():
    yield parts.load(KERNELS, "numpy", like=Kernel)
    pytest.importorskip("numba")
    yield parts.load(KERNELS, "numba", like=Kernel)


def _share_under_gaussian(features_DN, values_N):
    square_NN = ((features_DN[:, :, None] - features_DN[:, None]) ** 2).sum(axis=0)
    weight_NN = np.exp(-square_NN / 2)
    return weight_NN @ values_N / weight_NN.sum(axis=1)


def test_weights_are_barycentric(cloud):
    lattice = build_lattice(cloud)
    assert lattice.weight_AN.shape == (len(cloud) + 1, cloud.shape[1])
    assert lattice.weight_AN.min() >= -1e-6
    np.testing.assert_allclose(lattice.weight_AN.sum(axis=0), 1, atol=1e-6)


def test_points_of_one_place_share_their_vertices_and_others_their_own_order():
    features_DN = np.array([[0, 0.1, 9, 0, 9], [0, 0.1, 9, 0, 9]], np.float32)
    vertex_AN = build_lattice(features_DN).vertex_AN
    np.testing.assert_array_equal(vertex_AN[:, 0], vertex_AN[:, 3])
    np.testing.assert_array_equal(vertex_AN[:, 2], vertex_AN[:, 4])
    assert not set(vertex_AN[:, 0]) & set(vertex_AN[:, 2])


def test_after_undoes_before(cloud):
    lattice = build_lattice(cloud)
    num_vertices = lattice.before_AM.shape[1] - 1
    for before_M, after_M in zip(lattice.before_AM, lattice.after_AM, strict=True):
        known = np.flatnonzero(after_M[:-1] < num_vertices)
        assert known.size
        np.testing.assert_array_equal(before_M[after_M[known]], known)
        assert before_M[-1] == after_M[-1] == num_vertices


def test_a_vertex_and_its_neighbour_are_one_step_apart():
    """Points on a line, D = 1: the vertices stand in a row, each the next one's neighbour."""
    features_DN = np.linspace(0, 20, 300, dtype=np.float32)[None]
    lattice = build_lattice(features_DN)
    mean = [
        features_DN[0][(lattice.vertex_AN == m).any(axis=0)].mean()
        for m in range(lattice.before_AM.shape[1] - 1)
    ]
    order = np.argsort(mean)
    for here, there in pairwise(order):
        neighbours = {*lattice.before_AM[:, here], *lattice.after_AM[:, here]}
        assert there in neighbours


def test_both_kernels_give_the_same_numbers(cloud):
    rng = np.random.default_rng(0)
    lattice = build_lattice(cloud)
    for num_planes in (1, 3, 4, 9):
        planes_KN = rng.random((num_planes, cloud.shape[1])).astype(np.float32)
        found = []
        for one in _all_kernels():
            found.append(planes_KN.copy())
            one.blur(found[-1], lattice)
        np.testing.assert_array_equal(*found)


def test_more_points_than_a_block_or_a_strip_give_the_same_numbers():
    rng = np.random.default_rng(0)
    features_DN = (rng.random((2, (1 << 17) + 1025)) * 40).astype(np.float32)
    lattice = build_lattice(features_DN)
    found = [np.ones((1, features_DN.shape[1]), np.float32) for _ in range(2)]
    for planes_KN, one in zip(found, _all_kernels(), strict=True):
        one.blur(planes_KN, lattice)
    np.testing.assert_array_equal(*found)


def test_a_dense_cloud_is_averaged_nearly_as_under_the_gaussian():
    rng = np.random.default_rng(0)
    features_DN = (rng.random((2, 3000)) * 8).astype(np.float32)
    values_N = np.sin(features_DN[0] * 2).astype(np.float32) + (features_DN[1] > 4)
    expected_N = _share_under_gaussian(features_DN.astype(np.float64), values_N)
    planes_KN = np.stack([values_N, np.ones_like(values_N)]).astype(np.float32)
    kernel().blur(planes_KN, build_lattice(features_DN))
    assert np.abs(planes_KN[0] / planes_KN[1] - expected_N).max() < 0.06


def test_points_too_far_apart_to_be_numbered_are_refused():
    with pytest.raises(ConfigError, match=r"too narrow for this image.*use wider Gaussians"):
        build_lattice(np.full((5, 3), 1e6, np.float32))
