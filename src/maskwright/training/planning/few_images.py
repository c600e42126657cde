"""Decisions for few training images: stronger augmentation, a smaller network.

Usual practice, not measured here, and the reasons say so. Each image is seen more often,
because the schedule counts crops; only where it is seen often can a network memorise it, and
only there is augmentation stronger.
"""

from maskwright.pages.text import format_count

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
    """Whether a network could memorise so many images before it learns the task."""
    return num_images < FEW_IMAGES


def explain_few(num_images: int) -> str:
    """The beginning of a reason that follows from the number of images."""
    counted = format_count(num_images, "image")
    return f"{counted} {'is' if num_images == 1 else 'are'} few (under {FEW_IMAGES})"


def decide_augmentation(num_images: int, epochs: int) -> dict[str, tuple[object, str]]:
    """Values other than the defaults, each with its reason; none for enough images."""
    if not is_few(num_images) or epochs < OFTEN_EPOCHS:
        return {}
    seen = f"{format_count(num_images, 'image')}, each seen {epochs} times"
    reason = f"{seen}: stronger than usual, by common practice, not measured here"
    return {key: (value, reason) for key, value in STRONGER.items()}
