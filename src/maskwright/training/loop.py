"""The training loop, from a Job to checkpoints.

An epoch is `steps_per_epoch` optimizer steps, after which the run may validate. The samples of
a step depend on its index alone (`samples.loader`), so a run that was killed continues bit for
bit from its last checkpoint. Accelerate gives distribution, mixed precision and accumulation;
the batch size of the recipe is that of all processes together.
"""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from maskwright.core.atomic import write_json
from maskwright.core.errors import TrainingError
from maskwright.core.memory import is_out_of_memory
from maskwright.core.scores import mean_iou
from maskwright.nn.loss import LossFunction, build_loss

from . import checkpoint
from .checkpoint import RunProgress, TrainingState
from .freezing import EncoderFreezing
from .interrupt import Interrupt, catch_interrupt
from .job import Job, OnStep, Status
from .length import Length
from .optim import (
    MovingAverage,
    compute_lr_ratio,
    explain_learning_rate,
    make_optimizer,
    set_lr,
)
from .recipe import Recipe
from .samples.kept import keep_samples
from .samples.loader import Batch, Crops, Normalize, make_loader
from .samples.order import SampleOrder
from .setup import make_model
from .teachers import Distillation
from .tracking.tracker import Tracker, start_tracker
from .validate import time_images, validate
from .weights import compute_class_weights

SAVE_EVERY_S = 120.0
IMAGES_RATIO = 0.01
"""Share of a budget in which validation images are timed: the plan may have had no time."""


def fit(
    job: Job,
    accelerator: Accelerator,
    on_step: OnStep,
    *,
    resume: bool,
    length: Length | None = None,
    services: Sequence[str] = (),
) -> RunProgress:
    """Train until the length ends, patience runs out or Ctrl-C; leaves `best` and `last`.

    Without a `length`, it is that of the recipe. `services` are those of `tracking.services`.

    Raises:
        TrainingError: The loss is NaN or infinite, or memory ran out.
        KeyboardInterrupt: Ctrl-C, after a checkpoint was written.
    """
    recipe = job.recipe
    torch.manual_seed(recipe.seed)
    state = _make_state(job, accelerator, resume=resume)
    job = replace(job, card=replace(job.card, logits=state.model.head_grid))
    length = length or Length.open(job.run, job.num_steps)
    crops = Crops(
        keep_samples(
            job.train.__getitem__, len(job.train), num_processes=accelerator.num_processes
        ),
        job.counts_NC,
        recipe,
        num_samples=length.most_steps * job.samples_per_step,
        describe=job.train.describe,
        order=SampleOrder.from_dataset(job.train, recipe.seed),
        unlabelled=job.unlabelled,
    )
    first, on_cuda = (
        state.progress.step * job.samples_per_step,
        accelerator.device.type == "cuda",
    )
    loader = make_loader(crops, recipe, first=first, pin=on_cuda)
    wrapped, stepper, batches = accelerator.prepare(state.model, state.optimizer, loader)
    length.go_to(state.progress.step)
    _expect_export(length, state.model, job)
    distillation = Distillation.open(recipe, state.model, accelerator.device)
    tracker = start_tracker(job, state.progress, accelerator, services)
    loop = _Loop(
        job, accelerator, state, wrapped, stepper, tracker, on_step, length, distillation
    )
    with catch_interrupt() as interrupt, tracker:
        loop.run(tracker.watch(batches), interrupt)
    return state.progress


def _expect_export(length: Length, model: nn.Module, job: Job) -> None:
    """Leave less time for an export that need not trace the network."""
    if length.pace is not None:
        from maskwright.export.traced import has_graph

        if has_graph(model, job.card):
            length.expect_kept_graph()


def _make_state(job: Job, accelerator: Accelerator, *, resume: bool) -> TrainingState:
    model = make_model(job, pretrained=not resume)
    state = TrainingState(
        model=model,
        optimizer=make_optimizer(model, job.recipe.optim),
        average=MovingAverage(model, job.recipe.optim.ema_decay),
        progress=RunProgress(),
    )
    if resume:
        checkpoint.load(job.run, job.card, state)
    average = state.average
    average.state = {k: v.to(accelerator.device) for k, v in average.state.items()}
    return state


