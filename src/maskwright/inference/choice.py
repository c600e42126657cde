"""Choose the engine that runs a model, of ours or published by others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from ..core import parts
from ..core.bundle import MANIFEST, WEIGHTS, Bundle, is_bundle, open_bundle
from ..core.card import ModelCard
from ..core.checkpoint import BEST, CARD, Checkpoint, find_checkpoint
from ..core.errors import BundleError, ConfigError, MissingDependencyError
from ..core.hubname import HubName
from ..core.threads import count_cores
from .engine import ENGINES, FP32, Engine, EngineOptions, EnginePart, OpenedModel
from .need import require_memory

FOREIGN = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.pth", "*.pt")
"""Files of weights in the folders of others."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A graph or the weights of a model.

    `engine` is the one with which a graph was compared with the network; None for weights.
    """

    path: Path
    precision: str = FP32
    engine: str | None = None


def open_source(path: Path) -> Bundle | Checkpoint:
    """Open a Bundle, a checkpoint, or the best checkpoint of a run.

    Raises:
        BundleError: `path` is none of them, or damaged.
    """
    if is_bundle(path):
        return open_bundle(path)
    folder = find_checkpoint(path)
    if folder is None:
        raise BundleError(f"{path}: {_explain_no_model(path)}")
    return Checkpoint.open(folder)


def list_files(source: Bundle | Checkpoint) -> list[ModelFile]:
    """The files that an engine may run: graphs, then weights."""
    if isinstance(source, Checkpoint):
        return [ModelFile(source.weights)]
    root = source.root
    graphs = [
        ModelFile(root / g.file, g.precision, g.engine) for g in source.graphs if not g.inside
    ]
    return graphs + ([ModelFile(root / WEIGHTS)] if WEIGHTS in source.files else [])


def build_engine(
    files: Sequence[ModelFile],
    card: ModelCard,
    *,
    where: Path,
    name: str | None,
    options: EngineOptions,
    admit: Callable[[str, EnginePart, ModelFile], None],
) -> Engine:
    """Build the engine called `name`, else the available one of highest priority.

    An engine with which a graph was not compared runs that graph only where it is named.

    Args:
        files: What the model at `where` holds for engines.
        card: Of the model.
        where: Path of the model, for the error message.
        name: Of a part in `inference/engines`; None leaves the choice to the priorities.
        options: Its `precision` also selects among the files.
        admit: Called with the engine's name, the engine and the file before it is built;
            raises to refuse.

    Raises:
        UnknownNameError: No engine has this name.
        BundleError: The model holds no file that the engine runs, or a damaged one.
        MissingDependencyError: A package of the engine is not installed.
        ConfigError: There is too little memory to open the file.
    """
    precision = _choose_precision(files, options)
    options = replace(options, precision=precision)
    every = {
        n: parts.load(ENGINES, n, like=EnginePart)
        for n in ([name] if name is not None else parts.names(ENGINES))
    }
    usable: dict[str, ModelFile] = {}
    for known, part in every.items():
        proven = [file for file in files if file.engine in {None, known}]
        file = choose_file(part, proven, precision)
        if file is None and name is not None:
            file = choose_file(part, files, precision)
        if file is not None:
            usable[known] = file
    if not usable:
        raise BundleError(_explain_no_file(where, files, every, precision))
    missing: list[MissingDependencyError] = []
    for chosen in sorted(usable, key=lambda n: -every[n].PRIORITY):
        lacks = every[chosen].missing()
        if lacks is None:
            admit(chosen, every[chosen], usable[chosen])
            path, part = usable[chosen].path, every[chosen]
            with require_memory(path, part.NEEDS_BYTES, options.threads or count_cores()):
                return part.build(path, card, options)
        missing.append(lacks)
    raise missing[0]


def choose_file(
    part: EnginePart, files: Sequence[ModelFile], precision: str
) -> ModelFile | None:
    """The file of a precision that the engine runs, else one that it can cast."""
    runs = [f for f in files if any(fnmatch(f.path.name, p) for p in part.FILES.split())]
    exact = [file for file in runs if file.precision == precision]
    cast = [file for file in runs if file.precision == FP32 and precision in part.CASTS]
    return next(iter(exact + cast), None)


def is_published(model: Path | str) -> bool:
    """Whether `model` is one that others published: on the hub, one file, or a foreign folder.

    A folder is foreign that has files of weights and nothing of a Bundle or a run.
    """
    path = Path(model)
    if HubName.parse(str(model)) is not None:
        return True
    if path.is_file():
        return any(fnmatch(path.name, pattern) for pattern in (*FOREIGN, "*.ckpt", "*.pkl"))
    if is_bundle(path) or find_checkpoint(path) is not None:
        return False
    return any(True for pattern in FOREIGN for _ in path.glob(pattern))


def open_published(
    source: str, name: str | None, options: EngineOptions, *, accept_licence: bool
) -> OpenedModel:
    """Open a published model on the engine `name`, else on the first that reads such models.

    Raises:
        ConfigError: The engine reads none.
    """
    known = parts.names(ENGINES) if name is None else (name,)
    missing: MissingDependencyError | None = None
    for part in (parts.load(ENGINES, n, like=EnginePart) for n in known):
        missing = part.missing() or missing
        if part.missing() is None:
            opened = part.open_published(source, options, accept_licence=accept_licence)
            if opened is not None:
                return opened
    if missing is not None:
        raise missing
    raise ConfigError(
        f"{source}: engine {name!r} opens no published models; leave out the engine"
    )


def _choose_precision(files: Sequence[ModelFile], options: EngineOptions) -> str:
    """The precision that the options ask for, else fp32 if a graph has it or there is none."""
    graphs = [file.precision for file in files if file.engine is not None]
    if options.precision is not None or not graphs or FP32 in graphs:
        return options.precision or FP32
    return graphs[-1]


def _explain_no_model(path: Path) -> str:
    if not path.exists():
        return "no such folder; give a bundle or a run"
    if path.is_file():
        return _explain_file(path)
    if (path / "recipe.yaml").is_file():
        return "this run has no checkpoint yet; let it train for at least one epoch"
    return f"not a model: neither a bundle ({MANIFEST}) nor a run ({BEST}/{CARD}) is here"


def _explain_file(path: Path) -> str:
    """What to give in place of a file; a graph may do parts of prediction by itself."""
    if is_bundle(path.parent):
        return f"of a bundle, whose card says how images are prepared; give {path.parent}"
    if path.suffix == ".onnx":
        return "an ONNX file; make a bundle of it by `maskwright import-onnx`"
    return "a file, expected the folder of a bundle or a run"


def _explain_no_file(
    where: Path,
    files: Sequence[ModelFile],
    every: Mapping[str, EnginePart],
    precision: str,
) -> str:
    needs = "; ".join(f"engine {name!r} runs {part.FILES}" for name, part in every.items())
    holds = ", ".join(f"{file.path.name} ({file.precision})" for file in files)
    return (
        f"{where}: no file for precision {precision}: {needs}; the model holds "
        f"{holds or 'no such file'}; choose another engine or precision, or export the model "
        f"for it"
    )
