"""Display: how the values of images become pictures, and the words that say so.

| kind | shown |
|---|---|
| photograph of 8 bits | as it is |
| ct, reflectance | from the lowest to the highest value of the window |
| mr, other values wider than 8 bits | between two percentiles of each image |

Of images of several bands three are shown: red, green and blue by their names, else the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..core.image import Image, ValidMap
from ..core.inputspec import InputSpec
from .pictures import RgbImage

Window = tuple[float, float]
"""The darkest and the brightest value."""

PERCENT = 1.0
"""Percent of the values of an image on each side that are black or white, without a window."""

HOUNSFIELD = "HU"
_COLORS = ({"red", "b04", "b4"}, {"green", "b03", "b3"}, {"blue", "b02", "b2"})
"""Names of the bands of red, green and blue: words, Sentinel-2 and Landsat 8 and 9."""
_MOST_PX = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """How images of one dataset are shown.

    `channels` are the one or three that are shown, by index; () chooses them by their number.
    `windows` has one window for all of them, or one for each; none takes percentiles of each
    image. `unit` is that of the values, `bands` names the shown channels.
    """

    channels: tuple[int, ...] = ()
    windows: tuple[Window, ...] = ()
    unit: str = ""
    bands: tuple[str, ...] = ()
    is_wide: bool = False
    """Whether the values are wider than 8 bits."""

    @classmethod
    def from_input(cls, spec: InputSpec) -> Self:
        """As the images of a network are shown."""
        num_channels = spec.channels // spec.slices
        windows, channels = spec.window, choose_channels(num_channels, spec.bands)
        if len(windows) > 1:
            windows = tuple(windows[channel] for channel in channels)
        return cls(
            channels=channels,
            windows=windows,
            unit=HOUNSFIELD if spec.kind == "ct" else "",
            bands=tuple(spec.bands[channel] for channel in channels) if spec.bands else (),
            is_wide=spec.max_value > 255,
        )

    def draw(self, image_HWC: Image, valid_HW: ValidMap | None = None) -> RgbImage:
        """The picture, H x W x 3; pixels that hold no finite data are black.

        A photograph of 8 bits that is shown as it is, is not copied.
        """
        chosen = self.channels or choose_channels(image_HWC.shape[2])
        if max(chosen) >= image_HWC.shape[2]:  # a grey photograph of a network of colours
            chosen = choose_channels(image_HWC.shape[2])
        is_whole = chosen == tuple(range(image_HWC.shape[2]))
        shown_HWc: NDArray[Any] = image_HWC if is_whole else image_HWC[..., list(chosen)]
        if shown_HWc.dtype != np.uint8 or self.windows:
            shown_HWc = self._scale(shown_HWc, valid_HW)
        if len(chosen) == 1:
            shown_HWc = np.repeat(shown_HWc, 3, axis=2)
        return np.ascontiguousarray(shown_HWc, np.uint8)

    def _scale(self, shown_HWc: NDArray[Any], valid_HW: ValidMap | None) -> RgbImage:
        known_HW = np.isfinite(shown_HWc).all(axis=2)
        if valid_HW is not None:
            known_HW &= valid_HW
        windows = self.windows or _measure_windows(shown_HWc, known_HW)
        low_c, high_c = np.asarray(windows, np.float32).T
        span_c = np.where(high_c > low_c, high_c - low_c, np.float32(1))
        share_HWc = (np.nan_to_num(shown_HWc.astype(np.float32)) - low_c) / span_c
        levels_HWc: RgbImage = np.rint(share_HWc.clip(0, 1) * 255).astype(np.uint8)
        levels_HWc[~known_HW] = 0
        return levels_HWc

    def describe(self) -> str:
        """One line for the legend; "" for photographs of 8 bits, shown as they are."""
        bands = f"{', '.join(self.bands)} as red, green, blue" if len(self.bands) == 3 else ""
        if self.windows:
            spans = " / ".join(f"{low:,.4g} to {high:,.4g}" for low, high in self.windows)
            values = f"from black to white: {spans}{f' {self.unit}' if self.unit else ''}"
        elif self.is_wide:
            ends = f"{PERCENT:g} to {100 - PERCENT:g}"
            values = f"from black to white: percentiles {ends} of each image"
        else:
            values = ""
        text = "; ".join(part for part in (bands, values) if part)
        return f"Images are shown {text}." if text else ""


def choose_channels(num_channels: int, bands: Sequence[str] = ()) -> tuple[int, ...]:
    """The channels that are shown: one, or those of red, green and blue."""
    names = [name.lower() for name in bands]
    found = [next((i for i, n in enumerate(names) if n in words), None) for words in _COLORS]
    if all(index is not None for index in found):
        return tuple(index for index in found if index is not None)
    return (0, 1, 2) if num_channels >= 3 else (0,)


def _measure_windows(shown_HWc: NDArray[Any], known_HW: NDArray[np.bool_]) -> list[Window]:
    """Percentiles of an image: of all channels together, so that its colours stay."""
    step = max(1, round((shown_HWc.shape[0] * shown_HWc.shape[1] / _MOST_PX) ** 0.5))
    values_P = shown_HWc[::step, ::step][known_HW[::step, ::step]]
    if not values_P.size:
        return [(0.0, 1.0)]
    low, high = np.percentile(values_P, (PERCENT, 100 - PERCENT)).tolist()
    if low >= high:  # few pixels differ from all others
        low, high = float(values_P.min()), float(values_P.max())
    return [(low, high)]
