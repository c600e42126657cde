"""Find the layouts of a foreign graph: by its shapes, by running it, and as input.yaml states.

Where two layouts fit, nothing is guessed: the message names the key of input.yaml that decides.
Of several outputs that fit, one of scores is taken before one of labels, then the one of the
smallest stride, then the first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import BundleError, ConfigError
from .inputfile import InputFile, Kind
from .layout import InputLayout, OutputLayout
from .original import Original, Value

_FREE_HW = (256, 320)
"""Multiples of 64, H unequal to W."""

_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
_USUAL_CHANNELS = (1, 3, 4)
_NUMBERS = ("float32", "float16", "float64", "uint8", "int8", "uint16", "int16", "int32")
Values = NDArray[np.generic]


def find_layouts(
    original: Original, settings: InputFile, num_classes: int, where: Path
) -> tuple[InputLayout, OutputLayout, str]:
    """The layouts of input and output, and why the output was taken; raises as the finders."""
    taken = find_input(original, settings, where)
    given, reason = find_output(original, taken, settings, num_classes, where)
    return find_limits(original, taken, given), given, reason


def find_input(original: Original, settings: InputFile, where: Path) -> InputLayout:
    """The layout of the only input.

    Raises:
        BundleError: Several inputs, or one that is not a batch of images.
        ConfigError: What `where` has to state is missing.
    """
    value = _require_images(original)
    channels, is_nhwc = _find_axes(original, value, settings, where)
    layout = InputLayout(
        name=value.name,
        channels=channels,
        dtype=value.dtype,
        is_nhwc=is_nhwc,
        is_reversed=settings.order == "bgr",
        num_images=value.shape[0],
        size_HW=_find_size(original, value, is_nhwc=is_nhwc),
    )
    _require_scale(layout, settings, where)
    if settings.order == "bgr" and channels != 3:
        raise ConfigError(f"{where}: order bgr with {channels} channels; it needs 3")
    return layout


def find_output(
    original: Original, taken: InputLayout, settings: InputFile, num_classes: int, where: Path
) -> tuple[OutputLayout, str]:
    """The layout of the output that becomes the logits, and why it was taken.

    Raises:
        BundleError: No output fits the classes; the message has the reason for each.
        ConfigError: `settings` names no output, or lacks what cannot be found.
    """
    names = [value.name for value in original.outputs]
    if settings.output is not None and settings.output not in names:
        raise ConfigError(
            f"{where}: no output {settings.output!r}; the graph gives {', '.join(names)}"
        )
    x_1CHW = make_noise(taken, taken.size_HW or _FREE_HW)
    arrays = original.run(taken.arrange(x_1CHW))
    fitting, reasons = [], []
    for name in names if settings.output is None else [settings.output]:
        found = _read_output(name, arrays[name], x_1CHW.shape[2:], settings, num_classes)
        if isinstance(found, OutputLayout):
            fitting.append(found)
        else:
            reasons.append(f"{name} ({_show(arrays[name])}) {found}")
    if not fitting:
        raise BundleError(
            f"{original.file}: no output gives logits, probabilities or labels of "
            f"{num_classes} classes: {'; '.join(reasons)}"
        )
    best = min(fitting, key=lambda one: (one.kind == "labels", one.stride))
    if settings.output is not None:
        return best, "named in input.yaml"
    if len(fitting) == 1:
        return best, "the only one that fits the classes"
    others = ", ".join(one.name for one in fitting if one is not best)
    return best, f"scores before labels, the smallest stride, the first; {others} fits too"


def find_limits(original: Original, taken: InputLayout, given: OutputLayout) -> InputLayout:
    """The layout with the multiple of sizes and the batch that the graph really takes.

    Raises:
        BundleError: It takes no size but the one it was tried with.
    """
    if taken.num_images is None and not _takes_batches(original, taken, given):
        taken = replace(taken, num_images=1)
    if taken.size_HW is not None:
        return taken
    for multiple in _MULTIPLES:
        if multiple % given.stride == 0 and _takes_multiples(original, taken, given, multiple):
            return replace(taken, multiple=multiple)
    raise BundleError(
        f"{original.file}: states free sizes, but gives logits at stride {given.stride} for "
        f"sizes of multiples of {_MULTIPLES[-1]} px alone, or none; export it with a fixed size"
    )


def make_noise(
    taken: InputLayout, size_HW: tuple[int, int], seed: int = 0
) -> NDArray[np.float32]:
    """Noise as network input, (1, C, H, W): stored values for a graph that takes integers."""
    rng = np.random.default_rng(seed)
    shape = 1, taken.channels, *size_HW
    if taken.is_integer:
        most = min(int(np.iinfo(taken.dtype).max), 255)
        return rng.integers(0, most, shape, endpoint=True).astype(np.float32)
    return rng.standard_normal(shape).astype(np.float32)


def _require_images(original: Original) -> Value:
    if len(original.inputs) != 1:
        listed = ", ".join(
            f"{value.name} ({value.format_shape()})" for value in original.inputs
        )
        raise BundleError(
            f"{original.file}: {len(original.inputs)} inputs, {listed}; expected one, the image"
        )
    (value,) = original.inputs
    if len(value.shape) != 4 or value.dtype not in _NUMBERS:
        raise BundleError(
            f"{original.file}: input {value.name} is {value.dtype} of {value.format_shape()}; "
            f"expected numbers with the four axes batch, channels, height, width (or channels "
            f"last)"
        )
    if value.shape[0] not in {None, 1}:
        raise BundleError(
            f"{original.file}: takes batches of {value.shape[0]} images alone; export it with "
            f"a batch of 1 or of free size"
        )
    return value


def _find_axes(
    original: Original, value: Value, settings: InputFile, where: Path
) -> tuple[int, bool]:
    """The number of channels, and whether they are the last axis."""
    wanted = _USUAL_CHANNELS if settings.mean is None else (len(settings.mean),)
    first, last = value.shape[1], value.shape[3]
    fits = [is_nhwc for is_nhwc, n in ((False, first), (True, last)) if n in wanted]
    if settings.layout is not None:
        is_nhwc = settings.layout == "NHWC"
        channels = (last if is_nhwc else first) or (wanted[0] if settings.mean else None)
        if channels is not None and (settings.mean is None or channels == len(settings.mean)):
            return channels, is_nhwc
    elif len(fits) == 1:
        return (last if fits[0] else first) or 0, fits[0]
    if settings.mean is None:
        raise ConfigError(
            f"{where}: mean and std are missing, or layout: the input {value.name} of "
            f"{original.file.name} is {value.format_shape()}, of which the channels cannot be "
            f"told"
        )
    raise ConfigError(
        f"{where}: mean has {len(settings.mean)} channels, the input {value.name} of "
        f"{original.file.name} is {value.format_shape()}"
        + ("; write layout: NCHW or NHWC" if len(fits) != 0 or None in {first, last} else "")
    )


def _find_size(original: Original, value: Value, *, is_nhwc: bool) -> tuple[int, int] | None:
    height, width = value.shape[1:3] if is_nhwc else value.shape[2:4]
    if (height is None) != (width is None):
        raise BundleError(
            f"{original.file}: input {value.name} is {value.format_shape()}, with one of "
            f"height and width fixed; export it with both fixed or both free"
        )
    return None if height is None or width is None else (height, width)


def _require_scale(layout: InputLayout, settings: InputFile, where: Path) -> None:
    if layout.is_integer and settings.mean is not None:
        raise ConfigError(
            f"{where}: mean and std for a graph that takes {layout.dtype}, the stored values; "
            f"leave them out"
        )
    if not layout.is_integer and settings.mean is None:
        raise ConfigError(
            f"{where}: mean and std are missing, for {layout.channels} channels: no ONNX file "
            f"states them; those of ImageNet are mean: [0.485, 0.456, 0.406] and std: [0.229, "
            f"0.224, 0.225]"
        )


def _read_output(
    name: str, values: Values, size_HW: tuple[int, ...], settings: InputFile, num_classes: int
) -> OutputLayout | str:
    """The layout of one output; else why it does not fit."""
    axes = list(_list_axes(values, settings, num_classes))
    if not axes:
        return f"has no axis of {num_classes} classes, and is no label map"
    if len(axes) > 1:
        return "fits as NCHW and NHWC: write output_layout in input.yaml"
    channels, is_nhwc = axes[0]
    kind = settings.output_values or _find_kind(values, channels, num_classes, is_nhwc=is_nhwc)
    if kind is None:
        return (
            "lies in 0..1 and its sums are not 1: write output_values: probabilities or "
            "logits in input.yaml"
        )
    h, w = values.shape[1:3] if is_nhwc or values.ndim == 3 else values.shape[2:4]
    stride = size_HW[0] // max(1, h)
    if stride < 1 or (h * stride, w * stride) != size_HW:
        return f"is {h} x {w} for an input of {size_HW[0]} x {size_HW[1]}, no whole stride"
    if kind == "labels" and (strange := _list_strange(values, num_classes)):
        return f"has labels {strange}, which are none of 0..{num_classes - 1}"
    return OutputLayout(
        name=name,
        kind=kind,
        rank=values.ndim,
        channels=channels,
        is_nhwc=is_nhwc,
        stride=stride,
        num_classes=num_classes,
    )


def _list_axes(
    values: Values, settings: InputFile, num_classes: int
) -> Iterator[tuple[int, bool]]:
    """Numbers of channels, and whether they are the last axis, that fit the classes."""
    fitting = {num_classes} if _is_scores(values) else {1}
    if num_classes == 2 or _is_whole(values):
        fitting |= {1}
    if values.ndim == 3 and values.shape[0] == 1 and 1 in fitting:
        yield 1, False
    if values.ndim != 4:
        return
    for is_nhwc, axis in ((False, 1), (True, 3)):
        allowed = settings.output_layout in {None, "NHWC" if is_nhwc else "NCHW"}
        if allowed and values.shape[axis] in fitting:
            yield values.shape[axis], is_nhwc


def _find_kind(
    values: Values, channels: int, num_classes: int, *, is_nhwc: bool
) -> Kind | None:
    """What values mean; None where nobody can tell."""
    if not _is_scores(values) or (channels < num_classes and _is_whole(values)):
        return "labels"
    y = values.astype(np.float64)
    if y.min() < 0 or y.max() > 1:
        return "logits"
    if channels == 1:
        return "probabilities"
    sums = y.sum(axis=3 if is_nhwc else 1)
    return "probabilities" if np.abs(sums - 1).max() < 1e-2 else None


def _is_scores(values: Values) -> bool:
    return bool(np.issubdtype(values.dtype, np.floating))


def _is_whole(values: Values) -> bool:
    y = values.astype(np.float64)
    return bool(np.isfinite(y).all() and (y == np.rint(y)).all())


def _list_strange(values: Values, num_classes: int) -> list[float]:
    found = np.unique(values.astype(np.float64))
    return [float(v) for v in found if v not in range(num_classes)][:5]


def _takes_batches(original: Original, taken: InputLayout, given: OutputLayout) -> bool:
    size_HW = taken.size_HW or _FREE_HW
    x = [taken.arrange(make_noise(taken, size_HW, seed)) for seed in (1, 2)]
    single = [original.run(one)[given.name] for one in x]
    both = _try(original, np.concatenate(x))
    expected = np.concatenate(single)
    return both is not None and _is_close(both[given.name], expected)


def _takes_multiples(
    original: Original, taken: InputLayout, given: OutputLayout, multiple: int
) -> bool:
    """Whether inputs of odd multiples give logits at the stride."""
    for size_HW in ((128 + multiple, 192 + multiple), (192 + multiple, 128 + multiple)):
        arrays = _try(original, taken.arrange(make_noise(taken, size_HW)))
        if arrays is None:
            return False
        shape = arrays[given.name].shape
        found = shape[1:3] if given.is_nhwc or given.rank == 3 else shape[2:4]
        if tuple(n * given.stride for n in found) != size_HW:
            return False
    return True


def _try(original: Original, x: Values) -> Mapping[str, Values] | None:
    try:
        return original.run(x)
    except BundleError:
        return None


def _is_close(found: Values, expected: Values) -> bool:
    if found.shape != expected.shape:
        return False
    y, z = found.astype(np.float64), expected.astype(np.float64)
    return bool(np.abs(y - z).max() <= 1e-3 * max(1.0, float(np.abs(z).max())))


def _show(values: Values) -> str:
    return f"{values.dtype} {'x'.join(map(str, values.shape))}"
