"""Frames of a stream made of class maps, without a network."""

import numpy as np
import pytest

from maskwright.core.stream import Frame, LabelledFrame


@pytest.fixture(scope="session")
def make_frames():
    """A function: labelled frames of class maps (N, H, W), at `fps` or at `times`."""

    def make(maps, *, fps=10.0, times=None, dropped=()):
        for index, labels_HW in enumerate(maps):
            image_HWC = np.repeat(np.asarray(labels_HW, np.uint8)[..., None], 3, axis=2)
            time_s = index / fps if times is None else times[index]
            frame = Frame(key=f"{index:06d}", index=index, time_s=time_s, image_HWC=image_HWC)
            lost = dropped[index] if dropped else 0
            yield LabelledFrame(frame=frame, labels_HW=np.uint8(labels_HW), dropped=lost)

    return make
