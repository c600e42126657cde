"""Decisions on intensity: the kind of the images, their window, mean and std, and augmentation.

The window of CT are the percentiles 0.5 and 99.5 of the foreground, and its mean and std those
of the clipped foreground (nnU-Net, Isensee et al. 2021, supplementary note 2). One thing is
added: the densest class, and the least dense, need no room of their own beyond all others, and
are clipped where the next class ends. Else bone, where it is a class, stretches the window
until organs look alike. The window of reflectance are the same percentiles of each band.
"""

import numpy as np
from numpy.typing import NDArray

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.intensity import CALIBRATED, Kind
from maskwright.data.facts import Facts
from maskwright.data.values import ValueSample
from maskwright.nn.encoders import find_input_statistics
from maskwright.pages.text import format_count

from .histogram import draw_histogram
from .plan import Plan
from .situation import Situation

CLIPPED_PERCENT = 0.5
"""Percent of the values that the planned window clips on each side."""

LEAST_PX = 50
"""Pixels from which on a class has percentiles."""

_PICTURES = frozenset({"US", "ES", "XC", "GM", "SM", "OP", "DG", "OT"})
"""Modalities of photographs and of what is shown as such; DICOM PS3.3, C.7.3.1.1.1."""

_TISSUE_HU = (-4_100.0, -50.0)
"""The lowest values of a CT: fat and air are below -50, padding is not below -4,096."""
_HIGHEST_HU = 8_000.0
_NOT_IN_STD = "augment.unit std changes no colours"


def decide_intensity(plan: Plan, situation: Situation) -> None:
    """Decide how values become network input, and how augmentation may change them.

    Raises:
        ConfigError: The given kind is not one that the images can have.
        DataError: Images of several modalities, and no kind is given.
    """
    facts = situation.facts
    slices = plan.get("input.slices")
    reason = "channels of the images"
    if slices > 1:
        reason = f"{slices} slices, of {format_count(facts.channels, 'channel')} each"
    elif facts.planes:
        plan.keep("input.slices", "each slice by itself; 3 adds a neighbour on both sides")
    plan.decide("input.channels", slices * facts.channels, reason)
    if facts.bands:
        plan.decide("input.bands", list(facts.bands), "the bands that dataset.yaml names")
    if situation.conversion:
        plan.decide("input.convert_channels", True, situation.conversion)
    plan.decide("input.max_value", facts.max_value, "the bit depth of the images")
    if "input.kind" not in plan.settings:
        plan.decide("input.kind", *find_kind(facts, converted=bool(situation.conversion)))
    _require_possible(plan, facts)
    _decide_statistics(plan, situation)
    _decide_augmentation(plan, facts)


def find_kind(facts: Facts, *, converted: bool = False) -> tuple[Kind, str]:
    """The kind of the images, and the reason.

    Raises:
        DataError: Images of several modalities.
    """
    if facts.max_value == 255:
        return "photograph", "8-bit images"
    values = facts.values
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
    return _find_kind_of_sensor(facts)


def _find_kind_of_sensor(facts: Facts) -> tuple[Kind, str]:
    values = facts.values
    if values.num_georeferenced:
        return "reflectance", "wider than 8 bits and georeferenced"
    if facts.channels > 1:
        return "reflectance", f"{facts.channels} bands wider than 8 bits"
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


def _require_possible(plan: Plan, facts: Facts) -> None:
    kind = plan.get("input.kind")
    if kind == "photograph" and "float32" in facts.values.types:
        raise ConfigError(
            "input.kind photograph takes values of 8 or 16 bits, and the images hold values "
            "below 0 or fractions; use ct, mr or reflectance"
        )


