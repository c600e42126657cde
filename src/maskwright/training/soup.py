"""`soup`: average the weights of several models of one architecture, Wortsman et al. 2022.

Uniform: the mean of all. Greedy (recipe 1 of the paper): models in the order of their mean IoU
on the validation split; one is added where the mean with it is at least as good there. The
running statistics of batch normalisation are not averaged: they are measured again with the
averaged weights, on training images in one piece. The temperature of the result is 1, since
that of a member does not belong to the average.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from maskwright.core.bundle import WEIGHTS
from maskwright.core.card import ModelCard
from maskwright.core.checkpoint import CARD, Checkpoint, find_checkpoint, write_card
from maskwright.core.confusion import Confusion
from maskwright.core.errors import BundleError, ConfigError
from maskwright.core.progress import Progress, silent
from maskwright.core.results import NEW, WriteMode, fill_folder
from maskwright.core.scores import mean_iou
from maskwright.data.dataset import Dataset
from maskwright.inference.engines.torch import TorchEngine
from maskwright.inference.opening import split_models
from maskwright.inference.predictor import Predictor
from maskwright.inference.resolution import to_network
from maskwright.nn.build import build_model

from .checkpoint import write_tensors

MOST_IMAGES = 200
"""Training images on which batch normalisation is measured, evenly spread."""

SOUP = "soup"

State = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Soup:
    """The checkpoint of averaged weights, and the ids of the models whose weights are in it.

    `scores` are the mean IoU on the validation split, by id of the model and as `SOUP`.
    """

    root: Path
    members: tuple[str, ...]
    scores: Mapping[str, float] = field(default_factory=dict)

    def compare_with_best(self) -> str | None:
        """What to do where a model is better than the mean; None where none is."""
        best = max(self.members, key=lambda name: self.scores[name])
        if self.scores[best] <= self.scores[SOUP]:
            return None
        return (
            f"the mean is worse than {best} alone: use that model, leave out models with "
            f"--greedy, or average models that were trained from one start (--init)"
        )

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        return {"out": str(self.root), "members": list(self.members), "miou": dict(self.scores)}


def make_soup(
    models: Path | str | Sequence[Path | str],
    dataset: Dataset,
    out: Path | str,
    *,
    greedy: bool = False,
    mode: WriteMode = NEW,
    progress: Progress = silent,
) -> Soup:
    """Average models and write the checkpoint `out`, which is a MODEL for every verb.

    Args:
        models: Runs or checkpoints, or their text joined by a plus.
        dataset: Images with the splits `train` and `val`, of the models' classes.
        out: See `core.results`.
        greedy: Leave out models that lower the mean IoU on `val`.
        mode: Overwrite replaces a checkpoint.
        progress: Called for each image.

    Raises:
        BundleError: A model is not a run or a checkpoint, or damaged.
        ConfigError: Fewer than two models, or they differ in architecture, classes or input.
        DataError: There is no such split.
        OutputError: `out` exists and `mode` does not replace it, or it cannot be written.
    """
    names = split_models(models) if isinstance(models, Path | str) else models
    checkpoints = [_open(Path(name)) for name in names]
    card = _require_alike(checkpoints)
    averager = _Averager(card, dataset.subset("train"), dataset.subset("val"), progress)
    states = {one.model_id: load_file(one.weights) for one in checkpoints}
    if len(states) < len(checkpoints) or len(states) < 2:
        raise ConfigError(f"{len(checkpoints)} models, expected two or more that differ")
    scores = {name: averager.score(state) for name, state in states.items()}
    ranked = sorted(states, key=lambda name: -scores[name])
    members = averager.choose(ranked, states, scores) if greedy else list(states)
    averaged = averager.average([states[name] for name in members])
    scores[SOUP] = averager.score(averaged)
    provenance = card.provenance | {SOUP: {"members": members, "greedy": greedy}}
    soup_card = replace(card, provenance=provenance, temperature=1.0, refine=None, decide=None)
    with fill_folder(Path(out), SOUP, mode, marker=CARD) as partial:
        write_card(partial.folder, soup_card)
        write_tensors(partial.folder / WEIGHTS, dict(averaged))
    return Soup(root=Path(out), members=tuple(members), scores=scores)


@dataclass(frozen=True, slots=True)
class _Averager:
    """Averages states of one network, and scores them on validation images."""

    card: ModelCard
    train: Dataset
    val: Dataset
    progress: Progress

    def choose(
        self, ranked: Sequence[str], states: Mapping[str, State], scores: Mapping[str, float]
    ) -> list[str]:
        """The models of the greedy soup, the best one first."""
        chosen, best = [ranked[0]], scores[ranked[0]]
        for name in ranked[1:]:
            candidate = [*chosen, name]
            score = self.score(self.average([states[one] for one in candidate]))
            if score >= best:
                chosen, best = candidate, score
        return chosen

    def average(self, states: Sequence[State]) -> State:
        """The mean of the weights, with the statistics of normalisation measured again."""
        first = states[0]
        mean = {
            name: torch.stack([state[name].double() for state in states]).mean(0).to(one.dtype)
            if one.is_floating_point()
            else one
            for name, one in first.items()
        }
        network = self._build(mean)
        if len(states) > 1:
            self._renew_statistics(network)
        return network.state_dict()

    def score(self, state: State) -> float:
        """The mean IoU on the validation split."""
        predictor = Predictor(TorchEngine(self._build(state)), self.card, SOUP)
        num_classes = len(self.card.labels)
        total = Confusion.zero(num_classes)
        dataset = self.val.with_bands(self.card.input.bands)
        indices = range(len(dataset))
        for index in self.progress(indices, total=len(indices), what="validating"):
            image_HWC, valid_HW = dataset.data(index)
            labels_HW = predictor.label(image_HWC, valid_HW, where=dataset.describe(index))
            total += Confusion.from_labels(dataset.labels(index), labels_HW, num_classes)
        return float(mean_iou(total))

    def _build(self, state: State) -> nn.Module:
        network = build_model(self.card)
        network.load_state_dict(dict(state))
        return network.eval()

    def _renew_statistics(self, network: nn.Module) -> None:
        """Measure means and variances of batch normalisation, each image with equal weight."""
        norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        if not norms:
            return
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all images
            norm.train()
        dataset, spec = self.train.with_bands(self.card.input.bands), self.card.input
        num = min(len(dataset), MOST_IMAGES)
        spread = np.linspace(0, len(dataset) - 1, num).round().astype(int).tolist()
        with torch.inference_mode():
            for index in self.progress(spread, total=num, what="renewing statistics"):
                image_HWC, valid_HW = dataset.data(index)
                where = dataset.describe(index)
                prepared_HWC = spec.prepare(image_HWC, valid_HW, where=where)
                network(torch.from_numpy(to_network(prepared_HWC, spec))[None])
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


def _open(path: Path) -> Checkpoint:
    folder = find_checkpoint(path)
    if folder is None:
        raise BundleError(
            f"{path}: neither a run nor a checkpoint; weights are averaged of these alone"
        )
    return Checkpoint.open(folder)


def _require_alike(checkpoints: Sequence[Checkpoint]) -> ModelCard:
    """The card of the first; all must be of one network, on the same classes and input."""
    first, *others = checkpoints
    for other in others:
        for what, a, b in (
            ("architecture", first.card.arch, other.card.arch),
            ("classes", first.card.labels.names, other.card.labels.names),
            ("input", first.card.input, other.card.input),
        ):
            if a != b:
                raise ConfigError(
                    f"{first.root} and {other.root} differ in their {what} "
                    f"({_describe_difference(a, b)}); weights can only be averaged within one "
                    f"network; an ensemble (A+B in predict) takes several"
                )
    return first.card


def _describe_difference(a: object, b: object) -> str:
    """Both values; of two specs, the fields in which they differ."""
    if not is_dataclass(a) or not is_dataclass(b):
        return f"{a}; {b}"
    pairs = [(one.name, getattr(a, one.name), getattr(b, one.name)) for one in fields(a)]
    return ", ".join(f"{name} {x} and {y}" for name, x, y in pairs if x != y)
