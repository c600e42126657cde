"""Checkpoint -> Bundle, after proof of parity."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from ..core import parts
from ..core.atomic import explained
from ..core.bundle import REPORT, WEIGHTS, Bundle, write_bundle
from ..core.card import ModelCard
from ..core.checkpoint import Checkpoint
from ..core.graph import Graph
from ..core.inputspec import InputSpec
from ..inference.engine import ENGINES, EngineOptions, EnginePart
from ..inference.engines.torch import TorchEngine
from ..inference.resolution import to_network
from ..nn.build import load_model
from .parity import compare

TARGETS = "maskwright.export.targets"

Image = NDArray[np.uint8] | NDArray[np.uint16]


def export_bundle(
    checkpoint: Path, images: Iterable[Image], out: Path, *, report: Path | None = None
) -> Bundle:
    """Write the Bundle `out`: weights, an ONNX graph, and the report if there is one.

    Args:
        checkpoint: A folder with card.json and weights.safetensors.
        images: A few real ones, image_HWC of the kind the model takes; the graph must agree
            with the network on all of them.
        out: Replaced if it is a Bundle already.
        report: A report.json to carry along.

    Raises:
        BundleError: The checkpoint is damaged, or the graph disagrees with the network.
        ConfigError: The network cannot be exported, or there are no images.
    """
    card = Checkpoint.open(checkpoint).card
    inputs_CHW = list(_inputs(images, card.input))
    with explained(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
            target = parts.load(TARGETS, "onnx")
            graph = _write_graph(target, checkpoint, card, inputs_CHW, Path(scratch))
            files = {
                WEIGHTS: checkpoint / WEIGHTS,
                target.FILE: Path(scratch) / target.FILE,
            } | ({REPORT: report} if report else {})
            return write_bundle(out, card, files, graphs=[graph])


def _write_graph(
    target: ModuleType,
    checkpoint: Path,
    card: ModelCard,
    inputs_CHW: list[NDArray[np.float32]],
    folder: Path,
) -> Graph:
    network = load_model(card, checkpoint / WEIGHTS)
    target.write(network, card, folder / target.FILE)
    part = parts.load(ENGINES, target.ENGINE, like=EnginePart)
    engine = part.build(folder / target.FILE, card, EngineOptions())
    parity = compare(TorchEngine(network), engine, inputs_CHW)
    graph = Graph(file=target.FILE, engine=target.ENGINE, parity=parity)
    parity.require_agreement(
        graph.tolerance,
        graph="the exported graph",
        fix="nothing was written, use the run itself",
    )
    return graph


def _inputs(images: Iterable[Image], spec: InputSpec) -> Iterator[NDArray[np.float32]]:
    for number, image_HWC in enumerate(images):
        spec.check(image_HWC, where=f"image {number} for parity")
        yield to_network(image_HWC, spec)
