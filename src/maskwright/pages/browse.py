"""A page to browse through pictures: filter, sort, enlarge, by mouse or keyboard.

The pictures are files beside the page and are loaded when they come into sight. The script of
the page is `browse.js`; the policy of the page allows it by its hash, and nothing else. Names
are written as text, never as HTML.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files

from .pictures import heat_palette

WORKS_WITHOUT = "Filters need JavaScript, which this browser does not run here."


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowsedImage:
    """One image of the page.

    `panels` are pictures: name -> path relative to the page. `numbers` sort and `tags` filter,
    each by name; `by_class` has a number of each class, by its name, where it exists. `ratio`
    is width / height of the pictures: it keeps their room before they are loaded.
    """

    key: str
    panels: Mapping[str, str]
    numbers: Mapping[str, float]
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    by_class: Mapping[str, float] = field(default_factory=dict)
    ratio: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowseOptions:
    """`sorts` and `filters` name numbers and tags in their order on the page.

    The page begins sorted by the first number, the largest first where `largest_first`.
    `class_number` says what the number of a class is; `told` are filters shown below pictures.
    """

    sorts: Sequence[str]
    filters: Sequence[str]
    classes: Sequence[str]
    class_number: str
    told: Sequence[str] = ()
    largest_first: bool = False


def read_script() -> str:
    """The script of the page."""
    return files(__package__).joinpath("browse.js").read_text(encoding="utf-8")


def read_style() -> str:
    """The style of what the script makes."""
    return files(__package__).joinpath("browse.css").read_text(encoding="utf-8")


def render_browser(images: Sequence[BrowsedImage], options: BrowseOptions) -> str:
    """The controls, an empty list that the script fills, and the images as JSON."""
    panels = list(dict.fromkeys(name for image in images for name in image.panels))
    values = {
        name: sorted({tag for image in images for tag in image.tags.get(name, ())})
        for name in options.filters
    }
    shown = {name: tags for name, tags in values.items() if tags}
    document = {
        "panels": panels,
        "sorts": list(options.sorts),
        "filters": [{"name": name, "values": tags} for name, tags in shown.items()],
        "told": [i for i, name in enumerate(shown) if name in options.told],
        "classes": list(options.classes),
        "images": [
            _to_json(index, image, panels, options, shown) for index, image in enumerate(images)
        ],
    }
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return (
        f"<noscript><p>{WORKS_WITHOUT}</p></noscript>{_render_form(options, shown)}"
        '<div class="turn"><button type="button" id="browse-back">Back</button>'
        '<span id="browse-count" role="status"></span>'
        '<button type="button" id="browse-next">Next</button></div>'
        f'<div id="browse-list" style="--least:{340 if len(panels) > 2 else 220}px"></div>'
        '<dialog id="browse-big" aria-label="One image"><div class="turn">'
        '<button type="button" id="browse-before">Previous (←)</button>'
        '<button type="button" id="browse-after">Next (→)</button>'
        '<button type="button" id="browse-close">Close (Esc)</button></div>'
        '<div id="browse-what"></div></dialog>'
        f'<script type="application/json" id="browse-data">{text}</script>'
    )


def render_ramp(low: str, high: str) -> str:
    """The colours from `low` to `high` (text) as a scale."""
    stops = ",".join(f"rgb({r},{g},{b})" for r, g, b in heat_palette()[::51].tolist())
    return (
        f'<p class="soft">{escape(low)}<span class="ramp" '
        f'style="background:linear-gradient(90deg,{stops})"></span>{escape(high)}</p>'
    )


def _to_json(
    index: int,
    image: BrowsedImage,
    panels: Sequence[str],
    options: BrowseOptions,
    values: Mapping[str, Sequence[str]],
) -> dict[str, object]:
    position = {name: {tag: i for i, tag in enumerate(tags)} for name, tags in values.items()}
    classes = {name: i for i, name in enumerate(options.classes)}
    return {
        "i": index,
        "k": image.key,
        "r": round(image.ratio, 3),
        "p": [image.panels.get(name, "") for name in panels],
        "n": [_round(image.numbers.get(name, math.nan)) for name in options.sorts],
        "t": [[position[n][tag] for tag in image.tags.get(n, ())] for n in values],
        "c": {
            classes[name]: _round(value)
            for name, value in image.by_class.items()
            if not math.isnan(value)
        },
    }


def _round(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)


def _render_form(options: BrowseOptions, values: Mapping[str, Sequence[str]]) -> str:
    sorts = [(str(i), name) for i, name in enumerate(options.sorts)]
    sorts.append(("class", options.class_number))
    orders = [("up", "smallest first"), ("down", "largest first")]
    if options.largest_first:
        orders.reverse()
    classes = [("", "any"), *((str(i), name) for i, name in enumerate(options.classes))]
    fields = [
        _render_select("sort", "Sort by", sorts),
        _render_select("order", "Order", orders),
        _render_select("class", "Class", classes),
        *(
            _render_select(
                f"filter{i}", name, [("", "any"), *((str(j), t) for j, t in enumerate(tags))]
            )
            for i, (name, tags) in enumerate(values.items())
        ),
        '<label>Name contains<input type="search" name="word"></label>',
    ]
    return f'<form id="browse-form">{"".join(fields)}</form>'


def _render_select(name: str, title: str, choices: Sequence[tuple[str, str]]) -> str:
    options = "".join(
        f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in choices
    )
    return f'<label>{escape(title)}<select name="{name}">{options}</select></label>'
