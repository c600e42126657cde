"""Each id of an image has its smallest crop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskwright.core.errors import DataError
from maskwright.data.shapes.raster import crop_mask
from maskwright.data.shapes.segments import crop_each_id


def test_three_ids_have_the_crops_written_by_hand():
    crops = crop_each_id(np.array([[5, 5, 0], [5, 9, 0]]))
    assert {k: (c.top, c.left, c.inside_hw.tolist()) for k, c in crops.items()} == {
        0: (0, 2, [[True], [True]]),
        5: (0, 0, [[True, True], [True, False]]),
        9: (1, 1, [[True]]),
    }


@given(arrays(np.uint32, st.tuples(*[st.integers(1, 12)] * 2), elements=st.integers(0, 4)))
def test_every_crop_equals_that_of_its_mask(ids_HW):
    crops = crop_each_id(ids_HW)
    assert list(crops) == np.unique(ids_HW).tolist()
    for value, crop in crops.items():
        np.testing.assert_array_equal(crop.to_mask(ids_HW.shape), ids_HW == value)
        assert crop.inside_hw.shape == crop_mask(ids_HW == value).inside_hw.shape


def test_noise_is_refused_before_it_fills_the_memory():
    rng = np.random.default_rng(0)
    scattered = rng.integers(0, 1 << 12, (600, 600))
    with pytest.raises(
        DataError, match=r"4,096 ids lie in boxes of 1,\d+,\d+,\d+ pixels, and th"
    ):
        crop_each_id(scattered)
    with pytest.raises(DataError, match=r"90,000 ids .* it is noise, not objects"):
        crop_each_id(np.arange(90_000).reshape(300, 300))
