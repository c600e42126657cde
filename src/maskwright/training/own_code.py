"""A run whose network is a user's own file: the run keeps a copy and resumes with the copy."""

import shutil
from dataclasses import replace
from pathlib import Path

from maskwright.core.codefile import CodeFile
from maskwright.nn.build import new_model
from maskwright.nn.own_model import admit, get_admitted, require_contract

from .options import TrainOptions
from .recipe import Recipe, Settings, read_recipe

ARCH = "model.arch"


def admit_settings(settings: Settings) -> Settings:
    """Run the file that `model.arch` names, if any, and name it by full path and digest."""
    code = CodeFile.parse(str(settings.get(ARCH)))
    named = {} if code is None else {ARCH: str(admit(code, Path.cwd(), is_named=True))}
    return dict(settings) | named


def admit_options(options: TrainOptions) -> tuple[CodeFile | None, TrainOptions]:
    """Run the user's file, if any; the new options name the copy in the run's folder.

    A relative path in a setting starts from the current folder, one in a recipe from the
    folder of the recipe.
    """
    folder, name = Path.cwd(), options.settings.get(ARCH)
    is_named = name is not None
    if name is None and options.recipe is not None:
        folder, name = options.recipe.parent, read_recipe(options.recipe).model.arch
    code = CodeFile.parse(str(name))
    if code is None:
        return None, options
    code = admit(code, folder, is_named=is_named, trust=options.trust)
    settings = dict(options.settings) | {ARCH: str(code.beside)}
    return code, replace(options, settings=settings)


def copy_code(code: CodeFile | None, run: Path) -> list[Path]:
    """Copy the file, if there is one, into the folder of the run; return what was written."""
    if code is None or code.file == (run / code.file.name).resolve():
        return []
    return [Path(shutil.copyfile(code.file, run / code.file.name))]


def admit_copy(recipe: Recipe, run: Path, trust: str | None) -> CodeFile | None:
    """Run the copy in the folder of the run, if the recipe names one; return its name.

    Raises:
        ConfigError: The copy has changed since the run began, or is not trusted.
    """
    code = CodeFile.parse(recipe.model.arch)
    if code is not None:
        admit(code, run, trust=trust)
    return code


def require_network(recipe: Recipe, run: Path, num_classes: int, trust: str | None) -> None:
    """Run the copy in the folder of the run and require a network that meets the contract.

    Raises:
        ConfigError: As `admit_copy`, or the network fails.
    """
    code = admit_copy(recipe, run, trust)
    if code is not None:
        channels = recipe.input.channels
        network = new_model(recipe.model.graph, channels, num_classes)
        require_contract(code, network, (channels, num_classes))


def make_provenance(recipe: Recipe) -> dict[str, object]:
    """The entry of a card on the user's file; empty where there is none."""
    code = CodeFile.parse(recipe.model.arch)
    if code is None:
        return {}
    sha256 = get_admitted(code).sha256
    return {"code": {"file": code.file.name, "function": code.function, "sha256": sha256}}
