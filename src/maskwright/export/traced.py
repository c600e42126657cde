"""Traced graphs without weights, kept on this machine.

Tracing takes most of an export, and the graph depends on the architecture alone: networks that
differ in their weights have one graph. The folder `graphs` of `core.cache` has one file for
each, in which the weights are inputs. The file is named by the hash of all that decides the
graph: architecture, classes, channels and grid of the card, tensors of the network, the code
that builds it, and the versions of the packages beneath. Graphs of networks in files of users
and of other packages are not kept. A graph from here is compared with its network like any
other.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import onnx
import onnx_ir
from google.protobuf.message import DecodeError
from onnx_ir.tensor_adapters import TorchTensor
from torch import Tensor, nn

from ..core.cache import CacheFolder
from ..core.card import ModelCard
from ..nn.build import load_arch

GRAPHS = CacheFolder("graphs", most_kept=64)
"""Of files of 0.1 to 5 MB."""

_PACKAGES = (
    "onnx-ir",
    "onnxscript",
    "segmentation-models-pytorch",
    "timm",
    "torch",
    "torchvision",
    "transformers",
)
_SOURCES = Path(__file__).parents[1]


def name_graph(network: nn.Module, card: ModelCard) -> str | None:
    """The file of the graph of a network; None where the code of another builds it."""
    arch = card.arch
    if arch.code is not None or not _is_of_this_package(arch.name):
        return None
    tensors = {k: [str(v.dtype), *v.shape] for k, v in find_tensors(network).items()}
    grid = [card.logits.stride, card.logits.multiple]
    described = [arch.to_json(), card.input.channels, len(card.labels), grid, tensors]
    text = json.dumps([*described, _describe_code()], sort_keys=True)
    return f"{hashlib.sha256(text.encode()).hexdigest()}.onnx"


def find_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by every name that they have."""
    return dict(network.named_parameters(remove_duplicate=False)) | dict(
        network.named_buffers(remove_duplicate=False)
    )


def find_graph(name: str) -> onnx_ir.Model | None:
    """The graph that was kept under `name`, None where there is none that can be read."""
    content = GRAPHS.read(name)
    with suppress(ValueError, DecodeError):
        if content is not None:
            graph: onnx_ir.Model = onnx_ir.from_proto(onnx.ModelProto.FromString(content))
            return graph
    return None


def has_graph(network: nn.Module, card: ModelCard) -> bool:
    """Whether the graph of a network is kept here, so that an export need not trace it."""
    name = name_graph(network, card)
    return name is not None and GRAPHS.has(name)


def keep_graph(name: str, graph: onnx_ir.Model) -> None:
    """Keep a graph whose weights are inputs."""
    GRAPHS.keep(name, onnx_ir.to_proto(graph).SerializeToString())


def take_weights_out(graph: onnx_ir.Model, tensors: Mapping[str, Tensor]) -> None:
    """Make inputs of the weights that have the name of a tensor of the network."""
    initializers, inputs = graph.graph.initializers, graph.graph.inputs
    for name in [name for name in initializers if name in tensors]:
        value = initializers.pop(name)
        value.const_value = None
        inputs.append(value)


def put_weights_in(graph: onnx_ir.Model, tensors: Mapping[str, Tensor]) -> None:
    """Undo `take_weights_out`, with the weights of another network of the same graph."""
    initializers, inputs = graph.graph.initializers, graph.graph.inputs
    for value in list(inputs[1:]):  # the first is the image
        inputs.remove(value)
        value.const_value = TorchTensor(tensors[str(value.name)], value.name)
        initializers.add(value)


def _is_of_this_package(arch: str) -> bool:
    return load_arch(arch).build.__module__.startswith("maskwright.")


@cache
def _describe_code() -> tuple[str, ...]:
    """The versions of the packages, and the hash of the files that build and trace networks."""
    digest = hashlib.sha256()
    for path in sorted([*_SOURCES.glob("nn/**/*.py"), *_SOURCES.glob("export/**/*.py")]):
        digest.update(path.read_bytes())
    return *(f"{name} {_find_version(name)}" for name in _PACKAGES), digest.hexdigest()


def _find_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
