"""InputSpec: how the pixels of an image become the input of a network, for all stages."""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, DataError
from .image import Image, ValidMap
from .intensity import KINDS, SIGNED_OFFSET, Kind, Scaling, measure_foreground

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
    """Channels, scale and intensity of the network's input.

    `kind` is that of the images, see `core.intensity`. For photographs, x = (value / max_value
    - mean) / std per channel, in the channel order of the file (RGB for colour images). Other
    kinds keep the unit of their values: x = (value - mean) / std, where `window` clips the
    values first, of all channels or of each, and values of "mr" are first those of the z-score
    of their image. `max_value` is 255 for images of 8 bits and 65535 for wider ones.

    `scale_ratio` is the factor by which images are resized before
    the network (above 1 where objects are small); predictions always come back at source
    resolution. A `size_rule`, in its place, is that of a published model. A network of 3
    channels takes grey photographs, whose values are repeated. With `convert_channels`,
    photographs of 1 or 3 channels become images of `channels`: RGB becomes its luma, too.
    `signed_offset` is added to values that may be below 0; models of version 0.1 have one, of
    which images were read as uint16. `bands` names the channels, where the images name theirs:
    files of one band, or a file that describes its bands. `slices` is the number of slices of a
    volume that are channels: the slice that is predicted, in the middle, and its neighbours;
    `channels` are those of all slices.
    """

    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    kind: Kind = "photograph"
    window: tuple[tuple[float, float], ...] = ()
    max_value: int = 255
    signed_offset: int = 0
    scale_ratio: float = 1.0
    convert_channels: bool = False
    size_rule: SizeRule | None = None
    bands: tuple[str, ...] = ()
    slices: int = 1

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
        self._require_kind()
        self._require_slices()
        self._require_bands()
        if self.convert_channels and self.channels not in CONVERTIBLE:
            raise ConfigError(
                f"images are converted to 1 or 3 channels, got {self.channels}; set "
                f"convert_channels to false"
            )
        if not 0 < self.scale_ratio <= 4:
            raise ConfigError(f"scale_ratio must be in (0, 4], got {self.scale_ratio}")

    def _require_slices(self) -> None:
        if self.slices < 1 or self.slices % 2 == 0:
            raise ConfigError(
                f"slices must be odd, a slice and as many on both sides, got {self.slices}"
            )
        if self.channels % self.slices:
            raise ConfigError(
                f"{self.slices} slices have as many channels each, got "
                f"{_count_channels(self.channels)} of all"
            )
        if self.slices > 1 and self.convert_channels:
            raise ConfigError(
                f"convert_channels is for single images, got slices {self.slices}; set it to "
                f"false"
            )

    def _require_bands(self) -> None:
        channels = self.channels // self.slices
        if self.bands and len(self.bands) != channels:
            raise ConfigError(
                f"input of {_count_channels(channels)} has as many bands, got "
                f"{len(self.bands)}: {', '.join(self.bands)}"
            )

    def _require_kind(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.window and self.kind not in ("ct", "reflectance"):
            raise ConfigError(
                f"window clips the values of kind ct or reflectance, got kind {self.kind!r}; "
                f"leave window empty"
            )
        if len(self.window) not in (0, 1, self.channels):
            raise ConfigError(
                f"input of {_count_channels(self.channels)} needs as many windows, or "
                f"one, got {len(self.window)}"
            )
        if not all(low < high for low, high in self.window):
            raise ConfigError(
                f"window must be [lowest, highest] per channel, got {self.window}"
            )
        if self.convert_channels and self.kind != "photograph":
            raise ConfigError(
                f"convert_channels is for photographs, got kind {self.kind!r}; set it to false"
            )

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Undo `to_json`; documents without a kind are of version 0.1."""
        known = dict(document)
        if "kind" not in known and known.get("max_value") == 65535:
            known["signed_offset"] = SIGNED_OFFSET
        known["mean"], known["std"] = tuple(known["mean"]), tuple(known["std"])
        known["bands"] = tuple(known.get("bands", ()))
        known["window"] = tuple(tuple(pair) for pair in known.get("window", ()))
        if known.get("size_rule") is not None:
            rule = dict(known["size_rule"])
            rule["fixed_HW"] = rule["fixed_HW"] and tuple(rule["fixed_HW"])
            known["size_rule"] = SizeRule(**rule)
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """An object; `size_rule` and `slices` only where there is one, or are several."""
        document = asdict(self)
        if self.slices == 1:
            del document["slices"]
        if self.size_rule is None:
            del document["size_rule"]
        return document

    def prepare(
        self, image_HWC: Image, valid_HW: ValidMap | None = None, *, where: str
    ) -> Image:
        """The image with the channels of the network: grey photographs become RGB.

        Pixels without data get the neutral value: they are outside of the image for a network.

        Raises:
            DataError: Wrong number of channels or type of values.
        """
        is_rgb = self.channels == 3 and self.kind == "photograph" and self.slices == 1
        if self.convert_channels or is_rgb:
            image_HWC = convert_channels(image_HWC, self.channels)
        if self.signed_offset and image_HWC.dtype == np.float32:
            image_HWC = _add_offset(image_HWC, self.signed_offset)
        self.require_image(image_HWC, where=where)
        invalid_HW = _find_invalid(image_HWC, valid_HW)
        if invalid_HW is None:
            return image_HWC
        return _fill(image_HWC, invalid_HW, self.measure_scaling(image_HWC, valid_HW).neutral_C)

    def require_image(self, image_HWC: Image, *, where: str) -> None:
        """Require an image with the channels and the type of values that the network takes.

        Raises:
            DataError: Wrong number of channels or type of values.
        """
        if image_HWC.shape[2] * self.slices == self.channels != image_HWC.shape[2]:
            raise DataError(
                f"{where}: is one slice, the model takes {self.slices} neighbouring slices as "
                f"channels; give the volume that it is a slice of"
            )
        if image_HWC.shape[2] != self.channels:
            raise DataError(
                f"{where}: image has {_count_channels(image_HWC.shape[2])}, the model takes "
                f"{self.channels}; convert the image or train on such images"
            )
        if image_HWC.dtype not in self._types:
            raise DataError(
                f"{where}: image holds {image_HWC.dtype}, the model takes "
                f"{' or '.join(self._types)}; convert the image or train on such images"
            )

    def require_modality(self, modality: str | None, *, where: str) -> None:
        """Require a medical image of the kind, by DICOM's code where its header states one.

        Raises:
            DataError: A CT for kind "mr", or another modality for kind "ct".
        """
        if modality and self.kind in ("ct", "mr") and (modality == "CT") != (self.kind == "ct"):
            raise DataError(
                f"{where}: DICOM says Modality {modality}, the model takes images of kind "
                f"{self.kind!r}; leave it out or train on such images"
            )

    @property
    def _types(self) -> tuple[str, ...]:
        """Types of values: calibrated values are the same number in each type that holds it."""
        if self.max_value == 255:
            return ("uint8",)
        return ("uint16",) if self.kind == "photograph" else ("uint16", "float32")

    @property
    def _window_C2(self) -> NDArray[np.float32] | None:
        if not self.window:
            return None
        return np.broadcast_to(np.asarray(self.window, np.float32), (self.channels, 2))

    def select_slice(self, image_HWC: Image) -> Image:
        """The slice that is predicted, H x W x C, of an image of all slices; a view."""
        if self.slices == 1 or image_HWC.shape[2] != self.channels:
            return image_HWC
        per_slice = self.channels // self.slices
        first = self.slices // 2 * per_slice
        return image_HWC[..., first : first + per_slice]

    @property
    def unit(self) -> int:
        """The stored value of which `mean` and `std` are shares."""
        return self.max_value if self.kind == "photograph" else 1

    def coefficients(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """mean_C and std_C, in the precision of the network input."""
        return np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)

    def measure_scaling(self, image_HWC: Image, valid_HW: ValidMap | None = None) -> Scaling:
        """How the values of an image become network input, also those of its crops.

        The image is as `prepare` gives it, whole and of its own size: kind "mr" measures it.
        """
        mean_C, std_C = self.coefficients()
        if self.kind == "mr":
            own_mean_C, own_std_C = self._measure_slices(image_HWC, valid_HW)
            # the z-score of the image, then that of the set, as one
            mean_C = (own_mean_C + own_std_C * mean_C).astype(np.float32)
            std_C = (own_std_C * std_C).astype(np.float32)
            neutral_C = tuple(mean_C.tolist())
        else:
            neutral_C = tuple(mean * self.unit for mean in self.mean)
        return Scaling(
            scale_C=np.float32(1) / (np.float32(self.unit) * std_C),
            shift_C=mean_C / std_C,
            neutral_C=neutral_C,
            window_C2=self._window_C2,
        )

    def _measure_slices(
        self, image_HWC: Image, valid_HW: ValidMap | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and std per channel, (C,), of the foreground of all slices together.

        So that a slice brighter than its neighbours stays brighter.
        """
        height, width, channels = image_HWC.shape
        # (H, W, S x C) -> (H, W x S, C)
        joined_HWC = image_HWC.reshape(height, width * self.slices, channels // self.slices)
        if valid_HW is not None:
            valid_HW = np.repeat(valid_HW, self.slices, axis=1)
        mean_C, std_C = measure_foreground(joined_HWC, valid_HW)
        return np.tile(mean_C, self.slices), np.tile(std_C, self.slices)

    def network_size(self, size_HW: tuple[int, int]) -> tuple[int, int]:
        """(H, W) at which the network sees an image of `size_HW`."""
        if self.size_rule is not None:
            return self.size_rule.resize(size_HW)
        height, width = (max(1, round(n * self.scale_ratio)) for n in size_HW)
        return height, width


def _add_offset(image_HWC: Image, offset: int) -> Image:
    """Whole numbers of 16 bits with a sign as uint16; another image is returned as it is."""
    shifted_HWC = np.asarray(image_HWC, np.float32) + np.float32(offset)
    fits = np.array_equal(shifted_HWC, np.rint(shifted_HWC))
    if not fits or shifted_HWC.min(initial=0) < 0 or shifted_HWC.max(initial=0) > 65_535:
        return image_HWC
    return shifted_HWC.astype(np.uint16)


def _find_invalid(image_HWC: Image, valid_HW: ValidMap | None) -> NDArray[np.bool_] | None:
    """Where the image holds no data, H x W; None where it holds data everywhere."""
    if valid_HW is not None:
        return ~valid_HW
    if image_HWC.dtype != np.float32 or np.isfinite(image_HWC).all():
        return None
    return np.asarray(~np.isfinite(image_HWC).all(axis=2))


def _fill(image_HWC: Image, invalid_HW: NDArray[np.bool_], fill_C: tuple[float, ...]) -> Image:
    filled_HWC, values_C = image_HWC.copy(), np.asarray(fill_C)
    whole = image_HWC.dtype != np.float32
    filled_HWC[invalid_HW] = (np.rint(values_C) if whole else values_C).astype(image_HWC.dtype)
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
