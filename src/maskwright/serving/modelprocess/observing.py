"""What a server learns from one prediction: its numbers, and its class map where it is kept."""

from dataclasses import dataclass, field
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.decision import Decision
from ...core.inputspec import InputSpec
from ...core.logits import Logits
from ...core.observation import ENTROPY, EXPECTED, Families, Levels, measure_uncertainty
from ...inference.observe import (
    choose_pixels,
    measure_entropy,
    measure_expected,
    measure_families,
    measure_levels,
    sample_shares,
    select_shares,
)
from ...inference.prediction import Prediction
from ...pages.pictures import encode_indexed_png, encode_jpeg

VIEW_PX = 360
"""The longest side of the picture of a kept image."""


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """Confidence (h, w) and shares (K, h, w) at the pixels of `choose_pixels`."""

    confidence_hw: NDArray[np.float32]
    shares_Khw: NDArray[np.float32]

    @classmethod
    def of_logits(cls, logits: Logits, temperature: float) -> Self:
        """Those of a prediction without refiners."""
        shares_Khw = sample_shares(logits, temperature)
        return cls(shares_Khw.max(axis=0), shares_Khw)

    @classmethod
    def of_decision(cls, decision: Decision) -> Self:
        """Those of a prediction with its confidence."""
        chosen = choose_pixels(decision.labels_HW.shape)
        shares_Khw = sample_shares(decision.logits, decision.temperature)
        return cls(decision.confidence_HW[chosen], shares_Khw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What is noted of one prediction, by the names that an Outcome has for it."""

    families: Families | None = None
    levels: Levels = field(default_factory=dict)
    class_map: bytes = b""
    view: bytes = b""


NOTHING = Noted()


def note_prediction(
    prediction: Prediction, sampled: Sampled, spec: InputSpec, map_above: float | None
) -> Noted:
    """The numbers that `predict --write observations` writes, and those of a server.

    With the class map where the uncertainty is `map_above` or more.
    """
    image_HWC, labels_HW, names = (
        prediction.image_HWC,
        prediction.labels_HW,
        prediction.labels.names,
    )
    shares_KP = select_shares(sampled.shares_Khw, labels_HW)
    families = measure_families(
        image_HWC,
        labels_HW,
        sampled.confidence_hw,
        spec,
        names,
        features_D=prediction.features_D,
    ) | {
        EXPECTED: measure_expected(shares_KP, names),
        ENTROPY: measure_entropy(shares_KP),
    }
    class_map, view = b"", b""
    if map_above is not None and measure_uncertainty(families) >= map_above:
        class_map, view = _draw(prediction)
    levels = measure_levels(image_HWC, labels_HW, spec)
    return Noted(families=families, levels=levels, class_map=class_map, view=view)


def _draw(prediction: Prediction) -> tuple[bytes, bytes]:
    """The class map as a PNG, and a small picture as a JPEG."""
    class_map = encode_indexed_png(prediction.labels_HW, prediction.labels.palette)
    overlay_HW3 = prediction.overlay()
    ratio = min(1.0, VIEW_PX / max(overlay_HW3.shape[:2]))
    height, width = (max(1, round(ratio * side)) for side in overlay_HW3.shape[:2])
    small_hw3 = cv2.resize(overlay_HW3, (width, height), interpolation=cv2.INTER_AREA)
    return class_map, encode_jpeg(np.asarray(small_hw3, np.uint8))
