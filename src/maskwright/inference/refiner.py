"""Refiner: what decides the classes of an image from the network's logits and the image.

On the command line and in `open_model` a refiner is chosen by its name, with settings where
wanted: `crf`, or `crf:theta_alpha=30,theta_beta=5`.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ..core import parts
from ..core.decision import Decision
from ..core.errors import ConfigError
from ..core.image import Image

if TYPE_CHECKING:
    from pydantic import BaseModel

REFINERS = "maskwright.inference.refine"


class Refiner(Protocol):
    """A callable that decides one image."""

    def __call__(
        self,
        logits_Khw: NDArray[np.float32],
        image_HWC: Image,
        *,
        temperature: float,
        where: str,
    ) -> Decision:
        """Decide at the image's own size.

        Args:
            logits_Khw: At the network's resolution.
            image_HWC: As `data.pixels.images.read_image` gives it.
            temperature: Of the model's card; logits are divided by it before a softmax.
            where: File name or key, for the error message.

        Raises:
            DataError: The image is not of a kind that the refiner takes.
        """
        ...


class RefinerPart(Protocol):
    """What each file in `inference/refine` offers."""

    Config: "type[BaseModel]"
    """The settings; an unknown key is an error."""

    @abstractmethod
    def build(self, config: Any) -> Refiner:
        """Make the refiner of these settings, a `Config`."""


@dataclass(frozen=True, slots=True)
class Refinement:
    """A refiner with its name and settings, as reports and dataset.yaml record them."""

    name: str
    config: "BaseModel"
    refiner: Refiner

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `NAME`, or `NAME:key=value,key=value`.

        Raises:
            ConfigError: No refiner has this name, or a setting is unknown or wrong.
        """
        name, _, rest = text.partition(":")
        part = parts.load(REFINERS, name, like=RefinerPart)
        settings: dict[str, str] = {}
        for setting in filter(None, rest.split(",")):
            key, equals, value = setting.partition("=")
            if not equals:
                raise ConfigError(f"{text!r}: {setting!r} has no value; write {key}=VALUE")
            settings[key] = value
        config = parts.configure(part, settings, where=repr(text))
        return cls(name, config, part.build(config))

    def to_json(self) -> dict[str, Any]:
        """`name` and every setting, for reports."""
        return {"name": self.name, **self.config.model_dump(mode="json")}

    def __str__(self) -> str:
        """The text that `from_text` reads."""
        values = self.config.model_dump().items()
        shown = (f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in values)
        return f"{self.name}:{','.join(shown)}"
