"""The class of the largest logit at a higher resolution equals torch's, on every kernel."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from maskwright.core import parts
from maskwright.core.kernels.kernel import KERNELS, Kernel
from maskwright.core.logits import Axis, Logits


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
    image = Logits.of_image(logits, size_HW)
    first, *others = [part.upsample_argmax(image) for part in all_parts()]
    for other in others:
        assert (first == other).all()
    assert first.shape == size_HW
    chosen = torch.gather(full, 0, torch.from_numpy(first.astype(np.int64))[None])[0]
    assert (full.max(0).values - chosen).max() <= 1e-5 * max(1, float(full.abs().max()))


def test_a_border_between_two_pixels_lies_where_the_lines_cross():
    """Logits 3 and -1 fall and rise by 4 over 8 px; the other class is 0: 3 - 4 t = 0."""
    logits = np.array([[[3, -1]], [[0, 0]]], np.float32)
    for part in all_parts():
        labels = part.upsample_argmax(Logits.of_image(logits, (1, 16)))
        assert labels.tolist() == [[0] * 10 + [1] * 6]


def test_the_lowest_of_equal_classes_wins_and_cut_arrays_are_taken():
    logits = np.zeros((3, 6, 9), np.float32)
    logits[2, ::2] = -1
    for part in all_parts():
        assert (part.upsample_argmax(Logits.of_image(logits, (24, 36))) == 0).all()
        cut = np.asfortranarray(np.pad(logits, 1))[1:-1, 1:-1, 1:-1]
        cut.setflags(write=False)
        assert (part.upsample_argmax(Logits.of_image(cut, (24, 36))) == 0).all()


def test_a_third_class_may_win_between_two_others():
    logits = np.array([[[4, -4]], [[-4, 4]], [[1.5, 1.5]]], np.float32)
    for part in all_parts():
        labels = part.upsample_argmax(Logits.of_image(logits, (1, 8)))
        assert labels.tolist() == [[0, 0, 0, 2, 2, 1, 1, 1]]


def test_an_image_that_covers_a_part_of_the_logits_is_cut_from_the_padded_one():
    """33 x 50 px padded to 64 x 64 at stride 4 cover 8.25 x 12.5 logit pixels."""
    rng = np.random.default_rng(3)
    values = rng.standard_normal((5, 16, 16)).astype(np.float32)
    for part in all_parts():
        padded = part.upsample_argmax(Logits.of_image(values, (64, 64)))
        image = Logits.of_image(values, (33, 50), (8.25, 12.5))
        assert (part.upsample_argmax(image) == padded[:33, :50]).all()


@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 40),
    step=st.sampled_from([1 / 8, 0.25, 0.3, 1.0, 1.7]),
    cut=st.tuples(st.integers(0, 39), st.integers(1, 40)),
)
def test_rows_are_labelled_from_the_logits_between_which_they_lie(seed, height, step, cut):
    start = min(cut[0], height - 1)
    stop = min(start + cut[1], height)
    rng = np.random.default_rng(seed)
    num_rows = int(np.ceil(height * step))
    values = rng.standard_normal((4, num_rows, 6)).astype(np.float32)
    whole = Logits.of_image(values, (height, 13), (height * step, 6))
    rows = whole.crop_rows(start, stop)
    assert rows.values_Khw.shape[1] <= np.ceil((stop - start) * step) + 2
    for part in all_parts():
        expected = part.upsample_argmax(whole)[start:stop]
        assert (part.upsample_argmax(rows) == expected).all()


def test_the_rows_of_logits_of_full_size_are_their_own():
    rows = Logits.of_image(np.zeros((3, 8, 9), np.float32), (8, 9)).crop_rows(2, 7)
    assert rows.is_full_size
    assert (rows.size_HW, rows.rows) == ((5, 9), Axis(1, first=2, origin=2))
