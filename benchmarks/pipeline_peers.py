"""The same augmentation by other libraries, for pipeline.py; each runs in an own process.

    python benchmarks/pipeline_peers.py torchvision 360 480 256

Window, scale 0.75 to 1.5, rotation up to 5 degrees of every second crop, flip, and colours,
blur, noise and JPEG with the probabilities of `AugmentOptions`. Prints seconds of one crop, the
median of rounds, in the time of its thread. Results are of 8 bits; nothing is normalised.
"""

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import cv2
import numpy as np

ROUNDS, CROPS_PER_ROUND = 9, 40
NUM_CLASSES = 12


def draw_pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """An image with edges and some noise, and labels with large and small areas."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, NUM_CLASSES, (height // 20, width // 20), dtype=np.uint8)
    labels = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    colors = rng.integers(0, 230, (NUM_CLASSES, 3), dtype=np.uint8)
    grain = rng.integers(0, 25, (height, width, 3), dtype=np.uint8)
    return colors[labels] + grain, labels


def make_maskwright(crop: int) -> Callable[[np.ndarray, np.ndarray, int], Any]:
    """Ours, with the options of a recipe by default."""
    from maskwright.core.inputspec import InputSpec
    from maskwright.training.recipe import AugmentOptions
    from maskwright.training.samples.augment import Augmentation

    spec = InputSpec(channels=3, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    augment = Augmentation(options=AugmentOptions(), crop_HW=(crop, crop), spec=spec)
    return lambda image, labels, n: augment(image, labels, np.random.default_rng(n))


def make_torchvision(crop: int) -> Callable[[np.ndarray, np.ndarray, int], Any]:
    """torchvision.transforms.v2 on 8-bit tensors; the window first, so that little is moved."""
    import torch
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    torch.set_num_threads(1)
    changes = [
        v2.RandomApply([v2.RandomRotation(5, v2.InterpolationMode.BILINEAR)], 0.5),
        v2.CenterCrop(crop),
        v2.RandomHorizontalFlip(0.5),
        v2.RandomApply([v2.ColorJitter(0.3, 0.3, 0.3)], 0.8),
        v2.RandomApply([v2.ColorJitter(hue=0.02)], 0.5),
        v2.RandomApply([v2.GaussianBlur(5, (0.3, 1.5))], 0.1),
        v2.RandomApply([v2.GaussianNoise(sigma=0.02)], 0.1),
        v2.RandomApply([v2.JPEG((40, 95))], 0.1),
    ]

    def augment(image: np.ndarray, labels: np.ndarray, n: int) -> Any:
        torch.manual_seed(n)
        rng = np.random.default_rng(n)
        side = crop * 1.1  # that a rotation by 5 degrees leaves no corner empty
        window = min(round(side / np.exp(rng.uniform(*np.log([0.75, 1.5])))), *labels.shape)
        resized = v2.Resize([round(side)] * 2, v2.InterpolationMode.BILINEAR, antialias=True)
        pair = (
            # (H, W, C) -> (C, H, W)
            tv_tensors.Image(torch.from_numpy(image).permute(2, 0, 1)),
            tv_tensors.Mask(torch.from_numpy(labels)[None]),
        )
        return v2.Compose([v2.RandomCrop(window), resized, *changes])(*pair)

    return augment


def make_albumentations(
    crop: int, area_px: int
) -> Callable[[np.ndarray, np.ndarray, int], Any]:
    """Albumentations 2 (the last under the MIT licence is 2.0.8)."""
    import albumentations as A

    def augment(image: np.ndarray, labels: np.ndarray, n: int) -> Any:
        pipeline.set_random_seed(n)
        return pipeline(image=image, mask=labels)

    # shares of the area of a square window, of scales 1.5 and 0.75
    scale = tuple(min(1.0, (crop / s) ** 2 / area_px) for s in (1.5, 0.75))
    pipeline = A.Compose(
        [
            A.RandomResizedCrop((crop, crop), scale=scale, ratio=(1, 1)),
            A.Rotate(5, p=0.5),
            A.HorizontalFlip(p=0.5),
            A.ColorJitter(0.3, 0.3, 0.3, 0, p=0.8),
            A.HueSaturationValue(4, 0, 0, p=0.5),
            A.GaussianBlur((5, 5), (0.3, 1.5), p=0.1),
            A.GaussNoise((0.005, 0.03), p=0.1),
            A.ImageCompression(quality_range=(40, 95), p=0.1),
        ]
    )
    return augment


def main() -> None:
    """Measure one library."""
    name, height, width, crop = sys.argv[1], *map(int, sys.argv[2:5])
    cv2.setNumThreads(1)
    image, labels = draw_pair(height, width)
    if name == "albumentations":
        augment = make_albumentations(crop, height * width)
    else:
        augment = {"maskwright": make_maskwright, "torchvision": make_torchvision}[name](crop)
    for n in range(10):
        augment(image, labels, n)
    seconds = []
    for number in range(ROUNDS):
        started_s = time.thread_time()
        for n in range(CROPS_PER_ROUND):
            augment(image, labels, 1000 * number + n)
        seconds.append((time.thread_time() - started_s) / CROPS_PER_ROUND)
    print(median(seconds))


if __name__ == "__main__":
    main()
