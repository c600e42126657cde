"""Parts of prediction inside an ONNX graph, for programs without this package.

`normalise`: the graph takes the stored values of images, (B, H, W, C), at the resolution of the
network. `argmax`: it gives the index of the class of each of their pixels, (B, H, W) uint8, by
logits that are enlarged as `inference.resolution` does; of equal logits the lower index.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.card import ModelCard
from ..core.errors import ConfigError, suggest
from ..core.graph import LABELS, Parity
from ..core.inputspec import InputSpec
from ..core.intensity import Scaling
from ..core.kernels.kernel import kernel
from ..inference.engine import Engine
from ..inference.parity import Planes, compare, count_crops
from ..inference.strategy import NetworkInput, run_inputs
from .nodechain import NodeChain
from .triton import Tensor, describe_image, describe_logits, find_size, write_config

NORMALISE, ARGMAX = "normalise", "argmax"
PARTS = (NORMALISE, ARGMAX)

STORED = "stored"
"""Name of the input of a graph with `normalise`."""

_SIDES = ("batch", "height", "width")


def parse_parts(text: str) -> tuple[str, ...]:
    """Read `normalise,argmax`, or one of them.

    Raises:
        ConfigError: Another name.
    """
    asked = text.split(",")
    for name in asked:
        if name not in PARTS:
            raise ConfigError(
                f"--inside {text!r}: {name!r} is not known{suggest(name, PARTS)}; use one or "
                f"both of {', '.join(PARTS)}, separated by a comma"
            )
    return tuple(part for part in PARTS if part in asked)


def require_possible(spec: InputSpec, parts: Sequence[str]) -> None:
    """Require that images of one kind are all normalised alike.

    Raises:
        ConfigError: Each image is normalised by its own values.
    """
    if NORMALISE in parts and spec.kind == "mr":
        raise ConfigError(
            "--inside normalise: images of kind 'mr' are normalised by the mean and spread of "
            "each, which a graph does not know; use --inside argmax"
        )


def find_stored_type(spec: InputSpec) -> str:
    """The type of the stored values that a graph with `normalise` takes."""
    if spec.kind != "photograph":
        return "float32"
    return "uint8" if spec.max_value == np.iinfo(np.uint8).max else "uint16"


def add_parts(graph: Path, card: ModelCard, parts: Sequence[str], out: Path) -> None:
    """Write the graph of logits at `graph` with `parts` inside to `out`, without features."""
    import onnx
    from onnx import helper
    from onnxscript import optimizer

    model = onnx.load(graph)
    del model.graph.output[1:]
    optimizer.remove_unused_nodes(model)
    chain = NodeChain.around(model)
    given, logits = model.graph.input[0], model.graph.output[0]
    image, sides = given.name, _read_sides(given)
    if NORMALISE in parts:
        image = chain.make_name(STORED)
        _add_normalise(chain, image, given.name, card.input)
        dtype = helper.np_dtype_to_tensor_dtype(np.dtype(find_stored_type(card.input)))
        shape: list[str | int | None] = [*sides, card.input.channels]
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info(image, dtype, shape))
    chain.pass_graph()
    if ARGMAX in parts:
        axes = (1, 3) if NORMALISE in parts else (2, 4)
        _add_argmax(chain, logits.name, image, axes, card.logits.stride)
        labels = helper.make_tensor_value_info(LABELS, onnx.TensorProto.UINT8, sides)
        del model.graph.output[:]
        model.graph.output.append(labels)
    chain.place(model)
    onnx.save(model, out)


def _read_sides(image: Any) -> list[str | int | None]:
    """Batch, height and width of the input of a graph: a number where one alone is taken."""
    batch, _, height, width = image.type.tensor_type.shape.dim
    dims = zip((batch, height, width), _SIDES, strict=True)
    return [dim.dim_value or name for dim, name in dims]


def _add_normalise(chain: NodeChain, image: str, x: str, spec: InputSpec) -> None:
    """From stored values to network input: clip(value) * scale - shift, as `Scaling`."""
    scaling = _find_scaling(spec)
    value = chain.add("Transpose", [chain.cast(image, "float32")], perm=[0, 3, 1, 2])

    def constant(values_C: NDArray[np.float32]) -> str:
        return chain.constant(values_C.astype(np.float32).reshape(1, -1, 1, 1))

    if scaling.window_C2 is not None:
        low_C, high_C = scaling.window_C2.T
        value = chain.add("Max", [value, constant(low_C)])
        value = chain.add("Min", [value, constant(high_C)])
    value = chain.add("Mul", [value, constant(scaling.scale_C)])
    chain.add("Sub", [value, constant(scaling.shift_C)], x)


def _find_scaling(spec: InputSpec) -> Scaling:
    """The scaling of every image, which does not depend on its values (`require_possible`)."""
    return spec.measure_scaling(np.zeros((1, 1, spec.channels), np.float32))


def _add_argmax(
    chain: NodeChain, logits: str, image: str, axes: tuple[int, int], stride: int
) -> None:
    """From logits at a stride to the labels of an image, whose H and W are these axes."""
    shape = chain.add("Shape", [image])
    size = chain.add("Slice", [shape, *map(chain.integers, axes)])
    value = logits
    if stride > 1:
        scales = chain.constant(np.array([1, 1, stride, stride], np.float32))
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        value = chain.add("Resize", [value, "", scales], **how)
    corner, spatial = chain.integers(0, 0), chain.integers(2, 3)
    value = chain.add("Slice", [value, corner, size, spatial])
    indices = chain.add("ArgMax", [value], axis=1, keepdims=0)
    chain.add("Identity", [chain.cast(indices, "uint8")], LABELS)


def compare_inside(
    graph: Path,
    card: ModelCard,
    parts: Sequence[str],
    network: Engine,
    inputs_CHW: Iterable[Planes],
) -> Parity:
    """Run a graph with parts inside, and the network, on the same inputs and their crops.

    Of labels, the logit of a class is 1 where it is predicted and 0 elsewhere.

    Raises:
        BundleError: The shapes of the outputs differ.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(x_BCHW: Planes) -> Planes:
        given = _restore(x_BCHW, card.input) if NORMALISE in parts else x_BCHW
        found: NDArray[Any] = session.run(None, {name: given})[0]
        return _mark(found, len(card.labels)) if ARGMAX in parts else found

    def run_network(x_BCHW: Planes) -> Planes:
        if ARGMAX not in parts:
            return network(x_BCHW)
        size_HW = x_BCHW.shape[2], x_BCHW.shape[3]
        entries = [NetworkInput(x_CHW, size_HW, size_HW) for x_CHW in x_BCHW]
        decide = kernel().upsample_argmax
        labels_BHW = [decide(logits) for logits in run_inputs(network, card, entries)]
        return _mark(np.stack(labels_BHW), len(card.labels))

    return compare(run_network, run, inputs_CHW, num_crops=count_crops(network, network))


