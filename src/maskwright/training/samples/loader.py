"""What the network sees in sample number n of a run: a pure function of (seed, n).

Because nothing else enters, a run can go on at any sample, and the number of worker processes
changes nothing. Each epoch shows every image once, in an order drawn from (seed, epoch);
a `rare_share` of the crops is moved, and where need be to another image, so that they hold a
class that is drawn with probability proportional to 1 / sqrt(its share of pixels). Then, where
the recipe asks, pixels of another crop are put in (`mix`), and weather comes over the result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import LabelMap
from maskwright.core.sample import Sample

from ..recipe import Recipe
from .augment import Augmentation, Tensors
from .mix import draw_half_of_classes, paste
from .weather import Weather

MIN_RARE_PX = 16
"""An image counts as holding a class from this many pixels on."""


@dataclass(frozen=True, slots=True)
class RareClasses:
    """Which images hold which class, and how often each class is asked for."""

    images_of_class: tuple[NDArray[np.int64], ...]
    probability_C: NDArray[np.float64]

    @classmethod
    def of(cls, counts_NC: NDArray[np.int64], *, max_share: float = 1.0) -> "RareClasses":
        """From pixel counts per image and class; classes of a larger share are never drawn."""
        images = tuple(np.flatnonzero(column >= MIN_RARE_PX) for column in counts_NC.T)
        share_C = counts_NC.sum(axis=0) / max(1, counts_NC.sum())
        wanted_C = np.array(
            [
                1 / np.sqrt(s) if 0 < s <= max_share and len(i) else 0.0
                for s, i in zip(share_C, images, strict=True)
            ]
        )
        return cls(images, wanted_C / max(wanted_C.sum(), 1e-12))

    def draw(self, rng: np.random.Generator) -> tuple[int, int] | None:
        """(class index, image number), or None when no class has pixels."""
        if not self.probability_C.any():
            return None
        index = int(rng.choice(len(self.probability_C), p=self.probability_C))
        return index, int(rng.choice(self.images_of_class[index]))


class Crops(Dataset[dict[str, Any]]):
    """Endless crops of a training set, by the number of the sample."""

    def __init__(
        self,
        read: Callable[[int], Sample],
        counts_NC: NDArray[np.int64],
        recipe: Recipe,
        *,
        num_samples: int,
    ) -> None:
        self.read = read
        self.num_images = len(counts_NC)
        self.num_samples = num_samples
        self.seed = recipe.seed
        self.data = recipe.data
        self.weather = Weather(recipe.weather)
        self.rare = RareClasses.of(counts_NC)
        self.pasted = RareClasses.of(counts_NC, max_share=1 / counts_NC.shape[1])
        spec = recipe.input.spec
        self.augment = Augmentation(
            part=recipe.augment,
            crop_HW=recipe.data.crop_px,
            fill_C=spec.neutral_value,
            max_value=spec.max_value,
            base_scale=spec.scale_ratio,
        )

    def __len__(self) -> int:
        return self.num_samples

    def __getitem__(self, n: int) -> dict[str, Any]:
        """Sample number n of the run.

        Keys: image (C, H, W) 0..1, labels (H, W) int64, key; and, where several annotators
        drew, votes (A, H, W) uint8.
        """
        rng = np.random.default_rng((self.seed, 1, n))
        wanted = self.rare.draw(rng) if rng.random() < self.data.rare_share else None
        key, crop = self._crop(wanted[1] if wanted else self._image_number(n), wanted, rng)
        rng = np.random.default_rng((self.seed, 3, n))
        image, labels = self._mixed(crop, rng)
        image = self.weather(image, rng)
        votes = {"votes": labels[1:]} if len(labels) > 1 else {}
        return {"image": image, "labels": labels[0].long(), "key": key} | votes

    def _crop(
        self, number: int, wanted: tuple[int, int] | None, rng: np.random.Generator
    ) -> tuple[str, Tensors]:
        """Key and augmented crop of an image, around the class that is wanted of it."""
        sample = self.read(number)
        if sample.labels_HW is None:
            raise ValueError(f"{sample.key} has no labels")
        focus = _pixel_of(sample.labels_HW, wanted[0], rng) if wanted else None
        crop = self.augment(sample.image_HWC, sample.labels_HW, rng, focus, sample.votes_AHW)
        return sample.key, crop

    def _mixed(self, crop: Tensors, rng: np.random.Generator) -> Tensors:
        """The crop, with pixels of another one where the recipe's shares say so."""
        if rng.random() < self.data.class_mix:
            _, other = self._crop(int(rng.integers(self.num_images)), None, rng)
            crop = paste(crop, other, draw_half_of_classes(other, rng))
        if rng.random() < self.data.copy_paste and (wanted := self.pasted.draw(rng)):
            _, other = self._crop(wanted[1], wanted, rng)
            crop = paste(crop, other, [wanted[0]])
        return crop

    def _image_number(self, n: int) -> int:
        epoch, place = divmod(n, self.num_images)
        order = np.random.default_rng((self.seed, 0, epoch)).permutation(self.num_images)
        return int(order[place])


def make_loader(crops: Crops, recipe: Recipe, *, first: int) -> "DataLoader[dict[str, Any]]":
    """Batches of consecutive samples, starting at sample number `first`."""
    return DataLoader(
        crops,
        batch_size=recipe.data.batch_size,
        sampler=range(first, len(crops)),
        num_workers=recipe.data.workers,
        persistent_workers=False,
        pin_memory=torch.cuda.is_available(),
    )


class Normalize(torch.nn.Module):
    """`InputSpec.normalize` on the device, for a batch of images that are in 0..1 already."""

    mean_1C11: Tensor
    std_1C11: Tensor

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        mean_C, std_C = map(torch.from_numpy, spec.coefficients())
        # (C,) -> (1, C, 1, 1)
        self.register_buffer("mean_1C11", mean_C.view(1, -1, 1, 1))
        self.register_buffer("std_1C11", std_C.view(1, -1, 1, 1))

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Network input, channels last in memory."""
        x_BCHW = (image_BCHW - self.mean_1C11) / self.std_1C11
        return x_BCHW.contiguous(memory_format=torch.channels_last)


def _pixel_of(
    labels_HW: LabelMap, index: int, rng: np.random.Generator
) -> tuple[int, int] | None:
    """A random pixel of class `index`, or None when the image has none."""
    places = np.flatnonzero(labels_HW == index)
    if not len(places):
        return None
    y, x = divmod(int(rng.choice(places)), labels_HW.shape[1])
    return y, x
