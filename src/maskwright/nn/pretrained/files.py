"""The files of a published checkpoint: found in a folder, and read as tensors alone."""

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from maskwright.core.errors import ConfigError, first_line
from maskwright.core.hubname import HubName
from maskwright.core.jsonfile import read_json
from maskwright.core.trust import hash_file

from .hub import fetch_repository

CONFIG = "config.json"
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
INDEX_SUFFIX = ".index.json"
"""Beside a name of `WEIGHTS`: the list of the files over which its tensors are spread."""

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".pkl")
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "module")
"""Keys under which training code keeps the tensors among other things."""

_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignCheckpoint:
    """A published checkpoint in memory.

    `source` is the name or path that the user gave, `revision` the commit of the hub. `config`
    and `preprocessor` are its JSON files, empty where it has none; `meta` is what a training
    framework wrote beside the tensors. `files` are the hashed files by name.
    """

    source: str
    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)
    preprocessor: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    readme: str = ""
    revision: str | None = None
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def is_hub(self) -> bool:
        """Whether it came from the hub, and not from a path of the user."""
        return HubName.parse(self.source) is not None

    def describe(self, licence: str) -> dict[str, object]:
        """The entry of a card on a network that came from it."""
        return {
            "source": self.source,
            "revision": self.revision,
            "licence": licence,
            "files": {name: dict(facts) for name, facts in self.files.items()},
        }


def read_checkpoint(source: str) -> ForeignCheckpoint:
    """Read `hub:OWNER/NAME[@REVISION]`, a folder with the files of a checkpoint, or one file.

    Raises:
        ConfigError: It is not there, has no file of weights or several, or a file is damaged
            or would need code to be read.
    """
    name = HubName.parse(source)
    path = Path(source) if name is None else fetch_repository(name)
    if not path.exists():
        raise ConfigError(
            f"{source}: no such file or folder; give a path, or hub:OWNER/NAME for a model of "
            f"the Hugging Face Hub"
        )
    root = path if path.is_dir() else path.parent
    weights = _find_weights(path, source) if path.is_dir() else (path,)
    # a lone file in a folder of other things must not take their configuration
    documents = root if path.is_dir() or path.name in WEIGHTS else None
    tensors: dict[str, Tensor] = {}
    meta: dict[str, object] = {}
    for file in weights:
        part, beside = read_tensors(file)
        tensors |= part
        meta |= beside
    described = _read_documents(documents)
    return ForeignCheckpoint(
        source=source,
        tensors=tensors,
        meta=meta,
        revision=None if name is None else path.name,
        files={file.name: identify(file) for file in weights},
        **described,
    )


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """The tensors of a file by name, and its other entries; no code of the file is run.

    Raises:
        ConfigError: The file is damaged, or holds objects that need code.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    content = _load(path)
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path}: holds a {type(content).__name__}, expected tensors by name; save the "
            f"state_dict of the network"
        )
    for key in WRAPPERS:
        if isinstance(content.get(key), dict):
            beside = {k: v for k, v in content.items() if k != key}
            return _only_tensors(content[key], path), beside
    return _only_tensors(content, path), {}


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise ConfigError(
                f"{path}: a pointer of Git LFS, not the file itself; run `git lfs pull` where "
                f"it was cloned"
            )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the pickle's protocol, before it is refused
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ConfigError(
            f"{path}: not a file of tensors alone: it is damaged, or reading it would run code "
            f"({first_line(error, 120)}). {_explain_conversion(path)}"
        ) from error
    except Exception as error:
        raise ConfigError(
            f"{path}: not a file of tensors, or not all of it "
            f"({type(error).__name__}: {first_line(error, 120)}); download "
            f"it again, or save its state_dict as .safetensors or with torch.save"
        ) from error


def _explain_conversion(path: Path) -> str:
    """How to make a file of tensors of one that needs code; Detectron2's are pickled arrays."""
    if path.suffix != ".pkl":
        return (
            "Where you trust it, save its state_dict as .safetensors or with torch.save, and "
            "give that file"
        )
    converted = path.with_suffix(".pth").name
    return (
        f"Detectron2's .pkl files hold arrays of NumPy. Where you trust it, convert it and "
        f'give the file that this writes: python -c "import pickle, torch; '
        f"from pathlib import Path; "
        f"m = pickle.loads(Path('{path.name}').read_bytes(), encoding='latin1')['model']; "
        f"torch.save({{k: torch.as_tensor(v) for k, v in m.items()}}, '{converted}')\""
    )


def _only_tensors(state: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    tensors = {str(k): v for k, v in state.items() if isinstance(v, Tensor)}
    if not tensors:
        raise ConfigError(f"{path}: holds no tensors by name; save the state_dict of a network")
    return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}


def _find_weights(folder: Path, source: str) -> tuple[Path, ...]:
    """The files of weights in a folder: of the usual name, spread over several, or the one."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            return (folder / name,)
        index = folder / f"{name}{INDEX_SUFFIX}"
        if index.is_file():
            return _list_parts(index)
    found = sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES and p.is_file())
    if len(found) == 1:
        return (found[0],)
    names = ", ".join(p.name for p in found)
    raise ConfigError(
        f"{source}: expected {' or '.join(WEIGHTS)} or one file of weights, found "
        f"{names or 'none'}" + ("; give the path of one" if found else "")
    )


def _list_parts(index: Path) -> tuple[Path, ...]:
    names = read_json(index, error=ConfigError).get("weight_map", {}).values()
    parts = tuple(index.with_name(Path(str(name)).name) for name in sorted(set(names)))
    missing = [part.name for part in parts if not part.is_file()]
    if missing or not parts:
        raise ConfigError(
            f"{index}: lists {len(parts)} files, {len(missing)} are missing "
            f"({', '.join(missing[:3])}); copy them too"
        )
    return parts


def _read_documents(folder: Path | None) -> dict[str, Any]:
    if folder is None:
        return {}
    documents: dict[str, Any] = {}
    config = folder / CONFIG
    if config.is_file():
        documents["config"] = read_json(config, error=ConfigError)
    for name in PREPROCESSORS:
        if (folder / name).is_file():
            found = read_json(folder / name, error=ConfigError)
            documents["preprocessor"] = found.get("image_processor", found)
            break
    readme = folder / "README.md"
    if readme.is_file():
        documents["readme"] = readme.read_text(encoding="utf-8", errors="replace")[:100_000]
    return documents


def identify(file: Path) -> dict[str, object]:
    """Size and hash of a file, for a card."""
    return {"bytes": file.stat().st_size, "sha256": hash_file(file)}
