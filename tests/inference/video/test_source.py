"""Frames of files, folders, streams and cameras, with their times."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from contextlib import contextmanager

import numpy as np
import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.inference.video.container import CameraInput, read_images
from maskwright.inference.video.live import LiveSource
from maskwright.inference.video.source import open_source
from maskwright.pages.pictures import encode_png

FFMPEG = shutil.which("ffmpeg")
LISTEN = {"rtsp_flags": "listen", "listen_timeout": "10"}
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="the program ffmpeg is not installed")


def test_a_video_gives_its_frames_and_their_times(tmp_path, write_video, moving_square):
    frames = moving_square(4)
    path = write_video(tmp_path / "a.mkv", frames, times=[0.5, 0.6, 0.9, 1.0])
    source = open_source(str(path))
    read = list(source.frames())
    assert [frame.key for frame in read] == ["000000", "000001", "000002", "000003"]
    np.testing.assert_allclose([frame.time_s for frame in read], [0, 0.1, 0.4, 0.5], atol=1e-6)
    np.testing.assert_array_equal([frame.image_HWC for frame in read], frames)
    assert source.fps == 10
    assert not source.failed
    assert not source.is_live


@pytest.mark.parametrize(
    ("name", "codec", "pixels"), [("a.mkv", "ffv1", "bgr0"), ("a.ts", "mpeg4", "yuv420p")]
)
def test_a_video_that_ends_mid_frame_is_read_up_to_there(
    tmp_path, write_video, name, codec, pixels
):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (20, 64, 64, 3), np.uint8)
    whole = write_video(
        tmp_path / name, frames, fps=25, codec=codec, pixels=pixels
    ).read_bytes()
    path = tmp_path / f"cut_{name}"
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    source = open_source(str(path))
    read = list(source.frames())
    assert 5 < len(read) < 14
    if name == "a.mkv":
        np.testing.assert_array_equal([f.image_HWC for f in read], frames[: len(read)])
        assert "of 0.80 s; the file is truncated" in source.failed[0].error


def test_an_mp4_file_without_its_index_is_refused(tmp_path, write_video, moving_square):
    whole = write_video(
        tmp_path / "a.mp4", moving_square(), codec="mpeg4", pixels="yuv420p"
    ).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.mp4: .*video that can be"):
        open_source(str(path))


def test_a_playlist_opens_no_other_file(tmp_path, write_video, moving_square):
    write_video(tmp_path / "a.mkv", moving_square())
    playlist = tmp_path / "list.mkv"
    playlist.write_text("ffconcat version 1.0\nfile a.mkv\n")
    with pytest.raises(DataError, match="not a video"):
        open_source(str(playlist))


def test_a_video_of_a_phone_comes_upright(tmp_path, write_video, moving_square):
    lying = write_video(tmp_path / "a.mp4", moving_square(2), codec="mpeg4", pixels="yuv420p")
    content, one = lying.read_bytes(), 1 << 16
    identity = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    quarter_turn = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    at = content.index(identity, content.index(b"tkhd"))
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(content[:at] + quarter_turn + content[at + len(identity) :])
    raw, upright = (next(open_source(str(p)).frames()).image_HWC for p in (lying, turned))
    assert upright.shape == (40, 24, 3)
    np.testing.assert_array_equal(upright, np.rot90(raw, -1))  # a quarter to the right


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path):
    for number in (10, 9, 100):
        picture = np.full((4, 5, 3), number, np.uint8)
        (tmp_path / f"frame_{number}.png").write_bytes(encode_png(picture))
    (tmp_path / "frame_11.png").write_bytes(b"not a picture")
    source = open_source(str(tmp_path), fps=4)
    read = list(source.frames())
    assert [(f.key, f.time_s) for f in read] == [
        ("frame_9", 0),
        ("frame_10", 0.25),
        ("frame_100", 0.75),
    ]
    assert "frame_11.png" in source.failed[0].error


def test_wrong_sources_are_refused_with_the_fix(tmp_path):
    with pytest.raises(DataError, match=r"gone\.mp4: no such file or folder; a stream is"):
        open_source(str(tmp_path / "gone.mp4"))
    with pytest.raises(ConfigError, match="only for folders of images"):
        open_source("rtsp://host/path", fps=5)
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(DataError, match="not a video"):
        open_source(str(tmp_path / "a.mp4"))


def test_a_password_of_a_camera_is_in_no_name():
    assert open_source("rtsp://me:secret@host/live").name == "rtsp://host/live"


class Clock:
    """The time passes by sleeping, and by 0.1 s per look at the clock."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        self.now_s += 0.1
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds


