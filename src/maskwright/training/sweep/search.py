"""Search for the values of a recipe that score best, in a given time.

Values are proposed by Optuna's TPE (Bergstra et al. 2011). A trial is a whole run; one whose
mIoU, at the same share of its length, is below the median of the trials before is stopped.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from maskwright.core.checkpoint import BEST, FOLDER, LAST
from maskwright.core.errors import ConfigError, TrainingError, shorten
from maskwright.pages.text import format_share

from ..job import Status
from ..options import Callbacks, TrainOptions
from ..run import Run, train
from ..start import require_settings
from .space import Plain, parse_spaces
from .trials import Trial, Trials, name_trial

if TYPE_CHECKING:
    import optuna

TrainOne = Callable[[Path | str, Path, TrainOptions, Callbacks], Run]

NUM_TRIALS = 10
"""Trials that would fit in the time if none were stopped, where nothing else is said."""

NUM_UNPRUNED, FIRST_PERCENT = 3, 30
"""Trials that are never stopped, and the percent of a run before which none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """Options of `sweep`.

    `over` are spaces as `sweep.space` writes them. The search takes `time_s`; a trial takes
    the budget of `options`, a tenth of the time unless given, or as long as its epochs are.
    """

    over: tuple[str, ...]
    time_s: float
    options: TrainOptions = field(default_factory=TrainOptions)
    resume: bool = False


class _PrunedError(Exception):
    """Raised after a step to stop a trial."""


def sweep(
    data: Path | str,
    out: Path | str,
    asked: SweepOptions,
    callbacks: Callbacks | None = None,
    *,
    train_one: TrainOne = train,
    clock: Callable[[], float] = time.monotonic,
) -> Trials:
    """Search, and leave the trials, their table and the best recipe in `out`.

    Raises:
        ConfigError: A key, a value or a space is wrong, there is a search in `out` already, or
            no trial fits in the time.
        DataError: The dataset is not fit for training.
        TrainingError: No trial ended.
        MissingDependencyError: Optuna is not installed.
    """
    out, callbacks = Path(out), callbacks or Callbacks()
    search = _Search.begin(out, asked, callbacks, clock)
    while search.has_time():
        search.run_trial(data, train_one)
    search.trials.write()
    if search.trials.best is None:
        notes = [trial.note for trial in search.trials.ended if trial.note]
        raise TrainingError(
            f"no trial of the search in {out} ended: {notes[-1] if notes else 'no time'}"
        )
    return search.trials


