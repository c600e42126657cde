"""Finish a run: calibrate the best weights, evaluate them, and export them as a Bundle."""

import numpy as np
from numpy.typing import NDArray

from maskwright.core.checkpoint import BEST
from maskwright.data.dataset import Dataset
from maskwright.evaluation.evaluate import evaluate
from maskwright.evaluation.report.page import write_report
from maskwright.export.bundle import export_bundle
from maskwright.inference.predictor import open_model

from .calibrate import calibrate
from .job import Job
from .options import Callbacks

PARITY_IMAGES = 8
FINISH_S_PER_IMAGE = 0.5
FINISH_S = 60.0


def estimate_finish_seconds(num_val: int) -> float:
    """Seconds that a budget keeps for finishing a run with `num_val` validation images."""
    return FINISH_S + FINISH_S_PER_IMAGE * num_val


def finish(job: Job, callbacks: Callbacks) -> None:
    """Write the temperature into the card of the best weights, then `report/` and `bundle/`."""
    calibration = calibrate(job.run, job.val, seed=job.recipe.seed, progress=callbacks.progress)
    callbacks.log(
        "no validation pixel is labelled: the temperature stays 1"
        if calibration is None
        else str(calibration)
    )
    callbacks.log("evaluating the best weights on the validation images")
    report = evaluate(open_model(job.run), job.val, progress=callbacks.progress)
    write_report(report, job.run / "report")
    callbacks.log("exporting to ONNX and comparing with torch")
    export_bundle(
        job.run / BEST,
        _choose_images(job.val),
        job.run / "bundle",
        report=job.run / "report" / "report.json",
    )


def _choose_images(val: Dataset) -> list[NDArray[np.uint8] | NDArray[np.uint16]]:
    """Images for the parity of the export, evenly spread over the validation images."""
    indices = np.unique(np.linspace(0, len(val) - 1, PARITY_IMAGES).round().astype(int))
    return [val.image(int(index)) for index in indices]
