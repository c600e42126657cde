"""Streams predicted by a model that says class k where the first channel holds k."""

import csv
import json
import time

import numpy as np
import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.results import FailedInput, read_manifest
from maskwright.core.stream import Frame
from maskwright.data.shapes.runs import decode_coco_text, decode_columns
from maskwright.inference.predictor import open_model
from maskwright.inference.video.labeller import Labeller
from maskwright.inference.video.live import LiveSource
from maskwright.inference.video.predict import StreamOptions, predict_stream
from maskwright.inference.video.source import open_source

EVERYTHING = ("video", "classes", "rle", "coverage")


@pytest.fixture(scope="module")
def model(painted_bundle, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "bundle"
    painted_bundle(path)
    return open_model(path)


@pytest.fixture
def video(tmp_path, write_video, moving_square):
    return write_video(tmp_path / "a.mkv", moving_square(6, size_HW=(48, 40)))


def read_frames(path):
    return [frame.image_HWC for frame in open_source(str(path)).frames()]


def test_all_outputs_say_the_same(tmp_path, model, video):
    from PIL import Image

    out = tmp_path / "out"
    options = StreamOptions(write=EVERYTHING, codec="ffv1")
    summary = predict_stream(model, open_source(str(video)), out, options)
    assert summary.num_frames == 6
    assert read_manifest(out).model == {
        "id": model.model_id,
        "engine": model.engine.name,
        "precision": "fp32",
    }
    truth = [picture[..., 0] for picture in read_frames(video)]
    maps = [np.asarray(Image.open(out / "classes" / f"{i:06d}.png")) for i in range(6)]
    np.testing.assert_array_equal(maps, truth)

    lines = [json.loads(line) for line in (out / "rle.ndjson").read_text().splitlines()]
    assert [line["time_s"] for line in lines] == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    names = model.card.labels.names
    for line, labels_HW in zip(lines, truth, strict=True):
        counts = decode_coco_text(line["classes"][names[1]], where="line")
        crop = decode_columns(counts, (48, 40), where="line")
        inside_hw = labels_HW[crop.top :, crop.left :] == 1
        height, width = crop.inside_hw.shape
        np.testing.assert_array_equal(inside_hw[:height, :width], crop.inside_hw)
        assert crop.inside_hw.sum() == (labels_HW == 1).sum()

    with (out / "coverage.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["class"] == names[1]]
    assert rows[2] == {
        "frame": "000002",
        "time_s": "0.200",
        "class": names[1],
        "pixels": "64",
        "percent": "3.3333",
    }
    assert "<svg xmlns=" in (out / "coverage.svg").read_text()
    shown = read_frames(out / "labelled.mkv")
    assert len(shown) == 6
    manifest = read_manifest(out)
    assert (manifest.verb, manifest.num_read) == ("video", 6)
    document = json.loads((out / "stream.json").read_text())
    assert document["frames"] == 6
    assert not (tmp_path / "out.partial").exists()


def test_side_by_side_shows_the_picture_as_it_is(tmp_path, model, video):
    options = StreamOptions(write=("video",), layout="side", codec="ffv1")
    predict_stream(model, open_source(str(video)), tmp_path / "out", options)
    sides = read_frames(tmp_path / "out" / "labelled.mkv")
    np.testing.assert_array_equal([side[:, :40] for side in sides], read_frames(video))


@pytest.mark.parametrize(("codec", "suffix"), [("av1", ".mp4"), ("vp9", ".webm")])
def test_codecs_without_gpl_keep_times_and_odd_sizes(
    tmp_path, model, write_video, moving_square, capfd, codec, suffix
):
    times = [0, 0.1, 0.5, 0.6]
    frames = moving_square(4, size_HW=(65, 81), value=2)
    video = write_video(tmp_path / "a.mkv", frames, times=times)
    options = StreamOptions(write=("video",), codec=codec)
    predict_stream(model, open_source(str(video)), tmp_path / "out", options)
    assert capfd.readouterr().err == ""  # no settings of the encoder
    written = list(open_source(str(tmp_path / "out" / f"labelled{suffix}")).frames())
    assert written[0].image_HWC.shape == (66, 82, 3)
    np.testing.assert_allclose([frame.time_s for frame in written], times, atol=0.002)


def test_a_truncated_video_is_predicted_and_listed_as_failed(tmp_path, model, write_video):
    frames = np.random.default_rng(0).integers(0, 4, (20, 64, 64, 3), np.uint8)
    whole = write_video(tmp_path / "a.mkv", frames).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    options = StreamOptions(write=("coverage",))
    summary = predict_stream(model, open_source(str(cut)), tmp_path / "out", options)
    assert 5 < summary.num_frames < 15
    assert "the file is truncated" in read_manifest(tmp_path / "out").failed[0].error


class Broken:
    """A source whose third frame fails."""

    name, is_live, fps, num_frames = "broken", False, 10.0, None

    def __init__(self, error):
        self.error, self.failed, self.notes = error, list[FailedInput](), []

    def frames(self):
        for index in range(2):
            picture = np.zeros((64, 64, 3), np.uint8)
            yield Frame(key=str(index), index=index, time_s=index / 10, image_HWC=picture)
        raise self.error


def test_nothing_is_left_where_a_stream_fails(tmp_path, model):
    with pytest.raises(DataError, match="lost"):
        predict_stream(model, Broken(DataError("lost")), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_a_camera_and_its_results_are_whole(tmp_path, model):
    camera = Broken(KeyboardInterrupt())
    camera.is_live = True
    summary = predict_stream(model, camera, tmp_path / "out", StreamOptions(codec="ffv1"))
    assert summary.num_frames == 2
    assert len(read_frames(tmp_path / "out" / "labelled.mkv")) == 2


def test_a_camera_ends_after_the_duration(tmp_path, model):
    def connect():
        while True:
            yield np.zeros((8, 8, 3), np.uint8)

    clock = iter(np.arange(0, 100, 0.1))
    camera = LiveSource(name="camera", connect=connect, say=str, clock=lambda: next(clock))
    options = StreamOptions(write=("coverage",), duration_s=1)
    assert predict_stream(model, camera, tmp_path / "out", options).num_frames == 10


def test_in_real_time_frames_are_dropped_rather_than_late(
    tmp_path, model, write_video, moving_square
):
    class Slow(Labeller):
        def label(self, frame):
            time.sleep(0.05)
            return frame.image_HWC[..., 0]

        def describe(self):
            return []

    video = write_video(tmp_path / "a.mkv", moving_square(16), fps=50)
    options = StreamOptions(write=("coverage",), realtime=True)
    summary = predict_stream(
        model, open_source(str(video)), tmp_path / "out", options, labeller=Slow()
    )
    assert summary.dropped > 0
    assert summary.num_frames + summary.dropped == 16
    assert max(summary.latency_ms) < 250
    assert "dropped" in summary.to_text()


def test_options_that_do_not_exist_are_refused():
    with pytest.raises(ConfigError, match="output"):
        StreamOptions(write=("videos",))
    with pytest.raises(ConfigError, match="codec"):
        StreamOptions(codec="h264")
    with pytest.raises(ConfigError, match="above 0"):
        StreamOptions(duration_s=0)
