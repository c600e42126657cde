"""Tracker: what the training loop says of itself, for the tables, the page and the boards."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from accelerate import Accelerator

from maskwright.core.confusion import Confusion
from maskwright.core.errors import OutputError
from maskwright.core.labels import LabelMap
from maskwright.core.sample import Sample
from maskwright.core.scores import iou, mean_iou

from ..checkpoint import RunProgress
from ..job import Job, Status
from ..samples.loader import Batch
from .boards import Board, TensorBoard
from .history import NUM_POINTS, History, StepPoint
from .machine_use import MachineUse
from .page import Standing, State, write_page
from .previews import Previews, choose_images
from .services import open_services

DRAWING_SHARE = 0.01
"""Largest share of the time of a run that its page and the pictures of its boards take, but for
the first and the last."""

LEAST_PAUSE_S = 5.0


class Tracker:
    """Takes what a loop says; this one records nothing: that of all processes but the main one.

    It is a context manager around the loop. `shown` are the indices of the validation images
    that are shown.
    """

    shown: frozenset[int] = frozenset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End, by an error of this `kind`, if any."""

    def watch(self, batches: Iterable[Batch]) -> Iterable[Batch]:
        """The batches as they come."""
        return batches

    def add_loss(self, loss: float) -> None:
        """Take the loss of a batch."""

    def end_step(self, status: Status, lr: float) -> None:
        """Take a step that has ended."""

    def add_prediction(self, index: int, sample: Sample, predicted_HW: LabelMap) -> None:
        """Take the prediction of a validation image."""

    def add_validation(self, confusion: Confusion, seconds: float) -> None:
        """Take the counts of a validation, which took `seconds`."""

    def add_epoch(
        self, progress: RunProgress, loss: float, lr: float, miou: float | None
    ) -> None:
        """Take the means of an epoch that has ended; `miou` is None without validation."""

    def save(self) -> None:
        """Write what has been recorded, as of a checkpoint."""


def start_tracker(
    job: Job, progress: RunProgress, accelerator: Accelerator, services: Sequence[str] = ()
) -> Tracker:
    """The tracker of this process, which begins, or goes on after `progress`.

    Raises:
        ConfigError: One of the `services` cannot be reached.
    """
    if not accelerator.is_main_process:
        return Tracker()
    labels, spec = job.card.labels, job.card.input
    return RunTracker(
        job=job,
        history=History(job.run, labels.names, progress.step),
        previews=Previews.open(job.run, labels, spec),
        use=MachineUse.start(accelerator.device),
        boards=(TensorBoard(job.run, progress.step), *open_services(services, job)),
        shown=choose_images(len(job.val), accelerator.num_processes),
        standing=Standing("training", progress.step, job.num_steps),
    )


