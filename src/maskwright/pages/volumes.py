"""Volumes on a page, slice by slice: pictures side by side, and a slider through the slices.

The slider takes the arrow keys, Page Up and Page Down, Home and End, as browsers define them
for `<input type=range>`. Without JavaScript the middle slice is shown. Pictures are files or
data of the page; the script is `volumes.js`, allowed by its hash.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from .markup import render_code
from .text import format_count

WORKS_WITHOUT = "The slider needs JavaScript; this is the middle slice of each volume."


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceView:
    """One slice: its index from 0, a note (text), and the source of each picture by its name.

    A source is a path relative to the page or a data URI. The first picture is the image, the
    others are maps that are drawn over it.
    """

    index: int
    pictures: Mapping[str, str]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeView:
    """One volume of `num_slices`, of which `slices` are shown; `ratio` is width / height."""

    name: str
    num_slices: int
    slices: Sequence[SliceView]
    ratio: float = 1.0


def read_volume_script() -> str:
    """The script of the sliders."""
    return files(__package__).joinpath("volumes.js").read_text(encoding="utf-8")


def read_volume_style() -> str:
    """The style of the volumes."""
    return files(__package__).joinpath("volumes.css").read_text(encoding="utf-8")


def name_anchor(index: int) -> str:
    """The id of the volume of this index on the page."""
    return f"volume-{index}"


def render_volumes(volumes: Sequence[VolumeView]) -> str:
    """All volumes, and their slices as JSON; "" without volumes."""
    if not volumes:
        return ""
    document = [
        {
            "n": volume.num_slices,
            "slices": [
                {"at": s.index, "t": s.note, "p": _list_sources(s)} for s in volume.slices
            ],
        }
        for volume in volumes
    ]
    text = json.dumps(document, separators=(",", ":")).replace("<", "\\u003c")
    shown = "".join(_render_volume(index, volume) for index, volume in enumerate(volumes))
    return (
        f"<noscript><p>{WORKS_WITHOUT}</p></noscript>{shown}"
        f'<script type="application/json" id="volumes-data">{text}</script>'
    )


def describe_shown(volumes: Sequence[VolumeView], num_volumes: int) -> str:
    """How many volumes and slices are shown, and how many are left out."""
    shown = sum(len(volume.slices) for volume in volumes)
    total = sum(volume.num_slices for volume in volumes)
    text = f"{format_count(shown, 'slice')} of {format_count(len(volumes), 'volume')}."
    if shown < total:
        text += f" {total - shown:,} slices of them are left out, evenly spread."
    if len(volumes) < num_volumes:
        text += f" {format_count(num_volumes - len(volumes), 'more volume')} are not shown."
    return f"{text} The slider takes the arrow keys, Page Up and Page Down."


def _list_sources(view: SliceView) -> list[str]:
    """The sources in the order of the pictures on the page: each map after its image."""
    image, *maps = view.pictures.values()
    return [image, *(source for each in maps for source in (image, each))]


def _render_volume(index: int, volume: VolumeView) -> str:
    middle = len(volume.slices) // 2
    view, name = volume.slices[middle], escape(volume.name)
    image, *maps = view.pictures
    source = view.pictures[image]
    panels = [_render_panel(image, [source], name)]
    panels += [_render_panel(each, [source, view.pictures[each]], name) for each in maps]
    toggle = '<label><input type="checkbox" checked>labels</label>' if maps else ""
    return (
        f'<div class="volume" id="{name_anchor(index)}" data-volume="{index}">'
        f"<h3>{render_code(volume.name)}</h3>"
        f'<div class="stack" style="--panels:{len(panels)};--ratio:{volume.ratio:.4f}">'
        f"{''.join(panels)}</div>"
        f'<div class="steps"><button type="button">Back</button>'
        f'<input type="range" min="0" max="{len(volume.slices) - 1}" value="{middle}" '
        f'aria-label="Slice of {name}" autocomplete="off" disabled>'
        f'<button type="button">Next</button>{toggle}</div>'
        f'<p class="told" role="status">Slice {view.index + 1} of {volume.num_slices}</p></div>'
    )


def _render_panel(panel: str, sources: Sequence[str], name: str) -> str:
    alts = (f"{panel} of {name}", "")
    pictures = "".join(
        f'<img src="{escape(source)}" alt="{escape(alt)}" loading="lazy">'
        for source, alt in zip(sources, alts, strict=False)
    )
    return f'<span><span class="layers">{pictures}</span><small>{escape(panel)}</small></span>'
