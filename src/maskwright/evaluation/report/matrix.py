"""A confusion matrix as SVG: rows are truth, a darker cell is a larger share of its row.

Classes that are neither in truth nor predicted have no row.
"""

from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from ...core.confusion import Confusion
from ...core.labels import LabelSpec
from ...pages.text import format_share, shorten_name

_GAMMA = 0.55
"""Below 1, so that small shares show: an error of 3 % must be visible."""

_WHITE_FROM = 0.47
"""From this share on numbers have the colour of the page: contrast is 4.5 to 1 or more."""

_LONGEST_NAME = 22

_CELLS_PX = {14: 46, 24: 32, 60: 14}
"""Largest number of classes -> side of a cell."""
_SMALLEST_CELL_PX = 9
_ROOMY_PX = 32
_MOST_SHRUNK = 60
"""A matrix of more classes keeps its size and scrolls, or its names could not be read."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Sizes in px; roomy cells show their numbers, and names above them are slanted."""

    cell_px: int
    font_px: int
    left_px: int
    top_px: int
    roomy: bool


def draw_confusion(confusion: Confusion, labels: LabelSpec) -> str:
    """An SVG element with one square per pair of classes that occurs, each with a tooltip."""
    present = _find_present(confusion)
    counts_CC = confusion.counts_CC[np.ix_(present, present)]
    long_names = [labels.names[i] for i in present]
    num_classes, names = (
        len(present),
        [shorten_name(name, _LONGEST_NAME) for name in long_names],
    )
    layout = _layout(num_classes, max(map(len, names)))
    share_CC = _shares(counts_CC)
    side_px = layout.cell_px * num_classes
    width_px, height_px = layout.left_px + side_px + layout.top_px, layout.top_px + side_px + 4
    cells = "".join(
        _cell(i, j, share_CC[i, j], int(counts_CC[i, j]), (long_names, layout))
        for i, j in np.argwhere(counts_CC > 0).tolist()
    )
    diagonal = "".join(_square(i, i, layout, 'class="diagonal"') for i in range(num_classes))
    frame = (
        f'<rect x="{layout.left_px}" y="{layout.top_px}" width="{side_px}" height="{side_px}" '
        f'class="frame"/>'
    )
    return (
        f'<svg class="matrix{" wide" if num_classes > _MOST_SHRUNK else ""}" role="img" '
        f'aria-label="Confusion matrix of {num_classes} classes" width="{width_px}" '
        f'height="{height_px}" viewBox="0 0 {width_px} {height_px}" '
        f'font-size="{layout.font_px}">{cells}{frame}{diagonal}{_names(names, layout)}</svg>'
    )


def _find_present(confusion: Confusion) -> list[int]:
    """The classes in truth or predicted; all where there is no pixel."""
    counts_CC = confusion.counts_CC
    present = np.flatnonzero(counts_CC.sum(axis=0) + counts_CC.sum(axis=1)).tolist()
    return present or list(range(len(counts_CC)))


def _layout(num_classes: int, longest: int) -> _Layout:
    fitting = (px for most, px in _CELLS_PX.items() if num_classes <= most)
    cell_px = next(fitting, _SMALLEST_CELL_PX)
    font_px = min(13, cell_px)
    reach_px = int(longest * font_px * 0.62) + 12
    roomy = cell_px >= _ROOMY_PX
    top_px = int(reach_px * 0.75) + 12 if roomy else reach_px
    return _Layout(cell_px, font_px, reach_px, top_px, roomy)


def _shares(counts_CC: NDArray[np.int64]) -> NDArray[np.float64]:
    truth_C1 = np.maximum(1, counts_CC.sum(axis=1, keepdims=True))
    share_CC: NDArray[np.float64] = counts_CC / truth_C1
    return share_CC


def _cell(
    row: int, column: int, share: float, count: int, context: tuple[list[str], _Layout]
) -> str:
    names, layout = context
    truth, predicted = escape(names[row]), escape(names[column])
    amount = f"{format_share(share, 2)} of the row, {count:,} px"
    title = f"<title>truth {truth}, prediction {predicted}: {amount}</title>"
    fill = f'class="cell" fill-opacity="{share**_GAMMA:.3g}"'
    square = _square(row, column, layout, fill, title)
    if not layout.roomy or share < 0.005:
        return square
    x = layout.left_px + (column + 0.5) * layout.cell_px
    y = layout.top_px + (row + 0.5) * layout.cell_px + layout.font_px * 0.36
    kind = "deep" if share > _WHITE_FROM else "pale"
    number = f"{100 * share:.0f}"
    return (
        f'{square}<text x="{x:g}" y="{y:g}" text-anchor="middle" class="{kind}">{number}</text>'
    )


def _square(row: int, column: int, layout: _Layout, attributes: str, title: str = "") -> str:
    x = layout.left_px + column * layout.cell_px
    y = layout.top_px + row * layout.cell_px
    side = layout.cell_px
    return f'<rect x="{x}" y="{y}" width="{side}" height="{side}" {attributes}>{title}</rect>'


def _names(names: list[str], layout: _Layout) -> str:
    pieces = []
    for i, name in enumerate(names):
        middle_px = (i + 0.5) * layout.cell_px
        y = layout.top_px + middle_px + layout.font_px * 0.36
        pieces.append(
            f'<text x="{layout.left_px - 8}" y="{y:g}" text-anchor="end">{escape(name)}</text>'
        )
        x = layout.left_px + middle_px + layout.font_px * 0.3
        angle_deg = -45 if layout.roomy else -90
        pieces.append(
            f'<text transform="translate({x:g} {layout.top_px - 7}) rotate({angle_deg})">'
            f"{escape(name)}</text>"
        )
    return "".join(pieces)
