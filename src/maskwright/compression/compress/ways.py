"""Ways to a smaller network: channels removed in steps, or a student that learns from it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from maskwright.core.card import ModelCard
from maskwright.core.errors import ConfigError
from maskwright.export.foreign.bundle import ARCH as IMPORTED
from maskwright.training.options import Callbacks, TrainOptions
from maskwright.training.run import train
from maskwright.training.start import require_settings

from ..pruning.prune import PruneOptions, prune_model

SHARES = (0.7, 0.5, 0.35)
"""Steps of pruning: shares of the multiplications of the given network."""

STUDENT = "student"
STUDENT_ARCH = "fastscnn"
"""Of the student unless another is asked for: the fastest of benchmarks/speed.md."""

LEAST_S = 60.0
"""The least time for a training, its report and its Bundle included."""

_OF_STUDENT = "model."
_SCALE = "input.scale_ratio"
_SPLITS = "compress trains on the split train of DATA, and scores on val"
_FIXED = {
    _SCALE: "compress compares the times of networks on images of the scale of the model",
    "data.train_split": _SPLITS,
    "data.val_split": f"{_SPLITS} (--fold)",
}
"""Settings that are not given, with the reason."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The network that smaller ones are made of, with its data and the options of training.

    Settings of `options` that begin with `model.` are those of the student.
    """

    model: Path | str
    card: ModelCard
    data: Path | str
    options: TrainOptions
    callbacks: Callbacks

    @property
    def student_arch(self) -> str:
        """The architecture of the student."""
        return str(self.options.settings.get("model.arch", STUDENT_ARCH))

    def make_options(self, seconds: float, *, is_student: bool) -> TrainOptions:
        """Options of a training that takes so long, its report and its Bundle included."""
        settings = {
            key: value
            for key, value in self.options.settings.items()
            if is_student or not key.startswith(_OF_STUDENT)
        }
        if is_student:
            fixed = {
                "model.arch": self.student_arch,
                "distil.teachers": [str(self.model)],
                _SCALE: self.card.input.scale_ratio,
            }
            settings |= {key: value for key, value in fixed.items() if key not in settings}
        return replace(self.options, settings=settings, budget_s=seconds, started_s=None)


@dataclass(frozen=True, slots=True)
class Way:
    """A smaller network: its name, what is done, what it needs before, and how to train it.

    `train` leaves a run in a folder within so many seconds. `after` names a network that must
    have been made, and have kept the score.
    """

    name: str
    how: str
    after: str | None
    train: Callable[[Path, float], object]


def require_possible(training: TrainOptions) -> None:
    """Raise ConfigError for settings without a budget, or that make networks incomparable.

    Times of networks are those of images of one scale, scores those of one split.
    """
    given = sorted(training.settings)
    if given and training.budget_s is None:
        raise ConfigError(
            f"{', '.join(given)}: set for networks that are trained, which takes time; give "
            f"--budget too, such as 1h, or leave it out"
        )
    for key in given:
        if key in _FIXED:
            raise ConfigError(f"--set {key}: {_FIXED[key]}; leave it out")
    if training.budget_s is not None:
        require_settings(training.settings, training.budget_s)


def count_affordable(left_s: float, num_ways: int, judging_s: float) -> int:
    """How many of so many ways have `LEAST_S` each to train, and the time to be judged."""
    for count in range(num_ways, 0, -1):
        if left_s / count - judging_s >= LEAST_S:
            return count
    return 0


def list_ways(origin: Origin, folder: Path) -> list[Way]:
    """The ways, the one that loses least first; `folder` gets a run of each by its name."""
    if _is_imported(origin.card):
        return [_distil(origin)]
    ways = [_prune(origin, folder, index) for index in range(len(SHARES))]
    return [*ways[:2], _distil(origin), *ways[2:]]


def describe_ways(card: ModelCard) -> str:
    """What is tried with the network of a card where there is time to train."""
    others = (
        f"a student ({STUDENT_ARCH}) that learns from the network, and int8 that is trained "
        f"where calibration loses too much"
    )
    return others if _is_imported(card) else f"{_describe_pruning()}, {others}"


def explain_left_out(card: ModelCard) -> tuple[str, ...]:
    """What is not tried with the network of a card even where there is time, and why."""
    reason = (
        f"not tried: {_describe_pruning()}: the network was imported as a graph, which is not "
        f"built and trained again without some of its channels; a student learns from it"
    )
    return (reason,) if _is_imported(card) else ()


def _is_imported(card: ModelCard) -> bool:
    """Whether the network is a graph of others, without weights that are trained."""
    return card.arch.name == IMPORTED


def _describe_pruning() -> str:
    shares = ", ".join(f"{share:.0%}" for share in SHARES)
    return f"channels removed to {shares} of the multiplications"


def name_pruned(share: float) -> str:
    """The name of the network with a share of the multiplications: `pruned-70`."""
    return f"pruned-{100 * share:.0f}"


def _prune(origin: Origin, folder: Path, index: int) -> Way:
    """Go on from the step before, which has been trained already."""
    share = SHARES[index]
    before = None if index == 0 else name_pruned(SHARES[index - 1])
    how = f"channels removed to {share:.0%} of the multiplications"
    return Way(name_pruned(share), how, before, partial(_train_pruned, origin, folder, index))


def _train_pruned(origin: Origin, folder: Path, index: int, out: Path, seconds: float) -> None:
    model, share = origin.model, SHARES[index]
    if index > 0:
        model, share = folder / name_pruned(SHARES[index - 1]), share / SHARES[index - 1]
    asked = PruneOptions(target_flops=share, rounds=1, teacher=origin.model)
    options = origin.make_options(seconds, is_student=False)
    prune_model(model, origin.data, out, asked, options, origin.callbacks)


def _distil(origin: Origin) -> Way:
    how = f"a {origin.student_arch} that learned from the network"
    return Way(STUDENT, how, None, partial(_train_student, origin))


def _train_student(origin: Origin, out: Path, seconds: float) -> None:
    arch = origin.card.arch.name
    if origin.student_arch == arch and "model.arch" not in origin.options.settings:
        raise ConfigError(
            f"the network is a {arch} already; name a smaller student by --arch, --encoder"
        )
    train(origin.data, out, origin.make_options(seconds, is_student=True), origin.callbacks)
