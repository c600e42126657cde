"""The usual classes of a scene that a fixed camera sees, by the light of day, dusk and night.

Frames are seen on a grid of cells of equal size, the class of a cell is that of its middle
pixel. For each light the baseline holds the share of frames in which a cell had each class. A
class is usual in a cell where it has half of the frames, or more of them than any other.

What passes in normal footage (traffic) is not usual, but does not stay: the baseline also holds
the longest time that a class stayed in a cell where it is not usual. Time in which the class is
there counts up, time in which it is not counts down four times as fast, so that a single frame
of another class does not begin anew.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from ...core.atomic import new_file
from ...core.errors import DataError
from ...core.image import Image
from ...core.jsonfile import parse_json
from ...core.labels import IGNORE, LabelMap, LabelSpec
from ...core.stream import LabelledFrame
from ...core.versioned import Schema
from .intervals import FrameTimes

SCHEMA = Schema(kind="baseline of a scene", version=1)
DECAY = 4.0
"""How much faster the time that something stayed counts down than up."""

LEAST_S = 30.0
"""A light of which the baseline has less footage is not judged."""

_LONGEST_CELLS = 480
_MOST_BYTES = 1 << 31
_ROUNDING = 0.5 / 255


class Light(StrEnum):
    """A condition of light, by the median brightness of a frame from 0 (black) to 1 (white)."""

    NIGHT = "night"
    DUSK = "dusk"
    DAY = "day"


BRIGHTER_THAN: Mapping[Light, float] = {Light.DAY: 0.20, Light.DUSK: 0.08}
"""Frames that are darker than dusk are of the night. Medians of CamVid (Brostow et al.
2009): 0.13 of its drive at dusk, 0.26 and 0.44 of those by day."""


def find_light(image_HWC: Image) -> Light:
    """The light of a frame: the median of all values, which one bright thing does not move."""
    values: NDArray[Any] = image_HWC[::4, ::4]
    most = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1
    brightness = float(np.median(values)) / most
    return next((k for k, least in BRIGHTER_THAN.items() if brightness >= least), Light.NIGHT)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LightBaseline:
    """What is usual in one light.

    `share_Khw` is 255 times the share of frames in which a cell had a class, rounded;
    `longest_s_hw` the longest time that a class stayed where it is not usual.
    """

    num_frames: int
    seconds: float
    share_Khw: NDArray[np.uint8]
    longest_s_hw: NDArray[np.float32]

    @property
    def usual_Khw(self) -> NDArray[np.bool_]:
        """Whether a class is usual in a cell."""
        return find_usual(self.share_Khw.astype(np.float32) / 255)


def find_usual(share_Khw: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether a class has half of the frames of a cell, or more than any other class."""
    most_hw = share_Khw.max(axis=0)
    return np.asarray((share_Khw >= 0.5 - _ROUNDING) | (share_Khw == most_hw), np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baseline:
    """The baselines of one camera by light, for the classes of one model.

    `size_HW` is that of the frames; a cell is `cell_px` pixels wide and high.
    """

    classes: tuple[str, ...]
    fingerprint: str
    size_HW: tuple[int, int]
    cell_px: int
    lights: Mapping[Light, LightBaseline]

    def require_fit(self, spec: LabelSpec, *, where: str) -> None:
        """Refuse the classes of another model.

        Raises:
            DataError: As said.
        """
        if spec.fingerprint != self.fingerprint:
            raise DataError(
                f"{where}: learned with the classes {', '.join(self.classes)}; the model has "
                f"{', '.join(spec.names)}: learn it with this model (maskwright baseline)"
            )

    def describe(self) -> list[str]:
        """One line per light."""
        return [
            f"{light}: {one.num_frames:,} frames, {one.seconds:.0f} s"
            + ("" if one.seconds >= LEAST_S else f"; not judged, {LEAST_S:g} s are needed")
            for light, one in self.lights.items()
        ]

    def save(self, path: Path) -> None:
        """Write the file, NumPy's npz, whole or not at all."""
        arrays: dict[str, NDArray[Any]] = {}
        for light, one in self.lights.items():
            arrays |= {f"{light}_share": one.share_Khw, f"{light}_longest": one.longest_s_hw}
        document = SCHEMA.stamp(
            {
                "classes": list(self.classes),
                "fingerprint": self.fingerprint,
                "size": list(self.size_HW),
                "cell_px": self.cell_px,
                "lights": {
                    light: {"frames": one.num_frames, "seconds": one.seconds}
                    for light, one in self.lights.items()
                },
            }
        )
        with new_file(path) as file:
            np.savez_compressed(
                file, allow_pickle=False, document=np.array(json.dumps(document)), **arrays
            )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file that `save` wrote.

        Raises:
            DataError: It cannot be read, or its arrays do not fit what it says.
        """
        try:
            _require_small(path)
            with np.load(path, allow_pickle=False) as arrays:
                return cls._from_arrays(arrays, where=str(path))
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise DataError(
                f"{path}: not a baseline that can be read ({error}); learn it again "
                f"(maskwright baseline)"
            ) from error

    @classmethod
    def _from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, where: str) -> Self:
        document = SCHEMA.read(
            parse_json(str(arrays["document"]).encode(), where=where), where=where
        )
        height, width = (int(side) for side in document["size"])
        cell_px, classes = int(document["cell_px"]), tuple(map(str, document["classes"]))
        grid_hw = -(-height // cell_px), -(-width // cell_px)
        lights = {}
        for name, counts in document["lights"].items():
            share_Khw, longest_s_hw = arrays[f"{name}_share"], arrays[f"{name}_longest"]
            if share_Khw.shape != (len(classes), *grid_hw) or longest_s_hw.shape != grid_hw:
                raise ValueError(
                    f"{name} has {share_Khw.shape}, not {len(classes)} x {grid_hw}"
                )
            lights[Light(name)] = LightBaseline(
                num_frames=int(counts["frames"]),
                seconds=float(counts["seconds"]),
                share_Khw=share_Khw.astype(np.uint8, casting="safe"),
                longest_s_hw=longest_s_hw.astype(np.float32, casting="same_kind"),
            )
        return cls(
            classes=classes,
            fingerprint=str(document["fingerprint"]),
            size_HW=(height, width),
            cell_px=cell_px,
            lights=lights,
        )


def _require_small(path: Path) -> None:
    with ZipFile(path) as file:
        if sum(entry.file_size for entry in file.infolist()) > _MOST_BYTES:
            raise ValueError(f"over {_MOST_BYTES:,} bytes when unpacked")


def see_cells(labels_HW: LabelMap, cell_px: int) -> LabelMap:
    """The class of the middle pixel of every cell, h x w; the last cells may be cut."""
    height, width = labels_HW.shape
    rows, columns = (
        np.minimum(np.arange(0, side, cell_px) + cell_px // 2, side - 1)
        for side in (height, width)
    )
    return labels_HW[np.ix_(rows, columns)]


@dataclass(slots=True)
class _Counts:
    """What is counted of one light."""

    count_Khw: NDArray[np.uint32]
    longest_s_Khw: NDArray[np.float32]
    num_frames: int = 0
    seconds: float = 0.0

    def finish(self) -> LightBaseline:
        total_hw = np.maximum(self.count_Khw.sum(axis=0), 1)
        share_Khw = self.count_Khw / total_hw
        stays_Khw = np.where(find_usual(share_Khw), np.float32(0), self.longest_s_Khw)
        return LightBaseline(
            num_frames=self.num_frames,
            seconds=self.seconds,
            share_Khw=np.rint(255 * share_Khw).astype(np.uint8),
            longest_s_hw=stays_Khw.max(axis=0),
        )


@dataclass(slots=True)
class BaselineLearner:
    """Learns a Baseline from labelled frames of normal footage, of one video or several.

    Memory is that of some floats per cell, class and light; a frame of more than 480 px is seen
    in cells of several pixels.
    """

    spec: LabelSpec
    _size_HW: tuple[int, int] | None = field(default=None, init=False)
    _cell_px: int = field(default=1, init=False)
    _stay_s_Khw: NDArray[np.float32] = field(init=False)
    _counts: dict[Light, _Counts] = field(default_factory=dict, init=False)
    _times: FrameTimes = field(default_factory=FrameTimes, init=False)

    def begin_video(self) -> None:
        """Begin another video of the same camera; its times have nothing to do with before."""
        self._times = FrameTimes()
        if self._size_HW is not None:
            self._stay_s_Khw[:] = 0

    def add(self, one: LabelledFrame) -> None:
        """Learn from the next frame.

        Raises:
            DataError: The frame is of another size than those before.
        """
        size_HW = one.labels_HW.shape
        if self._size_HW is None:
            self._size_HW = size_HW
            self._cell_px = -(-max(size_HW) // _LONGEST_CELLS)
            grid_hw = see_cells(one.labels_HW, self._cell_px).shape
            self._stay_s_Khw = np.zeros((len(self.spec), *grid_hw), np.float32)
        require_size(size_HW, self._size_HW, where=f"frame {one.frame.key}")
        interval_s = self._times.add(one.frame.time_s)
        if self._times.was_away:
            self._stay_s_Khw[:] = 0
            interval_s = 0.0
        counts = self._find_counts(find_light(one.frame.image_HWC))
        counts.num_frames += 1
        counts.seconds += interval_s
        class_hw = see_cells(one.labels_HW, self._cell_px)
        known_hw = class_hw != IGNORE
        index = np.where(known_hw, class_hw, 0)[None]
        self._stay_s_Khw -= np.float32(DECAY * interval_s)
        np.maximum(self._stay_s_Khw, 0, out=self._stay_s_Khw)
        _add_at(self._stay_s_Khw, index, known_hw * np.float32((1 + DECAY) * interval_s))
        _add_at(counts.count_Khw, index, known_hw.astype(np.uint32))
        np.maximum(counts.longest_s_Khw, self._stay_s_Khw, out=counts.longest_s_Khw)

    def finish(self) -> Baseline:
        """The Baseline of all frames so far.

        Raises:
            DataError: There was no frame.
        """
        if self._size_HW is None:
            raise DataError(
                "a baseline of no frame; give footage of the scene as it usually is"
            )
        return Baseline(
            classes=self.spec.names,
            fingerprint=self.spec.fingerprint,
            size_HW=self._size_HW,
            cell_px=self._cell_px,
            lights={k: self._counts[k].finish() for k in Light if k in self._counts},
        )

    def _find_counts(self, light: Light) -> _Counts:
        if light not in self._counts:
            shape_Khw = self._stay_s_Khw.shape
            self._counts[light] = _Counts(
                np.zeros(shape_Khw, np.uint32), np.zeros(shape_Khw, np.float32)
            )
        return self._counts[light]


def require_size(size_HW: tuple[int, int], expected_HW: tuple[int, int], *, where: str) -> None:
    """Refuse a frame of another size than that of a baseline.

    Raises:
        DataError: As said.
    """
    if size_HW != expected_HW:
        raise DataError(
            f"{where}: is {size_HW} (H, W), the baseline is of frames of {expected_HW}; a "
            f"baseline belongs to one camera at one size"
        )


def _add_at(values_Khw: NDArray[Any], index_1hw: LabelMap, more_hw: NDArray[Any]) -> None:
    """Add to the value of the class of every cell."""
    taken = np.take_along_axis(values_Khw, index_1hw, axis=0)
    np.put_along_axis(values_Khw, index_1hw, taken + more_hw[None], axis=0)
