"""Distillation in a run: its teachers, and the loss that learns from them and from labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from maskwright.core.bundle import is_bundle, open_bundle
from maskwright.core.card import ModelCard
from maskwright.core.errors import ConfigError
from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import IGNORE, LabelSpec
from maskwright.core.logits import FULL_SIZE
from maskwright.nn.any_size import AnySize
from maskwright.nn.build import load_model
from maskwright.nn.distillation import (
    choose_labels,
    compare_classes,
    compare_pairs,
    compare_pixels,
    mix_teachers,
)
from maskwright.nn.loss import LossFunction
from maskwright.nn.trained import Trained, find_trained

from .distil_options import DistilOptions
from .imported_teacher import GraphModule, ImportedNetwork
from .recipe import Recipe
from .samples.loader import Batch, Normalize
from .samples.unlabelled import Unlabelled

TeacherFile = Trained | ImportedNetwork


def find_teachers(options: DistilOptions) -> list[TeacherFile]:
    """The networks that a recipe names, in order.

    Raises:
        ConfigError: There is none at a path.
        BundleError: A Bundle or its card is damaged.
    """
    return [_find_teacher(source) for source in options.teachers]


def _find_teacher(source: str) -> TeacherFile:
    path = Path(source)
    if is_bundle(path):
        bundle = open_bundle(path)
        if not bundle.has_weights:
            return ImportedNetwork(bundle)
    trained = find_trained(path)
    if trained is None:
        raise ConfigError(
            f"teacher {source}: no Bundle, run or checkpoint of maskwright there; train one "
            f"with `maskwright train`, or make a Bundle of an ONNX file with `maskwright "
            f"import-onnx`"
        )
    return trained


def require_classes(options: DistilOptions, labels: LabelSpec) -> None:
    """Require teachers that know the classes of the dataset.

    Raises:
        ConfigError: There is no teacher at a path, or it has other classes.
    """
    for source, teacher in zip(options.teachers, find_teachers(options), strict=True):
        if teacher.card.labels.names != labels.names:
            raise ConfigError(
                f"teacher {source}: its classes are "
                f"{', '.join(teacher.card.labels.names)}, those of the dataset "
                f"{', '.join(labels.names)}; a teacher has the same classes in the same order"
            )


def require_input(teachers: Sequence[TeacherFile], recipe: Recipe) -> None:
    """Require teachers that see what the student sees.

    Raises:
        ConfigError: Another kind of input, or images of one size alone.
    """
    in_range = recipe.augment.unit == "range"
    wanted = _describe_input(recipe.input.spec, in_range=in_range)
    for source, teacher in zip(recipe.distil.teachers, teachers, strict=True):
        _require_any_size(source, teacher.card)
        own = _describe_input(teacher.card.input, in_range=in_range)
        differing = [key for key, value in wanted.items() if own[key] != value]
        if differing:
            texts = (f"input.{key} is {wanted[key]}, its is {own[key]}" for key in differing)
            raise ConfigError(
                f"teacher {source}: {'; '.join(texts)}; give the student the input of its "
                f"teacher"
            )


def _require_any_size(source: str, card: ModelCard) -> None:
    """Require a teacher that sees crops of any size; raises ConfigError."""
    if card.only_size_HW is not None:
        height, width = card.only_size_HW
        raise ConfigError(
            f"teacher {source}: takes images of {height}x{width} alone, and a student learns "
            f"from crops; label images by `maskwright predict {source} IMAGES --write classes "
            f"-o OUT`, and train on these masks"
        )


def make_provenance(
    teachers: Sequence[TeacherFile], unlabelled: Unlabelled | None
) -> Mapping[str, Any]:
    """The entry of the student's card on its teachers; none without teachers."""
    if not teachers:
        return {}
    images = {} if unlabelled is None else {"unlabelled_images": len(unlabelled)}
    return {"distil": {"teachers": [one.make_provenance() for one in teachers], **images}}


class Teacher(nn.Module):
    """A trained network that gives its logits for the images of a batch; it does not learn."""

    def __init__(self, file: TeacherFile, recipe: Recipe) -> None:
        super().__init__()
        card = replace(file.card, logits=FULL_SIZE)
        self.model: AnySize | GraphModule
        if isinstance(file, ImportedNetwork):
            self.model = file.load()
        else:
            self.model = load_model(card, file.weights).requires_grad_(False)
        self.normalize = Normalize(card.input, in_range=recipe.augment.unit == "range")
        self.scale = card.input.scale_ratio / recipe.input.scale_ratio

    @torch.no_grad()
    def forward(self, image_BHWC: Tensor) -> Tensor:
        """Logits (B, K, H, W) of the crops of the student, seen at the teacher's own scale."""
        x_BCHW = self.normalize(image_BHWC)
        size_HW = x_BCHW.shape[-2:]
        if self.scale != 1:
            own_hw = [max(1, round(self.scale * length)) for length in size_HW]
            x_BCHW = interpolate(x_BCHW, own_hw, mode="bilinear", antialias=True)
        logits_BKhw: Tensor = self.model(x_BCHW)
        if logits_BKhw.shape[-2:] == size_HW:
            return logits_BKhw
        return interpolate(logits_BKhw, size_HW, mode="bilinear", align_corners=False)


