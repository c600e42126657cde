"""Encoders whose strides are replaced by dilation, Chen et al. 2016 (arXiv:1606.00915).

A layer that loses its stride keeps its own dilation: its kernel still meets the map it was
trained on. All layers after it see that map spread over twice the distance, and are dilated by
2. So the features at every second place (at every fourth for two strides) are those of the
undilated encoder, and pretrained weights keep their meaning; only means over the whole map
(squeeze and excitation) see more places.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, pad
from torch.nn.modules.pooling import _AvgPoolNd, _MaxPoolNd
from torch.overrides import TorchFunctionMode

from maskwright.nn.encoders import import_smp

UNDILATED = 32
SIDE_PX = 64
"""Side of the image by which the strides of an encoder are found: two places at stride 32."""

ATTENTION = {torch.matmul, torch.bmm, torch.nn.functional.scaled_dot_product_attention}
ATTENTION |= {torch.Tensor.matmul, torch.Tensor.__matmul__, torch.einsum}
"""Functions by which places attend to each other, wherever they lie."""

PLAIN_CONVOLUTIONS = {"Conv2d", "Conv2dSame", "Conv2dStaticSamePadding"}
"""Those whose forward is that of Conv2d, but for the padding."""

Margin = tuple[int, int, int, int]
Pair = tuple[int, int]


def build_encoder(
    name: str,
    in_channels: int,
    *,
    output_stride: int = UNDILATED,
    depth: int = 5,
    dilates_strided: bool = False,
) -> Any:
    """Build an encoder of segmentation-models-pytorch or timm, with random weights.

    Its maps beyond `output_stride` keep that stride; state-dict keys do not depend on it.
    `dilates_strided`: see `dilate`.

    Raises:
        ValueError: The encoder attends between places, or changes the size by other means than
            convolutions and pools.
    """
    encoder = import_smp().encoders.get_encoder(name, in_channels=in_channels, depth=depth)
    if output_stride < 2**depth:
        dilate(encoder, in_channels, output_stride, dilates_strided=dilates_strided)
    return encoder


def dilate(
    encoder: nn.Module, in_channels: int, output_stride: int, *, dilates_strided: bool = False
) -> None:
    """Replace the strides beyond `output_stride` by dilation; see the module docstring.

    With `dilates_strided`, the layer that loses its stride is dilated like those after it: only
    for weights that were trained so.

    Raises:
        ValueError: As in `build_encoder`.
    """
    for name, layer, stride in _find_layers(encoder, in_channels):
        own_step = _pair(layer.stride)[0]
        reached = stride * own_step if dilates_strided else stride
        rate = max(1, reached // output_stride)
        step = min(own_step, max(1, output_stride // stride))
        if rate > 1 or step < own_step:
            parent, _, leaf = name.rpartition(".")
            setattr(encoder.get_submodule(parent), leaf, _dilate_layer(layer, rate, step))
    try:
        side = _run(encoder, in_channels)[-1].shape[-1]
    except RuntimeError:  # its branches do not fit together any more
        side = None
    if side != SIDE_PX // output_stride:
        raise ValueError("a change of size in it is neither a convolution nor a pool")


def set_multi_grid(encoder: nn.Module, factors: tuple[int, int, int]) -> None:
    """Multiply the dilation of the three units in the last stage of a ResNet by `factors`.

    Chen et al. 2017 (arXiv:1706.05587), section 4.2. Other encoders stay as they are.
    """
    stages = [m for name, m in encoder.named_modules() if name.endswith("layer4")]
    for stage in (m for m in stages if isinstance(m, nn.Sequential) and len(m) == len(factors)):
        for unit, factor in zip(stage, factors, strict=True):
            for layer in filter(_has_window, unit.modules()):
                if isinstance(layer, nn.Conv2d) and layer.stride == (1, 1):
                    layer.dilation = _scale(_pair(layer.dilation), factor)
                    layer.padding = _scale(_pair(layer.padding), factor)


def fix_padding(encoder: nn.Module) -> None:
    """Give convolutions that pad by the size of their map, as in TensorFlow, fixed margins.

    For images whose sides are multiples of 32 both are the same, and an exporter need not
    reason about sizes: with a pyramid behind, it does for ten minutes.
    """
    for name, layer in list(encoder.named_modules()):
        if type(layer).__name__ == "Conv2dSame":
            kernel, step = _pair(layer.kernel_size), _pair(layer.stride)
            dilation = _pair(layer.dilation)
            sides = zip(kernel, dilation, step, strict=True)
            rows, columns = (max((k - 1) * d + 1 - s, 0) for k, d, s in sides)
            margin = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
            parent, _, leaf = name.rpartition(".")
            fixed = MarginConv2d(layer, margin, step[0], dilation)
            setattr(encoder.get_submodule(parent), leaf, fixed)


class RefuseAttention(TorchFunctionMode):
    """Raise ValueError where places attend to each other."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run `func`, if it is not a product of attention."""
        if func in ATTENTION:
            raise ValueError("it attends between places, and cannot be dilated")
        return func(*args, **(kwargs or {}))


