"""A run whose network is a user's own file: the run keeps a copy, and goes on from that."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maskwright.core.codefile import CodeFile
from maskwright.nn.build import new_model
from maskwright.nn.own_model import admit, get_admitted, require_contract

from .recipe import Recipe, read_recipe

ARCH = "model.arch"


def admit_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings`, a file in `model.arch` run and named by its full path and digest."""
    code = CodeFile.parse(str(settings.get(ARCH)))
    return dict(settings) | ({ARCH: str(admit(code, Path.cwd()))} if code else {})


def admit_options(
    recipe: Path | None, settings: Mapping[str, Any]
) -> tuple[CodeFile | None, dict[str, Any]]:
    """The user's file, run, and the settings that name the copy of it in the run's folder.

    A path in a setting starts from the current folder, one in a recipe from the recipe's.
    """
    folder, name = Path.cwd(), settings.get(ARCH)
    if name is None and recipe is not None:
        folder, name = recipe.parent, read_recipe(recipe).model.arch
    code = CodeFile.parse(str(name))
    if code is None:
        return None, dict(settings)
    found = admit(code, folder)
    return found, dict(settings) | {ARCH: str(found.beside)}


def keep_copy(code: CodeFile | None, run: Path) -> None:
    """Put the file, if there is one, into the run's folder."""
    if code is not None and code.file != (run / code.file.name).resolve():
        shutil.copyfile(code.file, run / code.file.name)


def require_fit(recipe: Recipe, run: Path, num_classes: int) -> None:
    """Run the copy in the run's folder, and refuse a network that breaks the contract.

    Raises:
        ConfigError: The copy has changed since the run began, or the network fails.
    """
    code = CodeFile.parse(recipe.model.arch)
    if code is not None:
        channels = recipe.input.channels
        admit(code, run)
        network = new_model(recipe.model.graph, channels, num_classes)
        require_contract(code, network, (channels, num_classes))


def provenance(recipe: Recipe) -> dict[str, Any]:
    """What a card says of the code, besides its name."""
    code = CodeFile.parse(recipe.model.arch)
    if code is None:
        return {}
    sha256 = get_admitted(code).sha256
    return {"code": {"file": code.file.name, "function": code.function, "sha256": sha256}}
