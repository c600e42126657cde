"""Networks from a user's own file, named as `model.arch: ./mynet.py:build`.

Code is run only by `admit`, which training calls for a file that the command line or the
recipe names. A card names such code too, but it is found only where it was admitted before:
no Bundle, and no file beside one, can have its code run.
"""

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from pydantic import BaseModel
from torch import nn

from maskwright.core.codefile import CodeFile
from maskwright.core.errors import ConfigError
from maskwright.nn.part_config import NoChoices

DIGEST_LENGTH = 12
_ADMITTED: dict[tuple[str, str], "OwnPart"] = {}


@dataclass(frozen=True, slots=True)
class OwnPart:
    """A user's file in the shape of a part of `nn.archs`; names as there."""

    Config: type[BaseModel]
    build: Callable[[Any, str, int, int], nn.Module]
    ENCODERS: tuple[str, ...] | None
    sha256: str


def admit(code: CodeFile, folder: Path) -> CodeFile:
    """Run the file that the user named, and answer with its full path and digest.

    Args:
        code: As the user wrote it.
        folder: What a relative path starts from.

    Raises:
        ConfigError: No such file or function, another content than the digest tells, or code
            that fails.
    """
    path = (folder / code.file).resolve()
    if not path.is_file():
        raise ConfigError(f"model.arch {str(code)!r}: no file {path}; give PATH.py:FUNCTION")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    digest = sha256[:DIGEST_LENGTH]
    if code.digest and digest != code.digest:
        raise ConfigError(
            f"model.arch {str(code)!r}: {path} has changed (it is #{digest} now); put the old "
            f"file back, or start a new run with model.arch={code.file}:{code.function}"
        )
    found = CodeFile(path, code.function, digest)
    _ADMITTED[found.function, digest] = _part(found, _run(found), sha256)
    return found


def admitted(code: CodeFile) -> OwnPart:
    """The part that `admit` made of this code in this process.

    Raises:
        ConfigError: It made none: somebody else's card names the code.
    """
    part = _ADMITTED.get((code.function, code.digest))
    if part is None:
        raise ConfigError(
            f"the network is code of its own ({code}), and code is run only where you name the "
            f"file yourself, in training; use the bundle of the run, which needs none"
        )
    return part


def require_contract(code: CodeFile, network: nn.Module, shape: tuple[int, int]) -> None:
    """Refuse a network whose answer no loss could read.

    Args:
        code: Where it comes from.
        network: As `new_model` gives it.
        shape: Channels of the images, and K.

    Raises:
        ConfigError: It fails on a small image, or gives no logits of shape (B, K, H, W).
    """
    channels, num_classes = shape
    x_BCHW = torch.zeros(2, channels, 64, 96)
    was_training = network.training
    try:
        with torch.inference_mode():
            logits_BKHW = network.eval()(x_BCHW)
    except Exception as error:
        raise ConfigError(
            f"model.arch {str(code)!r}: the network fails on an image of "
            f"{tuple(x_BCHW.shape)} (B, C, H, W): {type(error).__name__}: {error}"
        ) from error
    finally:
        network.train(was_training)
    expected = (2, num_classes, 64, 96)
    found = tuple(logits_BKHW.shape) if isinstance(logits_BKHW, torch.Tensor) else None
    if found != expected:
        raise ConfigError(
            f"model.arch {str(code)!r}: the network gives "
            f"{found or type(logits_BKHW).__name__}, expected logits of shape {expected} "
            f"(B, K, H, W) for an image of {tuple(x_BCHW.shape)}"
        )


def _run(code: CodeFile) -> ModuleType:
    name = f"maskwright_own_{code.digest}"
    spec = importlib.util.spec_from_file_location(name, code.file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"model.arch {str(code)!r}: Python cannot import {code.file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(
            f"model.arch {str(code)!r}: {code.file} cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error
    return module


def _part(code: CodeFile, module: ModuleType, sha256: str) -> OwnPart:
    function = getattr(module, code.function, None)
    if not callable(function):
        names = [n for n, f in vars(module).items() if inspect.isfunction(f)]
        raise ConfigError(
            f"model.arch {str(code)!r}: {code.file} has no function {code.function}; it has "
            f"{', '.join(names) or 'none'}"
        )
    num_arguments = len(inspect.signature(function).parameters)
    if num_arguments == 2:
        return OwnPart(NoChoices, _without_choices(code, function), ("own",), sha256)
    if num_arguments == 4 and hasattr(module, "Config"):
        return OwnPart(module.Config, function, getattr(module, "ENCODERS", None), sha256)
    raise ConfigError(
        f"model.arch {str(code)!r}: {code.function} takes {num_arguments} arguments; write "
        f"{code.function}(in_channels, num_classes), or a Config and "
        f"{code.function}(config, encoder, in_channels, num_classes)"
    )


def _without_choices(
    code: CodeFile, function: Callable[[int, int], Any]
) -> Callable[[Any, str, int, int], nn.Module]:
    def build(_config: Any, _encoder: str, in_channels: int, num_classes: int) -> nn.Module:
        """The contract of `nn.archs`."""
        try:
            network = function(in_channels, num_classes)
        except Exception as error:
            raise ConfigError(
                f"model.arch {str(code)!r}: {code.function}({in_channels}, {num_classes}) "
                f"failed: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(network, nn.Module):
            raise ConfigError(
                f"model.arch {str(code)!r}: {code.function}({in_channels}, {num_classes}) "
                f"gives {type(network).__name__}, expected a torch.nn.Module"
            )
        return network

    return build
