import numpy as np
import pytest
import tifffile

from maskwright.core.errors import DataError
from maskwright.data.dataset import open_dataset
from maskwright.data.facts import measure_facts

from ..painted import painted


@pytest.fixture
def root(write):
    """Two images: one half black and half white, one grey; a 3 x 2 object and two specks."""
    black = np.zeros((4, 10, 3), np.uint8)
    black[:, 5:] = 255
    labels = np.zeros((4, 10), np.uint8)
    labels[1:4, 1:3] = 1
    labels[0, 6] = labels[0, 9] = 1
    labels[:, 5] = 255
    return write(
        {
            "dataset.yaml": "classes: [{name: a}, {name: b}, {name: c}]\n",
            "images/train/a.png": black,
            "masks/train/a.png": labels,
            "images/val/b.png": np.full((8, 6, 3), 51, np.uint8),
            "masks/val/b.png": np.zeros((8, 6), np.uint8),
        }
    )


def test_facts_are_what_is_in_the_files(root):
    facts = measure_facts(open_dataset(root))
    assert facts.num_images == {"train": 1, "val": 1}
    assert (facts.channels, facts.max_value) == (3, 255)
    assert facts.median_size_HW == (6, 8)
    assert facts.counts_NC.tolist() == [[28, 8, 0], [48, 0, 0]]
    assert facts.class_share_C == (76 / 84, 8 / 84, 0)
    assert facts.object_area_px_C == (48, 6, None)
    np.testing.assert_allclose(facts.mean, [(0.5 + 0.2) / 2] * 3)
    second_moment = (0.5 + 0.04) / 2
    np.testing.assert_allclose(facts.std, [np.sqrt(second_moment - 0.35**2)] * 3, rtol=1e-5)


def test_facts_of_a_subset_are_of_it_alone(root):
    facts = measure_facts(open_dataset(root).subset("val"))
    assert facts.num_images == {"val": 1}
    assert facts.counts_NC.tolist() == [[48, 0, 0]]


def test_16_bit_images_of_five_channels_are_measured(write):
    pixels = np.full((8, 8, 5), 13107, np.uint16)
    root = write({"masks/train/a.png": np.array([[0, 1] * 4] * 8, np.uint8)})
    (root / "images/train").mkdir(parents=True)
    tifffile.imwrite(root / "images/train/a.tif", pixels, photometric="minisblack")
    facts = measure_facts(open_dataset(root))
    assert (facts.channels, facts.max_value) == (5, 65535)
    np.testing.assert_allclose(facts.mean, [0.2] * 5)
    assert min(facts.std) > 0


def test_images_of_two_kinds_are_refused(root, write):
    write({"images/val/b.png": np.zeros((8, 6), np.uint16)})
    with pytest.raises(
        DataError,
        match=r"b\.png: image has 1 channel of uint16, 1 other has 3 .*a\.png has; a network",
    ):
        measure_facts(open_dataset(root))


def test_nothing_labelled_is_refused(root, write):
    write(
        {
            "masks/train/a.png": np.full((4, 10), 255, np.uint8),
            "masks/val/b.png": np.full((8, 6), 255, np.uint8),
        }
    )
    with pytest.raises(DataError, match="no labelled pixel in 2 images"):
        measure_facts(open_dataset(root))


def test_facts_need_no_files():
    labels = np.zeros((4, 6), np.uint8)
    labels[1:3, 1:4] = 1
    facts = measure_facts(painted({"train/a": labels, "val/b": None}, names=("a", "b", "c")))
    assert facts.num_images == {"train": 1, "val": 1}
    assert facts.counts_NC.tolist() == [[18, 6, 0], [0, 0, 0]]
    assert facts.object_area_px_C == (18, 6, None)
    assert facts.median_size_HW == (3, 4)


def test_a_painted_dataset_is_named_in_messages():
    nothing = np.full((2, 2), 255, np.uint8)
    with pytest.raises(DataError, match=r"^painted: no labelled pixel in 1 image"):
        measure_facts(painted({"train/a": nothing}))
