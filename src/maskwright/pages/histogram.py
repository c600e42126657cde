"""Histograms of intensities as pictures: bars of all pixels, and one row of bars per class.

Colour alone carries no meaning: each row has the name of its class, and the ends of the window
are lines with their numbers as text.
"""

from collections.abc import Iterator, Mapping
from html import escape

from ..core.histogram import Histogram, Intensities
from ..core.labels import Rgb

MOST_CHANNELS = 16
MOST_CLASSES = 24
_WIDTH_PX, _LEFT_PX, _RIGHT_PX = 520, 110, 12
_TALL_PX, _ROW_PX, _AXIS_PX, _TOP_PX = 74, 26, 40, 18
_LONGEST = 15


def render_intensities(intensities: Intensities, colors: Mapping[str, Rgb]) -> str:
    """The kind and the reason, then one picture per channel."""
    pictures = "".join(
        f"<figure><figcaption><b>{escape(_title(h, intensities))}</b>"
        f"{escape(_describe_window(h))}</figcaption>{draw_histogram(h, colors)}</figure>"
        for h in intensities.channels[:MOST_CHANNELS]
    )
    left_out = len(intensities.channels) - MOST_CHANNELS
    more = f"<p>{left_out} more channels are not shown.</p>" if left_out > 0 else ""
    kind = f"Kind <b>{escape(intensities.kind)}</b>: {escape(intensities.reason)}."
    return f'<p>{kind}</p><div class="charts">{pictures}</div>{more}'


def draw_histogram(histogram: Histogram, colors: Mapping[str, Rgb]) -> str:
    """One channel as SVG; the tallest bar of each row is full."""
    names = list(histogram.by_class)[:MOST_CLASSES]
    rows = [("all pixels", histogram.shares, "", _TALL_PX)]
    for name in names:
        red, green, blue = colors.get(name, (128, 128, 128))
        style = f' style="fill:rgb({red},{green},{blue})"'
        rows.append((name, histogram.by_class[name], style, _ROW_PX))
    pieces, top = [], _TOP_PX
    for name, shares, style, height in rows:
        pieces.append(_draw_row(name, shares, style, top, height - 4))
        top += height
    pieces += _draw_window(histogram, top)
    pieces += _draw_axis(histogram, top)
    spoken = escape(
        f"Histogram of {histogram.channel or 'the values'}, from {_write(histogram.low)} to "
        f"{_write(histogram.high)} {histogram.unit}. {_describe_window(histogram)}"
    )
    return (
        f'<svg class="chart" role="img" aria-label="{spoken}" '
        f'viewBox="0 0 {_WIDTH_PX} {top + _AXIS_PX}">{"".join(pieces)}</svg>'
    )


def _draw_row(
    name: str, shares: tuple[float, ...], style: str, top: float, height: float
) -> str:
    most, step = max(shares, default=0) or 1.0, _span() / max(1, len(shares))
    floor = top + height
    bars = "".join(
        f"M{_LEFT_PX + i * step:.1f} {floor:g}v-{max(1.0, share / most * height):.1f}"
        f"h{step:.2f}V{floor:g}z"
        for i, share in enumerate(shares)
        if share > 0
    )
    shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    return (
        f'<path class="bars" d="{bars}"{style}><title>{escape(name)}</title></path>'
        f'<path class="grid" d="M{_LEFT_PX} {floor:g}H{_WIDTH_PX - _RIGHT_PX}"/>'
        f'<text x="{_LEFT_PX - 8}" y="{floor - 3:g}" text-anchor="end">{escape(shown)}</text>'
    )


def _draw_window(histogram: Histogram, bottom: float) -> Iterator[str]:
    """What is clipped is shaded, beyond the two ends of the window."""
    if histogram.window is None:
        return
    left, right = (_x(histogram, value) for value in histogram.window)
    for start, end in ((_LEFT_PX, left), (right, _WIDTH_PX - _RIGHT_PX)):
        if end > start:
            yield (
                f'<rect class="clipped" x="{start:.1f}" y="{_TOP_PX - 10}" '
                f'width="{end - start:.1f}" height="{bottom - _TOP_PX + 10:g}"/>'
            )
    for x in (left, right):
        yield f'<path class="zero" d="M{x:.1f} {_TOP_PX - 10}V{bottom:g}"/>'


def _draw_axis(histogram: Histogram, bottom: float) -> Iterator[str]:
    ticks = [histogram.low, (histogram.low + histogram.high) / 2, histogram.high]
    for value, anchor in zip(ticks, ("start", "middle", "end"), strict=True):
        x = _x(histogram, value)
        yield (
            f'<text class="axis" x="{x:.1f}" y="{bottom + 18:g}" '
            f'text-anchor="{anchor}">{_write(value)}</text>'
        )
    if histogram.unit:
        yield (
            f'<text class="axis" x="{_LEFT_PX - 8}" y="{bottom + 18:g}" '
            f'text-anchor="end">{escape(histogram.unit)}</text>'
        )


def _title(histogram: Histogram, intensities: Intensities) -> str:
    return histogram.channel if len(intensities.channels) > 1 else "Values of the pixels"


def _describe_window(histogram: Histogram) -> str:
    if histogram.window is None:
        return "Nothing is clipped."
    low, high = map(_write, histogram.window)
    unit = f" {histogram.unit}" if histogram.unit else ""
    return f"Clipped to {low} to {high}{unit}; what is shaded is beyond."


def _write(value: float) -> str:
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return text.replace("-", "−")


def _span() -> float:
    return _WIDTH_PX - _LEFT_PX - _RIGHT_PX


def _x(histogram: Histogram, value: float) -> float:
    share = (value - histogram.low) / (histogram.high - histogram.low)
    return _LEFT_PX + min(1.0, max(0.0, share)) * _span()
