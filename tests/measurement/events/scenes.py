"""A street that a fixed camera sees for a day, as class maps: light, traffic, objects."""

from dataclasses import dataclass

import numpy as np

from maskwright.core.stream import Frame, LabelledFrame
from maskwright.data.synth.scene import CAR, GRASS, PEDESTRIAN, ROAD, SIDEWALK
from maskwright.data.synth.streets import draw_street

SIZE_HW = (64, 96)
STOP_X = 60
"""Cars stop here, as at a light."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """An object of a class that stays from `start_s` to `end_s`; the box is in pixels."""

    start_s: float
    end_s: float
    left: int
    top: int
    width: int
    height: int
    index: int

    def cover(self, labels_HW):
        """Draw it."""
        rows = slice(self.top, self.top + self.height)
        labels_HW[rows, self.left : self.left + self.width] = self.index


def gain_of_hour(hour):
    """How bright the sun is: 1.4 at noon, 0.1 at night."""
    return 0.1 + 1.3 * max(0.0, np.sin(np.pi * (hour - 5) / 15)) ** 0.7


class Street:
    """The scene without anything that moves, and its places for objects."""

    def __init__(self):
        self.image_HW3, labels_HW = draw_street(SIZE_HW, seed=3, number=3)
        labels_HW = labels_HW.copy()
        while (labels_HW == 255).any():  # the border of a class takes the class at its left
            labels_HW = np.where(labels_HW == 255, np.roll(labels_HW, 1, axis=1), labels_HW)
        self.labels_HW = labels_HW
        rows = np.flatnonzero((labels_HW == ROAD).sum(axis=1) > SIZE_HW[1] // 3)
        self.lane_top = int(rows[len(rows) // 2]) - 4

    def plant(self, rng, *, every_s, num, most_s=40):
        """Objects at random places of the ground, one after the other."""
        planted = []
        while len(planted) < num:
            height, width = rng.integers(5, 10, 2)
            top, left = (
                int(rng.integers(0, side - extent))
                for side, extent in zip(SIZE_HW, (height, width), strict=True)
            )
            ground = self.labels_HW[top : top + height, left : left + width]
            if not np.isin(ground, (ROAD, SIDEWALK, GRASS)).all():
                continue
            start_s = every_s * (len(planted) + 0.3 * rng.random())
            planted.append(
                Planted(
                    start_s=start_s,
                    end_s=start_s + rng.uniform(25, most_s),
                    left=left,
                    top=top,
                    width=int(width),
                    height=int(height),
                    index=int(rng.choice((CAR, PEDESTRIAN))),
                )
            )
        return planted

    def frames(self, rng, *, duration_s, fps=3.0, planted=(), longest_stop_s=5.0):
        """Labelled frames of one day in `duration_s`: cars and people pass, some cars stop."""
        cars, people = [], []
        for index in range(round(duration_s * fps)):
            time_s = index / fps
            if rng.random() < 0.25 / fps:
                stop_s = rng.uniform(1, longest_stop_s) if rng.random() < 0.2 else 0.0
                cars.append((time_s, stop_s, int(rng.integers(-1, 2))))
            if rng.random() < 0.1 / fps:
                people.append((time_s, int(rng.integers(self.lane_top - 8, SIZE_HW[0] - 10))))
            labels_HW = np.roll(self.labels_HW, int(rng.integers(-1, 2)), axis=1)  # it shakes
            for one in planted:
                if one.start_s <= time_s < one.end_s:
                    one.cover(labels_HW)
            cars = [car for car in cars if time_s - car[0] < 20]
            for start_s, stop_s, shift in cars:
                run_s = STOP_X / 30
                moved_s = time_s - start_s
                moved_s -= min(max(0.0, moved_s - run_s), stop_s)
                left = round(30 * moved_s) - 12
                top = self.lane_top + shift
                labels_HW[top : top + 7, max(0, left) : max(0, left + 12)] = CAR
            people = [walker for walker in people if time_s - walker[0] < 20]
            for start_s, top in people:
                left = round(6 * (time_s - start_s))
                labels_HW[top : top + 8, left : left + 3] = PEDESTRIAN
            wrong_HW = rng.random(SIZE_HW) < 0.01
            labels_HW[wrong_HW] = rng.integers(0, 10, int(wrong_HW.sum()))
            gain = gain_of_hour(24 * time_s / duration_s)
            image_HW3 = np.minimum(self.image_HW3 * gain, 255).astype(np.uint8)
            frame = Frame(key=f"{index:06d}", index=index, time_s=time_s, image_HWC=image_HW3)
            yield LabelledFrame(frame=frame, labels_HW=labels_HW)
