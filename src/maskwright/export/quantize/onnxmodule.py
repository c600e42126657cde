"""A QDQ graph as a torch module, which trains what the graph holds: weights and scales.

Each node is run by a torch function. QuantizeLinear rounds, and lets the gradient of rounding
pass as if there were none (straight through: Bengio et al. 2013, arXiv:1308.3432); values that
it clips have no gradient. The scale of an activation is learnt (Esser et al. 2020,
arXiv:1902.08153), its zero point stays. The scale of a weight follows from its largest value in
each output channel. `write` puts back what was learnt: the graph stays the same otherwise.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.errors import ConfigError

_MOST = 127
"""Of weights in int8: symmetric, so -128 is not taken."""

_SUFFIX = "_quantized"
_Values = Sequence[Any]
_Options = Mapping[str, Any]


class OnnxModule(nn.Module):
    """The QDQ graph at `path`, whose float weights are those of the graph it was made of.

    Raises ConfigError where a node has no torch function here.
    """

    def __init__(self, path: Path, float_path: Path) -> None:
        super().__init__()
        self.model = onnx.load(path)
        graph = self.model.graph
        unknown = sorted({node.op_type for node in graph.node} - {*_FUNCTIONS, *_QUANTIZING})
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
                found = _FUNCTIONS[node.op_type](inputs, options)
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
                self.weights[key] = nn.Parameter(_read(given[origin]))
            elif one.name in scales:
                self.log_scales[key] = nn.Parameter(_read(one).log())
            else:
                self.constants[one.name] = _read(one)
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

    def _dequantize(self, name: str, inputs: _Values, options: _Options) -> Any:
        """A weight is rounded to what its levels hold; an activation was rounded before."""
        if self._keys.get(name, "") in self.weights:
            levels = _count_levels(inputs[0], inputs[1], options)
            return levels * _spread(inputs[1], levels.ndim, options)
        if name not in self.constants:
            return inputs[0]
        value, scale, zero = (*inputs, torch.zeros(()))[:3]
        shift = _spread(zero.float(), value.ndim, options)
        return (value.float() - shift) * _spread(scale, value.ndim, options)


def _read(value: Any) -> Tensor:
    return torch.from_numpy(np.array(numpy_helper.to_array(value)))


def _read_options(node: Any) -> _Options:
    options = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in options.items()}


def _round(x: Tensor) -> Tensor:
    return x + (x.round() - x).detach()


def _measure_scale(weight: Tensor, axis: int) -> Tensor:
    """The scale of each channel along an axis; channels of zeros have the largest, or 1."""
    others = [dim for dim in range(weight.ndim) if dim != axis % weight.ndim]
    largest = weight.detach().abs().amax(others) / _MOST
    return torch.where(largest > 0, largest, largest.max() if largest.any() else 1.0)


def _spread(scale: Tensor, rank: int, options: _Options) -> Tensor:
    """One value, or one for each entry along the axis of the options."""
    if scale.numel() == 1:
        return scale.reshape(())
    shape = [1] * rank
    shape[int(options.get("axis", 1)) % rank] = -1
    return scale.reshape(shape)


def _count_levels(value: Tensor, scale: Tensor, options: _Options) -> Tensor:
    """The integers of a weight, or of a bias, which has no limits."""
    levels = _round(value / _spread(scale, value.ndim, options))
    return levels.clamp(-_MOST, _MOST) if value.ndim > 1 else levels


def _quantize(x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    levels = _round(x / scale) + zero.float()
    return (levels.clamp(0, 255) - zero.float()) * scale


def _list_ints(value: Any) -> list[int]:
    return [int(one) for one in value.reshape(-1)]


def _halve_pads(options: _Options, rank: int) -> tuple[list[int], list[int]]:
    pads = list(options.get("pads", [0] * 2 * rank))
    return pads[:rank], pads[rank:]


def _pad_sides(x: Tensor, options: _Options, value: float = 0.0) -> Tensor:
    before, after = _halve_pads(options, x.ndim - 2)
    sides = [n for pair in zip(before[::-1], after[::-1], strict=True) for n in pair]
    return F.pad(x, sides, value=value) if any(sides) else x


def _convolve(given: _Values, options: _Options) -> Tensor:
    x, weight, bias = (*given, None)[:3]
    rank = weight.ndim - 2
    stride = options.get("strides", [1] * rank)
    dilation = options.get("dilations", [1] * rank)
    return F.conv2d(
        _pad_sides(x, options), weight, bias, stride, 0, dilation, options.get("group", 1)
    )


def _convolve_transposed(given: _Values, options: _Options) -> Tensor:
    x, weight, bias = (*given, None)[:3]
    before, _ = _halve_pads(options, 2)
    more, ones = options.get("output_padding", [0, 0]), [1, 1]
    return F.conv_transpose2d(
        x, weight, bias, options.get("strides", ones), before, more,
        options.get("group", 1), options.get("dilations", ones),
    )  # fmt: skip


def _pool_max(given: _Values, options: _Options) -> Tensor:
    stride = options.get("strides", [1, 1])
    x = _pad_sides(given[0], options, -torch.inf)
    return F.max_pool2d(
        x, options["kernel_shape"], stride, ceil_mode=bool(options.get("ceil_mode"))
    )


def _resize(given: _Values, options: _Options) -> Tensor:
    x, _, scales, sizes = (*given, None, None)[:4]
    if sizes is not None:
        size = _list_ints(sizes)[2:]
    else:
        size = [int(n * float(s)) for n, s in zip(x.shape[2:], scales[2:], strict=True)]
    if options.get("mode", "nearest") == "nearest":
        return F.interpolate(x, size)
    corners = options.get("coordinate_transformation_mode") == "align_corners"
    return F.interpolate(x, size, mode="bilinear", align_corners=corners)


def _pad(given: _Values, options: _Options) -> Tensor:
    x, pads = given[0], _list_ints(given[1])
    half = len(pads) // 2
    sides = [n for pair in zip(pads[:half][::-1], pads[half:][::-1], strict=True) for n in pair]
    mode = {"constant": "constant", "edge": "replicate", "reflect": "reflect"}[
        options.get("mode", "constant")
    ]
    if mode != "constant":
        return F.pad(x, sides[:4], mode=mode)
    return F.pad(
        x, sides, value=float(given[2]) if len(given) > 2 and given[2] is not None else 0.0
    )


def _reshape(given: _Values, _options: _Options) -> Tensor:
    x, shape = given[0], _list_ints(given[1])
    result: Tensor = x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape)])
    return result


def _slice(given: _Values, _options: _Options) -> Tensor:
    x, starts, ends, axes, steps = (*given, None, None)[:5]
    axes = range(len(starts)) if axes is None else _list_ints(axes)
    steps = [1] * len(starts) if steps is None else _list_ints(steps)
    for axis, start, end, step in zip(
        axes, _list_ints(starts), _list_ints(ends), steps, strict=True
    ):
        index = [slice(None)] * x.ndim
        index[axis] = slice(start, min(end, x.shape[axis]) if end > 0 else end, step)
        x = x[tuple(index)]
    result: Tensor = x
    return result


def _read_dims(given: _Values, options: _Options) -> tuple[list[int], bool]:
    x, axes = (*given, None)[:2]
    dims = _list_ints(axes) if axes is not None else list(options.get("axes", range(x.ndim)))
    return dims, bool(options.get("keepdims", 1))


def _clip(given: _Values, _options: _Options) -> Tensor:
    x, low, high = (*given, None, None)[:3]
    return torch.clamp(x, low, high)


def _divide(given: _Values, _options: _Options) -> Tensor:
    mode = None if given[0].is_floating_point() else "trunc"
    return torch.div(given[0], given[1], rounding_mode=mode)


def _gather(given: _Values, options: _Options) -> Tensor:
    x, index, axis = given[0], given[1].long(), options.get("axis", 0)
    picked = x.index_select(axis, index.reshape(-1))
    result: Tensor = picked.reshape([*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]])
    return result


def _squeeze(given: _Values, _options: _Options) -> Tensor:
    x = given[0]
    dims = (
        _list_ints(given[1]) if len(given) > 1 else [i for i, n in enumerate(x.shape) if n == 1]
    )
    result: Tensor = x.squeeze(tuple(dims))
    return result


def _unsqueeze(given: _Values, _options: _Options) -> Tensor:
    x = given[0]
    for dim in sorted(_list_ints(given[1])):
        x = x.unsqueeze(dim)
    result: Tensor = x
    return result


def _hold(given: _Values, options: _Options) -> Tensor:
    del given
    value = next(iter(options.values()))
    if isinstance(value, onnx.TensorProto):
        return _read(value)
    return torch.tensor(value)


def _cast(given: _Values, options: _Options) -> Tensor:
    kind = onnx.helper.tensor_dtype_to_np_dtype(options["to"])
    result: Tensor = given[0].to(torch.from_numpy(np.zeros(1, kind)).dtype)
    return result


def _product(given: _Values, options: _Options) -> Tensor:
    x, weight, bias = (*given, None)[:3]
    x = x.T if options.get("transA") else x
    weight = weight.T if options.get("transB") else weight
    result: Tensor = options.get("alpha", 1.0) * (x @ weight)
    return result if bias is None else result + options.get("beta", 1.0) * bias


_LAYERS = ("Conv", "ConvTranspose", "Gemm")
_QUANTIZING = ("QuantizeLinear", "DequantizeLinear")
_FUNCTIONS: Mapping[str, Callable[[_Values, _Options], Any]] = {
    "Conv": _convolve,
    "ConvTranspose": _convolve_transposed,
    "Gemm": _product,
    "MatMul": lambda given, _: given[0] @ given[1],
    "Add": lambda given, _: given[0] + given[1],
    "Sub": lambda given, _: given[0] - given[1],
    "Mul": lambda given, _: given[0] * given[1],
    "Div": _divide,
    "Relu": lambda given, _: F.relu(given[0]),
    "LeakyRelu": lambda given, o: F.leaky_relu(given[0], o.get("alpha", 0.01)),
    "PRelu": lambda given, _: torch.where(given[0] < 0, given[0] * given[1], given[0]),
    "Clip": _clip,
    "Sigmoid": lambda given, _: given[0].sigmoid(),
    "HardSigmoid": lambda given, o: (o.get("alpha", 0.2) * given[0] + o.get("beta", 0.5)).clamp(
        0, 1
    ),
    "HardSwish": lambda given, _: F.hardswish(given[0]),
    "Softmax": lambda given, o: given[0].softmax(o.get("axis", -1)),
    "MaxPool": _pool_max,
    "AveragePool": lambda given, o: F.avg_pool2d(
        _pad_sides(given[0], o), o["kernel_shape"], o.get("strides", [1, 1])
    ),
    "GlobalAveragePool": lambda given, _: given[0].mean((2, 3), keepdim=True),
    "ReduceMean": lambda given, o: given[0].mean(*_read_dims(given, o)),
    "ReduceSum": lambda given, o: given[0].sum(*_read_dims(given, o)),
    "InstanceNormalization": lambda given, o: F.instance_norm(
        given[0], weight=given[1], bias=given[2], eps=o.get("epsilon", 1e-5)
    ),
    "BatchNormalization": lambda given, o: F.batch_norm(
        given[0], given[3], given[4], given[1], given[2], eps=o.get("epsilon", 1e-5)
    ),
    "Resize": _resize,
    "Pad": _pad,
    "Reshape": _reshape,
    "Transpose": lambda given, o: given[0].permute(o["perm"]),
    "Concat": lambda given, o: torch.cat(list(given), o["axis"]),
    "Slice": _slice,
    "Gather": _gather,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Expand": lambda given, _: (
        given[0] * torch.ones(_list_ints(given[1]), dtype=given[0].dtype)
    ),
    "Shape": lambda given, o: torch.tensor(given[0].shape)[o.get("start", 0) : o.get("end")],
    "Constant": _hold,
    "Cast": _cast,
    "CastLike": lambda given, _: given[0].to(given[1].dtype),
    "Identity": lambda given, _: given[0],
}
