"""Blocks give the numbers of the layers that they replace."""

import pytest
import torch
from torch import nn

from maskwright.nn.blocks.heads import sum_head_losses
from maskwright.nn.blocks.norm import Norm
from maskwright.nn.blocks.pooling import AdaptiveMeanPool, max_pool_with_indices, max_unpool
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
