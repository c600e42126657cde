"""Videos made for tests, without loss: what is written is what is read."""

from fractions import Fraction

import numpy as np
import pytest


@pytest.fixture(scope="session")
def write_video():
    """A function: write frames (N, H, W, 3) to a file, by default without loss."""
    import av

    def write(path, frames, *, fps=10, times=None, codec="ffv1", pixels="bgr0"):
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=fps)
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = pixels
            stream.codec_context.time_base = Fraction(1, 1000)
            stream.codec_context.gop_size = 5
            for index, rgb_HW3 in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(rgb_HW3, format="rgb24")
                frame.time_base = Fraction(1, 1000)
                at_s = index / fps if times is None else times[index]
                frame.pts = round(1000 * at_s)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope="session")
def moving_square():
    """A function: N frames of a square of one value that moves right by 2 px per frame."""

    def draw(num=10, size_HW=(24, 40), value=1, step=2):
        frames = np.zeros((num, *size_HW, 3), np.uint8)
        for index, frame in enumerate(frames):
            left = step * index
            frame[8:16, left : left + 8] = value
        return frames

    return draw
