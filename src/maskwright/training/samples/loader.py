"""Training samples: sample n of a run is a pure function of (seed, n).

Therefore a run can be resumed at any sample, and the number of worker processes changes
nothing. Each epoch shows every image once, in an order drawn from (seed, epoch) (`order`);
a `rare_share` of the crops is moved, if needed to another image, so that they show a class
that is drawn with probability proportional to 1 / sqrt(its share of pixels). Then, where the
recipe asks for it, pixels of another crop are pasted (`mix`) and weather is drawn (`weather`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NotRequired, Self, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import LabelMap
from maskwright.core.sample import Sample

from ..recipe import Recipe
from .augment import Augmentation, Crop
from .mix import draw_half_of_classes, paste
from .order import Indices, SampleOrder
from .unlabelled import Unlabelled
from .weather import Weather

MIN_RARE_PX = 16
"""Pixels of a class from which on an image counts as showing it."""


class Item(TypedDict):
    """One sample of a run.

    image (H, W, C), in the type and values of its source with `augment.unit` "range", else
    network input, float32; labels (H, W) uint8; with several annotators votes (A, H, W) uint8;
    where a run has images without labels, whether this one has some (else its labels are 0).
    """

    image: Tensor
    labels: Tensor
    key: str
    votes: NotRequired[Tensor]
    is_labelled: NotRequired[bool]


class Batch(TypedDict):
    """Items stacked along a new first axis B."""

    image: Tensor
    labels: Tensor
    key: list[str]
    votes: NotRequired[Tensor]
    is_labelled: NotRequired[Tensor]


@dataclass(frozen=True, slots=True)
class RareClasses:
    """The images that show each class, and the probability with which each class is drawn."""

    images_of_class: tuple[NDArray[np.int64], ...]
    probability_C: NDArray[np.float64]

    @classmethod
    def from_counts(cls, counts_NC: NDArray[np.int64], *, max_share: float = 1.0) -> Self:
        """From pixels per image and class; a class with a larger share is never drawn."""
        images = tuple(np.flatnonzero(column >= MIN_RARE_PX) for column in counts_NC.T)
        share_C = counts_NC.sum(axis=0) / max(1, counts_NC.sum())
        weight_C = np.array(
            [
                1 / np.sqrt(s) if 0 < s <= max_share and len(i) else 0.0
                for s, i in zip(share_C, images, strict=True)
            ]
        )
        return cls(images, weight_C / max(weight_C.sum(), 1e-12))

    def within(self, images: Indices | None) -> "RareClasses":
        """The same for some of the images; unchanged for None."""
        if images is None:
            return self
        inside = tuple(np.intersect1d(one, images) for one in self.images_of_class)
        weight_C = self.probability_C * [len(one) > 0 for one in inside]
        return RareClasses(inside, weight_C / max(weight_C.sum(), 1e-12))

    def draw(self, rng: np.random.Generator) -> tuple[int, int] | None:
        """Draw a class index and an image index; None when no class has pixels."""
        if not self.probability_C.any():
            return None
        index = int(rng.choice(len(self.probability_C), p=self.probability_C))
        return index, int(rng.choice(self.images_of_class[index]))


class Crops(Dataset[Item]):
    """Crops of a training set, by the index of the sample in the run."""

    def __init__(
        self,
        read: Callable[[int], Sample],
        counts_NC: NDArray[np.int64],
        recipe: Recipe,
        *,
        num_samples: int,
        describe: Callable[[int], str] = "image {}".format,
        order: SampleOrder | None = None,
        unlabelled: Unlabelled | None = None,
    ) -> None:
        self.read = read
        self.describe = describe
        self.order = order or SampleOrder(len(counts_NC), recipe.seed)
        self.num_samples = num_samples
        self.seed = recipe.seed
        self.data = recipe.data
        self.unlabelled = unlabelled
        self.unlabelled_share = recipe.distil.unlabelled_share
        self.weather = Weather(recipe.weather, recipe.input.max_value)
        self.rare = RareClasses.from_counts(counts_NC)
        self.pasted = RareClasses.from_counts(counts_NC, max_share=1 / counts_NC.shape[1])
        self.spec = recipe.input.spec
        self.augment = Augmentation(
            options=recipe.augment,
            crop_HW=recipe.data.crop_px,
            spec=self.spec,
        )

    def __len__(self) -> int:
        return self.num_samples

    def __getitem__(self, n: int) -> Item:
        """Sample n of the run, the first being 0."""
        if self.unlabelled is not None:
            rng = np.random.default_rng((self.seed, 4, n))
            if rng.random() < self.unlabelled_share:
                return self._make_unlabelled(self.unlabelled, rng)
        rng = np.random.default_rng((self.seed, 1, n))
        block = self.order.find_block(n)
        is_rare = rng.random() < self.data.rare_share
        target = self.rare.within(block).draw(rng) if is_rare else None
        index = target[1] if target else self.order.image_index(n)
        key, crop = self._crop(index, target, rng)
        rng = np.random.default_rng((self.seed, 3, n))
        crop = self._mix(crop, block, rng)
        image = torch.from_numpy(self.weather(crop.image_HWC, rng))
        labels = torch.from_numpy(crop.labels_AHW)
        item = Item(image=image, labels=labels[0], key=key)
        if len(labels) > 1:
            item["votes"] = labels[1:]
        if self.unlabelled is not None:
            item["is_labelled"] = True
        return item

    def _make_unlabelled(self, images: Unlabelled, rng: np.random.Generator) -> Item:
        index = int(rng.integers(len(images)))
        where = str(images.images[index][1])
        key, crop = self._augment(images(index), where, None, rng)
        image = torch.from_numpy(self.weather(crop.image_HWC, rng))
        labels = torch.from_numpy(crop.labels_AHW[0])
        return Item(image=image, labels=labels, key=key, is_labelled=False)

    def _crop(
        self, image_index: int, target: tuple[int, int] | None, rng: np.random.Generator
    ) -> tuple[str, Crop]:
        """Key and augmented crop of an image, around the class of `target` if it is given."""
        return self._augment(self.read(image_index), self.describe(image_index), target, rng)

    def _augment(
        self,
        sample: Sample,
        where: str,
        target: tuple[int, int] | None,
        rng: np.random.Generator,
    ) -> tuple[str, Crop]:
        if sample.labels_HW is None:
            raise ValueError(f"{sample.key} has no labels")
        image_HWC = self.spec.prepare(sample.image_HWC, sample.valid_HW, where=where)
        focus = _draw_pixel(sample.labels_HW, target[0], rng) if target else None
        crop = self.augment(image_HWC, sample.labels_HW, rng, focus, sample.votes_AHW)
        return sample.key, crop

    def _mix(self, crop: Crop, block: Indices | None, rng: np.random.Generator) -> Crop:
        """Paste pixels of another crop of the block, with the probabilities of the recipe."""
        if rng.random() < self.data.class_mix:
            others = self.order.num_images if block is None else block
            _, other = self._crop(int(rng.choice(others)), None, rng)
            crop = paste(crop, other, draw_half_of_classes(other, rng))
        pasted = self.pasted.within(block)
        if rng.random() < self.data.copy_paste and (target := pasted.draw(rng)):
            _, other = self._crop(target[1], target, rng)
            crop = paste(crop, other, [target[0]])
        return crop


def make_loader(
    crops: Crops, recipe: Recipe, *, first: int, pin: bool = False
) -> "DataLoader[Item]":
    """Load batches of consecutive samples, starting at sample `first`.

    With `pin`, batches lie in memory from which a GPU copies while it computes.
    """
    return DataLoader(
        crops,
        batch_size=recipe.data.batch_size,
        sampler=range(first, len(crops)),
        num_workers=recipe.data.workers,
        persistent_workers=False,
        pin_memory=pin,
    )


class Normalize(torch.nn.Module):
    """Make network input of a batch on the device: `Scaling` of images in their own values.

    Images of `augment.unit` "std" are network input as they come.
    """

    scale_1C11: Tensor
    shift_1C11: Tensor

    def __init__(self, spec: InputSpec, *, in_range: bool) -> None:
        super().__init__()
        mean_C, std_C = map(torch.from_numpy, spec.coefficients())
        # (C,) -> (1, C, 1, 1)
        self.register_buffer("scale_1C11", (1 / (spec.max_value * std_C)).view(1, -1, 1, 1))
        self.register_buffer("shift_1C11", (mean_C / std_C).view(1, -1, 1, 1))
        self.in_range = in_range

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> Self:
        """For the input of a recipe."""
        return cls(recipe.input.spec, in_range=recipe.augment.unit == "range")

    def forward(self, image_BHWC: Tensor) -> Tensor:
        """Network input (B, C, H, W), channels last in memory."""
        # (B, H, W, C) -> (B, C, H, W), a view
        x_BCHW = image_BHWC.permute(0, 3, 1, 2).float()
        if self.in_range:
            x_BCHW = x_BCHW * self.scale_1C11 - self.shift_1C11
        return x_BCHW.contiguous(memory_format=torch.channels_last)


def _draw_pixel(
    labels_HW: LabelMap, index: int, rng: np.random.Generator
) -> tuple[int, int] | None:
    """Draw a pixel (y, x) of class `index`; None when the image has none."""
    pixels = np.flatnonzero(labels_HW == index)
    if not len(pixels):
        return None
    y, x = divmod(int(rng.choice(pixels)), labels_HW.shape[1])
    return y, x
