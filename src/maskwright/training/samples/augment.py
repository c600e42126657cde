"""Joint augmentation of one image and its labels.

Geometry is drawn once and applied to both: to the image bilinearly (antialiased where it
shrinks), to the labels and to the votes of annotators by the nearest pixel, so that classes
are never blended. Where the crop reaches beyond the image, labels are IGNORE and the image has
the input mean. Colour, blur, noise and JPEG change the image alone: in 0..1 with
`augment.unit` "range", else the input of the network, in standard deviations. Built on
torchvision.transforms.v2; all randomness comes from the argument `rng`.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from maskwright.core.image import Image
from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import IGNORE, LabelMap

from ..recipe import AugmentOptions

Tensors = tuple[Tensor, Tensor]
"""Image (C, H, W) and labels (1 + A, H, W): the LabelMap, then the votes of A annotators."""

NOISE_STD = (0.02, 0.13)
"""Least and largest noise in standard deviations: 0.005 to 0.03 of 0..1 in photographs, whose
standard deviation is about 0.23."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Draws random views of a Sample, each of exactly `crop_HW` pixels, for an input."""

    options: AugmentOptions
    crop_HW: tuple[int, int]
    spec: InputSpec

    def __call__(
        self,
        image_HWC: Image,
        labels_HW: LabelMap,
        rng: np.random.Generator,
        focus_yx: tuple[int, int] | None = None,
        votes_AHW: NDArray[np.uint8] | None = None,
    ) -> Tensors:
        """Augmented image (float32) and labels (uint8); `focus_yx` stays in the crop."""
        scaling = self.spec.measure_scaling(image_HWC)
        # (H, W, C) -> (C, H, W)
        image = torch.from_numpy(np.ascontiguousarray(image_HWC.transpose(2, 0, 1)))
        votes = () if votes_AHW is None else votes_AHW
        labels = torch.from_numpy(np.stack([labels_HW, *votes]))
        pair = tv_tensors.Image(image), tv_tensors.Mask(labels)
        image, labels = self._transform(pair, scaling.neutral_C, rng, focus_yx)
        if self.options.unit == "range":
            return self._change_photograph(image.float() / self.spec.max_value, rng), labels
        # (C, H, W) -> (H, W, C), a view
        x = torch.from_numpy(scaling.normalize(image.permute(1, 2, 0).numpy()))
        return self._change_values(x, rng), labels

    def _transform(
        self,
        pair: Tensors,
        fill_C: tuple[float, ...],
        rng: np.random.Generator,
        focus_yx: tuple[int, int] | None,
    ) -> Tensors:
        options = self.options
        scale = self.spec.scale_ratio * math.exp(rng.uniform(*np.log(options.scale)))
        angle = (
            rng.uniform(-options.rotate_deg, options.rotate_deg) if rng.random() < 0.5 else 0.0
        )
        window_HW = self._window_size(scale, angle)
        top, left = _place_window(tuple(pair[0].shape[-2:]), window_HW, rng, focus_yx)
        image = _crop(pair[0], (top, left), window_HW, list(fill_C))
        labels = _crop(pair[1], (top, left), window_HW, IGNORE)
        if options.unit == "std":
            image = image.float()
        size = [max(1, round(n * scale)) for n in window_HW]
        image = F.resize(image, size, InterpolationMode.BILINEAR, antialias=True)
        labels = F.resize_image(labels, size, InterpolationMode.NEAREST_EXACT)
        if angle:
            image = F.rotate(image, angle, InterpolationMode.BILINEAR, fill=list(fill_C))
            labels = F.rotate(labels, angle, InterpolationMode.NEAREST, fill=IGNORE)
        image, labels = (F.center_crop(t, list(self.crop_HW)) for t in (image, labels))
        if rng.random() < options.flip_lr:
            image, labels = F.horizontal_flip(image), F.horizontal_flip(labels)
        if rng.random() < options.flip_vertical:
            image, labels = F.vertical_flip(image), F.vertical_flip(labels)
        return image.as_subclass(Tensor), labels.as_subclass(Tensor)

    def _window_size(self, scale: float, angle: float) -> tuple[int, int]:
        """Source pixels (H, W) that fill the crop after scaling and rotating."""
        height, width = self.crop_HW
        c, s = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
        rotated = c * height + s * width, c * width + s * height
        window = tuple(math.ceil(n / scale) for n in rotated)
        return window[0], window[1]

    def _change_photograph(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        options, channels = self.options, image.shape[0]
        if rng.random() < 0.8:
            image = image * _draw_factor(options.brightness, rng)
            mean = image.mean()
            image = (image - mean) * _draw_factor(options.contrast, rng) + mean
            if channels == 3:
                image = F.adjust_saturation(
                    image.clamp(0, 1), _draw_factor(options.saturation, rng)
                )
        image = image.clamp(0, 1)
        if channels == 3 and options.hue and rng.random() < 0.5:
            image = F.adjust_hue(image, rng.uniform(-options.hue, options.hue))
        if rng.random() < options.blur:
            image = F.gaussian_blur(image, [5, 5], [rng.uniform(0.3, 1.5)])
        if rng.random() < options.noise:
            grain = rng.standard_normal(image.shape, np.float32) * rng.uniform(0.005, 0.03)
            image = (image + torch.from_numpy(grain)).clamp(0, 1)
        if rng.random() < options.jpeg:
            image = _compress_jpeg(image, quality=int(rng.integers(40, 95)))
        return image

    def _change_values(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        """Change network input, whose mean and std over a set are 0 and 1."""
        options = self.options
        if rng.random() < 0.8:
            x = x + rng.uniform(-options.brightness, options.brightness)
            mean_C11 = x.mean(dim=(1, 2), keepdim=True)
            x = (x - mean_C11) * _draw_factor(options.contrast, rng) + mean_C11
        if rng.random() < options.blur:
            x = F.gaussian_blur(x, [5, 5], [rng.uniform(0.3, 1.5)])
        if rng.random() < options.noise:
            grain = rng.standard_normal(x.shape, np.float32) * rng.uniform(*NOISE_STD)
            x = x + torch.from_numpy(grain)
        return x


def _compress_jpeg(image: Tensor, *, quality: int) -> Tensor:
    """Encode and decode by OpenCV; torchvision's own codec is deprecated since 0.29."""
    # (C, H, W) -> (H, W, C)
    pixels_HWC = (image * 255).round().byte().permute(1, 2, 0).numpy()
    _, encoded = cv2.imencode(".jpg", pixels_HWC, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED), np.uint8)
    return torch.from_numpy(decoded.reshape(pixels_HWC.shape)).permute(2, 0, 1) / 255


def _draw_factor(spread: float, rng: np.random.Generator) -> float:
    return float(rng.uniform(1 - spread, 1 + spread))


def _place_window(
    image_HW: tuple[int, ...],
    window_HW: tuple[int, int],
    rng: np.random.Generator,
    focus_yx: tuple[int, int] | None,
) -> tuple[int, int]:
    """Draw top and left of the window: inside the image where it fits, else around it."""
    corner = []
    for axis in range(2):
        slack = image_HW[axis] - window_HW[axis]
        low, high = min(slack, 0), max(slack, 0)
        if focus_yx is not None:
            reach = window_HW[axis] // 3
            middle = focus_yx[axis] - window_HW[axis] // 2
            start = middle + int(rng.integers(-reach, reach + 1))
            corner.append(min(max(start, low), high))
        else:
            corner.append(int(rng.integers(low, high + 1)))
    return corner[0], corner[1]


def _crop(
    tensor: Tensor, corner: tuple[int, int], window_HW: tuple[int, int], fill: list[float] | int
) -> Tensor:
    """Cut the window out; it has the value `fill` where it lies outside `tensor`."""
    (top, left), (height, width) = corner, window_HW
    above, before = max(0, -top), max(0, -left)
    below = max(0, top + height - tensor.shape[-2])
    after = max(0, left + width - tensor.shape[-1])
    if above or before or below or after:
        tensor = F.pad(tensor, [before, above, after, below], fill=fill)
    window: Tensor = F.crop(tensor, top + above, left + before, height, width)
    return window
