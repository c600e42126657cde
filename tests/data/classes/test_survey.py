import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from maskwright.data.classes.survey import MAX_VALUES, count_values, survey_masks
from maskwright.data.pixels.imageref import ImageRef

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@given(arrays(st.sampled_from([np.uint8, np.uint16, np.uint32]), SHAPES))
def test_counting_runs_agrees_with_counting_pixels(raw):
    values, counts = np.unique(raw, return_counts=True)
    assert count_values(raw) == (values.tolist(), counts.tolist())


def test_values_are_counted_with_pixels_masks_and_the_first_file(write):
    root = write(
        {"a.png": np.array([[0, 0, 7]], np.uint8), "b.png": np.array([[7, 7]], np.uint8)}
    )
    survey = survey_masks([ImageRef(root / name) for name in ("a.png", "b.png")], total=2)
    assert survey.num_masks == 2
    assert survey.num_pixels == 5
    seven = survey.counts[7]
    assert (seven.pixels, seven.masks, seven.first) == (3, 2, ImageRef(root / "a.png"))
    assert survey.share(7) == "(60 % of pixels, in 2 of 2 masks)"


def test_an_unreadable_mask_is_counted_and_passed_over(write):
    root = write({"a.png": b"", "b.png": np.array([[1]], np.uint8)})
    survey = survey_masks([ImageRef(root / name) for name in ("a.png", "b.png")], total=2)
    assert survey.num_unreadable == 1
    assert "a.png: the file is empty" in survey.unreadable[0]
    assert list(survey.counts) == [1]


def test_photographs_taken_for_masks_do_not_fill_the_memory(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    survey = survey_masks([ImageRef(tmp_path / "a.png")], total=1)
    assert survey.excess
    assert len(survey.counts) == MAX_VALUES
