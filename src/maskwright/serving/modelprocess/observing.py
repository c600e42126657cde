"""What a server learns from one prediction: its numbers, and its class map where it is kept."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.inputspec import InputSpec
from ...core.observation import Families, measure_uncertainty
from ...inference.observe import measure_families
from ...inference.prediction import Prediction
from ...pages.pictures import encode_indexed_png, encode_jpeg

VIEW_PX = 360
"""The longest side of the picture of a kept image."""


def observe_prediction(
    prediction: Prediction, confidence_hw: NDArray[np.float32], spec: InputSpec
) -> Families:
    """The numbers that `predict --write observations` writes, from confidence at few pixels."""
    labels_HW, names = prediction.labels_HW, prediction.labels.names
    return measure_families(prediction.image_HWC, labels_HW, confidence_hw, spec, names)


def draw_kept(
    prediction: Prediction, families: Families, above: float | None
) -> tuple[bytes, bytes]:
    """The class map as a PNG and a small picture as a JPEG, where the image is to be kept.

    Both are empty where `above` is None or the uncertainty is below it.
    """
    if above is None or measure_uncertainty(families) < above:
        return b"", b""
    class_map = encode_indexed_png(prediction.labels_HW, prediction.labels.palette)
    overlay_HW3 = prediction.overlay()
    ratio = min(1.0, VIEW_PX / max(overlay_HW3.shape[:2]))
    height, width = (max(1, round(ratio * side)) for side in overlay_HW3.shape[:2])
    small_hw3 = cv2.resize(overlay_HW3, (width, height), interpolation=cv2.INTER_AREA)
    return class_map, encode_jpeg(np.asarray(small_hw3, np.uint8))
