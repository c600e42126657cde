"""The shapes of CVAT's XML 1.1, read from elements and written as text.

Masks hold run lengths along the rows of a box, zeros first. All is filled as CVAT's own mask
exports do it: polygons and boxes, turned ones too, by the rule `coco`, ellipses by OpenCV.
Source: cvat 2.x, apps/dataset_manager/formats/cvat.py and transformations.py.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from pydantic import Field

from ....core.errors import DataError
from ...reading.documents import Document, Finite, Side, validate
from ...shapes.drawing import Drawing, Shape
from ...shapes.raster import Crop, Ring, fill_ellipse
from ...shapes.runs import decode_runs, encode_runs

SKIPPED = {
    "polyline": "lines",
    "points": "points",
    "tag": "tags",
    "skeleton": "skeletons",
    "cuboid": "cuboids",
}
"""What is no region, by its element."""

_CONTROL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Drawn(Document):
    label: str
    z_order: int = 0
    group_id: int = 0
    occluded: str = "0"


class _Polygon(_Drawn):
    points: str


class _Box(_Drawn):
    xtl: Finite
    ytl: Finite
    xbr: Finite
    ybr: Finite
    rotation: Finite = 0.0


class _Ellipse(_Drawn):
    cx: Finite
    cy: Finite
    rx: Annotated[Finite, Field(ge=0)]
    ry: Annotated[Finite, Field(ge=0)]
    rotation: Finite = 0.0


class _Mask(_Drawn):
    rle: str
    left: Annotated[int, Field(ge=0)]
    top: Annotated[int, Field(ge=0)]
    width: Side
    height: Side


_MODELS: dict[str, type[_Drawn]] = {
    "polygon": _Polygon,
    "box": _Box,
    "ellipse": _Ellipse,
    "mask": _Mask,
}


def shape_of(
    element: Element, size_HW: tuple[int, int], *, label: str | None, where: str
) -> Shape | None:
    """The region of an element, None where it is none (`SKIPPED`).

    `label` is that of the track around it. A box has an `attributes` entry "occluded" where the
    tool's flag is set.

    Raises:
        DataError: Not CVAT's element, a value is missing or wrong, or a mask leaves the image.
    """
    if element.tag in SKIPPED:
        return None
    if element.tag not in _MODELS:
        known = ", ".join((*_MODELS, *SKIPPED))
        raise DataError(f"{where}: <{element.tag}> is no shape of CVAT 1.1 (known: {known})")
    where = f"{where}: {element.tag}"
    values = element.attrib if label is None else {**element.attrib, "label": label}
    found = validate(values, _MODELS[element.tag], where=where)
    attributes = {a.get("name", ""): a.text or "" for a in element.iter("attribute")}
    if found.occluded == "1":
        attributes["occluded"] = "1"
    rings, masks = _region(found, size_HW, where)
    return Shape(
        label=found.label,
        rings=rings,
        masks=masks,
        z=found.z_order,
        instance=str(found.group_id) if found.group_id else None,
        attributes=attributes,
    )


def _region(
    found: _Drawn, size_HW: tuple[int, int], where: str
) -> tuple[tuple[Ring, ...], tuple[Crop, ...]]:
    if isinstance(found, _Polygon):
        return (_ring(found.points, where),), ()
    if isinstance(found, _Box):
        return (_corners(found),), ()
    if isinstance(found, _Mask):
        return (), (_crop(found, size_HW, where),)
    if not isinstance(found, _Ellipse):
        raise TypeError(found)
    reach = max(abs(found.cx), abs(found.cy), found.rx, found.ry)
    if reach > 16 * max(size_HW) + 4096:
        raise DataError(
            f"{where}: it reaches {reach:.4g} px far, the image is {size_HW} (H, W); correct "
            f"or remove it"
        )
    center, axes = (found.cx, found.cy), (found.rx, found.ry)
    return (), (fill_ellipse(center, axes, found.rotation, size_HW),)


def _ring(points: str, where: str) -> Ring:
    pairs = [pair.split(",") for pair in points.split(";")]
    try:
        ring = np.array(pairs, np.float64)
    except ValueError:
        raise DataError(f"{where}: points are {points[:60]!r}, expected 'x,y;x,y'") from None
    if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3:
        raise DataError(
            f"{where}: {len(pairs)} points, {points[:60]!r}; a polygon has three or more "
            f"'x,y;x,y'; draw it again or remove it"
        )
    return ring


def _corners(box: _Box) -> Ring:
    """Its corners, turned clockwise about its middle and rounded, as CVAT rounds them."""
    ring: Ring = np.array(
        [[box.xtl, box.ytl], [box.xbr, box.ytl], [box.xbr, box.ybr], [box.xtl, box.ybr]]
    )
    if not box.rotation:
        return ring
    turn = math.radians(box.rotation)
    middle = np.array([box.xtl + (box.xbr - box.xtl) / 2, box.ytl + (box.ybr - box.ytl) / 2])
    x, y = (ring - middle).T
    turned = (math.cos(turn) * x - math.sin(turn) * y, math.sin(turn) * x + math.cos(turn) * y)
    corners: Ring = (np.column_stack(turned) + middle).round(2)
    return corners


def _crop(mask: _Mask, size_HW: tuple[int, int], where: str) -> Crop:
    bottom, right = mask.top + mask.height, mask.left + mask.width
    if bottom > size_HW[0] or right > size_HW[1]:
        raise DataError(
            f"{where}: it ends at row {bottom} and column {right}, the image is {size_HW} "
            f"(H, W); export it again"
        )
    try:
        counts = np.array([int(count) for count in mask.rle.split(",")], np.int64)
    except (ValueError, OverflowError):
        raise DataError(f"{where}: its rle is {mask.rle[:60]!r}, expected 'n, n, n'") from None
    return Crop(
        mask.top, mask.left, decode_runs(counts, (mask.height, mask.width), where=where)
    )


def text_of(drawing: Drawing) -> Iterator[str]:
    """An element for each shape of a drawing, lowest first; without pixels none."""
    groups: dict[str, int] = {}
    for z, shape in enumerate(drawing.shapes):
        head = f'label={_quoted(shape.label)} source="manual"'
        head += f' occluded="{int(shape.attributes.get("occluded") == "1")}"'
        tail = f' z_order="{z}"'
        if shape.instance is not None:
            tail += f' group_id="{groups.setdefault(shape.instance, len(groups) + 1)}"'
        found = _place(shape, drawing)
        if found is not None:
            tag, place = found
            inside = _attributes(shape.attributes)
            yield f"    <{tag} {head} {place}{tail}>{inside}</{tag}>\n"


def is_polygon(shape: Shape) -> bool:
    """Whether it is written as a polygon, of which CVAT has only those of one ring."""
    return len(shape.rings) == 1 and not shape.masks and len(shape.rings[0]) >= 3


def _place(shape: Shape, drawing: Drawing) -> tuple[str, str] | None:
    if is_polygon(shape):
        points = ";".join(f"{x!r},{y!r}" for x, y in shape.rings[0].tolist())
        return "polygon", f'points="{points}"'
    crop = shape.fill(drawing.size_HW, drawing.raster)
    if not crop.area_px:
        return None
    height, width = crop.inside_hw.shape
    runs = ", ".join(map(str, encode_runs(crop.inside_hw.ravel()).tolist()))
    place = f'left="{crop.left}" top="{crop.top}" width="{width}" height="{height}"'
    return "mask", f'rle="{runs}" {place}'


def _attributes(attributes: Mapping[str, str]) -> str:
    return "".join(
        f"<attribute name={_quoted(name)}>{_text(value)}</attribute>"
        for name, value in attributes.items()
        if name != "occluded"
    )


def _text(text: str) -> str:
    return escape(_allowed(text), {"\r": "&#13;"})


def _quoted(text: str) -> str:
    return quoteattr(_allowed(text))


def _allowed(text: str) -> str:
    if found := _CONTROL.search(text):
        raise DataError(
            f"{text!r} has the character {found[0]!r}, which XML cannot hold; rename it"
        )
    return text
