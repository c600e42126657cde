"""Gradient checkpointing: activations are computed again in the backward pass, not kept."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(module: nn.Module, *inputs: Tensor) -> Tensor:
    """`module(*inputs)` in less memory and more time; the same numbers.

    The second pass leaves running statistics alone: otherwise each step would count twice.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_kept(module)

    result: Tensor = checkpoint(module, *inputs, use_reentrant=False, context_fn=contexts)
    return result


def maybe_recomputed(module: nn.Module, *, checkpointing: bool) -> Callable[..., Tensor]:
    """How to call `module`: with checkpointing only while it trains."""
    if checkpointing and module.training:
        return lambda *inputs: recomputed(module, *inputs)
    return module


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
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
