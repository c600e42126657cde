"""Stuff or things: proposed from the regions of the masks, and written to dataset.yaml."""

import numpy as np
import pytest

from maskwright.data.classes.kinds import RegionTally, find_step, propose_kind, tally_regions
from maskwright.data.dataset import open_dataset


def tally(mask):
    tallies: dict[int, RegionTally] = {}
    step = find_step(mask.shape)
    tally_regions(mask[::step, ::step], np.unique(mask).tolist(), tallies)
    return tallies


def draw_street():
    """Sky 0 above road 1 above nothing else, two cars 2 on it, one cut by the border."""
    mask = np.zeros((40, 60), np.uint8)
    mask[20:] = 1
    mask[25:32, 10:25] = 2
    mask[24:30, 55:] = 2
    return mask


def test_shares_are_counted_by_hand():
    car = tally(draw_street())[2]
    assert (car.pixels, car.inner) == (7 * 15 + 6 * 5, 7 * 15)
    assert car.share == pytest.approx((7 * 15 + 6 * 5) / 2400)
    assert car.border == pytest.approx(6 / 200)


def test_what_lies_inside_is_things_and_what_holds_the_border_is_stuff():
    tallies = tally(draw_street())
    kinds = {value: propose_kind(f"class_{value}", [tallies[value]]) for value in tallies}
    assert kinds == {0: "stuff", 1: "stuff", 2: "thing"}


def test_a_class_that_covers_half_or_is_called_background_is_stuff():
    mask = np.zeros((10, 10), np.uint8)
    mask[1:9, 1:9] = 1
    assert propose_kind("wall", [tally(mask)[1]]) == "stuff"
    mask[4:] = 0
    assert propose_kind("wall", [tally(mask)[1]]) == "thing"
    assert propose_kind("Background", [tally(mask)[1]]) == "stuff"
    assert propose_kind("absent", []) == "stuff"


def test_diagonal_neighbours_are_one_region():
    mask = np.zeros((6, 6), np.uint8)
    mask[np.arange(5), np.arange(5)] = 1
    assert tally(mask)[1].inner == 0
    mask[0, 0] = 0
    assert tally(mask)[1].inner == 4


def test_the_proposal_is_written_with_its_reason_and_can_be_corrected(write):
    data = write(
        {
            name: value
            for i in range(4)
            for name, value in (
                (f"images/{i}.png", np.zeros((40, 60, 3), np.uint8)),
                (f"masks/{i}.png", draw_street()),
            )
        }
    )
    dataset = open_dataset(data)
    assert [c.kind for c in dataset.spec] == ["stuff", "stuff", "thing"]
    assert (
        "kinds proposed from the pictures: things, mostly in regions inside the image: "
        "class_2; stuff, much of the image or of its border: class_0, class_1 (correct 'kind' "
        "in dataset.yaml)"
    ) in dataset.notes
    written = (data / "dataset.yaml").read_text()
    assert "kind: thing" in written
    (data / "dataset.yaml").write_text(written.replace("kind: thing", "kind: stuff"))
    corrected = open_dataset(data)
    assert [c.kind for c in corrected.spec] == ["stuff"] * 3
    assert corrected.fingerprint == dataset.fingerprint
