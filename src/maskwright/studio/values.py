"""Values: which channels of images a page shows, and which of their values are black and white.

Nothing of it changes the data; a page that says nothing gets what `pages.display` chooses.
"""

import math
import re
from dataclasses import dataclass

from ..core.errors import DataError
from ..data.dataset import FolderDataset
from ..pages.display import Display, Window, choose_channels
from .errors import StudioError

_CHANNELS = re.compile(r"\d{1,4}(,\d{1,4},\d{1,4})?")


@dataclass(frozen=True, slots=True)
class ShownValues:
    """One channel or three, by index, and the window; () and None as the image has it."""

    channels: tuple[int, ...] = ()
    window: Window | None = None

    def make_display(self, bands: tuple[str, ...]) -> Display:
        """How these values become pictures; `bands` names the channels of the dataset."""
        chosen = choose_channels(len(bands), bands) if bands else ()
        return Display(
            channels=self.channels or chosen,
            windows=() if self.window is None else (self.window,),
        )


AS_IS = ShownValues()


def parse_values(channels: str, black: str, white: str) -> ShownValues:
    """Read the values that a page asks for in its query; "" where it does not.

    Raises:
        StudioError: 422, not one or three indices, or not a lower and a higher number.
    """
    if channels and not _CHANNELS.fullmatch(channels):
        raise StudioError(
            422, f"channels is {channels!r}; expected one index or three, as 3,2,1"
        )
    indices = tuple(map(int, channels.split(","))) if channels else ()
    if not black and not white:
        return ShownValues(indices)
    try:
        window = float(black), float(white)
    except ValueError:
        window = math.nan, math.nan
    if not (window[0] < window[1] and all(map(math.isfinite, window))):
        raise StudioError(
            422, f"black is {black!r}, white is {white!r}; expected a number and a higher one"
        )
    return ShownValues(indices, window)


def describe_values(dataset: FolderDataset) -> dict[str, object]:
    """Of the first image the names of its channels, those that are shown, and its width.

    No names where it cannot be read: the image says so when it is opened.
    """
    try:
        kind = dataset.image_kind(0)
    except DataError:
        return {"channels": [], "shown": [], "is_wide": False}
    names = dataset.bands or [str(number) for number in range(1, kind.channels + 1)]
    shown = choose_channels(kind.channels, dataset.bands)
    is_wide = kind.dtype != "uint8"
    return {"channels": list(names), "shown": list(shown), "is_wide": is_wide}
