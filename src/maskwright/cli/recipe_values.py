"""Options of `plan` and `train` that give recipe values: plain ones, `--set` and `--fold`."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .options import (
    Arch,
    Batch,
    Crop,
    Encoder,
    Epochs,
    Fold,
    Init,
    Seed,
    Settings,
    Steps,
    crop_size,
    fold_settings,
)

ReadValues = Callable[[], dict[str, object]]
"""Reads the options: recipe values by dotted key. Imports torch."""


def takes_recipe_values(verb: Callable[..., None]) -> Callable[..., None]:
    """Give `verb` these options in place of its argument `values`, a `ReadValues`."""
    own, plain = (inspect.signature(f).parameters for f in (verb, _read))
    merged = [
        one
        for parameter in own.values()
        for one in (plain.values() if parameter.name == "values" else [parameter])
    ]

    @functools.wraps(verb)
    def run(**given: Any) -> None:
        values = functools.partial(_read, **{name: given.pop(name) for name in plain})
        verb(**given, values=values)

    run.__signature__ = inspect.Signature(merged)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in merged}
    return run


def _read(
    *,
    settings: Settings = None,
    fold: Fold = None,
    epochs: Epochs = None,
    steps: Steps = None,
    batch: Batch = None,
    crop: Crop = None,
    arch: Arch = None,
    encoder: Encoder = None,
    init: Init = None,
    seed: Seed = None,
) -> dict[str, object]:
    plain: dict[str, object] = {
        "epochs": epochs,
        "steps": steps,
        "batch": batch,
        "crop": crop_size(crop),
    }
    plain |= {"arch": arch, "encoder": encoder, "init": init, "seed": seed}
    from ..training.options import add_plain_options
    from ..training.recipe import parse_settings

    return add_plain_options(parse_settings(settings or []), plain) | fold_settings(fold)
