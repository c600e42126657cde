"""Semantic segmentation in production: one call a stage, the same names as the command line.

Names are imported when first used (PEP 562), so `import maskwright` costs nothing and a
machine that only predicts needs no torch.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "check": ("data.audit", "audit"),
    "evaluate": ("evaluation.evaluate", "evaluate"),
    "open_bundle": ("core.bundle", "open_bundle"),
    "open_dataset": ("data.dataset", "open_dataset"),
    "open_model": ("inference.predictor", "open_model"),
    "plan": ("training.plan", "plan"),
    "predict": ("inference.predict", "predict"),
    "split": ("data.splits", "make_split"),
    "train": ("training.run", "train"),
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOME[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)
