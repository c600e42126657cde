"""What the header of a DICOM image states of its frames, also in functional groups.

Enhanced images state it once for all frames, or for each; PS3.3, section C.7.6.16.
"""

from collections.abc import Iterable
from typing import Any

from ..georef.patient import SlicePlane
from .dicom_head import find_plane


def find_padding(head: Any) -> tuple[int, int] | None:
    """The stored values that fill what was not measured, from one end to the other."""
    value = head.get("PixelPaddingValue")
    if value is None:
        return None
    other = head.get("PixelPaddingRangeLimit")
    ends = sorted((int(value), int(value if other is None else other)))
    return ends[0], ends[1]


def _list_group_items(head: Any, sequence: str) -> list[list[Any]]:
    """The items of a functional group: first those of all frames, then those of each frame."""
    shared = head.get("SharedFunctionalGroupsSequence") or ()
    per_frame = head.get("PerFrameFunctionalGroupsSequence") or ()
    common = [item for group in shared for item in group.get(sequence) or ()]
    return [common, *(list(group.get(sequence) or ()) for group in per_frame)]


def _group_values(head: Any, sequence: str, name: str) -> list[Any]:
    """The distinct values in the functional groups of an enhanced image."""
    values: list[Any] = []
    for items in _list_group_items(head, sequence):
        for item in items:
            value = item.get(name)
            if value is not None and value not in values:
                values.append(value)
    return values


def find_rescales(head: Any) -> tuple[tuple[float, float], ...]:
    """Slope and intercept of all frames, or of each where they differ."""
    common, *each = _list_group_items(head, "PixelValueTransformationSequence")
    rescales = [_read_rescale([*items, *common, head]) for items in each or [[]]]
    return (rescales[0],) if len(set(rescales)) == 1 else tuple(rescales)


def _read_rescale(sources: Iterable[Any]) -> tuple[float, float]:
    """The first slope and the first intercept that a source states."""
    found = {"RescaleSlope": 1.0, "RescaleIntercept": 0.0}
    for source in reversed(list(sources)):
        stated = {name: source.get(name) for name in found}
        found |= {name: float(value) for name, value in stated.items() if value is not None}
    return found["RescaleSlope"], found["RescaleIntercept"]


def find_planes(head: Any) -> tuple[SlicePlane, ...]:
    """The plane of each frame in the order of the file; none where one is not stated."""
    num_frames = int(head.get("NumberOfFrames") or 1)
    positions, *own = _list_group_items(head, "PlanePositionSequence")
    orientations, *own_orientations = _list_group_items(head, "PlaneOrientationSequence")
    if len(own) != num_frames:
        plane = find_plane((positions or [head])[0], (orientations or [head])[0])
        return (plane,) if plane is not None and num_frames == 1 else ()
    planes = [
        find_plane((position or positions or [head])[0], (turn or orientations or [head])[0])
        for position, turn in zip(own, own_orientations, strict=True)
    ]
    known = tuple(plane for plane in planes if plane is not None)
    return known if len(known) == num_frames else ()


def find_depth(head: Any) -> float | None:
    """The thickness of slices in mm."""
    values = _group_values(head, "PixelMeasuresSequence", "SliceThickness")
    value = values[0] if values else head.get("SliceThickness")
    depth = 0.0 if value is None else float(value)
    return depth if 0 < depth < 1e6 else None


def find_spacing(head: Any) -> tuple[float, float] | None:
    """Height and width of a pixel in mm; None where frames differ or nothing is stated."""
    values = _group_values(head, "PixelMeasuresSequence", "PixelSpacing")
    stated = head.get("PixelSpacing") if not values else None
    sides = values[0] if len(values) == 1 else stated
    if not sides or len(sides) != 2:
        return None
    height, width = (float(side) for side in sides)
    return (height, width) if 0 < height < 1e6 and 0 < width < 1e6 else None
