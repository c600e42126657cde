"""Versions of recipes, and how a recipe of an older one is read."""

from maskwright.core.card import rename_settings
from maskwright.core.errors import ConfigError
from maskwright.core.intensity import SIGNED_OFFSET
from maskwright.core.versioned import Document, Schema


def _make_annealing_explicit(document: Document) -> Document:
    """Version 2: EoMT's masking ends with the run by default, and was off by default."""
    model = document.get("model")
    if not isinstance(model, dict) or model.get("arch") != "eomt":
        return document
    config = model.get("config") or {}
    if not isinstance(config, dict):
        return document
    renamed = {"annealing_ratio": 0.0, **rename_settings("eomt", config)}
    return document | {"model": model | {"config": renamed}}


def _make_offset_explicit(document: Document) -> Document:
    """Version 3: values below 0 stay as they are, and were read as uint16 with an offset."""
    given = document.get("input")
    if not isinstance(given, dict) or given.get("max_value") != 65535:
        return document
    return document | {"input": {"signed_offset": SIGNED_OFFSET} | given}


def _name_flips(document: Document) -> Document:
    """Version 3: the horizontal flip is named by what it exchanges, left and right."""
    augment = document.get("augment")
    if not isinstance(augment, dict) or "flip" not in augment:
        return document
    renamed = {"flip_lr" if key == "flip" else key: value for key, value in augment.items()}
    return document | {"augment": renamed}


def _upgrade_to_3(document: Document) -> Document:
    return _name_flips(_make_offset_explicit(document))


SCHEMA = Schema(
    kind="recipe",
    version=3,
    unversioned=1,
    upgrades={1: _make_annealing_explicit, 2: _upgrade_to_3},
    error=ConfigError,
    key="version",
)
