"""Smoothing, keyframes and temporal scores on generated clips whose motion is known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from maskwright.core.errors import ConfigError
from maskwright.core.stream import Frame, LabelledFrame
from maskwright.inference.predictor import Predictor, open_model
from maskwright.inference.video.consistency import Consistency
from maskwright.inference.video.labeller import EachFrame
from maskwright.inference.video.motion import Motion, shrink
from maskwright.inference.video.temporal import Keyframes, Smoothing, choose_labeller


def texture(seed, size_HW=(96, 240)):
    noise = np.random.default_rng(seed).integers(0, 255, size_HW, np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return cv2.normalize(smooth, None, 20, 235, cv2.NORM_MINMAX)


def pan(num, step=3, seed=0):
    """Frames (96 x 120) of a camera that pans over a texture; the truth is its bright half."""
    wide = texture(seed)
    grey = [wide[:, step * i : step * i + 120] for i in range(num)]
    return [
        Frame(key=str(i), index=i, time_s=i / 10, image_HWC=np.repeat(g[..., None], 3, axis=2))
        for i, g in enumerate(grey)
    ]


def find_truth(frame):
    return (frame.image_HWC[..., 0] > 128).astype(np.uint8)


@pytest.fixture
def noisy(painted_card, engine_from):
    """A model of two classes by brightness, with noise that is new in each frame."""
    rng = np.random.default_rng(1)
    calls = []

    def run(image_BCHW):
        calls.append(1)
        bright = image_BCHW[:, :1] - 128 / 255
        noise = rng.normal(0, 0.15, bright.shape).astype(np.float32)
        return np.concatenate([-bright - noise, bright + noise], axis=1)

    card = painted_card(names=("dark", "bright"))
    card = replace(card, input=replace(card.input, mean=(0, 0, 0), std=(1, 1, 1)))
    model = Predictor(engine_from(run), card, "noisy")
    return model, calls


def measure(labeller, frames, labels):
    consistency, right = Consistency(labels), []
    for frame in frames:
        labels_HW = labeller.label(frame)
        consistency.add(LabelledFrame(frame=frame, labels_HW=labels_HW))
        right.append((labels_HW == find_truth(frame)).mean())
    return consistency, np.mean(right)


def test_the_motion_of_a_pan_is_found():
    first, second = (shrink(frame.image_HWC) for frame in pan(2, step=4))
    motion = Motion.between(first, second)
    shift_hw = motion.place_hw2[..., 0] - np.arange(120)
    assert np.median(shift_hw) == pytest.approx(4, abs=0.3)
    assert not motion.is_cut
    assert motion.lost_share < 0.1


def test_another_scene_is_a_cut():
    first, second = (shrink(pan(1, seed=seed)[0].image_HWC) for seed in (0, 7))
    assert Motion.between(first, second).is_cut


def test_labels_that_move_with_the_picture_are_consistent():
    frames = pan(5)
    spec = type("Two", (), {"__len__": lambda _: 2})()
    consistency = Consistency(spec)
    for frame in frames:
        consistency.add(LabelledFrame(frame=frame, labels_HW=find_truth(frame)))
    assert consistency.miou > 0.93
    assert consistency.flicker < 0.01


def test_a_pixel_that_changes_and_changes_back_flickers():
    frames = pan(3, step=0)
    spec = type("Two", (), {"__len__": lambda _: 2})()
    consistency = Consistency(spec)
    for index, frame in enumerate(frames):
        labels_HW = np.zeros((96, 120), np.uint8)
        labels_HW[:48] = index == 1
        consistency.add(LabelledFrame(frame=frame, labels_HW=labels_HW))
    assert consistency.flicker == 0.5


def test_smoothing_raises_consistency_and_accuracy_of_a_noisy_model(noisy):
    model, _ = noisy
    frames = pan(12)
    alone, right_alone = measure(EachFrame(model), frames, model.card.labels)
    smooth, right_smooth = measure(Smoothing(model, 0.6), frames, model.card.labels)
    assert smooth.miou > alone.miou + 0.1
    assert smooth.flicker < alone.flicker / 2
    assert right_smooth > right_alone


def test_smoothing_by_nothing_changes_nothing(painted_bundle, tmp_path):
    painted_bundle(tmp_path / "bundle")
    model = open_model(tmp_path / "bundle")
    frames = pan(3)
    for frame in frames:
        frame.image_HWC[...] //= 64
    smoothing = Smoothing(model, 0.0)
    for frame in frames:
        expected = EachFrame(model).label(frame)
        np.testing.assert_array_equal(smoothing.label(frame), expected)


def test_nothing_of_the_scene_before_a_cut_is_left(noisy):
    model, calls = noisy
    clean = replace(model, engine=type(model.engine)(lambda x: _bright(x, calls)))
    smoothing = Smoothing(clean, 0.9)
    clip = [*pan(4), *pan(4, seed=7)]
    for frame in clip[:5]:
        last = smoothing.label(frame)
    assert smoothing.num_cuts == 1
    assert (last == find_truth(clip[4])).mean() > 0.99
    assert smoothing.describe() == ["smoothed by 0.9, anew at 1 cuts"]


def test_between_keyframes_labels_follow_the_motion(noisy):
    model, calls = noisy
    clean = replace(model, engine=type(model.engine)(lambda x: _bright(x, calls)))
    keyframes = Keyframes(clean, 4)
    frames = pan(8, step=2)
    right = [(keyframes.label(f) == find_truth(f)).mean() for f in frames]
    assert len(calls) == 2
    assert min(right) > 0.93
    assert keyframes.describe() == ["the network labelled 2 of 8 frames"]


def _bright(image_BCHW, calls):
    calls.append(1)
    bright = image_BCHW[:, :1] - 128 / 255
    return np.concatenate([-bright, bright], axis=1)


def test_a_cut_and_a_fast_change_bring_a_keyframe_at_once(noisy):
    model, calls = noisy
    keyframes = Keyframes(model, 100)
    for frame in [*pan(3, step=0), *pan(3, step=0, seed=7)]:
        keyframes.label(frame)
    assert len(calls) == 2
    keyframes, start = Keyframes(model, 100), len(calls)
    for frame in pan(10, step=8):
        keyframes.label(frame)
    assert 3 <= len(calls) - start < 10


def test_between_two_keyframes_what_comes_into_view_is_that_of_the_later(noisy):
    model, calls = noisy
    clean = replace(model, engine=type(model.engine)(lambda x: _bright(x, calls)))
    frames = pan(9, step=3)
    shares = {}
    for may_wait in (False, True):
        keyframes = Keyframes(clean, 4)
        maps = list(keyframes.label_all(iter(frames), may_wait=may_wait))
        assert keyframes.describe() == ["the network labelled 3 of 9 frames"]
        shares[may_wait] = [
            (m == find_truth(f)).mean() for m, f in zip(maps, frames, strict=True)
        ]
    assert len(calls) == 6
    assert shares[True][0] == shares[False][0]
    assert min(shares[True]) > min(shares[False])
    entering = [(maps[i] == find_truth(frames[i]))[:, -3 * i :].mean() for i in (2, 3)]
    assert min(entering) > 0.95


def test_nothing_of_the_scene_after_a_cut_is_in_the_frames_before(noisy):
    model, calls = noisy
    clean = replace(model, engine=type(model.engine)(lambda x: _bright(x, calls)))
    frames = [*pan(3, step=0), *pan(3, step=0, seed=7)]
    maps = list(Keyframes(clean, 100).label_all(iter(frames), may_wait=True))
    assert len(calls) == 2
    for labels_HW, frame in zip(maps, frames, strict=True):
        assert (labels_HW == find_truth(frame)).mean() > 0.99


def test_at_most_twelve_frames_wait_for_a_keyframe(noisy):
    model, calls = noisy
    read = []

    def frames():
        for frame in pan(20, step=0):
            read.append(frame)
            yield frame

    maps = Keyframes(model, 100).label_all(frames(), may_wait=True)
    assert next(maps).shape == (96, 120)
    assert len(read) == 1
    next(maps)
    assert len(read) == 14
    assert len(calls) == 2
    assert len(list(maps)) == 18


def test_wrong_numbers_are_refused(noisy):
    model, _ = noisy
    with pytest.raises(ConfigError, match="below 1"):
        choose_labeller(model, smooth=1.0, keyframes=1)
    with pytest.raises(ConfigError, match="1 or more"):
        choose_labeller(model, smooth=0, keyframes=0)
    with pytest.raises(ConfigError, match="exclude each other"):
        choose_labeller(model, smooth=0.5, keyframes=3)
