"""Galleries of images: panels side by side, which a click enlarges to fill the window.

Zooming needs no script: the panels are a popover (HTML Living Standard, section 6.12) that
stays in the page while it is closed. Enter or a click opens and closes it, Escape closes it,
and the arrow keys choose all panels or a single one. Classes carry their index in the maps and
in the legend, so that a reader who cannot tell the colours apart can read them.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.labels import IGNORE, LabelMap, LabelSpec
from ...pages.markup import data_uri, render_code, render_legend

_TAGGED_PX = 240
"""Maps are reduced to this size to find room for an index in their regions."""
_ROOM_PX, _ROOM_ENLARGED_PX = 7, 2
"""Distance from an index to the nearest border of its region, at that size: for an index that
is always shown, and for one that is shown when the panel is enlarged."""
_MOST_TAGS = 8
"""Per class and map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One image: its key, a note beside it (HTML), and encoded files by panel."""

    key: str
    note: str
    panels: Mapping[str, bytes]


def render_gallery(
    name: str,
    shots: Sequence[Shot],
    labels: LabelSpec,
    marks: Mapping[str, tuple[int, int, int]],
) -> str:
    """A legend, then one figure per image; "" without images.

    `name` makes the ids unique on the page, `marks` are further colours of the legend by name.
    """
    if not shots:
        return ""
    figures = "".join(_figure(f"{name}-{i}", shot) for i, shot in enumerate(shots))
    return _legend(shots, labels, marks) + figures


def _legend(
    shots: Sequence[Shot], labels: LabelSpec, marks: Mapping[str, tuple[int, int, int]]
) -> str:
    """Colour, index and name of the classes in the maps, then the marks."""
    present: set[int] = set()
    for shot in shots:
        for content in shot.panels.values():
            present |= _classes_in(content)
    classes = [(i, labels.classes[i]) for i in sorted(present) if i < len(labels)]
    entries = [(entry.color, f"{i} {entry.name}") for i, entry in classes]
    return render_legend([*entries, *((rgb, name) for name, rgb in marks.items())])


def _figure(name: str, shot: Shot) -> str:
    key = escape(shot.key)
    width, height = _size(next(iter(shot.panels.values())))
    panels = "".join(
        _panel(shot, position, panel) for position, panel in enumerate(shot.panels, start=1)
    )
    return (
        f"<figure><figcaption>{render_code(shot.key)}<b>{shot.note}</b></figcaption>"
        f'<div class="slot" style="--panels:{len(shot.panels)};--ratio:{width / height:.4f}">'
        f'<div class="zoom" id="{name}" popover role="group" aria-label="{key}">'
        f"{_tools(name, shot)}"
        f'<button type="button" class="pane" popovertarget="{name}" title="Enlarge, or close">'
        f"{panels}</button></div></div></figure>"
    )


def _panel(shot: Shot, position: int, panel: str) -> str:
    content = shot.panels[panel]
    tags = "".join(
        f'<span class="{kind}" aria-hidden="true" style="left:{x:.1%};top:{y:.1%}">'
        f"{index}</span>"
        for kind, index, x, y in _tags(content)
    )
    return (
        f'<span class="panel panel{position}"><span class="frame">'
        f'<img src="{data_uri(content)}" alt="{panel} of {escape(shot.key)}">{tags}</span>'
        f"{panel}</span>"
    )


def _tools(name: str, shot: Shot) -> str:
    """Radio buttons that choose the panels, and a button that closes the popover."""
    choices = "".join(
        f'<label><input type="radio" name="{name}-shown" class="pick{position}"'
        f"{' checked autofocus' if position == 0 else ''}>{panel}</label>"
        for position, panel in enumerate(("all", *shot.panels))
    )
    return (
        f'<div class="tools">{render_code(shot.key)}'
        f'<fieldset><legend class="unseen">Shown</legend>{choices}</fieldset>'
        f'<button type="button" popovertarget="{name}" popovertargetaction="hide">'
        f"Close (Esc)</button></div>"
    )


def _size(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as image:
        return image.size


def _indices(content: bytes) -> LabelMap | None:
    """Class indices of a palette PNG; None for photographs."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image) if image.mode == "P" else None


def _classes_in(content: bytes) -> set[int]:
    labels_hw = _indices(content)
    return set() if labels_hw is None else set(np.unique(labels_hw).tolist()) - {IGNORE}


def _tags(content: bytes) -> list[tuple[str, int, float, float]]:
    """Kind, class index and position (shares of width and height) in the largest regions."""
    labels_hw = _indices(content)
    if labels_hw is None:
        return []
    scale = min(1.0, _TAGGED_PX / max(labels_hw.shape))
    height, width = (max(1, round(n * scale)) for n in labels_hw.shape)
    resized = cv2.resize(labels_hw, (width, height), interpolation=cv2.INTER_NEAREST)
    small_hw = np.asarray(resized, np.uint8)
    return [
        (kind, index, (x + 0.5) / width, (y + 0.5) / height)
        for index in sorted(set(np.unique(small_hw).tolist()) - {IGNORE})
        for kind, y, x in _find_room(small_hw == index)
    ]


def _find_room(mask_hw: NDArray[np.bool_]) -> Iterator[tuple[str, int, int]]:
    """The innermost pixel of each region with room for an index, the most room first."""
    framed = np.pad(mask_hw.astype(np.uint8), 1)
    room_px = np.asarray(cv2.distanceTransform(framed, cv2.DIST_L2, 3))[1:-1, 1:-1].copy()
    _, region_hw = cv2.connectedComponents(mask_hw.astype(np.uint8), connectivity=4)
    for _ in range(_MOST_TAGS):
        y, x = (int(n) for n in np.unravel_index(int(room_px.argmax()), room_px.shape))
        if room_px[y, x] < _ROOM_ENLARGED_PX:
            return
        yield "tag" if room_px[y, x] >= _ROOM_PX else "tag fine", y, x
        room_px[np.asarray(region_hw) == region_hw[y, x]] = 0
