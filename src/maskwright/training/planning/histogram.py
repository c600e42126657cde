"""Histogram of pixel values as text: one line per channel for a console."""

from collections.abc import Sequence

import numpy as np

from maskwright.core.intensity import Kind
from maskwright.data.values import ValueSample

_BARS = "▁▂▃▄▅▆▇█"
_NUM_BINS = 48
_CUT_PERCENT = 0.1
"""Percent of the values on each side that are not shown."""
_MOST_CHANNELS = 16


def draw_histogram(
    values: ValueSample, kind: Kind, window: Sequence[Sequence[float]]
) -> tuple[str, ...]:
    """Lines on the values of all pixels by channel, with the window that clips them.

    A bar that is empty is a space; the tallest is full. At most 16 channels are shown.
    """
    lines = [f"values of the pixels, kind {kind}:"]
    window_C2 = np.broadcast_to(window, (values.channels, 2)) if len(window) else None
    range_C2 = values.measure_range(_CUT_PERCENT)
    for channel, (low, high) in enumerate(range_C2[:_MOST_CHANNELS].tolist()):
        values_P = values.values_PC[:, channel]
        counts, _ = np.histogram(values_P, _NUM_BINS, (low, high if high > low else low + 1))
        bars = "".join(map(_choose_bar, (counts / max(1, counts.max())).tolist()))
        name = f"channel {channel + 1}: " if values.channels > 1 else ""
        clipped = ""
        if window_C2 is not None:
            first, last = window_C2[channel].tolist()
            clipped = f", clipped to {first:g}..{last:g}"
        lines.append(f"{name}{low:g} |{bars}| {high:g}{clipped}")
    return tuple(lines)


def _choose_bar(share: float) -> str:
    return " " if share == 0 else _BARS[min(7, int(share * 8))]
