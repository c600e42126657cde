"""Prune a network to a share of its work, or to a time, with training after each round.

runs/small/  pruned/   the checkpoint that the last training starts from
             ...       a run as `train` leaves it
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from maskwright.core.bundle import WEIGHTS
from maskwright.core.card import ModelCard
from maskwright.core.checkpoint import write_card
from maskwright.core.errors import ConfigError, DataError, UnknownNameError
from maskwright.core.logits import FULL_SIZE
from maskwright.data.dataset import Dataset, open_dataset
from maskwright.inference.resolution import to_network
from maskwright.nn.any_size import AnySize
from maskwright.nn.build import build_model, load_arch, load_model
from maskwright.nn.channels import map_channels
from maskwright.nn.trained import Trained, find_trained
from maskwright.nn.widths import Widths, join_widths, keep_channels
from maskwright.training.checkpoint import write_tensors
from maskwright.training.options import Callbacks, TrainOptions
from maskwright.training.recipe import Settings
from maskwright.training.run import Run, train, train_weights
from maskwright.training.start import has_checkpoint, require_no_run

from .choice import ChannelChoice
from .importance import KINDS, measure_magnitude, measure_taylor
from .latency import Latency

PRUNED = "pruned"
MAX_ROUNDS = 3
ROUND_S = 300.0
"""Seconds of a budget for each round, up to `MAX_ROUNDS`."""

_NUM_IMAGES = 32
_MOST_PX = 512
"""Training images that importance is measured on, and their largest side."""

_ROUND_SHARE = 0.5
"""Share of a budget for all rounds but the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneOptions:
    """What to prune to, and how: one of `target_flops` and `target_ms` is given.

    `target_flops` is a share of the multiplications of the network, `target_ms` the time of its
    ONNX graph as `latency` measures it. `rounds` of pruning, each with training after it; None
    for one per five minutes of the budget, at most three. The network learns from `teacher`,
    None: from the one that is pruned.

    Raises ConfigError for a target that is missing, or is none, and UnknownNameError for
    another importance than those of `importance.KINDS`.
    """

    target_flops: float | None = None
    target_ms: float | None = None
    importance: str = KINDS[0]
    rounds: int | None = None
    latency: Latency = field(default_factory=Latency)
    teacher: Path | str | None = None

    def __post_init__(self) -> None:
        if self.importance not in KINDS:
            raise UnknownNameError("importance", self.importance, KINDS)
        if (self.target_flops is None) == (self.target_ms is None):
            raise ConfigError(
                "pruning needs a target: give one of --target-flops SHARE and --target-ms MS"
            )
        if self.target_flops is not None and not 0 < self.target_flops < 1:
            raise ConfigError(
                f"--target-flops {self.target_flops:g}: expected the share of the work that "
                f"is left, above 0 and below 1, such as 0.5"
            )

    def count_rounds(self, budget_s: float | None) -> int:
        """Rounds of pruning in a budget."""
        if self.rounds is not None:
            return self.rounds
        return MAX_ROUNDS if budget_s is None else min(MAX_ROUNDS, 1 + int(budget_s / ROUND_S))


def prune_model(
    model: Path | str,
    data: Path | str,
    out: Path | str,
    prune: PruneOptions,
    options: TrainOptions | None = None,
    callbacks: Callbacks | None = None,
) -> Run:
    """Prune `model` in rounds, train after each, and leave a run with a Bundle in `out`.

    Args:
        model: A Bundle with weights, a run or a checkpoint.
        data: The path of a dataset with labels of the model's classes.
        out: A new folder for the run.
        prune: The target.
        options: Of the training. Unless its settings say otherwise, the network learns from
            `model` too, and from images of the same scale.
        callbacks: Log lines, progress bars, status after each step.

    Raises:
        ConfigError: There is a run in `out` already, the model has no weights, its channels
            cannot be removed so far, or the recipe is wrong.
        DataError: The dataset is not fit for training.
        TrainingError: Training had to stop.
    """
    out, options, callbacks = Path(out), options or TrainOptions(), callbacks or Callbacks()
    require_no_run(out)
    pruner = _Pruner.open(model, data, prune, options, callbacks)
    rounds = prune.count_rounds(options.budget_s)
    share = pruner.find_share()
    with TemporaryDirectory(prefix="maskwright-") as name:
        begun = Path(model)
        for index in range(1, rounds):
            start = Path(name) / f"{PRUNED}-{index}"
            pruner.prune(begun, share ** (index / rounds), start)
            begun = Path(name) / f"run-{index}"
            train_weights(data, begun, pruner.make_options(start, rounds), callbacks)
        try:
            pruner.prune(begun, share, out / PRUNED)
            return train(data, out, pruner.make_options(out / PRUNED, None), callbacks)
        except BaseException:
            if not has_checkpoint(out):
                shutil.rmtree(out / PRUNED, ignore_errors=True)
                if out.is_dir() and not any(out.iterdir()):
                    out.rmdir()
            raise


