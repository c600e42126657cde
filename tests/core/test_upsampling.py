"""The class of the largest logit at a higher resolution equals torch's, on every kernel."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from maskwright.core import parts
from maskwright.core.kernels.kernel import KERNELS, Kernel


def all_parts():
    for name in parts.names(KERNELS):
        if name != "numpy":
            pytest.importorskip(name)
        yield parts.load(KERNELS, name, like=Kernel)


def interpolate(logits_Khw, size_HW):
    x = torch.from_numpy(logits_Khw).double()[None]
    return F.interpolate(x, size=size_HW, mode="bilinear", align_corners=False)[0]


@given(
    seed=st.integers(0, 2**32 - 1),
    size_hw=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size_HW=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    num_classes=st.sampled_from([1, 2, 5, 40]),
    is_smooth=st.booleans(),
)
def test_labels_are_those_of_torch_but_for_rounding(
    seed, size_hw, size_HW, num_classes, is_smooth
):
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((num_classes, *size_hw)).astype(np.float32)
    if is_smooth:
        logits = np.cumsum(np.cumsum(logits, axis=1), axis=2).astype(np.float32)
    full = interpolate(logits, size_HW)
    first, *others = [part.upsample_argmax(logits, size_HW) for part in all_parts()]
    for other in others:
        assert (first == other).all()
    assert first.shape == size_HW
    chosen = torch.gather(full, 0, torch.from_numpy(first.astype(np.int64))[None])[0]
    assert (full.max(0).values - chosen).max() <= 1e-5 * max(1, float(full.abs().max()))


def test_a_border_between_two_pixels_lies_where_the_lines_cross():
    """Logits 3 and -1 fall and rise by 4 over 8 px; the other class is 0: 3 - 4 t = 0."""
    logits = np.array([[[3, -1]], [[0, 0]]], np.float32)
    for part in all_parts():
        labels = part.upsample_argmax(logits, (1, 16))
        assert labels.tolist() == [[0] * 10 + [1] * 6]


def test_the_lowest_of_equal_classes_wins_and_cut_arrays_are_taken():
    logits = np.zeros((3, 6, 9), np.float32)
    logits[2, ::2] = -1
    for part in all_parts():
        assert (part.upsample_argmax(logits, (24, 36)) == 0).all()
        cut = np.asfortranarray(np.pad(logits, 1))[1:-1, 1:-1, 1:-1]
        cut.setflags(write=False)
        assert (part.upsample_argmax(cut, (24, 36)) == 0).all()


def test_a_third_class_may_win_between_two_others():
    logits = np.array([[[4, -4]], [[-4, 4]], [[1.5, 1.5]]], np.float32)
    for part in all_parts():
        assert part.upsample_argmax(logits, (1, 8)).tolist() == [[0, 0, 0, 2, 2, 1, 1, 1]]
