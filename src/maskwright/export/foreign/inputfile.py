"""input.yaml: what no ONNX file states, and what is given rather than found."""

from pathlib import Path
from typing import Literal

from ...core.errors import ConfigError
from ...core.inputspec import InputSpec, SizeRule
from ...core.strictmodel import StrictModel
from ...core.yamlfile import read_yaml, validate_yaml

Axes = Literal["NCHW", "NHWC"]
Kind = Literal["logits", "probabilities", "labels"]


class InputFile(StrictModel):
    """The document. `mean` and `std` are in the order of the channels of the graph.

    They are shares of the largest value, 0..1, unless `range` is 255. `size` is the (H, W) to
    which every image is resized, or `tiles`: images are cut into tiles of the size of a graph
    of fixed size. `scale` is the factor by which images are resized otherwise. None of the
    others means that it is found in the graph.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    range: Literal[1, 255] = 1
    order: Literal["rgb", "bgr"] = "rgb"
    max_value: Literal[255, 65535] = 255
    layout: Axes | None = None
    size: tuple[int, int] | Literal["tiles"] | None = None
    scale: float = 1.0
    output: str | None = None
    output_layout: Axes | None = None
    output_values: Kind | None = None


def read_input_file(path: Path) -> InputFile:
    """Read input.yaml.

    Raises:
        ConfigError: An unknown key or a wrong value, BGR of other than three channels, or a
            scale beside a size.
        DataError: The file cannot be read.
    """
    found = validate_yaml(read_yaml(path), InputFile, path=path)
    if (found.mean is None) != (found.std is None):
        raise ConfigError(f"{path}: has one of mean and std; write both")
    if found.order == "bgr" and found.mean is not None and len(found.mean) != 3:
        raise ConfigError(f"{path}: order bgr with {len(found.mean)} channels; it needs 3")
    if not 0 < found.scale <= 4:
        raise ConfigError(
            f"{path}: scale {found.scale:g}; expected a factor above 0, at most 4"
        )
    if found.scale != 1 and isinstance(found.size, tuple):
        raise ConfigError(
            f"{path}: scale {found.scale:g} and size {list(found.size)}; write one of them"
        )
    return found


def make_input_spec(
    settings: InputFile, channels: int, size_HW: tuple[int, int] | None, *, is_integer: bool
) -> InputSpec:
    """The input of the card: channels in the order of the file of an image.

    Args:
        settings: With mean and std, unless the graph takes integers.
        channels: Of the graph.
        size_HW: To which every image is resized; None for its own size.
        is_integer: Whether the graph takes stored values, which are left as they are.
    """
    if is_integer or settings.mean is None or settings.std is None:
        mean, std = (0.0,) * channels, (1 / settings.max_value,) * channels
    else:
        step = -1 if settings.order == "bgr" else 1
        mean = tuple(value / settings.range for value in settings.mean[::step])
        std = tuple(value / settings.range for value in settings.std[::step])
    rule = None if size_HW is None else SizeRule(fixed_HW=size_HW)
    return InputSpec(
        channels=channels,
        mean=mean,
        std=std,
        max_value=settings.max_value,
        size_rule=rule,
        scale_ratio=settings.scale,
    )
