"""Operators of ONNX as functions of torch, with the same results, that have gradients.

A function takes the inputs of a node in order, None for one that is left out, and the
attributes by name. https://onnx.ai/onnx/operators
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional as F

Values = Sequence[Any]
Options = Mapping[str, Any]


def read_tensor(value: Any) -> Tensor:
    """The values of an onnx.TensorProto."""
    return torch.from_numpy(np.array(numpy_helper.to_array(value)))


def _list_ints(value: Any) -> list[int]:
    return [int(one) for one in value.reshape(-1)]


def _halve_pads(options: Options, rank: int) -> tuple[list[int], list[int]]:
    pads = list(options.get("pads", [0] * 2 * rank))
    return pads[:rank], pads[rank:]


def _pad_sides(x: Tensor, options: Options, value: float = 0.0) -> Tensor:
    before, after = _halve_pads(options, x.ndim - 2)
    sides = [n for pair in zip(before[::-1], after[::-1], strict=True) for n in pair]
    return F.pad(x, sides, value=value) if any(sides) else x


def _convolve(given: Values, options: Options) -> Tensor:
    x, weight, bias = (*given, None)[:3]
    rank = weight.ndim - 2
    stride = options.get("strides", [1] * rank)
    dilation = options.get("dilations", [1] * rank)
    return F.conv2d(
        _pad_sides(x, options), weight, bias, stride, 0, dilation, options.get("group", 1)
    )


def _convolve_transposed(given: Values, options: Options) -> Tensor:
    x, weight, bias = (*given, None)[:3]
    before, _ = _halve_pads(options, 2)
    more, ones = options.get("output_padding", [0, 0]), [1, 1]
    return F.conv_transpose2d(
        x, weight, bias, options.get("strides", ones), before, more,
        options.get("group", 1), options.get("dilations", ones),
    )  # fmt: skip


def _pool_max(given: Values, options: Options) -> Tensor:
    stride = options.get("strides", [1, 1])
    x = _pad_sides(given[0], options, -torch.inf)
    return F.max_pool2d(
        x, options["kernel_shape"], stride, ceil_mode=bool(options.get("ceil_mode"))
    )


def _resize(given: Values, options: Options) -> Tensor:
    x, _, scales, sizes = (*given, None, None)[:4]
    if sizes is not None:
        size = _list_ints(sizes)[2:]
    else:
        size = [int(n * float(s)) for n, s in zip(x.shape[2:], scales[2:], strict=True)]
    if options.get("mode", "nearest") == "nearest":
        return F.interpolate(x, size)
    corners = options.get("coordinate_transformation_mode") == "align_corners"
    return F.interpolate(x, size, mode="bilinear", align_corners=corners)


def _pad(given: Values, options: Options) -> Tensor:
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


def _reshape(given: Values, _options: Options) -> Tensor:
    x, shape = given[0], _list_ints(given[1])
    result: Tensor = x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape)])
    return result


def _slice(given: Values, _options: Options) -> Tensor:
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


def _read_dims(given: Values, options: Options) -> tuple[list[int], bool]:
    x, axes = (*given, None)[:2]
    dims = _list_ints(axes) if axes is not None else list(options.get("axes", range(x.ndim)))
    return dims, bool(options.get("keepdims", 1))


def _clip(given: Values, _options: Options) -> Tensor:
    x, low, high = (*given, None, None)[:3]
    return torch.clamp(x, low, high)


def _divide(given: Values, _options: Options) -> Tensor:
    mode = None if given[0].is_floating_point() else "trunc"
    return torch.div(given[0], given[1], rounding_mode=mode)


def _gather(given: Values, options: Options) -> Tensor:
    x, index, axis = given[0], given[1].long(), options.get("axis", 0)
    picked = x.index_select(axis, index.reshape(-1))
    result: Tensor = picked.reshape([*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]])
    return result


def _squeeze(given: Values, _options: Options) -> Tensor:
    x = given[0]
    dims = (
        _list_ints(given[1]) if len(given) > 1 else [i for i, n in enumerate(x.shape) if n == 1]
    )
    result: Tensor = x.squeeze(tuple(dims))
    return result


def _unsqueeze(given: Values, _options: Options) -> Tensor:
    x = given[0]
    for dim in sorted(_list_ints(given[1])):
        x = x.unsqueeze(dim)
    result: Tensor = x
    return result


def _hold(given: Values, options: Options) -> Tensor:
    del given
    value = next(iter(options.values()))
    if isinstance(value, onnx.TensorProto):
        return read_tensor(value)
    return torch.tensor(value)


def _cast(given: Values, options: Options) -> Tensor:
    kind = onnx.helper.tensor_dtype_to_np_dtype(options["to"])
    result: Tensor = given[0].to(torch.from_numpy(np.zeros(1, kind)).dtype)
    return result


def _product(given: Values, options: Options) -> Tensor:
    x, weight, bias = (*given, None)[:3]
    x = x.T if options.get("transA") else x
    weight = weight.T if options.get("transB") else weight
    result: Tensor = options.get("alpha", 1.0) * (x @ weight)
    return result if bias is None else result + options.get("beta", 1.0) * bias


_PLAIN = ("Abs", "Ceil", "Erf", "Exp", "Floor", "Log", "Neg", "Round", "Sqrt", "Tanh")
"""Functions of one value, which torch and ONNX call alike."""


def _apply(function: Callable[[Tensor], Tensor], given: Values, _options: Options) -> Tensor:
    return function(given[0])


FUNCTIONS: Mapping[str, Callable[[Values, Options], Any]] = {
    "Conv": _convolve,
    "ConvTranspose": _convolve_transposed,
    "Gemm": _product,
    "MatMul": lambda given, _: given[0] @ given[1],
    "Add": lambda given, _: given[0] + given[1],
    "Sub": lambda given, _: given[0] - given[1],
    "Mul": lambda given, _: given[0] * given[1],
    "Div": _divide,
    "Mod": lambda given, _: torch.remainder(given[0], given[1]),
    "Pow": lambda given, _: given[0] ** given[1],
    "Max": lambda given, _: functools.reduce(torch.maximum, given),
    "Min": lambda given, _: functools.reduce(torch.minimum, given),
    **{name: functools.partial(_apply, getattr(torch, name.lower())) for name in _PLAIN},
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
