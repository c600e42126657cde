"""Views of an image for test-time augmentation, such as `flips,scales=0.75:1.25`.

`flips` are those of the training: left-right unless `augment.flip_lr` was off, and up-down
where `augment.flip_vertical` was on. Cards that do not say it allow left-right alone. `scales`
are factors of the size at which the network sees the image; the image itself, at scale 1, is
always among the views. All flips are taken at all scales.
"""

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from numpy.typing import NDArray

from ..core.card import ModelCard
from ..core.errors import ConfigError

FLIPS, SCALES = "flips", "scales"
PROVENANCE = "flips"
"""Key in the provenance of a card: the flips that training used, "lr" and "ud"."""

_MAX_SCALE = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One way of looking at an image."""

    flip_lr: bool = False
    flip_ud: bool = False
    scale: float = 1.0

    def __str__(self) -> str:
        flips = [n for n, on in (("lr", self.flip_lr), ("ud", self.flip_ud)) if on]
        return " ".join([f"scale {self.scale:g}", *(f"flip {name}" for name in flips)])

    def flip(self, array: NDArray[Any]) -> NDArray[Any]:
        """Flip rows and columns, the first two axes; the same call undoes it."""
        if self.flip_ud:
            array = array[::-1]
        return array[:, ::-1] if self.flip_lr else array

    def scale_card(self, card: ModelCard) -> ModelCard:
        """The card of a model that sees images at this scale.

        Raises:
            ConfigError: The model resizes all images to one size.
        """
        if self.scale == 1:
            return card
        spec = card.input
        if spec.size_rule is not None:
            raise ConfigError(
                f"the model resizes its images by a rule ({spec.size_rule}); leave out "
                f"{SCALES} of --tta"
            )
        return replace(card, input=replace(spec, scale_ratio=spec.scale_ratio * self.scale))


PLAIN = View()


def parse_views(text: str | None, card: ModelCard) -> tuple[View, ...]:
    """Read the text of `--tta` for one model; the image itself alone for None.

    Raises:
        ConfigError: Not such a text, a scale outside (0, 4], or no view but the image itself.
    """
    if text is None:
        return (PLAIN,)
    flips, scales = [(False, False)], [1.0]
    for word in text.split(","):
        name, _, values = word.partition("=")
        if word == FLIPS:
            flips = _list_flips(card)
        elif name == SCALES:
            scales += [s for s in _read_scales(values, text) if s != 1]
        else:
            raise ConfigError(
                f"--tta {text!r}: expected 'flips', 'scales=0.75:1.25', or both with a comma"
            )
    views = tuple(
        View(flip_lr=lr, flip_ud=ud, scale=scale)
        for scale, (lr, ud) in product(dict.fromkeys(scales), flips)
    )
    if len(views) == 1:
        raise ConfigError(
            f"--tta {text!r}: no view is left, since the model was trained without flips "
            f"(augment.flip_lr=0); use scales"
        )
    return views


def _list_flips(card: ModelCard) -> list[tuple[bool, bool]]:
    known = card.provenance.get(PROVENANCE, ["lr"])
    lr, ud = ((False, True) if name in known else (False,) for name in ("lr", "ud"))
    return [(one, other) for other in ud for one in lr]


def _read_scales(values: str, text: str) -> list[float]:
    try:
        scales = [float(value) for value in values.split(":")]
    except ValueError:
        scales = [math.nan]
    if not all(0 < scale <= _MAX_SCALE for scale in scales):
        raise ConfigError(
            f"--tta {text!r}: expected scales above 0 and up to {_MAX_SCALE:g}, such as "
            f"scales=0.75:1.25"
        )
    return [float(scale) for scale in scales]
