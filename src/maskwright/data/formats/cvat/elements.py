"""Parse and format the shape elements of CVAT's XML 1.1.

Masks hold run lengths along the rows of a box, zeros first. Shapes are filled as CVAT's own
mask exports do it: polygons and boxes (rotated ones too) by the rule `coco`, ellipses by
OpenCV.
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
from .interpolate import interpolate_angle, interpolate_rings

SKIPPED = {
    "polyline": "lines",
    "points": "points",
    "tag": "tags",
    "skeleton": "skeletons",
    "cuboid": "cuboids",
}
"""What is counted for an element that is not a region."""

_TRUE = frozenset({"1", "true"})
"""Texts by which the flag is set: CVAT's own, and that of JSON."""

_PRIMITIVES = {"box": "rectangles", "ellipse": "ellipses"}
_CONTROL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Element(Document):
    label: str
    z_order: int = 0
    group_id: int = 0
    occluded: str = "0"


class _PolygonElement(_Element):
    points: str


class _BoxElement(_Element):
    xtl: Finite
    ytl: Finite
    xbr: Finite
    ybr: Finite
    rotation: Finite = 0.0


class _EllipseElement(_Element):
    cx: Finite
    cy: Finite
    rx: Annotated[Finite, Field(ge=0)]
    ry: Annotated[Finite, Field(ge=0)]
    rotation: Finite = 0.0


class _MaskElement(_Element):
    rle: str
    left: Annotated[int, Field(ge=0)]
    top: Annotated[int, Field(ge=0)]
    width: Side
    height: Side


_MODELS: dict[str, type[_Element]] = {
    "polygon": _PolygonElement,
    "box": _BoxElement,
    "ellipse": _EllipseElement,
    "mask": _MaskElement,
}


def parse_shape(
    element: Element,
    size_HW: tuple[int, int],
    *,
    label: str | None = None,
    until: tuple[Element, float] | None = None,
    where: str,
) -> Shape | str:
    """Parse the shape of an element; what it is counted as where it is not a region.

    `label` is the label of the track around it, None where the element has its own. `until` is
    the next keyframe of the track and the share of the way to it, where the shape lies between
    two. A shape has the attribute "occluded" where CVAT's flag is set.

    Raises:
        DataError: The element is unknown, a value is missing or wrong, a mask leaves the image,
            or there is nothing between two keyframes of different kinds.
    """
    if element.tag in SKIPPED:
        return SKIPPED[element.tag]
    if element.tag not in _MODELS:
        known = ", ".join((*_MODELS, *SKIPPED))
        raise DataError(
            f"{where}: <{element.tag}> is not a shape of CVAT 1.1 (known: {known}); remove it"
        )
    where = f"{where}: {element.tag}"
    values = element.attrib if label is None else {**element.attrib, "label": label}
    model = validate(values, _MODELS[element.tag], where=where)
    if until is not None:
        model = _interpolate(model, *until, where=where)
    attributes = {a.get("name", ""): a.text or "" for a in element.iter("attribute")}
    if model.occluded == "1":
        attributes["occluded"] = "1"
    rings, masks = _parse_region(model, size_HW, where)
    if rings and len(rings[0]) < 3:
        return "polygons of fewer than three corners"
    return Shape(
        label=model.label,
        rings=rings,
        masks=masks,
        z=model.z_order,
        instance=str(model.group_id) if model.group_id else None,
        attributes=attributes,
        primitive=_PRIMITIVES.get(element.tag, ""),
    )


def _parse_region(
    model: _Element, size_HW: tuple[int, int], where: str
) -> tuple[tuple[Ring, ...], tuple[Crop, ...]]:
    """Rings of a polygon or box, or the crop of a mask or ellipse."""
    if isinstance(model, _PolygonElement):
        return (_parse_points(model.points, where),), ()
    if isinstance(model, _BoxElement):
        return (_compute_corners(model),), ()
    if isinstance(model, _MaskElement):
        return (), (_decode_mask(model, size_HW, where),)
    if not isinstance(model, _EllipseElement):
        raise TypeError(model)
    reach = max(abs(model.cx), abs(model.cy), model.rx, model.ry)
    if reach > 16 * max(size_HW) + 4096:
        raise DataError(
            f"{where}: it extends {reach:.4g} px, the image is {size_HW} (H, W); correct or "
            f"remove it"
        )
    center, axes = (model.cx, model.cy), (model.rx, model.ry)
    return (), (fill_ellipse(center, axes, model.rotation, size_HW),)


def _parse_points(points: str, where: str) -> Ring:
    pairs = [pair.split(",") for pair in points.split(";")]
    try:
        ring = np.array(pairs, np.float64)
    except ValueError:
        raise DataError(
            f"{where}: points are {points[:60]!r}, expected 'x,y;x,y'; export it again"
        ) from None
    if ring.ndim != 2 or ring.shape[1] != 2:
        raise DataError(
            f"{where}: points are {points[:60]!r}, expected 'x,y;x,y'; export it again"
        )
    return ring


