"""A day of a street with traffic: what stays is found, what passes is not."""

import dataclasses
from itertools import count

import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.core.labels import LabelSpec
from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.data.synth.scene import CAR, STREET
from maskwright.measurement.events.baseline import (
    Baseline,
    BaselineLearner,
    Light,
    find_light,
    see_cells,
)
from maskwright.measurement.events.baselinewatch import BaselineWatch
from maskwright.measurement.events.event import State

from .scenes import Planted, Street

STREET_VIEW = Street()


def learn(frames, spec=STREET):
    learner = BaselineLearner(spec)
    for one in frames:
        learner.add(one)
    return learner.finish()


@pytest.fixture(scope="module")
def baseline():
    return learn(STREET_VIEW.frames(np.random.default_rng(0), duration_s=600))


def watch(baseline, frames, *, stay_s=10.0, spec=STREET, scale=None, **how):
    watched = BaselineWatch(
        baseline=baseline,
        spec=spec,
        scale=scale or PixelSize.pixels(),
        rois=None,
        numbers=count(1),
        stay_s=stay_s,
        **how,
    )
    events = {}
    for one in frames:
        events |= {c.event.number: c.event for c in watched.update(one, away_s=0.0)}
    events |= {c.event.number: c.event for c in watched.finish()}
    return list(events.values()), watched


def overlaps(event, planted):
    left, top, width, height = event.box_px
    return (
        min(left + width, planted.left + planted.width) - max(left, planted.left) > 2
        and min(top + height, planted.top + planted.height) - max(top, planted.top) > 2
        and planted.start_s - 0.5 < event.start_s < planted.start_s + 3
        and planted.end_s - 0.5 < event.end_s < planted.end_s + 5
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_in_a_day_all_that_stays_is_found_once_and_nothing_else(baseline, seed):
    assert set(baseline.lights) == set(Light)
    rng = np.random.default_rng(seed)
    planted = STREET_VIEW.plant(rng, every_s=50, num=14)
    events, _ = watch(baseline, STREET_VIEW.frames(rng, duration_s=760, planted=planted))
    found = [[overlaps(event, one) for event in events] for one in planted]
    assert np.sum(found, axis=1).tolist() == [1] * 14
    assert len(events) == 14
    for one in planted:
        event = next(event for event in events if overlaps(event, one))
        assert event.name.startswith(f"{STREET.names[one.index]}, usually ")
        assert event.peak <= 1.5 * one.width * one.height


def test_cars_that_stop_as_long_as_they_usually_do_are_no_events():
    rng = np.random.default_rng(5)
    learned = learn(STREET_VIEW.frames(rng, duration_s=600, longest_stop_s=14))
    frames = list(STREET_VIEW.frames(rng, duration_s=400, longest_stop_s=14))
    assert watch(learned, frames)[0] == []
    lights = {
        light: dataclasses.replace(one, longest_s_hw=np.zeros_like(one.longest_s_hw))
        for light, one in learned.lights.items()
    }
    shares_alone = dataclasses.replace(learned, lights=lights)
    assert len(watch(shares_alone, frames)[0]) > 3  # by the shares of classes alone


@pytest.fixture
def plain(make_frames):
    """A function: frames of road, with a car in a square while `there`; 10 per second."""

    def make(there):
        for index, one in enumerate(make_frames([np.zeros((20, 20))] * len(there))):
            labels_HW = one.labels_HW.copy()
            if there[index]:
                labels_HW[4:12, 6:12] = CAR
            frame = dataclasses.replace(one.frame, image_HWC=one.frame.image_HWC + 128)
            yield dataclasses.replace(one, frame=frame, labels_HW=labels_HW)

    return make


def test_an_object_is_an_event_from_its_first_frame_to_its_last(plain):
    learned = learn(plain([False] * 400))
    there = [False] * 5 + [True] * 60 + [False] * 40
    (event,), _ = watch(learned, plain(there), stay_s=5, scale=PixelSize.square("mm", 10.0))
    assert event.name == "car, usually road"
    assert event.start_s == pytest.approx(0.5)
    assert event.raised_s == pytest.approx(5.5)
    assert event.end_s == pytest.approx(6.5)
    assert event.box_px == (6, 4, 6, 8)
    assert (event.peak, event.unit) == (4800, "mm2")
    assert watch(learned, plain([False] + [True] * 50), stay_s=5)[0] == []
    assert watch(learned, plain(there), stay_s=5, min_area=49)[0] == []


def test_a_light_with_too_little_footage_is_not_judged(plain):
    learned = learn(plain([False] * 200))
    assert learned.describe() == ["day: 200 frames, 20 s; not judged, 30 s are needed"]
    events, watched = watch(learned, plain([True] * 100), stay_s=5)
    assert events == []
    assert (
        "100 frames were not compared: the baseline has less than 30 s"
        in (watched.describe()[0])
    )


def test_a_file_says_what_was_learned(tmp_path, baseline):
    baseline.save(tmp_path / "a.npz")
    read = Baseline.read(tmp_path / "a.npz")
    assert (read.classes, read.size_HW, read.cell_px) == (STREET.names, (64, 96), 1)
    for light, one in baseline.lights.items():
        again = read.lights[light]
        np.testing.assert_array_equal(again.share_Khw, one.share_Khw)
        np.testing.assert_array_equal(again.longest_s_hw, one.longest_s_hw)
        assert (again.num_frames, again.seconds) == (one.num_frames, one.seconds)
        sums_hw = one.share_Khw.sum(axis=0, dtype=np.int64)
        assert np.abs(sums_hw - 255).max() <= len(STREET) / 2


def test_files_and_frames_that_do_not_fit_are_refused(tmp_path, plain, make_frames):
    learned = learn(plain([False] * 10))
    learned.save(tmp_path / "a.npz")
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[:-90])
    (tmp_path / "text.npz").write_text("no baseline")
    np.savez(tmp_path / "other.npz", values=np.zeros(3))
    for name in ("cut.npz", "text.npz", "other.npz", "missing.npz"):
        with pytest.raises(DataError, match=f"{name}: not a baseline that can be read"):
            Baseline.read(tmp_path / name)
    with pytest.raises(DataError, match=r"learned with the classes road, sidewalk.*has a, b"):
        learned.require_fit(LabelSpec.from_names(("a", "b")), where="a.npz")
    with pytest.raises(DataError, match=r"is \(8, 8\) \(H, W\), the baseline is of frames of"):
        watch(learned, make_frames([np.zeros((8, 8))]))
    with pytest.raises(DataError, match="a baseline of no frame"):
        learn([])


