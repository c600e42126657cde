"""Run lengths equal those of COCO; wrong ones are refused before a mask is allocated."""

import numpy as np
import pycocotools.mask as peer
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskwright.core.errors import DataError
from maskwright.data.shapes.raster import Crop, crop_mask
from maskwright.data.shapes.runs import (
    decode_coco_text,
    decode_columns,
    decode_runs,
    encode_coco_text,
    encode_columns,
    encode_runs,
)

M = np.array([[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]])
COUNTS = [5, 3, 1, 1, 1, 1, 1, 3, 6, 2]
masks = arrays(np.bool_, st.tuples(st.integers(1, 30), st.integers(1, 30)))


def test_the_golden_vector_is_encoded_and_decoded():
    counts = encode_runs(M.T.astype(bool).ravel())
    assert counts.tolist() == COUNTS
    assert encode_coco_text(counts) == "531N00025O"
    assert decode_coco_text("531N00025O", where="a").tolist() == COUNTS
    np.testing.assert_array_equal(decode_runs(counts, (6, 4), where="a").T, M)


@given(masks)
def test_the_text_is_that_of_pycocotools(mask_HW):
    counts = encode_runs(mask_HW.T.ravel())
    text = peer.encode(np.asfortranarray(mask_HW.astype(np.uint8)))["counts"]
    assert encode_coco_text(counts) == text.decode()
    assert decode_coco_text(text, where="a").tolist() == counts.tolist()
    np.testing.assert_array_equal(decode_runs(counts, mask_HW.T.shape, where="a").T, mask_HW)


@given(masks, st.tuples(*[st.integers(0, 5)] * 4))
def test_a_crop_is_counted_down_the_columns_of_the_whole_image(mask_hw, border):
    above, below, left, right = border
    mask_HW = np.pad(mask_hw, ((above, below), (left, right)))
    counts = encode_runs(mask_HW.T.ravel())
    for crop in (Crop(above, left, mask_hw), crop_mask(mask_HW)):
        assert encode_columns(crop, mask_HW.shape).tolist() == counts.tolist()
    back = decode_columns(counts, mask_HW.shape, where="a")
    np.testing.assert_array_equal(back.to_mask(mask_HW.shape), mask_HW)
    assert back.inside_hw.shape == crop_mask(mask_HW).inside_hw.shape


def test_the_golden_vector_is_decoded_as_a_crop():
    crop = decode_columns(np.array(COUNTS), (4, 6), where="a")
    assert (crop.top, crop.left, crop.area_px) == (1, 1, 10)
    assert encode_columns(crop, (4, 6)).tolist() == COUNTS


@given(st.lists(st.integers(0, 1 << 31), max_size=12))
def test_any_counts_survive_the_text(counts):
    assert (
        decode_coco_text(encode_coco_text(np.array(counts, np.int64)), where="a").tolist()
        == counts
    )


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([5, 3], r"a\.json: run lengths add up to 8, the mask has 4 x 6 = 24 pixels"),
        ([-1, 25], r"a\.json: a run length is not in 0\.\.24"),
        ([10**9, 1], r"a\.json: a run length is not in 0\.\.24"),
        ([], r"a\.json: run lengths add up to 0"),
    ],
)
def test_counts_that_do_not_fit_are_refused(counts, message):
    for read in (decode_runs, decode_columns):
        with pytest.raises(DataError, match=message):
            read(np.array(counts, np.int64), (4, 6), where="a.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("53\n", "not a COCO string"),
        ("53\u00e9", "not a COCO string"),
        ("53o", "truncated"),
        ("o" * 9 + "0", "more than 35 bits"),
    ],
)
def test_text_that_is_not_a_coco_string_is_refused(text, message):
    with pytest.raises(DataError, match=f"a.json.*{message}"):
        decode_coco_text(text, where="a.json")
