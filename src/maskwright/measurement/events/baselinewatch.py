"""Regions that differ from the Baseline of a scene for a time: what was left, what is blocked.

A cell differs where its class is not usual in this light. It is flagged when it has differed
for `stay_s`, and for twice the longest time that anything unusual stayed there in normal
footage of any light; time counts down four times as fast while the cell is as usual. Flagged
cells near each other are a region. Whatever is narrower than three cells, or smaller than
`min_area`, is none.

A region is one event from the time at which its first cell began to differ. It ends when less
than half of its cells have differed for `CLEAR_S`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.labels import IGNORE, LabelMap, LabelSpec
from ...core.stream import LabelledFrame
from ...data.georef.pixel_scale import PixelScale
from ..ground.roi import Mask, Rois
from .baseline import DECAY, LEAST_S, Baseline, Light, find_light, require_size, see_cells
from .event import Change, Seen, Tracker
from .intervals import FrameTimes

BASELINE = "baseline"
CLEAR_S = 3.0
_LONGER = 2.0
_REACH_CELLS = 3
"""Flagged cells within twice this distance are one region: parts of a thing are flagged at
different times."""

_ROUNDING_S = 1e-3


@dataclass(slots=True)
class _Region:
    """One region that differs: its cells as they were flagged last, and its event."""

    cells_hw: NDArray[np.bool_]
    since_s: float
    tracker: Tracker


@dataclass(slots=True, kw_only=True)
class BaselineWatch:
    """Compares every frame with the Baseline of its light, and follows each region."""

    baseline: Baseline
    spec: LabelSpec
    scale: PixelScale
    rois: Rois | None
    numbers: Iterator[int]
    stay_s: float
    min_area: float = 0.0
    _stayed_s_hw: NDArray[np.float32] = field(init=False)
    _differed_hw: NDArray[np.bool_] = field(init=False)
    _usual: Mapping[Light, NDArray[np.bool_]] = field(init=False)
    _needed_hw: NDArray[np.float32] = field(init=False)
    _zones: Mapping[str, Mask] = field(init=False)
    _regions: list[_Region] = field(default_factory=list, init=False)
    _times: FrameTimes = field(default_factory=FrameTimes, init=False)
    _not_judged: dict[Light, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        judged = {k: v for k, v in self.baseline.lights.items() if v.seconds >= LEAST_S}
        self._usual = {light: one.usual_Khw for light, one in judged.items()}
        # traffic stops as long in every light, and some lights have little footage
        longest_s_hw = np.max([k.longest_s_hw for k in self.baseline.lights.values()], axis=0)
        self._needed_hw = np.maximum(np.float32(self.stay_s), _LONGER * longest_s_hw)
        height, width = self.baseline.size_HW
        cells = self.baseline.cell_px
        self._stayed_s_hw = np.zeros((-(-height // cells), -(-width // cells)), np.float32)
        self._differed_hw = np.zeros(self._stayed_s_hw.shape, np.bool_)
        regions = self.rois.regions if self.rois else ()
        masks = {roi.name: roi.mask((height, width), None) for roi in regions}
        self._zones = {
            name: see_cells(mask_HW.view(np.uint8), cells).astype(np.bool_)
            for name, mask_HW in masks.items()
        }

    def update(self, one: LabelledFrame, *, away_s: float) -> Iterator[Change]:
        """Compare the next frame.

        Raises:
            DataError: The frame is not of the size of the baseline.
        """
        where = f"frame {one.frame.key}"
        require_size(one.labels_HW.shape, self.baseline.size_HW, where=where)
        light = find_light(one.frame.image_HWC)
        interval_s = self._times.add(one.frame.time_s)
        if light not in self._usual:
            self._not_judged[light] = self._not_judged.get(light, 0) + 1
            return
        class_hw = see_cells(one.labels_HW, self.baseline.cell_px)
        known_hw = class_hw != IGNORE
        index_1hw = np.where(known_hw, class_hw, 0)[None]
        usual_hw = np.take_along_axis(self._usual[light], index_1hw, axis=0)[0]
        differs_hw = known_hw & ~usual_hw
        if not away_s:  # while a stream is away, nothing stays and nothing leaves
            up, down = np.float32(interval_s), np.float32(-DECAY * interval_s)
            step = np.where(differs_hw, up * self._differed_hw, down)
            self._stayed_s_hw = np.clip(self._stayed_s_hw + step, 0, self._needed_hw)
        elif not self._regions:
            self._stayed_s_hw[:] = 0
        self._differed_hw = differs_hw
        flagged_hw = self._find_flagged()
        self._match_regions(flagged_hw, one, class_hw, light)
        yield from self._follow(one, differs_hw, class_hw, away_s)

    def finish(self) -> Iterator[Change]:
        """The events that last at the end of the stream."""
        for region in self._regions:
            yield from region.tracker.finish()

    def describe(self) -> list[str]:
        """The lights that were not judged."""
        return [
            f"{count:,} frames were not compared: the baseline has less than {LEAST_S:g} s of "
            f"{light}"
            for light, count in self._not_judged.items()
        ]

    def _find_flagged(self) -> NDArray[np.bool_]:
        flagged_hw = self._stayed_s_hw >= self._needed_hw - _ROUNDING_S
        if not flagged_hw.any():
            return flagged_hw
        square = np.ones((3, 3), np.uint8)
        opened = cv2.morphologyEx(flagged_hw.view(np.uint8), cv2.MORPH_OPEN, square)
        return np.asarray(opened, np.uint8).view(np.bool_)

    def _match_regions(
        self,
        flagged_hw: NDArray[np.bool_],
        one: LabelledFrame,
        class_hw: LabelMap,
        light: Light,
    ) -> None:
        """Give flagged cells to the regions that they touch; the others begin regions."""
        if not flagged_hw.any():
            return
        reach = np.ones((2 * _REACH_CELLS + 1,) * 2, np.uint8)
        around_hw = cv2.dilate(flagged_hw.view(np.uint8), reach)
        num, part_hw = cv2.connectedComponents(np.asarray(around_hw, np.uint8))
        around = [part_hw == number for number in range(1, num)]
        owned: list[list[NDArray[np.bool_]]] = [[] for _ in self._regions]
        new: list[NDArray[np.bool_]] = []
        for part_hw in around:
            owners = [k for k, r in enumerate(self._regions) if (part_hw & r.cells_hw).any()]
            for owner in owners:
                owned[owner].append(part_hw & flagged_hw)
            if not owners:
                new.append(part_hw & flagged_hw)
        for region, mine in zip(self._regions, owned, strict=True):
            if mine:
                region.cells_hw = np.logical_or.reduce(mine)
        for cells_hw in new:
            if self._area(cells_hw) >= self.min_area:
                since_s = one.frame.time_s - float(self._needed_hw[cells_hw].max())
                tracker = self._open_tracker(cells_hw, class_hw, light)
                self._regions.append(_Region(cells_hw, since_s, tracker))

    def _follow(
        self,
        one: LabelledFrame,
        differs_hw: NDArray[np.bool_],
        class_hw: LabelMap,
        away_s: float,
    ) -> Iterator[Change]:
        stays_hw = self._stayed_s_hw >= self._needed_hw / 2
        for region in list(self._regions):
            cells_hw = region.cells_hw
            holds = (
                float(differs_hw[cells_hw].mean()) >= 0.5
                and float(stays_hw[cells_hw].mean()) >= 0.5
            )
            area = self._area(cells_hw)
            seen = Seen(
                holds=holds,
                value=area,
                badness=area,
                place_HW=self._enlarge(cells_hw),
                classes=(self._name_class(class_hw[cells_hw & differs_hw]),),
                box_px=self._find_box(cells_hw),
                since_s=region.since_s,
            )
            yield from region.tracker.update(one, seen, away_s=away_s)
            if not region.tracker.is_raised:
                self._regions.remove(region)
                self._stayed_s_hw[cells_hw] = 0

    def _open_tracker(
        self, cells_hw: NDArray[np.bool_], class_hw: LabelMap, light: Light
    ) -> Tracker:
        usual_Khw = self.baseline.lights[light].share_Khw
        usual = self.spec.names[
            int(usual_Khw[:, cells_hw].sum(axis=1, dtype=np.int64).argmax())
        ]
        zone = next((n for n, m in self._zones.items() if m[cells_hw].mean() >= 0.5), "")
        return Tracker(
            kind=BASELINE,
            name=f"{self._name_class(class_hw[cells_hw])}, usually {usual}",
            zone=zone,
            limit=f"stays {self.stay_s:g} s",
            unit=self.scale.area_unit,
            for_s=0.0,
            clear_s=CLEAR_S,
            numbers=self.numbers,
        )

    def _name_class(self, classes_N: LabelMap) -> str:
        """The most frequent class; "" of none."""
        counts = np.bincount(classes_N[classes_N != IGNORE], minlength=1)
        return self.spec.names[int(counts.argmax())] if counts.any() else ""

    def _area(self, cells_hw: NDArray[np.bool_]) -> float:
        y, x = (side / 2 for side in self.baseline.size_HW)
        pixel_area = self.scale.at(y, x).pixel_area
        return float(np.count_nonzero(cells_hw)) * self.baseline.cell_px**2 * pixel_area

    def _find_box(self, cells_hw: NDArray[np.bool_]) -> tuple[int, int, int, int]:
        """Left, top, width and height in pixels of the frame."""
        height, width = self.baseline.size_HW
        left, top, across, down = (
            self.baseline.cell_px * side for side in cv2.boundingRect(cells_hw.view(np.uint8))
        )
        return left, top, min(across, width - left), min(down, height - top)

    def _enlarge(self, cells_hw: NDArray[np.bool_]) -> Mask:
        height, width = self.baseline.size_HW
        ones = np.ones((self.baseline.cell_px, self.baseline.cell_px), np.bool_)
        return np.kron(cells_hw, ones)[:height, :width]
