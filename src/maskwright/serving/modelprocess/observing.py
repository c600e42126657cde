"""What a server learns from one prediction: its numbers, and its class map where it is kept."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...core.inputspec import InputSpec
from ...core.observation import measure_uncertainty
from ...inference.observe import measure_families
from ...inference.prediction import Prediction
from ...pages.pictures import encode_indexed_png

Families = Mapping[str, Mapping[str, float]]


def observe_prediction(
    prediction: Prediction, confidence_hw: NDArray[np.float32], spec: InputSpec
) -> Families:
    """The numbers that `predict --write observations` writes, from confidence at few pixels."""
    labels_HW, names = prediction.labels_HW, prediction.labels.names
    return measure_families(prediction.image_HWC, labels_HW, confidence_hw, spec, names)


def draw_map(prediction: Prediction, families: Families, above: float | None) -> bytes | None:
    """The class map as a PNG; None where `above` is, or the uncertainty is below it."""
    if above is None or measure_uncertainty(families) < above:
        return None
    return encode_indexed_png(prediction.labels_HW, prediction.labels.palette)