def _interpolate(first: _Element, until: Element, offset: float, *, where: str) -> _Element:
    """Interpolate between a shape and the next keyframe, as CVAT does it.

    Attributes are those of the first.
    """
    if not isinstance(first, _MODELS.get(until.tag, _MaskElement)) or until.tag == "mask":
        raise DataError(
            f"{where}: the next keyframe of its track is <{until.tag}>, and between the two "
            f"CVAT cannot interpolate; state a shape on every frame, or end the track with "
            f'outside="1"'
        )
    second = validate({**until.attrib, "label": first.label}, type(first), where=where)
    if isinstance(first, _PolygonElement) and isinstance(second, _PolygonElement):
        start, end = (_parse_points(model.points, where) for model in (first, second))
        points = _format_points(interpolate_rings(start, end, offset))
        return first.model_copy(update={"points": points})
    moved: dict[str, float] = {}
    for name in type(first).model_fields.keys() - _Element.model_fields.keys():
        values = getattr(first, name), getattr(second, name)
        if name == "rotation":
            moved[name] = interpolate_angle(*values, offset)
        else:
            moved[name] = values[0] + (values[1] - values[0]) * offset
    return first.model_copy(update=moved)


def _format_points(ring: Ring) -> str:
    return ";".join(f"{x!r},{y!r}" for x, y in ring.tolist())


def _compute_corners(box: _BoxElement) -> Ring:
    """Compute the corners, rotated clockwise about the centre and rounded as CVAT does it."""
    ring: Ring = np.array(
        [[box.xtl, box.ytl], [box.xbr, box.ytl], [box.xbr, box.ybr], [box.xtl, box.ybr]]
    )
    if not box.rotation:
        return ring
    angle = math.radians(box.rotation)
    center = np.array([box.xtl + (box.xbr - box.xtl) / 2, box.ytl + (box.ybr - box.ytl) / 2])
    x, y = (ring - center).T
    cos, sin = math.cos(angle), math.sin(angle)
    rotated = (cos * x - sin * y, sin * x + cos * y)
    corners: Ring = (np.column_stack(rotated) + center).round(2)
    return corners


def _decode_mask(mask: _MaskElement, size_HW: tuple[int, int], where: str) -> Crop:
    bottom, right = mask.top + mask.height, mask.left + mask.width
    if bottom > size_HW[0] or right > size_HW[1]:
        raise DataError(
            f"{where}: it ends at row {bottom} and column {right}, the image is {size_HW} "
            f"(H, W); export it again"
        )
    try:
        counts = np.array([int(count) for count in mask.rle.split(",")], np.int64)
    except (ValueError, OverflowError):
        raise DataError(
            f"{where}: its rle is {mask.rle[:60]!r}, expected 'n, n, n'; export it again"
        ) from None
    return Crop(
        mask.top, mask.left, decode_runs(counts, (mask.height, mask.width), where=where)
    )


def format_shapes(drawing: Drawing) -> Iterator[str]:
    """Format an element for each shape of a drawing that has pixels, lowest first."""
    groups: dict[str, int] = {}
    for z, shape in enumerate(drawing.shapes):
        head = f'label={_quote(shape.label)} source="manual"'
        head += f' occluded="{int(shape.attributes.get("occluded") in _TRUE)}"'
        tail = f' z_order="{z}"'
        if shape.instance is not None:
            tail += f' group_id="{groups.setdefault(shape.instance, len(groups) + 1)}"'
        region = _format_region(shape, drawing)
        if region is not None:
            tag, coordinates = region
            inside = _format_attributes(shape.attributes)
            yield f"    <{tag} {head} {coordinates}{tail}>{inside}</{tag}>\n"


def _format_region(shape: Shape, drawing: Drawing) -> tuple[str, str] | None:
    """The tag and the coordinates of a shape, None where it has no pixel."""
    if shape.is_polygon:
        return "polygon", f'points="{_format_points(shape.rings[0])}"'
    crop = shape.fill(drawing.size_HW, drawing.raster)
    if not crop.area_px:
        return None
    height, width = crop.inside_hw.shape
    runs = ", ".join(map(str, encode_runs(crop.inside_hw.ravel()).tolist()))
    box = f'left="{crop.left}" top="{crop.top}" width="{width}" height="{height}"'
    return "mask", f'rle="{runs}" {box}'


def _format_attributes(attributes: Mapping[str, str]) -> str:
    return "".join(
        f"<attribute name={_quote(name)}>{_escape(value)}</attribute>"
        for name, value in attributes.items()
        if name != "occluded"
    )


def _escape(text: str) -> str:
    return escape(_require_xml_characters(text), {"\r": "&#13;"})


def _quote(text: str) -> str:
    return quoteattr(_require_xml_characters(text))


def _require_xml_characters(text: str) -> str:
    if match := _CONTROL.search(text):
        raise DataError(
            f"{text!r} has the character {match[0]!r}, which XML cannot hold; rename it"
        )
    return text
