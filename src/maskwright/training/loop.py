"""The training loop: one readable file, from a Job to checkpoints.

An epoch is `steps_per_epoch` optimizer steps, after which the run may validate. What a step
sees depends on its number alone (`loader`), so a run that was killed goes on bit for bit from
its last checkpoint. Accelerate gives distribution, mixed precision and accumulation; the
batch of the recipe is the whole batch, shared out among the processes.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.utils import DistributedDataParallelKwargs
from numpy.typing import NDArray
from torch import Tensor, nn

from maskwright.core.atomic import write_json
from maskwright.core.card import ModelCard
from maskwright.core.confusion import Confusion
from maskwright.core.errors import ConfigError, TrainingError
from maskwright.core.scores import mean_iou
from maskwright.data.dataset import Dataset
from maskwright.inference.engine import Engine
from maskwright.inference.predictor import Predictor
from maskwright.nn.any_size import AnySize
from maskwright.nn.build import build_model, new_model
from maskwright.nn.loss import LossFunction, LossSum, build_loss

from . import checkpoint
from .checkpoint import Progress
from .freezing import EncoderFreezing
from .interrupt import Interrupt, catch_interrupt
from .log import RunLog
from .machine import processes
from .optim import MovingAverage, compute_lr_ratio, make_optimizer, set_lr
from .recipe import Recipe
from .samples.loader import Crops, Normalize, make_loader
from .weights import class_weights

SAVE_EVERY_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that one run of the loop works on."""

    run: Path
    recipe: Recipe
    card: ModelCard
    train: Dataset
    val: Dataset
    counts_NC: NDArray[np.int64]

    @property
    def samples_per_step(self) -> int:
        """Images per optimizer step, over all processes."""
        return self.recipe.data.batch_size * self.recipe.optim.accumulate

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps that show every image about once."""
        return math.ceil(len(self.train) / self.samples_per_step)

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the whole schedule."""
        return self.recipe.schedule.epochs * self.steps_per_epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a person watching wants to know after a step; `miou` is of the last validation."""

    step: int
    num_steps: int
    epoch: int
    loss: float
    miou: float | None
    best_miou: float | None
    images_per_s: float
    left_s: float


OnStep = Callable[[Status], None]


def make_accelerator(recipe: Recipe) -> Accelerator:
    """Accelerate as the recipe asks; `accelerate launch` adds processes and devices.

    Raises:
        ConfigError: float16 or norm "sync" on a CPU, or a batch that the processes cannot
            share evenly.
    """
    if recipe.optim.precision == "fp16" and not torch.cuda.is_available():
        raise ConfigError(
            "optim.precision 'fp16' needs device 'cuda', got 'cpu'; use bf16 or fp32"
        )
    if recipe.model.norm == "sync" and not torch.cuda.is_available():
        raise ConfigError(
            "model.norm 'sync' needs device 'cuda', got 'cpu'; use batch or group"
        )
    num_processes, batch = processes().num_processes, recipe.data.batch_size
    if batch % num_processes:
        raise ConfigError(
            f"data.batch_size={batch} cannot be shared evenly by {num_processes} processes; "
            f"use --set data.batch_size={math.ceil(batch / num_processes) * num_processes}"
        )
    return Accelerator(
        mixed_precision={"fp32": "no"}.get(recipe.optim.precision, recipe.optim.precision),
        gradient_accumulation_steps=recipe.optim.accumulate,
        step_scheduler_with_optimizer=False,
        dataloader_config=DataLoaderConfiguration(split_batches=True),
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )


def fit(job: Job, accelerator: Accelerator, on_step: OnStep, *, resume: bool) -> Progress:
    """Train until the schedule ends, patience runs out or Ctrl-C; leaves `best` and `last`.

    Raises:
        TrainingError: The loss is not a number, or memory ran out.
        KeyboardInterrupt: Ctrl-C, after a checkpoint was written.
    """
    recipe = job.recipe
    torch.manual_seed(recipe.seed)
    model = _fresh_model(job, from_weights=not resume)
    optimizer = make_optimizer(model, recipe.optim)
    average = MovingAverage(model, recipe.optim.ema_decay)
    training = (model, optimizer, average)
    progress = checkpoint.load(job.run, training) if resume else Progress()
    average.state = {k: v.to(accelerator.device) for k, v in average.state.items()}
    crops = Crops(
        job.train.__getitem__,
        job.counts_NC,
        recipe,
        num_samples=job.num_steps * job.samples_per_step,
    )
    loader = make_loader(crops, recipe, first=progress.step * job.samples_per_step)
    wrapped, stepper, loader = accelerator.prepare(model, optimizer, loader)
    log = RunLog(job.run, progress.step) if accelerator.is_main_process else None
    run = _Run(job, accelerator, training, wrapped, stepper, progress, log, on_step)
    with catch_interrupt() as interrupt:
        run.go(loader, interrupt)
    if log is not None:
        log.close()
    return progress


@dataclass(slots=True)
class _Run:
    """The moving parts of `fit`; `model` is the bare network, `wrapped` what is called."""

    job: Job
    accelerator: Accelerator
    training: tuple[AnySize, torch.optim.Optimizer, MovingAverage]
    wrapped: nn.Module
    stepper: Any
    progress: Progress
    log: RunLog | None
    on_step: OnStep
    losses: list[float] = field(default_factory=list)
    miou: float | None = None

    def go(self, loader: Any, interrupt: Interrupt) -> None:
        job, progress = self.job, self.progress
        loss, normalize = self._on_device()
        started_s = time.monotonic()
        first_step, saved_s = progress.step, started_s
        still = EncoderFreezing.of(self.training[0], job.recipe)
        still.enter(progress.epoch)
        first_batch = progress.step * job.recipe.optim.accumulate
        for number, batch in enumerate(loader, start=first_batch):
            self._seed(number)
            set_lr(
                self.training[1],
                compute_lr_ratio(progress.step, job.num_steps, job.recipe.optim),
            )
            self._learn(batch, loss.at(progress.step / job.num_steps), normalize)
            if not self.accelerator.sync_gradients:
                continue
            progress.step += 1
            self.training[2].update(self.training[0], progress.step)
            self._tell(started_s, first_step)
            if progress.step % job.steps_per_epoch == 0:
                if self._end_epoch():
                    break
                still.enter(progress.epoch)
            if self._any(flag=interrupt.pressed):
                self._save(best=False)
                raise KeyboardInterrupt(f"saved at step {progress.step}")
            if self._any(flag=time.monotonic() - saved_s > SAVE_EVERY_S):
                self._save(best=False)
                saved_s = time.monotonic()

    def _seed(self, number: int) -> None:
        """Let dropout in batch `number` depend on that number alone, as its samples do."""
        key = (self.job.recipe.seed, 2, number, self.accelerator.process_index)
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))

    def _any(self, *, flag: bool) -> bool:
        """Whether `flag` is up in any process: all must act on it at the same step."""
        if self.accelerator.num_processes == 1:
            return flag
        raised = torch.tensor(float(flag), device=self.accelerator.device)
        return bool(self.accelerator.reduce(raised, "sum").item())

    def _on_device(self) -> tuple[LossSum, Normalize]:
        recipe, device = self.job.recipe, self.accelerator.device
        weights_K = class_weights(recipe.loss.class_weights, self.job.counts_NC)
        loss = build_loss(recipe.loss.sum, recipe.loss.config, weights_K)
        return loss, Normalize(recipe.input.spec).to(device)

    def _learn(
        self,
        batch: dict[str, Any],
        loss_function: LossFunction,
        normalize: Normalize,
    ) -> None:
        """Forward, backward and, when enough has gathered, an optimizer step."""
        try:
            with self.accelerator.accumulate(self.wrapped):
                with self.accelerator.autocast():
                    outputs = self.wrapped(normalize(batch["image"]))
                loss = self.training[0].loss(
                    outputs, batch["labels"], loss_function, batch.get("votes")
                )
                self._guard(loss, batch["key"])
                self.accelerator.backward(loss)
                if self.accelerator.sync_gradients:
                    clip = self.job.recipe.optim.clip_norm
                    self.accelerator.clip_grad_norm_(self.wrapped.parameters(), clip)
                self.stepper.step()
                self.stepper.zero_grad()
        except (RuntimeError, MemoryError) as error:
            if not _is_memory(error):
                raise
            raise TrainingError(_less_memory(self.job.recipe)) from error

    def _guard(self, loss: Tensor, keys: list[str]) -> None:
        value = float(loss.detach())
        self.losses.append(value)
        if math.isfinite(value):
            return
        step = self.progress.step
        path = self.job.run / "nan_batch.json"
        write_json(path, {"step": step, "loss": str(value), "keys": list(keys)})
        raise TrainingError(
            f"step {step}: the loss is {value}; the keys of the batch are in {path}. Check "
            f"these images and their masks, or lower the learning rate "
            f"(--set optim.lr={self.job.recipe.optim.lr / 3:.2g}) or set optim.precision=fp32"
        )

    def _tell(self, started_s: float, first_step: int) -> None:
        done, progress, job = self.progress.step - first_step, self.progress, self.job
        pace_s = (time.monotonic() - started_s) / done
        self.on_step(
            Status(
                step=progress.step,
                num_steps=job.num_steps,
                epoch=progress.epoch,
                loss=self.losses[-1],
                miou=self.miou,
                best_miou=progress.best_miou if progress.best_epoch >= 0 else None,
                images_per_s=job.samples_per_step / pace_s,
                left_s=(job.num_steps - progress.step) * pace_s,
            )
        )

    def _end_epoch(self) -> bool:
        """Validate and save where the schedule says so; whether patience has run out."""
        progress, schedule = self.progress, self.job.recipe.schedule
        progress.epoch += 1
        last = progress.step == self.job.num_steps
        better, looked = False, progress.epoch % schedule.validate_every == 0 or last
        if looked:
            self.miou = float(mean_iou(self._validate()))
            better = progress.best_epoch < 0 or self.miou > progress.best_miou
            if better:
                progress.best_miou, progress.best_epoch = self.miou, progress.epoch
        lr = self.training[1].param_groups[-1]["lr"]
        if self.log is not None:
            loss = float(np.mean(self.losses))
            self.log.epoch(progress, loss, lr, self.miou if looked else None)
        self.losses.clear()
        if looked:
            self._save(best=better)
        waited = progress.epoch - progress.best_epoch
        patience = schedule.patience * schedule.validate_every
        return bool(patience) and looked and waited >= patience

    def _validate(self) -> Confusion:
        """Confusion of the averaged weights at source resolution, images shared out."""
        job, accelerator = self.job, self.accelerator
        model = build_model(job.card).to(accelerator.device)
        model.load_state_dict(self.training[2].state)
        predictor = Predictor(_InLoop(model, accelerator), job.card, "in training")
        total = Confusion.zero(len(job.card.labels))
        for i in range(accelerator.process_index, len(job.val), accelerator.num_processes):
            sample = job.val[i]
            if sample.labels_HW is not None:
                found = predictor.predict(sample.image_HWC, where=sample.key)
                total += Confusion.from_labels(
                    sample.labels_HW, found.labels_HW, len(job.card.labels)
                )
        counts = torch.from_numpy(total.counts_CC).to(accelerator.device)
        return Confusion(accelerator.reduce(counts, "sum").cpu().numpy())

    def _save(self, *, best: bool) -> None:
        if self.accelerator.is_main_process:
            checkpoint.save(
                self.job.run, self.job.card, self.training, self.progress, best=best
            )
        self.accelerator.wait_for_everyone()


@dataclass(frozen=True, slots=True)
class _InLoop(Engine):
    """An Engine over the network in memory, at the precision of training."""

    model: nn.Module
    accelerator: Accelerator
    name = "training"

    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        x_BCHW = torch.from_numpy(image_BCHW).to(self.accelerator.device)
        with torch.inference_mode(), self.accelerator.autocast():
            logits_BKHW = self.model(x_BCHW.contiguous(memory_format=torch.channels_last))
        logits: NDArray[np.float32] = logits_BKHW.float().cpu().numpy()
        return logits


def _fresh_model(job: Job, *, from_weights: bool) -> AnySize:
    part = job.recipe.model
    model = new_model(
        job.card.arch,
        job.recipe.input.channels,
        len(job.card.labels),
        weights=part.encoder_weights if from_weights else "none",
        checkpointing=part.checkpointing,
    )
    if part.norm == "sync":
        model = _synchronised(model)
    return model.to(memory_format=torch.channels_last)


def _synchronised(model: AnySize) -> AnySize:
    """By timm's function: torch's own loses the activation inside timm's normalisations."""
    from timm.layers.norm_act import convert_sync_batchnorm

    convert: Callable[[nn.Module], Any] = convert_sync_batchnorm
    return cast("AnySize", convert(model))


def _is_memory(error: Exception) -> bool:
    """Out of memory in any of the guises that torch gives it."""
    text = str(error).lower()
    exhausted = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return exhausted or "not enough memory" in text or "can't allocate" in text


def _less_memory(recipe: Recipe) -> str:
    batch, (height, width) = recipe.data.batch_size, recipe.data.crop_px
    slower = "" if recipe.model.checkpointing else "--set model.checkpointing=true, or "
    return (
        f"out of memory with data.batch_size={batch} and data.crop_px=[{height}, {width}]; "
        f"try --set data.batch_size={max(1, batch // 2)} "
        f"--set optim.accumulate={recipe.optim.accumulate * 2}, which learns the same, or "
        f"{slower}smaller crops"
    )
