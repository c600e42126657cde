"""Finish a run: calibrate the best weights, evaluate them, and export them as a Bundle."""

from maskwright.core.bundle import BASELINE
from maskwright.core.checkpoint import BEST
from maskwright.core.report import FILE_NAME
from maskwright.core.results import WriteMode
from maskwright.evaluation.evaluate import evaluate
from maskwright.evaluation.report.page import write_report
from maskwright.export.bundle import PARITY_IMAGES, choose_images, export_bundle
from maskwright.inference.predictor import open_model

from .baseline import Baseline
from .calibrate import MAX_IMAGES, calibrate
from .job import Job
from .learnt import describe_images
from .options import Callbacks

EXPORT_S = 21.0
"""Seconds of the export, the import of its libraries included, at a slowness of 1: measured as
34 s at 2.1 and 26 s at 1.2."""

OPEN_S = 3.5
"""Seconds to open the network for calibration and report, to write the page, and for the
program to start and to end."""


def count_finish_images(num_val: int) -> float:
    """Validations of one image that take as long as all images of finishing a run.

    An image is predicted for the calibration and for the report (with temperature, scores and
    pictures, half as long again), and for the parity of the graph (whole and as two crops, by
    two engines: three times as long).
    """
    return 1.5 * (min(num_val, MAX_IMAGES) + num_val) + 3 * min(num_val, PARITY_IMAGES)


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
    model = open_model(job.run)
    baseline = Baseline(model, job.val)
    report = evaluate(model, job.val, observe=baseline.add, progress=callbacks.progress)
    baseline.write(job.run / BASELINE)
    again = WriteMode(overwrite=True)
    write_report(report, job.run / "report", again)
    callbacks.log("exporting to ONNX and comparing with torch")
    export_bundle(
        job.run / BEST,
        choose_images(job.val),
        job.run / "bundle",
        report=job.run / "report" / FILE_NAME,
        baseline=job.run / BASELINE,
        keep_parity_images=keep_parity_images,
        mode=again,
        progress=callbacks.progress,
    )