def test_a_stream_that_drops_is_opened_again_and_says_so():
    picture = np.zeros((2, 2, 3), np.uint8)
    connections = [2, 0, 1, None]

    def connect():
        num = connections.pop(0)
        if num is None:
            raise AssertionError("was opened after the reader had stopped")
        yield from [picture] * num
        raise DataError("camera: connection reset")

    clock, said = Clock(), []
    source = LiveSource(
        name="camera", connect=connect, say=said.append, clock=clock, sleep=clock.sleep
    )
    frames = source.frames()
    read = [next(frames) for _ in range(3)]
    assert [frame.index for frame in read] == [0, 1, 2]
    np.testing.assert_allclose([frame.time_s for frame in read], [0, 0.1, 1.9], atol=0.3)
    assert said[0] == "camera: dropped after 2 frames (connection reset); connecting again"
    assert said[1].startswith("camera: back after 1.")
    assert source.notes == said


def test_a_stream_that_stays_away_is_given_up():
    pictures = [np.zeros((2, 2, 3), np.uint8)]

    def connect():
        while pictures:
            yield pictures.pop()

    clock = Clock()
    source = LiveSource(
        name="camera", connect=connect, say=str, clock=clock, sleep=clock.sleep, patience_s=20
    )
    assert len(list(source.frames())) == 1
    assert source.failed[0].error == "camera: away for more than 20 s; given up"


def test_a_stream_that_was_never_there_is_refused():
    def connect():
        raise DataError("camera: connection refused")
        yield

    source = LiveSource(name="camera", connect=connect, say=str)
    with pytest.raises(DataError, match="connection refused"):
        next(source.frames())


def test_a_webcam_is_read_through_its_driver():
    # lavfi is a device driver as v4l2 is, of a camera that every machine has
    device = CameraInput(address="testsrc=size=64x48:rate=10", driver="lavfi", name="camera:0")
    images = read_images(device)
    first, second = next(images), next(images)
    images.close()
    assert first.shape == (48, 64, 3)
    assert (first != second).any()


def test_a_webcam_that_is_not_there_is_refused():
    with pytest.raises(
        DataError, match=r"camera:99: no such camera; (none is|there is camera:)"
    ):
        open_source("camera:99")
    device = CameraInput(address="/dev/video99", driver="v4l2", name="camera:99")
    with pytest.raises(DataError, match="camera:99: "):
        next(read_images(device))


@needs_ffmpeg
def test_an_rtsp_stream_is_read_and_survives_a_drop():
    address = f"rtsp://127.0.0.1:{find_free_port()}/live"
    listening = CameraInput(address=address, name=address, options=LISTEN)
    said = []
    source = LiveSource(name=address, connect=lambda: read_images(listening), say=said.append)
    with pushing(address):
        frames = source.frames()
        first = [next(frames) for _ in range(3)]
    with pushing(address):
        later = next(frame for frame in frames if len(said) == 2)
    frames.close()
    assert first[0].image_HWC.shape == (48, 64, 3)
    assert later.time_s > first[-1].time_s
    assert "dropped after" in said[0]
    assert "back after" in said[1]


def find_free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def pushing(address):
    """A camera: ffmpeg, which tries until somebody listens."""
    push = [
        *(
            FFMPEG,
            "-loglevel",
            "quiet",
            "-re",
            "-f",
            "lavfi",
            "-i",
            "testsrc=size=64x48:rate=20",
        ),
        *("-c:v", "mpeg4", "-g", "5", "-f", "rtsp", "-rtsp_transport", "tcp", address),
    ]
    script = f"while true; do {' '.join(push)} & wait $!; sleep 0.1; done"
    camera = subprocess.Popen(["bash", "-c", script], start_new_session=True)
    try:
        yield camera
    finally:
        os.killpg(camera.pid, signal.SIGKILL)
        camera.wait()
        time.sleep(0.05)
