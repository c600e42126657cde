"""Semantic segmentation in production: one call per stage, with the names of the command line.

Names are imported when first used (PEP 562), so `import maskwright` costs nothing and a
machine that only predicts needs no torch.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .calls import baseline as baseline
    from .calls import diff as diff
    from .calls import evaluate as evaluate
    from .calls import plan as plan
    from .calls import predict as predict
    from .calls import train as train
    from .calls import video as video
    from .compression.compress.candidates import Wish as Wish
    from .compression.compress.search import compress_model as compress_model
    from .compression.pruning.prune import PruneOptions as PruneOptions
    from .compression.pruning.prune import prune_model as prune_model
    from .core.bundle import Bundle as Bundle
    from .core.bundle import open_bundle as open_bundle
    from .core.card import ModelCard as ModelCard
    from .core.codec import LabelCodec as LabelCodec
    from .core.confusion import Confusion as Confusion
    from .core.errors import BundleError as BundleError
    from .core.errors import ConfigError as ConfigError
    from .core.errors import DataError as DataError
    from .core.errors import LockedError as LockedError
    from .core.errors import MaskwrightError as MaskwrightError
    from .core.errors import MissingDependencyError as MissingDependencyError
    from .core.errors import OutputError as OutputError
    from .core.errors import TrainingError as TrainingError
    from .core.errors import UnknownNameError as UnknownNameError
    from .core.inputspec import InputSpec as InputSpec
    from .core.labels import IGNORE as IGNORE
    from .core.labels import ClassDef as ClassDef
    from .core.labels import LabelSpec as LabelSpec
    from .core.progress import Progress as Progress
    from .core.pseudonyms import keeping_ids as keeping_ids
    from .core.report import Report as Report
    from .core.results import WriteMode as WriteMode
    from .core.sample import Sample as Sample
    from .data.check.audit import Audit as Audit
    from .data.check.audit import audit as check
    from .data.conversion.account import Account as Account
    from .data.conversion.convert import convert as convert
    from .data.dataset import Dataset as Dataset
    from .data.dataset import FolderDataset as FolderDataset
    from .data.dataset import open_dataset as open_dataset
    from .data.splits import make_split as split
    from .evaluation.compare.compare import Comparison as Comparison
    from .evaluation.compare.compare import compare as compare
    from .evaluation.compare.page import write_comparison as write_comparison
    from .evaluation.diff.diff import Difference as Difference
    from .evaluation.estimator import estimate as estimate
    from .evaluation.refining.result import Tuning as Tuning
    from .evaluation.refining.tune import TuneOptions as TuneOptions
    from .evaluation.refining.tune import tune_refine as tune_refine
    from .evaluation.report.page import write_report as write_report
    from .evaluation.score import ScoreOptions as ScoreOptions
    from .evaluation.score import score as score
    from .evaluation.verdicts.choice import Choice as Choice
    from .evaluation.verdicts.choice import RuleOptions as RuleOptions
    from .evaluation.verdicts.decide import decide as decide
    from .export.bundle import export_model as export_model
    from .export.foreign.bundle import import_onnx as import_onnx
    from .inference.bench.bench import bench_model as bench_model
    from .inference.engine import EngineOptions as EngineOptions
    from .inference.opening import open_ensemble as open_ensemble
    from .inference.prediction import Prediction as Prediction
    from .inference.predictor import Predictor as Predictor
    from .inference.predictor import open_model as open_model
    from .inference.video.predict import StreamOptions as StreamOptions
    from .inference.video.predict import StreamSummary as StreamSummary
    from .measurement.events.baseline import Baseline as Baseline
    from .measurement.events.watcher import WatchOptions as WatchOptions
    from .measurement.measure import measure as measure
    from .measurement.output.measurements import Measurements as Measurements
    from .measurement.series import MeasureOptions as MeasureOptions
    from .metrics.family import ScoreDetail as ScoreDetail
    from .nn.catalogue import models as models
    from .serving.client import Client as Client
    from .training.options import Callbacks as Callbacks
    from .training.options import TrainOptions as TrainOptions
    from .training.planning.plan import Plan as Plan
    from .training.recipe import Recipe as Recipe
    from .training.run import Run as Run
    from .training.soup import make_soup as make_soup

_HOME = {
    "Account": "data.conversion.account:Account",
    "Audit": "data.check.audit:Audit",
    "Bundle": "core.bundle:Bundle",
    "baseline": "calls:baseline",
    "Baseline": "measurement.events.baseline:Baseline",
    "BundleError": "core.errors:BundleError",
    "Choice": "evaluation.verdicts.choice:Choice",
    "decide": "evaluation.verdicts.decide:decide",
    "RuleOptions": "evaluation.verdicts.choice:RuleOptions",
    "Callbacks": "training.options:Callbacks",
    "Wish": "compression.compress.candidates:Wish",
    "bench_model": "inference.bench.bench:bench_model",
    "compress_model": "compression.compress.search:compress_model",
    "check": "data.check.audit:audit",
    "ClassDef": "core.labels:ClassDef",
    "compare": "evaluation.compare.compare:compare",
    "Comparison": "evaluation.compare.compare:Comparison",
    "ConfigError": "core.errors:ConfigError",
    "Confusion": "core.confusion:Confusion",
    "Client": "serving.client:Client",
    "convert": "data.conversion.convert:convert",
    "DataError": "core.errors:DataError",
    "Dataset": "data.dataset:Dataset",
    "diff": "calls:diff",
    "Difference": "evaluation.diff.diff:Difference",
    "EngineOptions": "inference.engine:EngineOptions",
    "evaluate": "calls:evaluate",
    "export_model": "export.bundle:export_model",
    "FolderDataset": "data.dataset:FolderDataset",
    "IGNORE": "core.labels:IGNORE",
    "import_onnx": "export.foreign.bundle:import_onnx",
    "InputSpec": "core.inputspec:InputSpec",
    "keeping_ids": "core.pseudonyms:keeping_ids",
    "LabelCodec": "core.codec:LabelCodec",
    "LabelSpec": "core.labels:LabelSpec",
    "MaskwrightError": "core.errors:MaskwrightError",
    "measure": "measurement.measure:measure",
    "MeasureOptions": "measurement.series:MeasureOptions",
    "Measurements": "measurement.output.measurements:Measurements",
    "MissingDependencyError": "core.errors:MissingDependencyError",
    "ModelCard": "core.card:ModelCard",
    "models": "nn.catalogue:models",
    "open_bundle": "core.bundle:open_bundle",
    "open_dataset": "data.dataset:open_dataset",
    "open_ensemble": "inference.opening:open_ensemble",
    "open_model": "inference.predictor:open_model",
    "LockedError": "core.errors:LockedError",
    "OutputError": "core.errors:OutputError",
    "plan": "calls:plan",
    "Plan": "training.planning.plan:Plan",
    "predict": "calls:predict",
    "Prediction": "inference.prediction:Prediction",
    "Predictor": "inference.predictor:Predictor",
    "Progress": "core.progress:Progress",
    "Recipe": "training.recipe:Recipe",
    "Report": "core.report:Report",
    "Run": "training.run:Run",
    "Sample": "core.sample:Sample",
    "score": "evaluation.score:score",
    "ScoreDetail": "metrics.family:ScoreDetail",
    "ScoreOptions": "evaluation.score:ScoreOptions",
    "make_soup": "training.soup:make_soup",
    "prune_model": "compression.pruning.prune:prune_model",
    "PruneOptions": "compression.pruning.prune:PruneOptions",
    "split": "data.splits:make_split",
    "StreamOptions": "inference.video.predict:StreamOptions",
    "StreamSummary": "inference.video.predict:StreamSummary",
    "train": "calls:train",
    "TrainingError": "core.errors:TrainingError",
    "TrainOptions": "training.options:TrainOptions",
    "estimate": "evaluation.estimator:estimate",
    "tune_refine": "evaluation.refining.tune:tune_refine",
    "TuneOptions": "evaluation.refining.tune:TuneOptions",
    "Tuning": "evaluation.refining.result:Tuning",
    "UnknownNameError": "core.errors:UnknownNameError",
    "video": "calls:video",
    "WatchOptions": "measurement.events.watcher:WatchOptions",
    "write_comparison": "evaluation.compare.page:write_comparison",
    "WriteMode": "core.results:WriteMode",
    "write_report": "evaluation.report.page:write_report",
}
"""Where each public name lives: module below maskwright, and the name there."""

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
"""Before ONNX Runtime is loaded: its wheels tell their maker what they run (Privacy.md)."""

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("maskwright")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOME[name].partition(":")
    try:
        return getattr(import_module(f"{__name__}.{module}"), attribute)
    except ModuleNotFoundError as error:
        from .core.extras import explain_missing

        raise explain_missing(error) from error


def __dir__() -> list[str]:
    return sorted([*_HOME, "__doc__", "__version__"])