@dataclass(kw_only=True)
class RunTracker(Tracker):
    """Records one run; means are those of the steps since the last row of steps.csv."""

    job: Job
    history: History
    previews: Previews
    use: MachineUse
    boards: Sequence[Board]
    shown: frozenset[int]
    standing: Standing
    started_s: float = field(init=False)
    drawing_s: float = 0.0
    drawn_s: float = -LEAST_PAUSE_S
    _losses: list[float] = field(default_factory=list)
    _waited_s: float = 0.0
    _pointed_s: float = field(init=False)
    _pointed_step: int = field(init=False)
    _elsewhere_s: float = 0.0
    """Time of validations and drawings, in which nothing is trained."""

    def __post_init__(self) -> None:
        self._pointed_step = self.standing.step
        self.started_s = self._pointed_s = time.monotonic()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Draw the page of a run that trains no more, and close the boards."""
        state: State = "finishing" if kind is None else "stopped"
        with suppress(OutputError) if kind else nullcontext():  # the first error is told
            self.draw(replace(self.standing, state=state))
        for board in self.boards:
            board.close()

    @property
    def has_time(self) -> bool:
        """Whether drawing has taken less than its share of the time."""
        return self.drawing_s <= DRAWING_SHARE * (time.monotonic() - self.started_s)

    def watch(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches, with the time that training waits for each; the first is shown."""
        iterator = iter(batches)
        while True:
            asked_s = time.monotonic()
            batch = next(iterator, None)
            self._waited_s += time.monotonic() - asked_s
            if batch is None:
                return
            if not self.previews.samples:
                self.previews.add_samples(
                    batch["image"].cpu().numpy(),
                    batch["labels"].cpu().numpy(),
                    batch["key"],
                    in_range=self.job.recipe.augment.unit == "range",
                )
            yield batch

    def add_loss(self, loss: float) -> None:
        """Take the loss of a batch."""
        self._losses.append(loss)

    def end_step(self, status: Status, lr: float) -> None:
        """Take a step that has ended; draws the page where there is time."""
        step, num_steps = status.step, status.num_steps
        self.standing = Standing("training", step, num_steps, status.left_s)
        self.use.sample()
        if step % max(1, self.job.num_steps // NUM_POINTS) == 0 or step >= num_steps:
            self._add_point(step, lr)
        if self.has_time and time.monotonic() - self.drawn_s >= LEAST_PAUSE_S:
            self.draw(self.standing)

    def add_prediction(self, index: int, sample: Sample, predicted_HW: LabelMap) -> None:
        """Take the prediction of a validation image; those of `shown` are kept."""
        if index in self.shown:
            self.previews.add_prediction(index, sample, predicted_HW, self.standing.step)

    def add_validation(self, confusion: Confusion, seconds: float) -> None:
        """Take the counts of a validation, which took `seconds`."""
        self._elsewhere_s += seconds
        step = self.standing.step
        names, ious = self.job.card.labels.names, iou(confusion).tolist()
        miou = float(mean_iou(confusion))
        self.history.add_validation(step, miou, ious)
        known = {f"iou/{n}": v for n, v in zip(names, ious, strict=True) if np.isfinite(v)}
        for board in self.boards:
            board.log({"val_miou": miou, **known}, step)
        if not self.has_time:
            return
        with self._count_drawing():
            pictures = self.previews.draw_images()
            named = {f"val/{key}": shown for key, shown in pictures.items()}
            for board in self.boards:
                board.log_pictures(named, step)

    def add_epoch(
        self, progress: RunProgress, loss: float, lr: float, miou: float | None
    ) -> None:
        """Take the means of an epoch that has ended; `miou` is None without validation."""
        self.history.add_epoch(progress, loss, lr, miou)

    def save(self) -> None:
        """Write what has been recorded, as of a checkpoint."""
        self.history.write_steps()
        self.previews.write_document()

    def draw(self, standing: Standing) -> None:
        """Draw the page."""
        with self._count_drawing():
            self.save()
            write_page(self.job.run, self.job.card.labels, self.job.card.input, standing)
        self.drawn_s = time.monotonic()

    @contextmanager
    def _count_drawing(self) -> Iterator[None]:
        begun_s = time.monotonic()
        yield
        spent_s = time.monotonic() - begun_s
        self.drawing_s += spent_s
        self._elsewhere_s += spent_s

    def _add_point(self, step: int, lr: float) -> None:
        now_s, num = time.monotonic(), step - self._pointed_step
        spent_s = max(1e-9, now_s - self._pointed_s - self._elsewhere_s)
        point = StepPoint(
            step=step,
            seconds=self.history.seconds,
            loss=float(np.mean(self._losses)),
            lr=lr,
            images_per_s=num * self.job.samples_per_step / spent_s,
            wait=self._waited_s / spent_s,
            **self.use.read(),
        )
        self.history.add_point(point)
        self._losses.clear()
        self._pointed_s, self._pointed_step = now_s, step
        self._waited_s = self._elsewhere_s = 0.0
        values = {"loss": point.loss, "lr": lr, "images_per_s": point.images_per_s}
        machine = {f"machine/{name}": getattr(point, name) for name in ("wait", "cpu", "gpu")}
        for board in self.boards:
            board.log(values | {n: v for n, v in machine.items() if np.isfinite(v)}, step)
