"""Gradient checkpointing: recompute activations in the backward pass instead of keeping them.

Chen et al. 2016 (arXiv:1604.06174). `recompute_blocks` sets it up for a whole network; a module
whose forward does not call its blocks one by one derives from `SelfCheckpointing`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class SelfCheckpointing(nn.Module):
    """A module whose own forward recomputes activations where `checkpointing` is True."""

    checkpointing = False


def recompute_blocks(network: nn.Module) -> None:
    """In training, keep only the inputs of the blocks of `network`; the numbers do not change.

    A block is a module in a list of modules (Sequential, ModuleList, ModuleDict) that has
    submodules, but no list of blocks among them: a residual block, a transformer layer, a
    convolution with its normalisation.
    """
    for module in network.modules():
        if isinstance(module, SelfCheckpointing):
            module.checkpointing = True
    for block in _find_blocks(network, listed=False):
        # in the instance, not by nn.Module.__setattr__: state-dict keys stay as they are
        block.__dict__["forward"] = partial(_forward, block)


def run_checkpointed(module: nn.Module, x: Tensor, *, checkpointing: bool) -> Tensor:
    """`module(x)`, in training recomputed in the backward pass if `checkpointing` is True."""
    if checkpointing and module.training:
        return cast("Tensor", _checkpoint(module, module, x))
    return cast("Tensor", module(x))


def _find_blocks(module: nn.Module, *, listed: bool) -> list[nn.Module]:
    """The blocks in `module`, or itself; `listed`: whether it is in a list of modules."""
    if isinstance(module, SelfCheckpointing):
        return []
    in_list = isinstance(module, LISTS)
    inner = [b for child in module.children() for b in _find_blocks(child, listed=in_list)]
    if not listed or _is_leaf(module):
        return inner
    if in_list:
        return inner or ([module] if isinstance(module, nn.Sequential) else [])
    return inner if any(not isinstance(b, LISTS) for b in inner) else [module]


def _is_leaf(module: nn.Module) -> bool:
    """Whether the module has no submodules, or no parameters."""
    return next(module.children(), None) is None or next(module.parameters(), None) is None


def _forward(block: nn.Module, *inputs: Any, **named: Any) -> Any:
    """Run the forward of the block's class, recomputed in the backward pass while training."""
    run = partial(type(block).forward, block)
    if not (block.training and torch.is_grad_enabled()):
        return run(*inputs, **named)
    # copies of lists: a DenseNet's list of maps has grown by the time of the second pass
    copied = (list(value) if isinstance(value, list) else value for value in inputs)
    return _checkpoint(run, block, *copied, **named)


def _checkpoint(run: Callable[..., Any], module: nn.Module, *inputs: Any, **named: Any) -> Any:
    """Call `run` under `torch.utils.checkpoint`, which calls it again in the backward pass.

    Batch statistics are frozen in the second pass: else each step would count twice.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _freeze_statistics(module)

    return checkpoint(run, *inputs, use_reentrant=False, context_fn=contexts, **named)


@contextmanager
def _freeze_statistics(module: nn.Module) -> Iterator[None]:
    """Leave running mean, variance and count of batches as they are within the context."""
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.training]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked.sub_(1)
