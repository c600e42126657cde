"""The recipe by which the authors of an architecture trained it, with its source.

A learning rate belongs to an optimizer and a batch size. For another batch size it is scaled:
by the ratio of the batch sizes for SGD (Goyal et al. 2017, arXiv:1706.02677, section 2.1), by
the square root of that ratio for optimizers that divide by the root of mean squares (Malladi et
al. 2022, arXiv:2205.10287, definition 5.1).
"""

import math
from dataclasses import dataclass
from typing import Literal

from maskwright.core.errors import ConfigError

ADAPTIVE = ("adamw", "adam", "rmsprop")
"""Optimizers of which AdamW takes the rate as it is: all divide by the root of mean squares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRecipe:
    """How the authors trained an architecture; shares are of the run, in [0, 1].

    Attributes:
        source: Paper and section, or the authors' configuration file.
        optimizer: Of the authors. `adam` and `rmsprop` add the decay to the gradient.
        lr: Largest learning rate of the decoder, for `batch_size`.
        batch_size: Images per step, over all devices.
        num_steps: Steps of the authors' run.
        encoder_lr_ratio: Rate of the encoder relative to `lr`, for a pretrained encoder.
        layer_decay: Factor of the rate from each block of a pretrained encoder to the one
            before it.
        freezes_encoder: The pretrained encoder is not trained at all.
        momentum: Of SGD.
        weight_decay: Of SGD (added to the gradient) or AdamW (decoupled).
        clip_norm: Largest norm of the gradient; 0: not clipped.
        warmup_ratio: Share of the run in which the rate rises from 0.
        schedule: "poly" (1 - t)^0.9, "linear" 1 - t, "cosine" or "step", constant or falling in
            steps.
        output_stride: Of the coarsest features, for architectures with this setting.
        loss: Loss of pixels as `loss.sum` names it, "" where the network has its own loss.

    Raises:
        ConfigError: A number is out of its range, or there is no source.
    """

    source: str
    optimizer: Literal["adamw", "adam", "rmsprop", "sgd"]
    lr: float
    batch_size: int
    num_steps: int
    encoder_lr_ratio: float = 1.0
    layer_decay: float = 1.0
    freezes_encoder: bool = False
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    warmup_ratio: float = 0.0
    schedule: Literal["poly", "linear", "cosine", "step"] = "poly"
    output_stride: int | None = None
    loss: str = "ce"

    def __post_init__(self) -> None:
        for name, is_right, expected in (
            ("source", bool(self.source), "a paper or a file"),
            ("lr", 0 < self.lr < 1, "a number between 0 and 1"),
            ("batch_size", self.batch_size > 0, "1 or more"),
            ("num_steps", self.num_steps > 0, "1 or more"),
            ("encoder_lr_ratio", 0 < self.encoder_lr_ratio <= 1, "a number up to 1, above 0"),
            ("layer_decay", 0 < self.layer_decay <= 1, "a number up to 1, above 0"),
            ("momentum", 0 <= self.momentum < 1, "a number in [0, 1)"),
            ("weight_decay", 0 <= self.weight_decay < 1, "a number in [0, 1)"),
            ("clip_norm", self.clip_norm >= 0, "0 or more"),
            ("warmup_ratio", 0 <= self.warmup_ratio < 1, "a share of the run in [0, 1)"),
        ):
            if not is_right:
                value = getattr(self, name)
                raise ConfigError(f"published recipe: {name} is {value!r}, expected {expected}")

    @property
    def is_adaptive(self) -> bool:
        """Whether AdamW takes the rate as it is."""
        return self.optimizer in ADAPTIVE

    @property
    def num_samples(self) -> int:
        """Images that the authors' run trained on, repetitions included."""
        return self.batch_size * self.num_steps

    def scale_lr(self, batch_size: int) -> float:
        """The learning rate for another batch size, with 3 digits."""
        ratio = batch_size / self.batch_size
        lr = self.lr * (math.sqrt(ratio) if self.is_adaptive else ratio)
        return float(f"{lr:.3g}")
