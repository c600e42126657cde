"""Remarks on images that were predicted: converted, or unlike those the model learnt from."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ..core.card import ModelCard
from ..core.graph import TilingEffect
from ..core.image import Image, ValidMap
from ..pages.text import format_size, format_subject, list_names

NODATA, GREY, SCALE, COLOR, OUTSIDE = "nodata", "grey", "scale", "colour", "outside"
TILED = "tiled"
"""Traits of an image, as the journal keeps them."""


def find_traits(
    image_HWC: Image,
    valid_HW: ValidMap | None,
    card: ModelCard,
    *,
    size_HW: tuple[int, int] | None = None,
) -> list[str]:
    """What is unusual about an image as it was read, or a sample of one of `size_HW`."""
    spec, learnt, traits = card.input, card.learnt, []
    if valid_HW is not None:
        traits.append(NODATA)
    if spec.channels == 3 and image_HWC.shape[2] != 3:
        traits.append(GREY)
    if learnt is not None:
        prepared_HWC = spec.prepare(image_HWC, valid_HW, where="image")
        if learnt.is_other_scale(size_HW or image_HWC.shape[:2]):
            traits.append(SCALE)
        if learnt.is_other_color(prepared_HWC, spec):
            traits.append(COLOR)
    return traits


def list_remarks(
    traits_by_key: Iterable[tuple[str, Sequence[str]]],
    card: ModelCard,
    effect: TilingEffect | None = None,
) -> list[str]:
    """One sentence for each trait, with the number of images and the first names.

    `effect` says what tiles change, of a model for which that was measured.
    """
    keys: dict[str, list[str]] = defaultdict(list)
    for key, traits in traits_by_key:
        for trait in traits:
            keys[trait].append(key)
    return [
        f"{format_subject(len(keys[trait]), *words)} ({list_names(keys[trait])})"
        for trait, words in _words(card, effect).items()
        if keys[trait]
    ]


def _words(card: ModelCard, effect: TilingEffect | None) -> dict[str, tuple[str, str]]:
    """Trait -> the sentence on one image, and the sentence on several."""
    size = "" if card.learnt is None else format_size(card.learnt.size_HW)
    nodata = "pixels without data, which are not predicted (255 in class maps)"
    grey = "grey; the grey stands for red, green and blue"
    scale = (
        f"of another scale than the images that the model learnt from, about {size} px "
        f"(H, W): results may be poor; resize to about that size, or train with such images"
    )
    outside = "outside of the area of interest (--aoi), 255 in class maps"
    tiled = f"cut into tiles; {effect or 'what that changes was not measured'}"
    what = "in brightness or colour"
    if card.input.kind != "photograph" and card.learnt is not None:
        means = ", ".join(f"{mean:.4g}" for mean in card.learnt.mean)
        what = f"in their values, which were {means} on average and may be of another unit,"
    color = (
        f"far {what} from the images that the model learnt from: results may be poor; train "
        f"with such images"
    )
    return {
        NODATA: (f"image has {nodata}", f"images have {nodata}"),
        TILED: (f"image was {tiled}", f"images were {tiled}"),
        OUTSIDE: (f"image lies {outside}", f"images lie {outside}"),
        GREY: (f"image is {grey}", f"images are {grey}"),
        SCALE: (f"image is {scale}", f"images are {scale}"),
        COLOR: (f"image is {color}", f"images are {color}"),
    }
