"""Finish a run: calibrate the best weights, evaluate them, and export them as a Bundle."""

from maskwright.core.checkpoint import BEST
from maskwright.core.report import FILE_NAME
from maskwright.core.results import WriteMode
from maskwright.evaluation.evaluate import evaluate
from maskwright.evaluation.report.page import write_report
from maskwright.export.bundle import choose_images, export_bundle
from maskwright.inference.predictor import open_model

from .calibrate import calibrate
from .job import Job
from .learnt import describe_images
from .options import Callbacks

FINISH_S_PER_IMAGE = 0.5
FINISH_S = 60.0


def estimate_finish_seconds(num_val: int) -> float:
    """Seconds that a budget keeps for finishing a run with `num_val` validation images."""
    return FINISH_S + FINISH_S_PER_IMAGE * num_val


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
