"""InputSpec: how the pixels of an image become the input of a network, for all stages."""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, DataError
from .image import Image, ValidMap

CONVERTIBLE = (1, 3)
"""Channels of the images that can be converted into each other."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue; ITU-R BT.601."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRule:
    """The size at which a network sees every image, whatever size the image has.

    `fixed_HW` is that size; with `keep_aspect`, both sides are scaled by the one of its two
    ratios that is nearer to 1. Otherwise the shorter side becomes `shortest_px`, less where the
    longer side would exceed `longest_px`. Sides are rounded to multiples of `multiple`.

    Raises ConfigError unless exactly one of `fixed_HW` and `shortest_px` is given, in pixels.
    """

    fixed_HW: tuple[int, int] | None = None
    keep_aspect: bool = False
    shortest_px: int | None = None
    longest_px: int | None = None
    multiple: int = 1

    def __post_init__(self) -> None:
        given = [*(self.fixed_HW or ()), self.shortest_px, self.longest_px, self.multiple]
        if (self.fixed_HW is None) == (self.shortest_px is None) or min(
            n for n in given if n is not None
        ) < 1:
            raise ConfigError(
                f"a size rule has either fixed_HW or shortest_px, of 1 px or more, got {self}"
            )

    def resize(self, size_HW: tuple[int, int]) -> tuple[int, int]:
        """(H, W) of the network's input for an image of `size_HW`."""
        if self.fixed_HW is not None and not self.keep_aspect:
            return self._round(self.fixed_HW)
        if self.fixed_HW is not None:
            ratios = [new / old for new, old in zip(self.fixed_HW, size_HW, strict=True)]
            ratio = min(ratios, key=lambda r: abs(1 - r))
        else:
            ratio = (self.shortest_px or 1) / min(size_HW)
            if self.longest_px is not None:
                ratio = min(ratio, self.longest_px / max(size_HW))
        height, width = size_HW
        return self._round((height * ratio, width * ratio))

    def _round(self, size_HW: tuple[float, float]) -> tuple[int, int]:
        step = self.multiple
        height, width = (max(1, round(n / step)) * step for n in size_HW)
        return height, width


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """Channels, scale and normalisation of the network's input.

    x = (value / max_value - mean) / std per channel, in the channel order of the file
    (RGB for colour images). `scale_ratio` is the factor by which images are resized before
    the network (above 1 where objects are small); predictions always come back at source
    resolution. A `size_rule`, in its place, is that of a published model. A network of 3
    channels takes grey images, whose values are repeated. With `convert_channels`, images of 1
    or 3 channels become images of `channels`: RGB becomes its luma, too.
    """

    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    max_value: int = 255
    scale_ratio: float = 1.0
    convert_channels: bool = False
    size_rule: SizeRule | None = None

    def __post_init__(self) -> None:
        if self.size_rule is not None and self.scale_ratio != 1:
            raise ConfigError(
                f"a size rule excludes scale_ratio, got {self.scale_ratio}; set it to 1"
            )
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ConfigError(
                f"input of {_count_channels(self.channels)} needs as many means and stds, "
                f"got {len(self.mean)} and {len(self.std)}"
            )
        if min(self.std) <= 0:
            raise ConfigError(f"input std must be positive, got {self.std}")
        if self.max_value not in (255, 65535):
            raise ConfigError(f"max_value must be 255 or 65535, got {self.max_value}")
        if self.convert_channels and self.channels not in CONVERTIBLE:
            raise ConfigError(
                f"images are converted to 1 or 3 channels, got {self.channels}; set "
                f"convert_channels to false"
            )
        if not 0 < self.scale_ratio <= 4:
            raise ConfigError(f"scale_ratio must be in (0, 4], got {self.scale_ratio}")

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Undo `to_json`."""
        known = dict(document)
        known["mean"], known["std"] = tuple(known["mean"]), tuple(known["std"])
        if known.get("size_rule") is not None:
            rule = dict(known["size_rule"])
            rule["fixed_HW"] = rule["fixed_HW"] and tuple(rule["fixed_HW"])
            known["size_rule"] = SizeRule(**rule)
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """An object; `size_rule` only where there is one."""
        document = asdict(self)
        if self.size_rule is None:
            del document["size_rule"]
        return document

    def prepare(
        self, image_HWC: Image, valid_HW: ValidMap | None = None, *, where: str
    ) -> Image:
        """The image with the channels of the network: grey becomes RGB.

        Pixels without data get the neutral value: they are outside of the image for a network.

        Raises:
            DataError: Wrong number of channels or bits.
        """
        if self.convert_channels or self.channels == 3:
            image_HWC = convert_channels(image_HWC, self.channels)
        self.require_image(image_HWC, where=where)
        return fill_invalid(image_HWC, valid_HW, self.neutral_value)

    def require_image(self, image_HWC: Image, *, where: str) -> None:
        """Require an image with the channels and bits that the network takes.

        Raises:
            DataError: Wrong number of channels or bits.
        """
        if image_HWC.shape[2] != self.channels:
            raise DataError(
                f"{where}: image has {_count_channels(image_HWC.shape[2])}, the model takes "
                f"{self.channels}; convert the image or train on such images"
            )
        expected = np.uint8 if self.max_value == 255 else np.uint16
        if image_HWC.dtype != expected:
            raise DataError(
                f"{where}: image holds {image_HWC.dtype}, the model takes "
                f"{np.dtype(expected)}; convert the image or train on such images"
            )

    @property
    def neutral_value(self) -> tuple[float, ...]:
        """The stored value per channel, 0..max_value, that normalises to 0."""
        return tuple(mean * self.max_value for mean in self.mean)

    def coefficients(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """mean_C and std_C of values in 0..1, in the precision of the network input."""
        return np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)

    def network_size(self, size_HW: tuple[int, int]) -> tuple[int, int]:
        """(H, W) at which the network sees an image of `size_HW`."""
        if self.size_rule is not None:
            return self.size_rule.resize(size_HW)
        height, width = (max(1, round(n * self.scale_ratio)) for n in size_HW)
        return height, width

    def normalize(self, image_HWC: Image) -> NDArray[np.float32]:
        """Normalise an image; the network input, C x H x W float32, contiguous.

        Works channel by channel, so that no second image of float32 is held.
        """
        mean_C, std_C = self.coefficients()
        scale_C, shift_C = 1 / (self.max_value * std_C), mean_C / std_C
        x_CHW = np.empty((self.channels, *image_HWC.shape[:2]), np.float32)
        for channel in range(self.channels):
            x_CHW[channel] = image_HWC[..., channel]
            x_CHW[channel] *= scale_C[channel]
            x_CHW[channel] -= shift_C[channel]
        return x_CHW


def fill_invalid(
    image_HWC: Image, valid_HW: ValidMap | None, fill_C: tuple[float, ...]
) -> Image:
    """The image with the value `fill_C` where it holds no data; itself where all is valid."""
    if valid_HW is None:
        if image_HWC.dtype != np.float32 or np.isfinite(image_HWC).all():
            return image_HWC
        valid_HW = np.asarray(np.isfinite(image_HWC).all(axis=2))
    filled_HWC = image_HWC.copy()
    values_C = np.asarray(fill_C)
    whole = image_HWC.dtype != np.float32
    filled_HWC[~valid_HW] = (np.rint(values_C) if whole else values_C).astype(image_HWC.dtype)
    return filled_HWC


def convert_channels(image_HWC: Image, channels: int) -> Image:
    """Convert grey and RGB to 1 or 3 channels; leave an image of other channels."""
    given = image_HWC.shape[2]
    if given == channels or given not in CONVERTIBLE or channels not in CONVERTIBLE:
        return image_HWC
    if given == 1:
        converted_HWC: Any = np.repeat(image_HWC, 3, axis=2)
    else:
        luma_HW = np.rint(image_HWC.astype(np.float32) @ _LUMA)
        converted_HWC = luma_HW[..., None].astype(image_HWC.dtype)
    result_HWC: Image = converted_HWC
    return result_HWC


def _count_channels(number: int) -> str:
    return "1 channel" if number == 1 else f"{number} channels"
