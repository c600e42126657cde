"""Whether torch computes in bfloat16 by instructions of the processor."""

import torch


def has_bf16(device: str) -> bool:
    """Whether a device ("cpu", "cuda", ...) has instructions that torch uses for bfloat16.

    A CPU needs AVX-512 or AMX. With AVX2 alone, torch 2.15 took 20.1 s in place of 0.09 s
    for an image through an FPN on MobileNetV2 (docs/howto/deploy.md), and with channels last 12
    times as long as in float32 for a step of training.
    """
    return device != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
