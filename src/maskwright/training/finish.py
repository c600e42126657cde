"""Finish a run: calibrate the best weights, evaluate them, and export them as a Bundle."""

from maskwright.core.checkpoint import BEST
from maskwright.core.report import FILE_NAME
from maskwright.core.results import WriteMode
from maskwright.evaluation.evaluate import evaluate
from maskwright.evaluation.report.page import write_report
from maskwright.export.bundle import PARITY_IMAGES, choose_images, export_bundle
from maskwright.inference.predictor import open_model

from .calibrate import MAX_IMAGES, calibrate
from .job import Job
from .learnt import describe_images
from .options import Callbacks

EXPORT_S = 30.0
"""Seconds of the export, the import of its libraries included, on an idle machine."""

OPEN_S = 3.0
"""Seconds to open the network for calibration and report, and to write the page."""


def estimate_finish_seconds(num_val: int, image_s: float, slowness: float) -> float:
    """Seconds that a budget keeps for finishing a run with `num_val` validation images.

    An image takes `image_s` to read and predict. It is predicted for the calibration, for the
    report (with its scores and pictures, half as long again) and for the parity of the graph
    (whole and as two crops, by two engines: three times as long).
    """
    images = min(num_val, MAX_IMAGES) + 1.5 * num_val + 3 * min(num_val, PARITY_IMAGES)
    return (EXPORT_S + OPEN_S) * slowness + images * image_s


def finish(job: Job, callbacks: Callbacks, *, keep_parity_images: bool) -> None:
    """Complete the card of the best weights, then write `report/` and `bundle/`."""
    calibration = calibrate(job.run, job.val, seed=job.recipe.seed, progress=callbacks.progress)
    callbacks.log(
        "no validation pixel is labelled: the temperature stays 1"
        if calibration is None
        else str(calibration)
    )
    describe_images(job.run, job.train, progress=callbacks.progress)
    callbacks.log("evaluating the best weights on the validation images")
    report = evaluate(open_model(job.run), job.val, progress=callbacks.progress)
    again = WriteMode(overwrite=True)
    write_report(report, job.run / "report", again)
    callbacks.log("exporting to ONNX and comparing with torch")
    export_bundle(
        job.run / BEST,
        choose_images(job.val),
        job.run / "bundle",
        report=job.run / "report" / FILE_NAME,
        keep_parity_images=keep_parity_images,
        mode=again,
        progress=callbacks.progress,
    )