@dataclass(slots=True)
class Distillation:
    """What the teachers add to the loss of a student."""

    options: DistilOptions
    teachers: Sequence[Teacher]
    taps: Sequence["FeatureTap"] = ()

    @classmethod
    def open(cls, recipe: Recipe, student: AnySize, device: torch.device | str) -> Self | None:
        """Load the teachers of a recipe; None where it names none.

        Raises:
            ConfigError: A teacher is not there or sees other input, or pairs of places are to
                be compared of a network without an encoder.
            BundleError: The weights of a teacher cannot be loaded.
        """
        options = recipe.distil
        if not options.teachers:
            return None
        found = find_teachers(options)
        require_input(found, recipe)
        teachers = [Teacher(one, recipe).to(device) for one in found]
        models = [student, *(teacher.model for teacher in teachers)]
        taps = [FeatureTap(model) for model in models] if options.pairs else []
        return cls(options, teachers, taps)

    def guide(self, batch: Batch, loss: LossFunction) -> tuple[Tensor, LossFunction]:
        """The labels of a batch, and `loss` with what its teachers say of it.

        Images without labels get those of the teachers. The loss counts the divergence of
        shares in the pixels whose labels the network has not changed.
        """
        image_BHWC, labels_BHW = batch["image"], batch["labels"].long()
        teacher_BKHW = mix_teachers([teacher(image_BHWC) for teacher in self.teachers])
        if "is_labelled" in batch:
            inside_BHW = labels_BHW != IGNORE
            chosen_BHW = choose_labels(
                teacher_BKHW, inside_BHW, self.options.confidence, IGNORE
            )
            labels_BHW = labels_BHW.where(batch["is_labelled"][:, None, None], chosen_BHW)
        return labels_BHW, self._bind(loss, labels_BHW, teacher_BKHW)

    def _bind(
        self, loss: LossFunction, labels_BHW: Tensor, teacher_BKHW: Tensor
    ) -> LossFunction:
        options = self.options

        def guided(
            logits_BKHW: Tensor, own_labels_BHW: Tensor, votes_BAHW: Tensor | None = None
        ) -> Tensor:
            height, width = labels_BHW.shape[-2:]
            # a network that pads its input pads at the right and at the bottom
            cropped_BKHW = logits_BKHW[..., :height, :width]
            unchanged_BHW = own_labels_BHW[:, :height, :width] == labels_BHW
            total = loss(logits_BKHW, own_labels_BHW, votes_BAHW)
            total = total + options.pixels * compare_pixels(
                cropped_BKHW, teacher_BKHW, options.temperature, unchanged_BHW
            )
            if options.classes:
                total = total + options.classes * compare_classes(
                    cropped_BKHW, teacher_BKHW, options.classes_temperature
                )
            return total

        return guided

    def compare_features(self) -> Tensor | float:
        """The part of the loss that compares features, of the batch that passed last."""
        if not self.taps:
            return 0.0
        own, *teachers = (tap.take() for tap in self.taps)
        return self.options.pairs * sum(compare_pairs(own, each) for each in teachers)


class FeatureTap:
    """Keeps the last features of the encoder of a network as they pass.

    Raises ConfigError where the network has no encoder.
    """

    def __init__(self, model: AnySize | GraphModule) -> None:
        network = model.network if isinstance(model, AnySize) else model
        encoder = getattr(network, "encoder", None)
        if not isinstance(encoder, nn.Module):
            name = "an imported graph" if network is model else type(network).__name__
            raise ConfigError(
                f"distil.pairs compares features of encoders, and {name} is a whole network "
                f"without one; set distil.pairs to 0"
            )
        self.features_BChw: Tensor | None = None
        encoder.register_forward_hook(self._keep)

    def _keep(self, _encoder: nn.Module, _inputs: object, outputs: Any) -> None:
        self.features_BChw = outputs if isinstance(outputs, Tensor) else outputs[-1]

    def take(self) -> Tensor:
        """The features (B, C, h, w) of the last batch."""
        features_BChw, self.features_BChw = self.features_BChw, None
        if features_BChw is None:
            raise RuntimeError("no batch has passed the encoder")
        return features_BChw


def _describe_input(spec: InputSpec, *, in_range: bool) -> dict[str, object]:
    """What a teacher and its student must share; each may bring its own mean and spread."""
    keys = ["kind", "channels", "bands", "slices", "max_value"]
    keys += [] if in_range else ["mean", "std", "window"]
    return {key: getattr(spec, key) for key in keys}
