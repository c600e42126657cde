"""Semantic segmentation in production: one call a stage, the same names as the command line.

Names are imported when first used (PEP 562), so `import maskwright` costs nothing and a
machine that only predicts needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.bundle import open_bundle as open_bundle
    from .data.check.audit import audit as check
    from .data.conversion.convert import convert as convert
    from .data.dataset import open_dataset as open_dataset
    from .data.splits import make_split as split
    from .evaluation.compare.compare import compare as compare
    from .evaluation.compare.page import write_comparison as write_comparison
    from .evaluation.counting import ScoreDetail as ScoreDetail
    from .evaluation.diff.diff import diff as diff
    from .evaluation.evaluate import evaluate as evaluate
    from .evaluation.report.page import write_report as write_report
    from .evaluation.score import ScoreOptions as ScoreOptions
    from .evaluation.score import score as score
    from .inference.dense_crf import DenseCRF as DenseCRF
    from .inference.predict import predict as predict
    from .inference.predictor import open_model as open_model
    from .measurement.measure import measure as measure
    from .measurement.series import Wanted as Wanted
    from .nn.catalogue import models as models
    from .training.options import Callbacks as Callbacks
    from .training.options import TrainOptions as TrainOptions
    from .training.run import plan as plan
    from .training.run import train as train

_HOME = {
    "Callbacks": ("training.options", "Callbacks"),
    "DenseCRF": ("inference.dense_crf", "DenseCRF"),
    "ScoreDetail": ("evaluation.counting", "ScoreDetail"),
    "ScoreOptions": ("evaluation.score", "ScoreOptions"),
    "TrainOptions": ("training.options", "TrainOptions"),
    "Wanted": ("measurement.series", "Wanted"),
    "check": ("data.check.audit", "audit"),
    "convert": ("data.conversion.convert", "convert"),
    "compare": ("evaluation.compare.compare", "compare"),
    "diff": ("evaluation.diff.diff", "diff"),
    "evaluate": ("evaluation.evaluate", "evaluate"),
    "measure": ("measurement.measure", "measure"),
    "models": ("nn.catalogue", "models"),
    "open_bundle": ("core.bundle", "open_bundle"),
    "open_dataset": ("data.dataset", "open_dataset"),
    "open_model": ("inference.predictor", "open_model"),
    "plan": ("training.run", "plan"),
    "predict": ("inference.predict", "predict"),
    "score": ("evaluation.score", "score"),
    "split": ("data.splits", "make_split"),
    "train": ("training.run", "train"),
    "write_comparison": ("evaluation.compare.page", "write_comparison"),
    "write_report": ("evaluation.report.page", "write_report"),
}
__all__ = [
    "Callbacks",
    "DenseCRF",
    "ScoreDetail",
    "ScoreOptions",
    "TrainOptions",
    "Wanted",
    "check",
    "compare",
    "convert",
    "diff",
    "evaluate",
    "measure",
    "models",
    "open_bundle",
    "open_dataset",
    "open_model",
    "plan",
    "predict",
    "score",
    "split",
    "train",
    "write_comparison",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOME[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)