class MarginConv2d(nn.Conv2d):
    """Convolution of stride 1 or more that pads its sides by different widths.

    Args:
        conv: Its weights are taken.
        margin: Zeros left, right, above and below.
        step: Its stride.
        dilation: Of its kernel.
    """

    def __init__(self, conv: nn.Conv2d, margin: Margin, step: int, dilation: Pair) -> None:
        if type(conv).__name__ not in PLAIN_CONVOLUTIONS:
            raise ValueError(f"its {type(conv).__name__} pads its sides by different widths")
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            cast("Pair", conv.kernel_size),
            stride=step,
            dilation=dilation,
            groups=conv.groups,
            bias=conv.bias is not None,
        )
        self.weight, self.bias = conv.weight, conv.bias
        self.margin = margin

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, out, H / step, W / step)."""
        return super().forward(pad(x_BCHW, self.margin))


class DilatedPool(nn.Module):
    """Maximum or mean of a window whose places lie `dilation` apart.

    Places of a window outside the map do not count, but for a mean that counts its padding.
    """

    def __init__(self, pool: Any, margin: Margin, step: int, dilation: Pair) -> None:
        super().__init__()
        self.kernel, self.dilation = _pair(pool.kernel_size), dilation
        self.margin, self.step = margin, step
        self.is_max = isinstance(pool, _MaxPoolNd)
        padded = _pair(pool.padding) != (0, 0)
        self.counts_margin = padded and getattr(pool, "count_include_pad", False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, H / step, W / step)."""
        if self.is_max:
            padded_BCHW = pad(x_BCHW, self.margin, value=float("-inf"))
            return max_pool2d(padded_BCHW, self.kernel, self.step, 0, self.dilation)
        inside_11HW = torch.ones_like(x_BCHW[:1, :1])
        counted_11HW = pad(inside_11HW, self.margin, value=float(self.counts_margin))
        return self._sum(pad(x_BCHW, self.margin)) / self._sum(counted_11HW)

    def _sum(self, x_BCHW: Tensor) -> Tensor:
        channels = x_BCHW.shape[1]
        ones = torch.ones(channels, 1, *self.kernel, dtype=x_BCHW.dtype, device=x_BCHW.device)
        return conv2d(x_BCHW, ones, None, self.step, 0, self.dilation, channels)


def _find_layers(encoder: nn.Module, in_channels: int) -> list[tuple[str, Any, int]]:
    """Name, layer and stride of its input, of each convolution and pool with a window."""
    strides: dict[nn.Module, int] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        strides[layer] = SIDE_PX // inputs[0].shape[-1]

    layers = {name: m for name, m in encoder.named_modules() if _has_window(m)}
    hooks = [layer.register_forward_pre_hook(note) for layer in layers.values()]
    try:
        with RefuseAttention():
            _run(encoder, in_channels)
    except AssertionError as error:  # as in transformers of windows
        raise ValueError(f"it has a fixed image size ({error})") from error
    finally:
        for hook in hooks:
            hook.remove()
    return [(name, m, strides[m]) for name, m in layers.items() if m in strides]


def _has_window(module: Any) -> bool:
    """Whether an output of the layer depends on more than one place, or skips places."""
    if not isinstance(module, nn.Conv2d | _MaxPoolNd | _AvgPoolNd):
        return False
    return _pair(module.kernel_size) != (1, 1) or _pair(module.stride) != (1, 1)


def _run(encoder: nn.Module, in_channels: int) -> list[Tensor]:
    """The features of a black image of `SIDE_PX`, without a trace in the encoder."""
    training, device = encoder.training, next(encoder.parameters()).device
    encoder.eval()
    try:
        with torch.no_grad():
            image = torch.zeros(1, in_channels, SIDE_PX, SIDE_PX, device=device)
            return list(encoder(image))
    finally:
        encoder.train(training)


def _dilate_layer(layer: Any, rate: int, step: int) -> nn.Module:
    """The layer at stride `step`, its window spread by `rate`."""
    kernel, before = _pair(layer.kernel_size), _scale(_padding_before(layer), rate)
    dilation = _scale(_pair(getattr(layer, "dilation", 1)), rate)
    # after the map, as much as then keeps its size
    after_Y, after_X = (
        d * (k - 1) - b for d, k, b in zip(dilation, kernel, before, strict=True)
    )
    margin = (before[1], after_X, before[0], after_Y)
    if not isinstance(layer, nn.Conv2d):
        return DilatedPool(layer, margin, step, dilation)
    if before != (after_Y, after_X):
        return MarginConv2d(layer, margin, step, dilation)
    layer.stride, layer.dilation = (step, step), dilation
    if not _pads_by_size(layer):
        layer.padding = before
    if hasattr(layer, "static_padding"):
        layer.static_padding = nn.Identity()
    return layer


def _padding_before(layer: Any) -> Pair:
    """Places that the layer adds above and left of its map, as TensorFlow does or as torch."""
    if _pads_by_size(layer):
        (height, width), (step_Y, step_X) = _pair(layer.kernel_size), _pair(layer.stride)
        return max(height - step_Y, 0) // 2, max(width - step_X, 0) // 2
    if hasattr(layer, "static_padding"):
        left, _, above, _ = getattr(layer.static_padding, "padding", (0, 0, 0, 0))
        return above, left
    return _pair(layer.padding)


def _pads_by_size(layer: Any) -> bool:
    """Whether it is a layer of timm that pads as TensorFlow's "same", by the map's size."""
    return type(layer).__name__.endswith("Same") and getattr(layer, "same_pad", True)


def _scale(pair: Pair, factor: int) -> Pair:
    return pair[0] * factor, pair[1] * factor


def _pair(value: Any) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
