"""The fastest engine of a Bundle on this machine, kept in the user's cache folder.

A file of the folder `engines` (`core.cache`) is named by the hash of all that decides which
engine is the fastest: the files of the Bundle, the options of the engine, processor,
instructions, cores and packages of the machine.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict

from ..core import parts
from ..core.bundle import Bundle
from ..core.cache import CacheFolder
from .engine import ENGINES, FP32, EngineOptions
from .machine import Machine

_CHOICES = CacheFolder("engines", most_kept=256)


def recall_engine(bundle: Bundle, options: EngineOptions) -> str | None:
    """The name of the engine that was the fastest; None where nobody has measured."""
    content = _CHOICES.read(_name_choice(bundle, options))
    try:
        name = None if content is None else json.loads(content)["engine"]
    except (ValueError, KeyError, TypeError):
        return None
    return name if name in parts.names(ENGINES) else None


def remember_engine(
    bundle: Bundle, options: EngineOptions, name: str, times_ms: Mapping[str, float]
) -> None:
    """Keep the name of the fastest engine, and the medians of all for people."""
    text = json.dumps({"engine": name, "model": bundle.model_id, "ms": dict(times_ms)}) + "\n"
    _CHOICES.keep(_name_choice(bundle, options), text.encode())


def _name_choice(bundle: Bundle, options: EngineOptions) -> str:
    machine = Machine.detect().to_json() | {"load": None}
    chosen = asdict(options) | {"precision": options.precision or FP32, "spins": True}
    described = [dict(bundle.sha256), chosen, machine]
    text = json.dumps(described, sort_keys=True)
    return f"{hashlib.sha256(text.encode()).hexdigest()}.json"
