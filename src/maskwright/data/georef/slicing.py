"""Why the slices of a series of files, or the frames of one file, are not one volume."""

from collections.abc import Sequence

import numpy as np

from ...pages.text import format_count
from .patient import UNEVEN, SlicePlane, are_even, measure_steps, order_planes

NOT_ON_A_LINE = "slices that do not lie on one line at equal distances"


def describe_frames(planes: Sequence[SlicePlane]) -> str:
    """Why the frames of a file are not the slices of one volume; "" where they are.

    `planes` are in the order of the file; frames are counted from 1, as DICOM does.
    """
    num_orientations = max(number_orientations(planes))
    if num_orientations > 1:
        return f"its {len(planes)} frames have {num_orientations} orientations"
    order = order_planes(planes)
    ordered = [planes[index] for index in order]
    names = [f"frame {index + 1}" for index in order]
    if twins := find_twins(ordered):
        first, second = names[twins[0]], names[twins[0] + 1]
        count = format_count(len(twins), "frame")
        return f"{count} at the position of another, the first {first} and {second}"
    if are_even(ordered):
        return ""
    return describe_gaps(ordered, names) or NOT_ON_A_LINE


def number_orientations(planes: Sequence[SlicePlane]) -> list[int]:
    """The number of the orientation of each plane, from 1 in the order in which they occur."""
    firsts: list[SlicePlane] = []
    for plane in planes:
        if not any(plane.is_parallel(first) for first in firsts):
            firsts.append(plane)
    return [
        next(number for number, first in enumerate(firsts, 1) if plane.is_parallel(first))
        for plane in planes
    ]


def find_twins(planes: Sequence[SlicePlane]) -> list[int]:
    """The indices of ordered slices at the position of the next one."""
    steps = measure_steps(planes)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0
    return list(map(int, np.flatnonzero(steps <= UNEVEN * usual)))


def describe_gaps(planes: Sequence[SlicePlane], names: Sequence[str]) -> str:
    """Where ordered slices are further apart than elsewhere; "" where nowhere.

    "1 slice missing: 6 mm from one to the next between a.dcm and b.dcm, 3 mm elsewhere (1 gap)"
    """
    steps = measure_steps(planes)
    usual = float(np.median(steps))
    wide = list(map(int, np.flatnonzero(steps > (1 + UNEVEN) * usual)))
    if not wide:
        return ""
    first = wide[0]
    missing = int(np.rint(steps[wide] / usual - 1).sum())
    lacks = f"{format_count(missing, 'slice')} missing" if missing else "unequal spacing"
    return (
        f"{lacks}: {steps[first]:.4g} mm from one to the next between {names[first]} and "
        f"{names[first + 1]}, {usual:.4g} mm elsewhere ({format_count(len(wide), 'gap')})"
    )
