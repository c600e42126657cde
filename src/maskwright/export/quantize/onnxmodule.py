"""A QDQ graph as a torch module, which trains what the graph holds: weights and scales.

Each node is run by a torch function. QuantizeLinear rounds, and lets the gradient of rounding
pass as if there were none (straight through: Bengio et al. 2013, arXiv:1308.3432); values that
it clips have no gradient. The scale of an activation is learnt (Esser et al. 2020,
arXiv:1902.08153), its zero point stays. The scale of a weight follows from its largest value in
each output channel. `write` puts back what was learnt: the graph stays the same otherwise.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from ...core.errors import ConfigError
from .operators import FUNCTIONS, Options, Values, read_tensor

_MOST = 127
"""Of weights in int8: symmetric, so -128 is not taken."""

_SUFFIX = "_quantized"
_LAYERS = ("Conv", "ConvTranspose", "Gemm")
_QUANTIZING = ("QuantizeLinear", "DequantizeLinear")


class OnnxModule(nn.Module):
    """The QDQ graph at `path`, whose float weights are those of the graph it was made of.

    Raises ConfigError where a node has no torch function here.
    """

    def __init__(self, path: Path, float_path: Path) -> None:
        super().__init__()
        self.model = onnx.load(path)
        graph = self.model.graph
        unknown = sorted({node.op_type for node in graph.node} - {*FUNCTIONS, *_QUANTIZING})
        if unknown:
            raise ConfigError(
                f"quantisation-aware training: the graph has {', '.join(unknown)}, which is "
                f"not trained here; use --precision int8 without --qat, or fp16"
            )
        self.nodes = [(node, _read_options(node)) for node in graph.node]
        self.constants: dict[str, Tensor] = {}
        self.weights, self.log_scales = nn.ParameterDict(), nn.ParameterDict()
        self._keys: dict[str, str] = {}
        self._add_parameters(onnx.load(float_path))
        self._links = self._link_scales()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """logits_BKhw, as the graph gives them."""
        graph, scales = self.model.graph, self._compute_scales()
        weights = {name: self.weights[k] for name, k in self._keys.items() if k in self.weights}
        values: Any = {"": None, **self.constants, **scales, **weights}
        values[graph.input[0].name] = x_BCHW
        for node, options in self.nodes:
            inputs = [values[name] for name in node.input]
            if node.op_type == "DequantizeLinear":
                found = self._dequantize(node.input[0], inputs, options)
            elif node.op_type == "QuantizeLinear":
                found = _quantize(*inputs)
            else:
                found = FUNCTIONS[node.op_type](inputs, options)
            values[node.output[0]] = found
        logits_BKhw: Tensor = values[graph.output[0].name]
        return logits_BKhw

    @torch.no_grad()
    def write(self, path: Path) -> None:
        """Write the graph with the weights and scales that were learnt."""
        learnt = self._compute_scales()
        for node, options in self.nodes:
            name = node.input[0] if node.input else ""
            if node.op_type == "DequantizeLinear" and self._keys.get(name, "") in self.weights:
                value = self.weights[self._keys[name]]
                learnt[name] = _count_levels(value, learnt[node.input[1]], options)
        for one in self.model.graph.initializer:
            if one.name in learnt:
                old = numpy_helper.to_array(one)
                new = learnt[one.name].numpy().reshape(old.shape).astype(old.dtype)
                one.CopyFrom(numpy_helper.from_array(new, one.name))
        onnx.save(self.model, path)

    def _add_parameters(self, floats: onnx.ModelProto) -> None:
        """Weights and biases in float, and the scales of activations; all else is constant."""
        given = {one.name: one for one in floats.graph.initializer}
        scales = {n.input[1] for n, _ in self.nodes if n.op_type == "QuantizeLinear"}
        for one in self.model.graph.initializer:
            origin = one.name.removesuffix(_SUFFIX)
            key = f"p{len(self._keys)}"  # names of parameters have no dots
            if origin != one.name and origin in given:
                self.weights[key] = nn.Parameter(read_tensor(given[origin]))
            elif one.name in scales:
                self.log_scales[key] = nn.Parameter(read_tensor(one).log())
            else:
                self.constants[one.name] = read_tensor(one)
                continue
            self._keys[one.name] = key

    def _link_scales(self) -> list[tuple[str, str, str, int]]:
        """Scales that follow: that of a weight from the weight, of a bias from two scales.

        (scale, weight, "", axis) and (scale, scale of the input, scale of the weight, 0).
        """
        makers = {node.output[0]: (node, options) for node, options in self.nodes}
        links = []
        for node, options in makers.values():
            name = node.input[0] if node.input else ""
            key = self._keys.get(name, "")
            is_trained = node.op_type == "DequantizeLinear" and key in self.weights
            if is_trained and self.weights[key].ndim > 1:
                links.append((node.input[1], name, "", int(options.get("axis", 0))))
        for node, _ in self.nodes:
            if node.op_type in _LAYERS and len(node.input) > 2 and node.input[2] in makers:
                x, weight, bias = (makers[name][0].input for name in node.input[:3])
                if self._keys.get(bias[0], "") in self.weights:
                    links.append((bias[1], x[1], weight[1], 0))
        return links

    def _compute_scales(self) -> dict[str, Tensor]:
        """All scales that are learnt, or follow from what is."""
        keys = self._keys.items()
        scales = {n: self.log_scales[k].exp() for n, k in keys if k in self.log_scales}
        for scale, one, other, axis in self._links:
            if other:
                scales[scale] = (self._find(scales, one) * self._find(scales, other)).detach()
            else:
                scales[scale] = _measure_scale(self.weights[self._keys[one]], axis)
        return scales

    def _find(self, scales: Mapping[str, Tensor], name: str) -> Tensor:
        return scales[name] if name in scales else self.constants[name]

    def _dequantize(self, name: str, inputs: Values, options: Options) -> Any:
        """A weight is rounded to what its levels hold; an activation was rounded before."""
        if self._keys.get(name, "") in self.weights:
            levels = _count_levels(inputs[0], inputs[1], options)
            return levels * _spread(inputs[1], levels.ndim, options)
        if name not in self.constants:
            return inputs[0]
        value, scale, zero = (*inputs, torch.zeros(()))[:3]
        shift = _spread(zero.float(), value.ndim, options)
        return (value.float() - shift) * _spread(scale, value.ndim, options)


def _read_options(node: Any) -> Options:
    options = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in options.items()}


def _round(x: Tensor) -> Tensor:
    return x + (x.round() - x).detach()


def _measure_scale(weight: Tensor, axis: int) -> Tensor:
    """The scale of each channel along an axis; channels of zeros have the largest, or 1."""
    others = [dim for dim in range(weight.ndim) if dim != axis % weight.ndim]
    largest = weight.detach().abs().amax(others) / _MOST
    return torch.where(largest > 0, largest, largest.max() if largest.any() else 1.0)


def _spread(scale: Tensor, rank: int, options: Options) -> Tensor:
    """One value, or one for each entry along the axis of the options."""
    if scale.numel() == 1:
        return scale.reshape(())
    shape = [1] * rank
    shape[int(options.get("axis", 1)) % rank] = -1
    return scale.reshape(shape)


def _count_levels(value: Tensor, scale: Tensor, options: Options) -> Tensor:
    """The integers of a weight, or of a bias, which has no limits."""
    levels = _round(value / _spread(scale, value.ndim, options))
    return levels.clamp(-_MOST, _MOST) if value.ndim > 1 else levels


def _quantize(x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    levels = _round(x / scale) + zero.float()
    return (levels.clamp(0, 255) - zero.float()) * scale