@pytest.mark.parametrize(
    ("value", "light"), [(20, "night"), (21, "dusk"), (50, "dusk"), (51, "day"), (255, "day")]
)
def test_the_light_is_that_of_the_median(value, light):
    image_HWC = np.full((40, 40, 3), value, np.uint8)
    image_HWC[:12] = 255  # the lamps of a lorry
    assert find_light(image_HWC) == light
    assert find_light(image_HWC.astype(np.uint16) * 257) == light


def test_a_cell_has_the_class_of_its_middle():
    labels_HW = np.arange(70, dtype=np.uint8).reshape(7, 10)
    np.testing.assert_array_equal(see_cells(labels_HW, 1), labels_HW)
    np.testing.assert_array_equal(
        see_cells(labels_HW, 3), [[11, 14, 17, 19], [41, 44, 47, 49], [61, 64, 67, 69]]
    )


def test_an_event_that_lasts_is_left_open(plain):
    learned = learn(plain([False] * 400))
    watched = watch(learned, plain([True] * 60), stay_s=5)[1]
    assert [change.state for change in watched.finish()] == []  # finished already
    (event,), _ = watch(learned, plain([True] * 60), stay_s=5)
    assert event.end_s is None
    assert State.OPEN == "open"


def test_the_planted_objects_lie_on_the_ground():
    planted = STREET_VIEW.plant(np.random.default_rng(0), every_s=10, num=3)
    assert all(isinstance(one, Planted) and one.end_s - one.start_s >= 25 for one in planted)
