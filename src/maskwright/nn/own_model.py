"""Networks from a user's own file, named as `model.arch: ./mynet.py:build`.

Only `admit` runs code; training calls it for a file that the command line names, and for one
that a recipe or a run names if the file is trusted (`core.trust`).
A card names such code too, but `get_admitted` finds only what was admitted in this process:
opening a Bundle never runs code from it or from a file beside it.
"""

import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from maskwright.core import parts
from maskwright.core.codefile import CodeFile
from maskwright.core.errors import ConfigError
from maskwright.core.trust import hash_file, is_trusted, remember
from maskwright.nn.part_config import NoChoices
from maskwright.nn.protocols import OWN, Arch

DIGEST_LENGTH = 12
_ADMITTED: dict[tuple[str, str], "OwnArch"] = {}


@dataclass(frozen=True, slots=True)
class OwnArch:
    """The architecture in a user's file, and the SHA-256 of that file."""

    arch: Arch
    sha256: str


def admit(
    code: CodeFile, folder: Path, *, is_named: bool = False, trust: str | None = None
) -> CodeFile:
    """Run the file of a network; return its name with the full path and the digest.

    Args:
        code: File and function as the user wrote them.
        folder: The folder that a relative path is relative to.
        is_named: The user named the file on the command line: it is trusted from now on. A
            file that a recipe or a run names must be trusted already.
        trust: The SHA-256 that `--trust` gives.

    Raises:
        ConfigError: The file or function does not exist, the content does not match the
            digest, the file is not trusted, or the code fails.
    """
    path = (folder / code.file).resolve()
    if not path.is_file():
        raise ConfigError(f"model.arch {str(code)!r}: no file {path}; give PATH.py:FUNCTION")
    sha256 = hash_file(path)
    digest = sha256[:DIGEST_LENGTH]
    if code.digest and digest != code.digest:
        raise ConfigError(
            f"model.arch {str(code)!r}: {path} has changed (it is #{digest} now); put the old "
            f"file back, or start a new run with model.arch={code.file}:{code.function}"
        )
    if not is_named and not is_trusted("code", sha256, trust):
        raise ConfigError(
            f"{path}: Python code that was not named to a command on this machine, and this "
            f"command would run it; read it, then trust it with --trust {sha256}"
        )
    remember("code", sha256)
    full = CodeFile(path, code.function, digest)
    _ADMITTED[full.function, digest] = OwnArch(_make_arch(full, _import(full)), sha256)
    return full


def get_admitted(code: CodeFile) -> OwnArch:
    """The architecture that `admit` loaded from this code in this process.

    Raises:
        ConfigError: The code was not admitted: a card names it, and not the user.
    """
    own = _ADMITTED.get((code.function, code.digest))
    if own is None:
        raise ConfigError(
            f"the network is a user's own code ({code}), and code is run only where you name "
            f"the file yourself, in training; use the bundle of the run, which needs no code"
        )
    return own


def require_contract(code: CodeFile, network: nn.Module, shape: tuple[int, int]) -> None:
    """Run the network on a small image of zeros and check the shape of its logits.

    Args:
        code: File and function that the network comes from.
        network: The network that `new_model` built.
        shape: Channels of the images, and K.

    Raises:
        ConfigError: The network fails, or returns something else than logits (B, K, H, W).
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
    shape_BKHW = tuple(logits_BKHW.shape) if isinstance(logits_BKHW, torch.Tensor) else None
    if shape_BKHW != expected:
        raise ConfigError(
            f"model.arch {str(code)!r}: the network returns "
            f"{shape_BKHW or type(logits_BKHW).__name__}, expected logits of shape {expected} "
            f"(B, K, H, W) for an image of {tuple(x_BCHW.shape)}"
        )


def _import(code: CodeFile) -> ModuleType:
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


def _make_arch(code: CodeFile, module: ModuleType) -> Arch:
    """The function as an `Arch`: by two arguments alone, or with a Config and encoders."""
    function = getattr(module, code.function, None)
    if not callable(function):
        names = [n for n, f in vars(module).items() if inspect.isfunction(f)]
        raise ConfigError(
            f"model.arch {str(code)!r}: {code.file} has no function {code.function}; it has "
            f"{', '.join(names) or 'none'}"
        )
    num_arguments = len(inspect.signature(function).parameters)
    if num_arguments == 2:
        return _PlainArch(code, function)
    if num_arguments == 4 and "Config" in vars(module):
        view = ModuleType(module.__name__)
        view.__dict__.update(vars(module), build=function)
        return parts.make_part(view, Arch)
    raise ConfigError(
        f"model.arch {str(code)!r}: {code.function} takes {num_arguments} arguments; write "
        f"{code.function}(in_channels, num_classes), or a Config and "
        f"{code.function}(config, encoder, in_channels, num_classes)"
    )


class _PlainArch(Arch):
    """A function of the numbers of channels and classes, without settings or encoder."""

    Config = NoChoices
    ENCODERS = (OWN,)

    def __init__(self, code: CodeFile, function: Callable[[int, int], Any]) -> None:
        self._code = code
        self._function = function

    def build(
        self, _config: Any, _encoder: str, in_channels: int, num_classes: int
    ) -> nn.Module:
        """Call the user's function.

        Raises:
            ConfigError: The function fails, or returns something else than a Module.
        """
        call = f"{self._code.function}({in_channels}, {num_classes})"
        try:
            network = self._function(in_channels, num_classes)
        except Exception as error:
            raise ConfigError(
                f"model.arch {str(self._code)!r}: {call} failed: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(network, nn.Module):
            raise ConfigError(
                f"model.arch {str(self._code)!r}: {call} returns {type(network).__name__}, "
                f"expected a torch.nn.Module"
            )
        return network
