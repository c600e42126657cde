"""Means of the last features of an encoder, beside the logits of its network.

They change where the images do, also where the predicted classes stay the same. Features
(B, C, h, w) are averaged over the image. More than 64 channels are projected onto 64 numbers by
random signs, which keeps distances (Achlioptas 2003, theorem 1.1); the signs are bits of
SHAKE-128, so they are the same on every machine.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

MAX_MEANS = 64
_SEED = b"maskwright encoder means"


@contextmanager
def give_means(network: nn.Module) -> Iterator[None]:
    """Let `network` give (logits_BKhw, means_BD) where it has an encoder, in place of logits.

    D is the number of channels, at most `MAX_MEANS`. A network without an encoder, or whose
    encoder does not end in one map of features, gives its logits as ever.
    """
    encoder = find_encoder(network)
    if encoder is None:
        yield
        return
    kept: list[Tensor] = []

    def keep(_encoder: nn.Module, _inputs: object, outputs: Any) -> None:
        last = outputs if isinstance(outputs, Tensor) else outputs[-1]
        if isinstance(last, Tensor) and last.ndim == 4:  # (B, C, h, w)
            kept.append(last)

    def add(_network: nn.Module, _inputs: object, logits: Any) -> Any:
        return (logits, project_means(kept.pop())) if kept else None

    hooks = encoder.register_forward_hook(keep), network.register_forward_hook(add)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def find_encoder(network: nn.Module) -> nn.Module | None:
    """The encoder of a network, which may be wrapped as `network`; None without one."""
    while not isinstance(encoder := getattr(network, "encoder", None), nn.Module):
        inner = getattr(network, "network", None)
        if not isinstance(inner, nn.Module):
            return None
        network = inner
    return encoder


def project_means(features_BChw: Tensor) -> Tensor:
    """means_BD float32 of features_BChw: of each channel, or `MAX_MEANS` projections."""
    means_BC = features_BChw.float().mean((2, 3))
    num_channels = features_BChw.shape[1]
    if num_channels <= MAX_MEANS:
        return means_BC
    return means_BC @ torch.from_numpy(draw_signs(num_channels)).to(means_BC.device)


def draw_signs(num_channels: int) -> NDArray[np.float32]:
    """Random signs (C, `MAX_MEANS`) over the root of `MAX_MEANS`, float32."""
    num = num_channels * MAX_MEANS
    drawn = hashlib.shake_128(_SEED).digest(num // 8)
    bits = np.unpackbits(np.frombuffer(drawn, np.uint8)).reshape(num_channels, MAX_MEANS)
    return (2 * bits.astype(np.float32) - 1) / np.float32(MAX_MEANS**0.5)
