"""Set up a run before its first step: Accelerate and the network to train."""

import math
from collections.abc import Callable
from typing import cast

from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn

from maskwright.core.errors import ConfigError
from maskwright.nn.any_size import AnySize
from maskwright.nn.build import new_model
from maskwright.nn.memory_format import use_channels_last

from .job import Job
from .machine import get_processes
from .recipe import Recipe


def make_accelerator(recipe: Recipe) -> Accelerator:
    """Make the Accelerator of a recipe; `accelerate launch` adds processes and devices.

    Raises:
        ConfigError: float16 or norm "sync" on a CPU, or a batch that cannot be divided by the
            number of processes.
    """
    device = get_processes().device.type
    on_gpu = device == "cuda"
    if recipe.optim.precision == "fp16" and not on_gpu:
        raise ConfigError(
            f"optim.precision 'fp16' needs device 'cuda', got {device!r}; use bf16 or fp32"
        )
    if recipe.model.norm == "sync" and not on_gpu:
        raise ConfigError(
            f"model.norm 'sync' needs device 'cuda', got {device!r}; use batch or group"
        )
    num_processes, batch = get_processes().num_processes, recipe.data.batch_size
    if batch % num_processes:
        raise ConfigError(
            f"data.batch_size={batch} cannot be divided by {num_processes} processes; "
            f"use --set data.batch_size={math.ceil(batch / num_processes) * num_processes}"
        )
    return Accelerator(
        mixed_precision={"fp32": "no"}.get(recipe.optim.precision, recipe.optim.precision),
        gradient_accumulation_steps=recipe.optim.accumulate,
        step_scheduler_with_optimizer=False,
        dataloader_config=DataLoaderConfiguration(split_batches=True, non_blocking=True),
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )


def make_model(job: Job, *, pretrained: bool) -> AnySize:
    """Make the network of a job; `pretrained` loads the weights that the recipe starts from."""
    options = job.recipe.model
    model = new_model(
        job.card.arch,
        job.recipe.input.channels,
        len(job.card.labels),
        weights=options.encoder_weights if pretrained else "none",
        checkpointing=options.checkpointing,
        revision=options.revision or None,
    )
    if pretrained and job.transfer is not None:
        job.transfer.fill(model)
    if options.norm == "sync":
        model = synchronize_batch_norm(model)
    return use_channels_last(model)


def synchronize_batch_norm(model: AnySize) -> AnySize:
    """Replace batch normalisation by its version over all GPUs; state-dict keys stay.

    By timm's function: torch's own drops the activation inside timm's normalisation layers.
    """
    from timm.layers.norm_act import convert_sync_batchnorm

    convert: Callable[[nn.Module], nn.Module] = convert_sync_batchnorm
    return cast("AnySize", convert(model))