def _restore(x_BCHW: Planes, spec: InputSpec) -> NDArray[Any]:
    """The stored values, (B, H, W, C), that `Scaling.normalize` has made x_BCHW of."""
    scaling = _find_scaling(spec)
    dtype = np.dtype(find_stored_type(spec))
    values_BHWC = (x_BCHW.transpose(0, 2, 3, 1) + scaling.shift_C) / scaling.scale_C
    if dtype.kind == "u":
        values_BHWC = values_BHWC.round().clip(0, np.iinfo(dtype).max)
    return np.ascontiguousarray(values_BHWC, dtype)


def _mark(labels_BHW: NDArray[Any], num_classes: int) -> Planes:
    """1 at the class of each pixel: (B, K, H, W)."""
    index_1K11 = np.arange(num_classes).reshape(1, -1, 1, 1)
    return np.asarray(labels_BHW[:, None] == index_1K11, np.float32)


def write_triton(file: str, card: ModelCard, parts: Sequence[str], network: Engine) -> str:
    """The configuration of a graph with parts inside for the Triton Inference Server."""
    image, output = describe_image(card, network), describe_logits(card, network)
    size_HW = find_size(network)
    if NORMALISE in parts:
        shape = (*size_HW, card.input.channels)
        image = Tensor(STORED, find_stored_type(card.input), shape)
    if ARGMAX in parts:
        output = Tensor(LABELS, "uint8", size_HW)
    takes_batches = network.max_batch > 1
    return write_config(file, image, output, takes_batches=takes_batches, on_tensorrt=False)
