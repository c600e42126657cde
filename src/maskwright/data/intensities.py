"""The kind of the intensities of a dataset, the window that clips them, and their histogram.

The window of CT are the percentiles 0.5 and 99.5 of the foreground (nnU-Net, Isensee et al.
2021, supplementary note 2). One thing is added: the densest class, and the least dense, need no
room of their own beyond all others, and are clipped where the next class ends. Else bone, where
it is a class, stretches the window until organs look alike. The window of reflectance are the
same percentiles of each band.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.histogram import Histogram, Intensities
from ..core.intensity import Kind
from ..core.labels import LabelSpec
from ..pages.display import HOUNSFIELD
from .values import ValueSample

CLIPPED_PERCENT = 0.5
"""Percent of the values that the planned window clips on each side."""

LEAST_PX = 50
"""Pixels from which on a class has percentiles."""

_PICTURES = frozenset({"US", "ES", "XC", "GM", "SM", "OP", "DG", "OT"})
"""Modalities of photographs and of what is shown as such; DICOM PS3.3, C.7.3.1.1.1."""

_TISSUE_HU = (-4_100.0, -50.0)
"""The lowest values of a CT: fat and air are below -50, padding is not below -4,096."""
_HIGHEST_HU = 8_000.0


def find_kind(
    values: ValueSample, max_value: int, *, converted: bool = False
) -> tuple[Kind, str]:
    """The kind of the images, and the reason; `max_value` is 255 for images of 8 bits.

    Raises:
        DataError: Images of several modalities.
    """
    if max_value == 255:
        return "photograph", "8-bit images"
    stated = sorted(name for name in values.modalities if name)
    if len(stated) > 1:
        raise DataError(
            f"images of {len(stated)} modalities ({', '.join(stated)}): their values have no "
            f"unit in common; train on one of them, or choose with --set input.kind=mr"
        )
    if stated == ["CT"]:
        return "ct", "DICOM says Modality CT: Hounsfield units"
    if converted:
        return "photograph", "only photographs are converted"
    if stated and stated[0] in _PICTURES:
        return "photograph", f"DICOM says Modality {stated[0]}"
    if stated:
        return "mr", f"DICOM says Modality {stated[0]}, whose values have no fixed unit"
    if not values.num_georeferenced and _look_like_hounsfield_units(values):
        low, high = values.measure_range(CLIPPED_PERCENT)[0]
        return "ct", f"values from {low:.0f} to {high:.0f}, as Hounsfield units have"
    if None not in values.modalities:
        return "mr", "a medical image whose values are not Hounsfield units"
    return _find_kind_of_sensor(values)


def _find_kind_of_sensor(values: ValueSample) -> tuple[Kind, str]:
    if values.num_georeferenced:
        return "reflectance", "wider than 8 bits and georeferenced"
    if values.channels > 1:
        return "reflectance", f"{values.channels} bands wider than 8 bits"
    if values.types != {"uint16"}:
        return "reflectance", "values with a sign or fractions"
    return "photograph", "16-bit images of one channel"


def _look_like_hounsfield_units(values: ValueSample) -> bool:
    """Whether one channel has values as a CT has: signed, of fat or air, and of tissue."""
    if values.channels != 1 or "float32" not in values.types:
        return False
    ((low, high),) = values.measure_range(CLIPPED_PERCENT)
    whole = np.array_equal(values.values_PC, np.rint(values.values_PC))
    return bool(whole and _TISSUE_HU[0] <= low <= _TISSUE_HU[1] and 0 < high <= _HIGHEST_HU)


def find_window(values: ValueSample, kind: Kind) -> tuple[NDArray[np.float64], str]:
    """The window of each channel of kind ct or reflectance, (C, 2), and the reason."""
    percent = f"{CLIPPED_PERCENT:g} % and {100 - CLIPPED_PERCENT:g} %"
    if kind == "ct":
        window_C2 = find_ct_window(values)
        reason = f"{percent} of the foreground, narrower where one class is far from all others"
    else:
        window_C2, reason = values.measure_range(CLIPPED_PERCENT), f"{percent} of each band"
    flat_C = window_C2[:, 0] >= window_C2[:, 1]
    window_C2[flat_C] = values.measure_range(0)[flat_C] + (-0.5, 0.5)
    rounded = [[float(f"{end:.6g}") for end in pair] for pair in window_C2.tolist()]
    return np.array(rounded, np.float64), reason


def find_ct_window(values: ValueSample) -> NDArray[np.float64]:
    """The window of each channel, (C, 2), in Hounsfield units.

    Beyond the second class from either end, as much room is left as the values of that class
    spread.
    """
    window_C2 = values.measure_range(CLIPPED_PERCENT, foreground=True)
    classes_PC = [v for v in values.of_class.values() if len(v) >= LEAST_PX]
    if len(classes_PC) < 2:
        return window_C2
    percents = (CLIPPED_PERCENT, 50, 100 - CLIPPED_PERCENT)
    ends_K3C = np.stack([np.percentile(v, percents, axis=0) for v in classes_PC])
    for channel, (low, high) in enumerate(window_C2):
        ends_K3 = ends_K3C[..., channel]
        by_median_K3 = ends_K3[np.argsort(ends_K3[:, 1])]
        second, last_but_one = by_median_K3[1], by_median_K3[-2]
        least = second[0] - (second[2] - second[0])
        most = last_but_one[2] + (last_but_one[2] - last_but_one[0])
        if max(low, least) < min(high, most):
            window_C2[channel] = max(low, least), min(high, most)
    return window_C2


def count_intensities(
    values: ValueSample,
    spec: LabelSpec | None,
    *,
    kind: str,
    reason: str,
    window: Sequence[Sequence[float]] = (),
    bands: Sequence[str] = (),
) -> Intensities:
    """Histograms of each channel, of all pixels and by class, with the window that clips them.

    `window` is one pair for all channels, one for each, or empty.
    """
    pairs = [(float(low), float(high)) for low, high in window]
    names = () if spec is None else spec.names
    return Intensities(
        kind=kind,
        reason=reason,
        channels=tuple(
            Histogram.from_values(
                bands[channel] if bands else f"channel {channel + 1}",
                values.values_PC[:, channel],
                {names[i]: v[:, channel] for i, v in values.of_class.items() if i < len(names)},
                window=pairs[channel if len(pairs) > 1 else 0] if pairs else None,
                unit=HOUNSFIELD if kind == "ct" else "",
            )
            for channel in range(values.channels)
        ),
    )
