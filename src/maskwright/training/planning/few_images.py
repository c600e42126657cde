"""What few training images change in a plan: more augmentation, a smaller network.

Usual practice and not measured here, so the reasons say so. That each image is seen more often
follows from the schedule, which counts crops; only where it is seen often can a network learn
it by heart, and only there is augmentation stronger.
"""

from typing import Any

FEW_IMAGES = 100
OFTEN_EPOCHS = 50
SMALLER_ENCODER = "resnet18"
STRONGER: dict[str, tuple[float, float] | float] = {
    "augment.scale": (0.5, 2.0),
    "augment.rotate_deg": 10.0,
    "augment.brightness": 0.4,
    "augment.contrast": 0.4,
}


def is_few(num_images: int) -> bool:
    """Whether a network could learn these images by heart before it learns the task."""
    return num_images < FEW_IMAGES


def why(num_images: int) -> str:
    """How a reason begins that follows from their number."""
    return f"{num_images} images are few (under {FEW_IMAGES})"


def stronger_augmentation(num_images: int, epochs: int) -> dict[str, tuple[Any, str]]:
    """Values that differ from the defaults, each with its reason; none where none is needed."""
    if not is_few(num_images) or epochs < OFTEN_EPOCHS:
        return {}
    seen = f"{num_images} images, each seen {epochs} times"
    reason = f"{seen}: stronger than usual, by custom, not measured here"
    return {key: (value, reason) for key, value in STRONGER.items()}