@dataclass(slots=True, kw_only=True)
class _Search:
    trials: Trials
    study: "optuna.Study"
    distributions: "Mapping[str, optuna.distributions.BaseDistribution]"
    options: TrainOptions
    time_s: float
    callbacks: Callbacks
    clock: Callable[[], float]

    @classmethod
    def begin(
        cls,
        out: Path,
        asked: SweepOptions,
        callbacks: Callbacks,
        clock: Callable[[], float],
    ) -> "_Search":
        import optuna

        spaces = parse_spaces(asked.over)
        options = _complete_options(asked)
        for key in spaces:
            if key in options.settings:
                raise ConfigError(f"--over {key} and --set {key} exclude each other")
        first = {key: space.first for key, space in spaces.items()}
        require_settings({**options.settings, **first}, options.budget_s)
        if (out / "sweep.json").exists() and not asked.resume:
            raise ConfigError(f"{out}: there is a search already; go on with --resume")
        trials = Trials(root=out, spaces=asked.over)
        if asked.resume:
            trials = Trials.open(out, asked.over)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        seed = options.settings.get("seed", 0)
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(
                seed=int(str(seed)) + len(trials.ended), n_startup_trials=NUM_UNPRUNED
            ),
            pruner=optuna.pruners.MedianPruner(NUM_UNPRUNED, FIRST_PERCENT),
        )
        distributions = {key: space.to_distribution() for key, space in spaces.items()}
        for trial in trials.ended:
            study.add_trial(_to_optuna(trial, distributions))
        return cls(
            trials=trials,
            study=study,
            distributions=distributions,
            options=options,
            time_s=asked.time_s,
            callbacks=callbacks,
            clock=clock,
        )

    def has_time(self) -> bool:
        """Whether another trial fits; not after the first ones have all failed."""
        states = [trial.state for trial in self.trials.ended]
        if len(states) >= NUM_UNPRUNED and set(states) == {"failed"}:
            return False
        finished = [t.seconds for t in self.trials.ended if t.state == "finished"]
        needed_s = self.options.budget_s or max(finished, default=0.0)
        left_s = self.time_s - self.trials.spent_s
        return left_s >= needed_s and left_s > 0

    def run_trial(self, data: Path | str, train_one: TrainOne) -> None:
        """Train with the next values, to the end or until the trial is pruned."""
        asked = self.study.ask(dict(self.distributions))
        number, values = len(self.trials.ended), dict(asked.params)
        shown = ", ".join(f"{key}={value}" for key, value in values.items())
        self.callbacks.log(f"{name_trial(number)}: {shown}")
        folder, started_s = self.trials.root / name_trial(number), self.clock()
        shutil.rmtree(folder, ignore_errors=True)  # of a trial that was interrupted
        course: dict[int, float] = {}
        watch = replace(self.callbacks, on_step=self._watch(asked, course))
        started = None if self.options.budget_s is None else time.monotonic()
        settings = {**self.options.settings, **values}
        options = replace(self.options, settings=settings, started_s=started)
        miou, note = None, ""
        try:
            miou = train_one(data, folder, options, watch).report.miou
        except _PrunedError:
            _remove_checkpoints(folder)
        except TrainingError as error:
            note = shorten(str(error), 120)
        trial = Trial(
            number=number,
            values=values,
            state="failed" if note else "pruned" if miou is None else "finished",
            seconds=self.clock() - started_s,
            miou=miou,
            course=course,
            note=note,
        )
        self.study.tell(asked, miou, state=_to_state(trial))
        self.trials.add(trial)
        self.callbacks.log(f"{name_trial(number)}: {trial.state} {format_share(miou, 2)}")

    def _watch(
        self, asked: "optuna.Trial", course: dict[int, float]
    ) -> Callable[[Status], None]:
        """What is called after each step: reports each validation, and stops the trial."""
        seen: list[float] = []

        def on_step(status: Status) -> None:
            self.callbacks.on_step(status)
            if status.miou is None or seen[-1:] == [status.miou]:
                return
            seen.append(status.miou)
            percent = 100 * status.step // status.num_steps
            course[percent] = status.miou
            asked.report(status.miou, percent)
            if asked.should_prune():
                raise _PrunedError

        return on_step


def _complete_options(asked: SweepOptions) -> TrainOptions:
    """The options of a trial: with a budget, unless their length is given."""
    options, has_length = asked.options, "schedule.epochs" in asked.options.settings
    if options.budget_s is None and not has_length:
        options = replace(options, budget_s=asked.time_s / NUM_TRIALS)
    if options.budget_s is not None and options.budget_s > asked.time_s:
        raise ConfigError(
            f"--trial-time {options.budget_s:g}s is longer than --time "
            f"{asked.time_s:g}s of the search"
        )
    return options


def _to_state(trial: Trial) -> "optuna.trial.TrialState":
    from optuna.trial import TrialState

    states = {
        "finished": TrialState.COMPLETE,
        "pruned": TrialState.PRUNED,
        "failed": TrialState.FAIL,
    }
    return states[trial.state]


def _to_optuna(
    trial: Trial, distributions: "Mapping[str, optuna.distributions.BaseDistribution]"
) -> "optuna.trial.FrozenTrial":
    from optuna.trial import create_trial

    params: dict[str, Plain] = dict(trial.values)
    return create_trial(
        state=_to_state(trial),
        value=trial.miou,
        params=params,
        distributions=dict(distributions),
        intermediate_values=dict(trial.course),
    )


def _remove_checkpoints(run: Path) -> None:
    """Remove the weights of a run that was stopped; its page and its tables stay."""
    for name in (BEST, LAST):
        with suppress(FileNotFoundError):
            (run / name).unlink()
    shutil.rmtree(run / FOLDER, ignore_errors=True)
