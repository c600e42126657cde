"""Gradients in bfloat16 with channels last, of each kind of convolution that networks have."""

import pytest
import torch
from torch import nn

from maskwright.nn.memory_format import use_channels_last


def compute_gradients(
    model: nn.Module, x_BCHW: torch.Tensor, *, bf16: bool
) -> list[torch.Tensor]:
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        y_BCHW = model(x_BCHW)
    torch.manual_seed(1)
    dirt = torch.full((1_000_000,), 1e30)  # memory that a gradient may take unwritten
    del dirt
    weights = (y_BCHW.float() * torch.randn(y_BCHW.shape)).sum()
    return list(torch.autograd.grad(weights, [x_BCHW, *model.parameters()]))


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize("groups", [1, 4, 16, 32])
def test_bf16_gradients_are_those_of_fp32(kernel: int, dilation: int, groups: int) -> None:
    torch.manual_seed(0)
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(32, 32, kernel, 1, padding, dilation, groups, bias=False)
    model = nn.Sequential(nn.Conv2d(8, 32, 1), conv, nn.Conv2d(32, 4, 1))
    x_BCHW = torch.randn(2, 8, 44, 40, requires_grad=True)
    expected = compute_gradients(model, x_BCHW, bf16=False)

    fast = use_channels_last(model)
    x_BCHW = x_BCHW.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    for _ in range(2):
        for own, right in zip(
            compute_gradients(fast, x_BCHW, bf16=True), expected, strict=True
        ):
            error = (own - right).abs().max() / right.abs().max()
            assert error < 0.03


def test_weights_stay_the_same_values() -> None:
    model = nn.Conv2d(8, 8, 3, dilation=2, groups=8)
    before = model.weight.clone()
    use_channels_last(model)
    assert torch.equal(model.weight, before)
    assert model.weight.stride() == (9, 9, 3, 1)
