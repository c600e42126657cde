import numpy as np
import pytest

from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import LabelSpec
from maskwright.core.sample import Sample
from maskwright.training.tracking.previews import Previews, choose_images

LABELS = LabelSpec.from_names(["road", "car"])
SPEC = InputSpec(channels=3, mean=(0.5,) * 3, std=(0.2,) * 3)


def sample(rng):
    image_HWC = rng.integers(0, 256, (60, 90, 3)).astype(np.uint8)
    labels_HW = rng.integers(0, 2, (60, 90)).astype(np.uint8)
    return Sample(key="a/b", group="a", image_HWC=image_HWC, labels_HW=labels_HW)


@pytest.mark.parametrize(
    ("num_val", "num_processes", "expected"),
    [(101, 1, {0, 25, 50, 75, 100}), (3, 1, {0, 1, 2}), (7, 2, {0, 2, 4, 6}), (1, 4, {0})],
)
def test_shown_images_are_spread_over_those_of_the_first_process(
    num_val, num_processes, expected
):
    assert choose_images(num_val, num_processes) == expected


def test_the_first_prediction_stays_and_the_latest_is_replaced(tmp_path):
    one = sample(np.random.default_rng(0))
    previews = Previews.open(tmp_path, LABELS, SPEC)
    previews.add_prediction(3, one, 1 - one.labels_HW, 10)
    previews.write_document()
    previews = Previews.open(tmp_path, LABELS, SPEC)  # as of a resumed run
    previews.add_prediction(3, one, one.labels_HW, 50)
    (shot,) = previews.list_images()
    assert shot.key == "a/b"
    assert shot.note == "0.0&nbsp;% → 100.0&nbsp;%"
    assert shot.panels["latest"] == shot.panels["truth"] != shot.panels["first"]
    assert previews.describe().startswith("The same images after step 10 and after step 50")
    (drawn_HW3,) = previews.draw_images().values()
    assert drawn_HW3.shape == (30, 2 * 90, 3)


@pytest.mark.parametrize("in_range", [True, False])
def test_samples_are_the_first_of_a_run_in_their_own_values_or_as_network_input(
    tmp_path, in_range
):
    one = sample(np.random.default_rng(1))
    images_BHWC = one.image_HWC[None] if in_range else one.image_HWC[None] / 50 - 2.5
    previews = Previews.open(tmp_path, LABELS, SPEC)
    previews.add_samples(images_BHWC, one.labels_HW[None], ["a/b"], in_range=in_range)
    previews.add_samples(images_BHWC, one.labels_HW[None], ["later"], in_range=in_range)
    previews.write_document()
    (shot,) = Previews.open(tmp_path, LABELS, SPEC).list_samples()
    assert shot.key == "a/b"
    assert set(shot.panels) == {"image", "labels"}
