"""The values of the images of a check: how they are shown, and their histogram."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ...core.codec import LabelCodec
from ...core.errors import DataError, MissingDependencyError
from ...core.histogram import Intensities
from ...core.image import PixelData
from ...core.labels import LabelMap, LabelSpec
from ...pages.display import HOUNSFIELD, Display, choose_channels
from ..entries.annotation import read_labels
from ..entries.scan import Entry
from ..entries.windows import cut_entry
from ..intensities import count_intensities, find_kind, find_window
from ..pixels.imagefile import ImageFile
from ..pixels.images import open_image
from ..values import ValueSample, ValueTally

_MOST_IMAGES = 32
"""Images, or windows of large ones, that are read for it, evenly spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownValues:
    """How images are shown; `intensities` is None where their values have nothing in common."""

    display: Display
    intensities: Intensities | None = None


def measure_values(entries: Sequence[Entry], codec: LabelCodec | None) -> ShownValues:
    """Read some images, and choose how all of them are shown."""
    entries = [part for entry in entries for part in cut_entry(entry)]
    chosen = entries[:: max(1, -(-len(entries) // _MOST_IMAGES))]
    numbers = Counter(num for entry in chosen if (num := _count_channels(entry)))
    if not numbers:
        return ShownValues(display=Display())
    spec = LabelSpec.from_names(("all",)) if codec is None else codec.spec
    bands = entries[0].image.bands
    channels = numbers.most_common(1)[0][0]
    tally = ValueTally(spec)
    for item in (_read(entry, codec) for entry in chosen):
        if item is None:
            continue
        data, labels_HW, image = item
        if data.image_HWC.shape[2] == channels and (
            data.valid_HW is None or data.valid_HW.any()
        ):
            tally.add(
                *data,
                labels_HW,
                modality=image.modality,
                is_georeferenced=image.placement is not None,
            )
    try:
        return _choose(tally.finish(), None if codec is None else spec, bands)
    except (DataError, ValueError):  # several modalities, or no pixel with data
        return ShownValues(display=Display(is_wide=True))


def _count_channels(entry: Entry) -> int:
    """The channels of an image by its header; 0 where it cannot be read."""
    try:
        return open_image(entry.image).kind.channels
    except (DataError, MissingDependencyError):
        return 0


def _read(
    entry: Entry, codec: LabelCodec | None
) -> tuple[PixelData, LabelMap | None, ImageFile] | None:
    """An image with its labels where both can be read; what cannot is a finding elsewhere."""
    try:
        image = open_image(entry.image)
        data = image.read_data()
    except (DataError, MissingDependencyError):
        return None
    labels_HW = None
    if codec is not None and entry.labels is not None:
        with suppress(DataError, MissingDependencyError):
            labels_HW = codec.decode(read_labels(entry.labels, codec), where=entry.key)
    if labels_HW is not None and labels_HW.shape != data.image_HWC.shape[:2]:
        labels_HW = None
    return data, labels_HW, image


def _choose(values: ValueSample, spec: LabelSpec | None, bands: Sequence[str]) -> ShownValues:
    is_wide = values.types != {"uint8"}
    kind, reason = find_kind(values, 65535 if is_wide else 255)
    window: list[list[float]] = []
    if kind in {"ct", "reflectance"}:
        window_C2, how = find_window(values, kind)
        window, reason = window_C2.tolist(), f"{reason}; clipped to the percentiles {how}"
    shown = choose_channels(values.channels, bands)
    display = Display(
        channels=shown,
        windows=tuple((window[c][0], window[c][1]) for c in shown) if window else (),
        unit=HOUNSFIELD if kind == "ct" else "",
        bands=tuple(bands[c] for c in shown) if bands else (),
        is_wide=is_wide,
    )
    intensities = count_intensities(
        values, spec, kind=kind, reason=reason, window=window, bands=bands
    )
    return ShownValues(display=display, intensities=intensities)
