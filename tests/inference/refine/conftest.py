"""Decisions drawn as text, for refiners of class maps."""

import numpy as np
import pytest

from maskwright.core.decision import Decision
from maskwright.core.labels import IGNORE, LabelSpec
from maskwright.core.logits import Logits
from maskwright.inference.refiner import Refinement, SourceImage
from maskwright.inference.resolution import decide

LABELS = LabelSpec.from_names(("a", "b", "c"))


def _read(text):
    rows = [line.split() for line in text.strip().splitlines()]
    return np.array([[ord(s) - ord("a") if s != "." else IGNORE for s in row] for row in rows])


@pytest.fixture
def draw():
    """A function: the Decision of a map of letters; `.` is IGNORE.

    `logit` is that of the drawn class, a number or an array; the others have 0, or what
    `others` gives by class.
    """

    def make(text, *, logit=2.0, others=None) -> Decision:
        labels_HW = _read(text)
        logits_KHW = np.zeros((3, *labels_HW.shape), np.float32)
        for index, value in (others or {}).items():
            logits_KHW["abc".index(index)] = value
        for index in range(3):
            here_HW = labels_HW == index
            logits_KHW[index][here_HW] = np.broadcast_to(logit, labels_HW.shape)[here_HW]
        return decide(Logits.of_image(logits_KHW, labels_HW.shape)).leave_out(
            labels_HW != IGNORE
        )

    return make


@pytest.fixture
def refine():
    """A function: refine a Decision by a text; gives the Decision."""

    def run(text, decision, *, spacing_mm_HW=None):
        image_HWC = np.zeros((*decision.labels_HW.shape, 3), np.uint8)
        refinement = Refinement.from_text(text, LABELS)
        return refinement(decision, SourceImage(image_HWC, spacing_mm_HW, "a.png"))

    return run


@pytest.fixture
def show():
    """A function: a Decision's map as letters."""

    def write(decision):
        letters = {0: "a", 1: "b", 2: "c", IGNORE: "."}
        return "\n".join(
            " ".join(letters[v] for v in row) for row in decision.labels_HW.tolist()
        )

    return write
