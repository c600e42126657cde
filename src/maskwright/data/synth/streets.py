"""Drawn street scenes: a small dataset without licence limits, the same for each seed.

Ten classes; traffic signs are rare and small (a third of the images, some ten pixels each);
borders between regions are IGNORE, one pixel wide; the light changes from noon to dusk.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.atomic import new_folder
from ...core.codec import LabelCodec
from ...core.errors import ConfigError, OutputError
from ...core.labels import IGNORE, LabelMap
from ...core.progress import Progress, silent
from ..classes.codec import write_dataset_file
from ..classes.dataset_yaml import FILE_NAME, DatasetFile
from .painter import Painter
from .scene import LIGHTS, POLE, SIGN, STREET, paint_scene

_FINER = 3
"""Pixels of the canvas per pixel of the image, for smooth edges."""

_GRAIN = 0.035
_MIN_SIDE_PX = 32
_MIN_SIGN_PX = 6
_MAX_TRIES = 20
"""Most tries to draw a street whose sign is not hidden by a car."""


def write_street_scenes(
    root: Path,
    *,
    num_images: int = 160,
    size_HW: tuple[int, int] = (96, 128),
    seed: int = 0,
    progress: Progress = silent,
) -> Path:
    """Write a native dataset with train (70 %), val and test (15 % each) to a new folder.

    Raises:
        OutputError: `root` already holds something, or cannot be written.
        ConfigError: Fewer than three images, or images too small to show a street.
    """
    if num_images < 3 or min(size_HW) < _MIN_SIDE_PX:
        raise ConfigError(
            f"got {num_images} images of {size_HW} (H, W); need at least 3 of {_MIN_SIDE_PX} px"
        )
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise OutputError(f"{root}: is not empty; choose a new folder or remove it")
    with new_folder(root) as folder:
        for number in progress(range(num_images), total=num_images, what="drawing streets"):
            image_HW3, labels_HW = draw_street(size_HW, seed=seed, number=number)
            split = _choose_split(number, num_images)
            _write_png(
                folder / "images" / split / f"street_{number:04d}.png", image_HW3[..., ::-1]
            )
            _write_png(folder / "masks" / split / f"street_{number:04d}.png", labels_HW)
        source = f"drawn by maskwright (street scenes, seed {seed})"
        document = DatasetFile(format="mask_folder", source=source)
        write_dataset_file(folder / FILE_NAME, document, LabelCodec.identity(STREET))
    return root


def draw_street(
    size_HW: tuple[int, int], *, seed: int, number: int
) -> tuple[NDArray[np.uint8], LabelMap]:
    """Draw one RGB image and its LabelMap; every third image has traffic signs."""
    rng = np.random.default_rng([seed, number])
    with_sign = number % 3 == 0
    for _ in range(_MAX_TRIES):
        painter = _make_painter(size_HW, rng)
        paint_scene(painter, rng, with_sign=with_sign)
        middle = slice(_FINER // 2, None, _FINER)
        labels_HW = _mark_borders(painter.labels_HW[middle, middle])
        if not with_sign or (labels_HW == SIGN).sum() >= _MIN_SIGN_PX:
            break
    return _take_photograph(painter.image_HW3, size_HW, rng), labels_HW


def _make_painter(size_HW: tuple[int, int], rng: np.random.Generator) -> Painter:
    """Make an empty canvas with a random camera and light."""
    height, width = (side * _FINER for side in size_HW)
    return Painter(
        image_HW3=np.zeros((height, width, 3), np.float32),
        labels_HW=np.zeros((height, width), np.uint8),
        light=LIGHTS[int(rng.choice(len(LIGHTS), p=(0.4, 0.25, 0.2, 0.15)))],
        horizon_px=height * float(rng.uniform(0.40, 0.50)),
        center_px=width * float(rng.uniform(0.42, 0.58)),
        focal_px=width * float(rng.uniform(0.75, 0.95)),
    )


def _take_photograph(
    canvas_HW3: NDArray[np.float32], size_HW: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Add exposure, texture, vignette and sensor noise, at the size of the image."""
    height, width = size_HW
    image = cv2.resize(canvas_HW3, (width, height), interpolation=cv2.INTER_AREA)
    texture = rng.normal(0, _GRAIN, (height // 2, width // 2)).astype(np.float32)
    texture_HW = cv2.resize(texture, (width, height), interpolation=cv2.INTER_LINEAR)
    y_H1, x_1W = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    exposure_HW = rng.uniform(0.85, 1.12) * (1 - 0.1 * (y_H1**2 + x_1W**2))
    noise_HW3 = rng.normal(0, 0.012, image.shape)
    image = image * ((1 + texture_HW) * exposure_HW)[..., None] + noise_HW3
    exposed: NDArray[np.uint8] = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return exposed


def _mark_borders(labels_HW: LabelMap) -> LabelMap:
    """Set IGNORE where two classes touch, except on poles and signs, which would vanish."""
    corner = np.ones((2, 2), np.uint8)
    border_HW = cv2.dilate(labels_HW, corner) != cv2.erode(labels_HW, corner)
    thin_HW = (labels_HW == POLE) | (labels_HW == SIGN)
    with_void_HW = labels_HW.copy()
    with_void_HW[border_HW & ~thin_HW] = IGNORE
    return with_void_HW


def _choose_split(number: int, num_images: int) -> str:
    num_held = max(1, round(0.15 * num_images))
    if number >= num_images - num_held:
        return "test"
    return "val" if number >= num_images - 2 * num_held else "train"


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    _, encoded = cv2.imencode(".png", pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())