def _decide_statistics(plan: Plan, situation: Situation) -> None:
    """Decide window, mean and std."""
    facts, kind = situation.facts, plan.get("input.kind")
    slices: int = plan.get("input.slices")
    mean_C, std_C, reason = np.array(facts.mean), np.array(facts.std), "of the training images"
    initial = situation.initial
    if initial is not None and initial.takes(kind, slices * facts.channels):
        spec, reason = initial.card.input, f"that of {initial.source}"
        mean_C, std_C = np.array(spec.mean), np.array(spec.std)
        if spec.window:
            plan.decide("input.window", [list(pair) for pair in spec.window], reason)
    elif kind == "photograph":
        is_rgb = facts.channels == 3 and facts.max_value == 255 and slices == 1
        if is_rgb and plan.is_pretrained:
            mean_C, std_C, reason = _find_statistics(plan, situation)
    elif kind == "mr":
        mean_C, std_C = np.zeros(facts.channels), np.ones(facts.channels)
        reason = "of the z-score of each image"
    else:
        window_C2 = _decide_window(plan, facts.values, kind)
        mean_C, std_C = facts.values.measure_moments(window_C2, foreground=kind == "ct")
        reason = f"of the clipped {'foreground' if kind == 'ct' else 'values'}"
    if kind != "photograph":
        window = plan.get("input.window")[: facts.channels]
        plan.histogram = draw_histogram(facts.values, kind, window)
    for key, values_C in (("input.mean", mean_C), ("input.std", std_C)):
        # those of one slice are the same for all
        times = slices if len(values_C) == facts.channels else 1
        plan.decide(key, [float(f"{v:.4f}") for v in values_C] * times, reason)


def _find_statistics(
    plan: Plan, situation: Situation
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Mean and std of RGB images that the encoder was trained with, and the reason."""
    found = situation.checkpoint
    if found is not None and found.statistics is not None:
        mean, std = found.statistics
        return np.array(mean), np.array(std), f"that of {found.source}"
    mean, std = find_input_statistics(str(plan.get("model.encoder")))
    return np.array(mean), np.array(std), "that of the encoder's pretraining"


def _decide_window(plan: Plan, values: ValueSample, kind: Kind) -> NDArray[np.float64]:
    """Decide the window, and return it per channel, (C, 2)."""
    percent = f"{CLIPPED_PERCENT:g} % and {100 - CLIPPED_PERCENT:g} %"
    if kind == "ct":
        window_C2 = find_ct_window(values)
        reason = f"{percent} of the foreground, narrower where one class is far from all others"
    else:
        window_C2, reason = values.measure_range(CLIPPED_PERCENT), f"{percent} of each band"
    flat_C = window_C2[:, 0] >= window_C2[:, 1]
    window_C2[flat_C] = values.measure_range(0)[flat_C] + (-0.5, 0.5)
    rounded = [[float(f"{end:.6g}") for end in pair] for pair in window_C2]
    repeated = rounded * (plan.get("input.slices") if len(rounded) > 1 else 1)
    plan.decide("input.window", repeated, reason)
    given = np.atleast_2d(np.asarray(plan.get("input.window"), np.float64))
    given = given[: values.channels]
    return np.broadcast_to(given, (values.channels, 2))


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


def _decide_augmentation(plan: Plan, facts: Facts) -> None:
    kind: Kind = plan.get("input.kind")
    if kind == "photograph" and facts.max_value == 255:
        if plan.get("input.slices") > 1:
            for name in ("saturation", "hue", "jpeg"):
                plan.decide(f"augment.{name}", 0.0, "the channels are slices, not colours")
        elif facts.channels not in {1, 3}:
            plan.decide("augment.jpeg", 0.0, "JPEG stores 8-bit images of 1 or 3 channels only")
        return
    plan.decide("augment.unit", "std", "relative to the statistics of the images")
    for name in ("saturation", "hue", "jpeg"):
        plan.decide(f"augment.{name}", 0.0, _NOT_IN_STD)
    if kind in CALIBRATED:
        for name in ("brightness", "contrast", "noise"):
            reason = f"off: absolute values of kind {kind} tell classes apart"
            plan.decide(f"augment.{name}", 0.0, reason)
