"""Blocks give the numbers of the layers that they replace."""

import pytest
import torch
from torch import nn

from maskwright.nn.blocks.conv import conv_norm_relu
from maskwright.nn.blocks.heads import sum_head_losses
from maskwright.nn.blocks.norm import Norm
from maskwright.nn.blocks.pooling import (
    AdaptiveMeanPool,
    max_pool_with_indices,
    max_unpool,
    mix_levels,
    pooling_levels,
)
from maskwright.nn.blocks.recompute import run_checkpointed


@pytest.mark.parametrize("bins", [2, 3, 6])
@pytest.mark.parametrize("size_HW", [(6, 6), (7, 13), (45, 60), (3, 2)])
def test_adaptive_mean_pool_is_adaptive_average_pooling(bins, size_HW):
    x = torch.rand(2, 5, *size_HW, dtype=torch.float64)
    torch.testing.assert_close(
        AdaptiveMeanPool(bins)(x), nn.functional.adaptive_avg_pool2d(x, bins)
    )


def test_max_unpool_is_that_of_torch_also_with_ties():
    x = torch.randint(0, 3, (2, 5, 8, 6)).double()
    pooled, place = max_pool_with_indices(x)
    torch.testing.assert_close(
        max_unpool(pooled, place), nn.functional.max_unpool2d(pooled, place, 2)
    )


class Unpooled(nn.Module):
    """Each maximum plus 1 at its place."""

    def forward(self, x_BCHW):
        pooled_BChw, places = max_pool_with_indices(x_BCHW)
        return max_unpool(pooled_BChw + 1, places)


class Pyramid(nn.Module):
    """A convolution over a map and its pooled levels."""

    def __init__(self, levels, mix):
        super().__init__()
        self.levels, self.mix = levels, mix

    def forward(self, x_BChw):
        return mix_levels(self.mix, self.levels, x_BChw)


def export(module, shape):
    """The module as it is in an exported graph."""
    return torch.export.export(module.eval(), (torch.zeros(shape),), strict=False).module()


def test_an_exported_unpooling_puts_each_maximum_where_torch_does_also_with_ties():
    x = torch.randint(0, 3, (2, 5, 8, 6)).float()
    exported = export(Unpooled(), x.shape)
    assert torch.equal(exported(x), Unpooled()(x))
    square = torch.tensor([[1.0, 4, 2, 2], [4, 0, 2, 2]])[None, None]
    corners = torch.tensor([[0.0, 5, 3, 0], [0, 0, 0, 0]])[None, None]
    assert torch.equal(export(Unpooled(), square.shape)(square), corners)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("size_HW", [(6, 8), (3, 17)])
def test_an_exported_pyramid_is_convolved_as_the_resized_levels_are(kernel, size_HW):
    torch.manual_seed(0)
    module = Pyramid(pooling_levels(6, 2), conv_norm_relu(14, 4, kernel))
    x = torch.randn(2, 6, *size_HW)
    torch.testing.assert_close(export(module, x.shape)(x), module(x), atol=1e-6, rtol=1e-5)


def test_an_exported_pyramid_has_zeros_outside_of_the_map():
    levels = nn.ModuleList(AdaptiveMeanPool(bins) for bins in (1, 2, 3, 6))
    mix = nn.Sequential(nn.Conv2d(5, 1, 3, padding=1, bias=False), nn.Identity(), nn.ReLU())
    nn.init.ones_(mix[0].weight)
    found = export(Pyramid(levels, mix), (1, 1, 7, 9))(torch.ones(1, 1, 7, 9))[0, 0]
    assert found[0, 0].item() == pytest.approx(4 * 5)  # pixels under the kernel x channels
    assert found[0, 4].item() == pytest.approx(6 * 5)
    assert found[3, 4].item() == pytest.approx(9 * 5)


def test_norm_is_torchs_layer_except_for_a_single_value():
    norm, peer = Norm(4), nn.BatchNorm2d(4)
    x = torch.rand(1, 4, 2, 1)
    assert torch.equal(norm(x), peer(x))
    assert torch.equal(norm.running_var, peer.running_var)
    single = torch.rand(1, 4, 1, 1)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        peer(single)
    assert torch.equal(norm(single), peer.eval()(single))


def test_recomputed_layers_give_the_same_gradient_and_statistics():
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    x = torch.rand(2, 3, 8, 8)
    layers[0](x).square().sum().backward()
    run_checkpointed(layers[1], x, checkpointing=True).square().sum().backward()
    for plain, other in zip(layers[0].parameters(), layers[1].parameters(), strict=True):
        torch.testing.assert_close(plain.grad, other.grad)
    for plain, other in zip(layers[0].buffers(), layers[1].buffers(), strict=True):
        assert torch.equal(plain, other)
    assert layers[1][1].momentum == 0.1


def test_auxiliary_losses_are_weighted_and_computed_at_the_size_of_the_labels():
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    outputs = [torch.full((1, 2, n, n), v) for n, v in ((4, 1.0), (2, 10.0), (1, 100.0))]
    loss = sum_head_losses(outputs, labels, lambda logits, _: logits.sum() / 32, 0.5)
    assert loss.item() == pytest.approx(1 + 0.5 * (10 + 100))