@dataclass(frozen=True, slots=True)
class _Pruner:
    """Prunes the checkpoints of one model; the first is the model itself."""

    source: str
    first: Trained
    data: Dataset
    prune_options: PruneOptions
    options: TrainOptions
    callbacks: Callbacks
    total_ops: int

    @classmethod
    def open(
        cls,
        model: Path | str,
        data: Path | str,
        prune: PruneOptions,
        options: TrainOptions,
        callbacks: Callbacks,
    ) -> "_Pruner":
        trained = require_trained(model)
        dataset = open_dataset(
            data, allow_outside=options.allow_outside, progress=callbacks.progress
        )
        if dataset.spec.names != trained.card.labels.names:
            raise DataError(
                f"{dataset.source}: has the classes {', '.join(dataset.spec.names)}, the model "
                f"{', '.join(trained.card.labels.names)}; prune on data with the classes of "
                f"the model"
            )
        network = load_model(trained.card, trained.weights).network
        found = map_channels(network, trained.card.input.channels)
        train_split = str(options.settings.get("data.train_split", "train"))
        labelled = dataset.subset(train_split).with_input(trained.card.input)
        return cls(str(model), trained, labelled, prune, options, callbacks, found.total_ops)

    def find_share(self) -> float:
        """The share of the work of the model that is wanted."""
        options, card = self.prune_options, self.first.card
        if options.target_ms is None:
            return options.target_flops or 1.0
        model, choice = self._open_choice(self.first)

        def narrow(share: float) -> tuple[ModelCard, AnySize]:
            widths, _ = keep_channels(model.network, choice.reach(share, name=self.source))
            narrowed = _narrow_card(card, widths)
            return narrowed, build_model(narrowed)

        return options.latency.find_share(narrow, options.target_ms, self.callbacks.log)

    def prune(self, run: Path, share: float, out: Path) -> None:
        """Write a checkpoint with `share` of the work of the first network.

        `run` is what to prune: the first network, or a run that began with a pruned one.
        """
        trained = require_trained(run)
        model, choice = self._open_choice(trained)
        left = share * self.total_ops / choice.found.total_ops
        kept = choice.reach(min(1.0, left), name=self.source)
        widths, tensors = keep_channels(model.network, kept)
        reached = choice.count_ops(kept) / self.total_ops
        provenance = dict(trained.card.provenance) | {
            "pruned": {
                "from": self.first.model_id,
                "share_of_multiplications": round(reached, 4),
                "importance": self.prune_options.importance,
            }
        }
        pruned = _narrow_card(replace(trained.card, provenance=provenance), widths)
        out.mkdir(parents=True, exist_ok=True)
        write_card(out, pruned)
        write_tensors(out / WEIGHTS, {f"network.{k}": v for k, v in tensors.items()})
        _require_rebuilt(pruned, out / WEIGHTS, self.source)
        num = sum(len(side) for side in kept.values())
        self.callbacks.log(
            f"pruned to {reached:.1%} of the multiplications of {self.source}, "
            f"{len(widths)} layers narrowed" + ("" if num else ": nothing was to be removed")
        )

    def make_options(self, start: Path, rounds: int | None) -> TrainOptions:
        """Options of a training from a checkpoint: of the last one for None."""
        arch = load_arch(self.first.card.arch.name)
        name = str(self.prune_options.teacher or self.source)
        teacher = {"distil.teachers": [name]} if arch.USES_PIXEL_LOSS else {}
        scale = {"input.scale_ratio": self.first.card.input.scale_ratio}
        settings: Settings = teacher | scale | dict(self.options.settings)
        settings = {**settings, "model.init": str(start)}
        if rounds is None:
            return replace(self.options, settings=settings)
        budget_s = self.options.budget_s
        if budget_s is not None:
            budget_s *= _ROUND_SHARE / (rounds - 1)
        return replace(self.options, settings=settings, budget_s=budget_s, started_s=None)

    def _open_choice(self, trained: Trained) -> tuple[AnySize, ChannelChoice]:
        """The network with logits of full size, and the importance of its channels."""
        card = replace(trained.card, logits=FULL_SIZE)
        model = load_model(card, trained.weights)
        found = map_channels(model.network, card.input.channels)
        if self.prune_options.importance == "magnitude":
            return model, ChannelChoice(found, measure_magnitude(model.network, found))
        scores = measure_taylor(model, model.network, found, self._list_samples())
        return model, ChannelChoice.by_cost(found, scores)

    def _list_samples(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Training images, spread evenly, with their labels at the size of the network."""
        data, spec = self.data, self.first.card.input
        every = max(1, len(data) // _NUM_IMAGES)
        indices = range(0, len(data), every)[:_NUM_IMAGES]
        shown = self.callbacks.progress(indices, total=len(indices), what="importance")
        for index in shown:
            image_HWC, valid_HW = data.data(index)
            prepared_HWC = spec.prepare(image_HWC, valid_HW, where=data.describe(index))
            x_CHW = torch.from_numpy(to_network(prepared_HWC, spec))[:, :_MOST_PX, :_MOST_PX]
            labels_HW = torch.from_numpy(data.labels(index).astype("int64"))
            size_hw = spec.network_size(image_HWC.shape[:2])
            labels_hw = nn.functional.interpolate(labels_HW[None, None].double(), size_hw)[0, 0]
            yield x_CHW[None], labels_hw[:_MOST_PX, :_MOST_PX].long()[None]


def require_trained(model: Path | str) -> Trained:
    """The network of a Bundle, a run or a checkpoint.

    Raises:
        BundleError: A Bundle that was imported, which has no weights.
        ConfigError: There is none.
    """
    trained = find_trained(model)
    if trained is None:
        raise ConfigError(
            f"{model}: is no Bundle, run or checkpoint with the weights of a network that "
            f"maskwright builds"
        )
    return trained


def _narrow_card(card: ModelCard, widths: Widths) -> ModelCard:
    arch = replace(card.arch, widths=join_widths(card.arch.widths, widths))
    return replace(card, arch=arch)


def _require_rebuilt(card: ModelCard, weights: Path, source: str) -> None:
    """Require that the network of the card is built again, and runs.

    Raises:
        ConfigError: Its code depends on a number of channels that pruning has changed.
    """
    model, x_BCHW = load_model(card, weights), torch.zeros(2, card.input.channels, 64, 96)
    try:
        for training in (False, True):
            with torch.no_grad():
                model.train(training)(x_BCHW)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"{source}: {card.arch.name} with fewer channels does not run ({error}); its code "
            f"depends on the number of them"
        ) from error
