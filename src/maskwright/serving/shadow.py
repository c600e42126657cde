"""Shadow: compare the class maps of a new version with those in use, on the requests that come.

A share of the requests is predicted once more by both versions when the server is idle, so no
client waits for it. The maps are compared, which says more than that the new version answers.
"""

import random

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.labels import IGNORE
from ..core.versioned import Document
from .messages import Outcome


class Shadow:
    """What was compared so far; `share` of the requests are, 0 to 1."""

    def __init__(self, share: float, classes: tuple[str, ...]) -> None:
        num = len(classes)
        self._share = share
        self._classes = classes
        self._confusion = np.zeros((num, num), np.int64)
        self._gained, self._lost = np.zeros(num, np.int64), np.zeros(num, np.int64)
        self._seconds = np.zeros(2)
        self._num_images = self._num_skipped = 0
        self._draw = random.Random(0)  # noqa: S311 - a sample of the requests

    def wants(self, *, is_idle: bool) -> bool:
        """Whether this request is to be compared; those at busy times are counted alone."""
        if self._draw.random() >= self._share:
            return False
        if not is_idle:
            self._num_skipped += 1
        return is_idle

    def add(self, now: Outcome, new: Outcome) -> None:
        """Compare the answers of both versions to one image, in the form `raw`."""
        maps = [np.frombuffer(o.body, np.uint8).reshape(o.size_HW) for o in (now, new)]
        known_HW = (maps[0] != IGNORE) & (maps[1] != IGNORE)
        num = len(self._classes)
        flat = maps[0][known_HW].astype(np.int64) * num + maps[1][known_HW]
        self._confusion += np.bincount(flat, minlength=num * num).reshape(num, num)
        for index in np.union1d(*maps).tolist():
            if index != IGNORE:
                self._lost[index] += count_alone(maps[0] == index, maps[1] == index)
                self._gained[index] += count_alone(maps[1] == index, maps[0] == index)
        self._seconds += [sum(o.seconds.values()) for o in (now, new)]
        self._num_images += 1

    def describe(self) -> Document:
        """Agreement of the maps by class, objects gained and lost, and the ratio of time."""
        total = int(self._confusion.sum())
        same_K = np.diag(self._confusion)
        union_K = self._confusion.sum(axis=0) + self._confusion.sum(axis=1) - same_K
        return {
            "images": self._num_images,
            "skipped": self._num_skipped,
            "changed_share": None if not total else round(1 - int(same_K.sum()) / total, 6),
            "seconds_ratio": None
            if not self._seconds[0]
            else round(float(self._seconds[1] / self._seconds[0]), 3),
            "classes": [
                {
                    "name": name,
                    "agreement": None
                    if not union_K[index]
                    else round(float(same_K[index] / union_K[index]), 6),
                    "objects_gained": int(self._gained[index]),
                    "objects_lost": int(self._lost[index]),
                }
                for index, name in enumerate(self._classes)
            ],
        }


def count_alone(one_HW: NDArray[np.bool_], other_HW: NDArray[np.bool_]) -> int:
    """The 8-connected regions of one mask that share no pixel with the other."""
    num, regions_HW = cv2.connectedComponents(one_HW.astype(np.uint8), connectivity=8)
    return num - 1 - len(np.unique(regions_HW[one_HW & other_HW]))