@dataclass(slots=True)
class _Loop:
    """The loop of `fit`; `wrapped` and `stepper` are Accelerate's model and optimizer."""

    job: Job
    accelerator: Accelerator
    state: TrainingState
    wrapped: nn.Module
    stepper: torch.optim.Optimizer
    tracker: Tracker
    on_step: OnStep
    length: Length
    distillation: Distillation | None = None
    losses: list[float] = field(default_factory=list)
    miou: float | None = None

    def run(self, batches: Iterable[Batch], interrupt: Interrupt) -> None:
        """Train on `batches` until they end, patience runs out or `interrupt` is set."""
        job, state, progress = self.job, self.state, self.state.progress
        weights_K = compute_class_weights(job.recipe.loss.class_weights, job.counts_NC)
        loss = build_loss(job.recipe.loss.sum, job.recipe.loss.config, weights_K)
        normalize = Normalize.of_recipe(job.recipe).to(self.accelerator.device)
        first_step, started_s = progress.step, time.monotonic()
        saved_s = started_s
        freezing = EncoderFreezing.from_recipe(state.model, job.recipe)
        freezing.start_epoch(progress.epoch)
        first_batch = progress.step * job.recipe.optim.accumulate
        for index, batch in enumerate(batches, start=first_batch):
            self._seed(index)
            ratio = compute_lr_ratio(progress.step, self.length.num_steps, job.recipe.optim)
            set_lr(state.optimizer, ratio)
            share = progress.step / self.length.num_steps
            state.model.set_progress(share)
            self._train_batch(batch, loss.at(share), normalize)
            if not self.accelerator.sync_gradients:
                continue
            progress.step += 1
            state.average.update(state.model, progress.step)
            self._correct_length()
            self._report_status(started_s, first_step)
            is_last = progress.step >= self.length.num_steps
            if progress.step == job.first_look < job.validation_steps and not is_last:
                self._look()
            if is_last or progress.step % job.steps_per_epoch == 0:
                if self._end_epoch() or is_last:
                    break
                freezing.start_epoch(progress.epoch)
            if self._in_any_process(flag=interrupt.pressed):
                self._save(best=False)
                raise KeyboardInterrupt(f"saved at step {progress.step}")
            if self._in_any_process(flag=time.monotonic() - saved_s > SAVE_EVERY_S):
                self._save(best=False)
                saved_s = time.monotonic()

    def _correct_length(self) -> None:
        """Fit the length to the budget, if there is one: in all processes to the same steps."""
        step, length = self.state.progress.step, self.length
        length.replay(step)
        if length.budget is None or not length.is_check(step):
            return
        proposed = length.propose(step)
        if length.needs_image_time:
            started_s, limit_s = time.monotonic(), IMAGES_RATIO * length.budget.total_s
            image_s = time_images(self.job, self.state, self.accelerator, limit_s=limit_s)
            length.add_validation(time.monotonic() - started_s, image_s)
        if self.accelerator.num_processes > 1:
            own = proposed if self.accelerator.is_main_process else 0
            total = torch.tensor(own, device=self.accelerator.device)
            proposed = int(self.accelerator.reduce(total, "sum").item())
        length.correct(step, proposed, write=self.accelerator.is_main_process)

    def _seed(self, batch_index: int) -> None:
        """Make dropout depend on the index of the batch alone, as its samples do."""
        key = (self.job.recipe.seed, 2, batch_index, self.accelerator.process_index)
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))

    def _in_any_process(self, *, flag: bool) -> bool:
        """Whether `flag` is set in any process: all must act on it at the same step."""
        if self.accelerator.num_processes == 1:
            return flag
        flags = torch.tensor(float(flag), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flags, "sum").item())

    def _train_batch(
        self, batch: Batch, loss_function: LossFunction, normalize: Normalize
    ) -> None:
        """Forward, backward and, after the last batch of a step, an optimizer step."""
        try:
            with self.accelerator.accumulate(self.wrapped):
                loss = self._compute_loss(batch, loss_function, normalize)
                self._require_finite(loss, batch["key"])
                self.accelerator.backward(loss)
                clip_norm = self.job.recipe.optim.clip_norm
                if self.accelerator.sync_gradients and clip_norm:
                    self.accelerator.clip_grad_norm_(self.wrapped.parameters(), clip_norm)
                self.stepper.step()
                self.stepper.zero_grad()
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            raise TrainingError(_explain_out_of_memory(self.job.recipe)) from error

    def _compute_loss(
        self, batch: Batch, loss_function: LossFunction, normalize: Normalize
    ) -> Tensor:
        """The loss of a batch, with what teachers say of it."""
        labels_BHW, learnt = batch["labels"].long(), self.distillation
        with self.accelerator.autocast():
            if learnt is not None:
                labels_BHW, loss_function = learnt.guide(batch, loss_function)
            outputs = self.wrapped(normalize(batch["image"]))
        loss = self.state.model.loss(outputs, labels_BHW, loss_function, batch.get("votes"))
        return loss if learnt is None else loss + learnt.compare_features()

    def _require_finite(self, loss: Tensor, keys: list[str]) -> None:
        value = float(loss.detach())
        self.losses.append(value)
        self.tracker.add_loss(value)
        if math.isfinite(value):
            return
        step, lr = self.state.progress.step, self.job.recipe.optim.lr
        path = self.job.run / "nan_batch.json"
        write_json(path, {"step": step, "loss": str(value), "keys": list(keys)})
        raise TrainingError(
            f"step {step}: the loss is {value}, expected a finite number, with the learning "
            f"rate optim.lr={lr:g}; {explain_learning_rate(lr)}, check the images and masks of "
            f"the batch (their keys are in {path}), or set optim.precision=fp32"
        )

    def _report_status(self, started_s: float, first_step: int) -> None:
        progress, job = self.state.progress, self.job
        step_s = (time.monotonic() - started_s) / (progress.step - first_step)
        status = Status(
            step=progress.step,
            num_steps=self.length.num_steps,
            epoch=progress.epoch,
            loss=self.losses[-1],
            miou=self.miou,
            best_miou=progress.best_miou if progress.best_epoch >= 0 else None,
            images_per_s=job.samples_per_step / step_s,
            left_s=(self.length.num_steps - progress.step) * step_s,
        )
        self.on_step(status)
        self.tracker.end_step(status, self.state.optimizer.param_groups[-1]["lr"])

    def _look(self) -> None:
        """Show the first predictions within a tenth of the run, before an epoch may have ended.

        Where the schedule validates once alone, which a short budget does, only the images
        that are shown are predicted.
        """
        if self.job.validation_steps < self.job.num_steps:
            self._validate()
            return
        show, images = self.tracker.add_prediction, sorted(self.tracker.shown)
        validate(self.job, self.state, self.accelerator, show, images=images)

    def _validate(self) -> float:
        """Validate, and return the mIoU, which the status shows from then on."""
        started_s = time.monotonic()
        show = self.tracker.add_prediction
        confusion = validate(self.job, self.state, self.accelerator, show)
        self.miou = float(mean_iou(confusion))
        seconds = time.monotonic() - started_s
        self.length.add_validation(seconds, seconds / len(self.job.val))
        self.tracker.add_validation(confusion, seconds)
        return self.miou

    def _end_epoch(self) -> bool:
        """Validate and save as the schedule requires; return whether patience has run out."""
        progress, schedule = self.state.progress, self.job.recipe.schedule
        progress.epoch += 1
        is_last = progress.step >= self.length.num_steps
        # a validation just before that of the last step would take its time from training
        is_whole = self.length.has_whole_epoch(progress.step, self.job.steps_per_epoch)
        is_due = progress.epoch % schedule.validate_every == 0 and is_whole
        is_validated = is_due or is_last
        is_better = False
        if is_validated:
            miou = self._validate()
            is_better = progress.best_epoch < 0 or miou > progress.best_miou
            if is_better:
                progress.best_miou, progress.best_epoch = miou, progress.epoch
        lr, loss = self.state.optimizer.param_groups[-1]["lr"], float(np.mean(self.losses))
        self.tracker.add_epoch(progress, loss, lr, self.miou if is_validated else None)
        self.losses.clear()
        if is_validated:
            self._save(best=is_better)
        epochs_without_gain = progress.epoch - progress.best_epoch
        patience_epochs = schedule.patience * schedule.validate_every
        return bool(patience_epochs) and is_validated and epochs_without_gain >= patience_epochs

    def _save(self, *, best: bool) -> None:
        if self.accelerator.is_main_process:
            checkpoint.save(self.job.run, self.job.card, self.state, best=best)
        self.tracker.save()
        self.accelerator.wait_for_everyone()


def _is_out_of_memory(error: Exception) -> bool:
    """Whether `error` is one of the kinds that torch raises where memory runs out."""
    return isinstance(error, torch.OutOfMemoryError) or is_out_of_memory(error)


def _explain_out_of_memory(recipe: Recipe) -> str:
    batch, (height, width) = recipe.data.batch_size, recipe.data.crop_px
    slower = "" if recipe.model.checkpointing else "--set model.checkpointing=true, or "
    return (
        f"out of memory with data.batch_size={batch} and data.crop_px=[{height}, {width}]; "
        f"try --set data.batch_size={max(1, batch // 2)} "
        f"--set optim.accumulate={recipe.optim.accumulate * 2}, which trains the same, or "
        f"{slower}smaller crops"
    )
