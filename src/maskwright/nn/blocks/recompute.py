"""Gradient checkpointing: activations are computed again in the backward pass, not kept.

Chen et al. 2016 (arXiv:1604.06174). `recompute_blocks` does it for a whole network; a module
whose forward is no chain of blocks sees to itself, by an attribute `checkpointing`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def recompute_blocks(network: nn.Module) -> None:
    """Let `network` keep, while it trains, only what its blocks get; the same numbers.

    A block is what stands in a list of modules and has modules of its own but no such list of
    blocks in it: a residual block, a layer of a transformer, a convolution with its norm.
    """
    for module in network.modules():
        if hasattr(module, "checkpointing"):
            module.__dict__["checkpointing"] = True
    for block in _blocks(network, listed=False):
        block.__dict__["forward"] = partial(_forward, block)


def maybe_recomputed(module: nn.Module, *, checkpointing: bool) -> Callable[..., Tensor]:
    """How to call `module`: with checkpointing only while it trains."""
    if checkpointing and module.training:
        return partial(_recomputed, module, module)
    return module


def _blocks(module: nn.Module, *, listed: bool) -> list[nn.Module]:
    if hasattr(module, "checkpointing"):
        return []
    in_list = isinstance(module, LISTS)
    inner = [b for child in module.children() for b in _blocks(child, listed=in_list)]
    if not listed or _is_leaf(module):
        return inner
    if in_list:
        return inner or ([module] if isinstance(module, nn.Sequential) else [])
    return inner if any(not isinstance(b, LISTS) for b in inner) else [module]


def _is_leaf(module: nn.Module) -> bool:
    """Whether it has no modules of its own, or learns nothing."""
    return next(module.children(), None) is None or next(module.parameters(), None) is None


def _forward(block: nn.Module, *inputs: Any, **named: Any) -> Any:
    """In place of the block's own forward."""
    run = partial(type(block).forward, block)
    if not (block.training and torch.is_grad_enabled()):
        return run(*inputs, **named)
    # a DenseNet's list of maps has grown when the layer is computed again
    as_now = (list(found) if isinstance(found, list) else found for found in inputs)
    return _recomputed(run, block, *as_now, **named)


def _recomputed(run: Callable[..., Any], module: nn.Module, *inputs: Any, **named: Any) -> Any:
    """The second pass leaves running statistics alone: else each step would count twice."""

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_kept(module)

    return checkpoint(run, *inputs, use_reentrant=False, context_fn=contexts, **named)


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
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
