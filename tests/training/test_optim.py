from itertools import pairwise

import pytest
import torch
from torch import nn

from maskwright.core.card import ArchSpec
from maskwright.nn.build import new_model
from maskwright.training.optim import MovingAverage, compute_lr_ratio, make_optimizer, set_lr
from maskwright.training.recipe import OptimOptions


@pytest.mark.parametrize("schedule", ["poly", "cosine"])
def test_the_curve_warms_up_to_one_and_falls_to_nothing(schedule):
    part = OptimOptions(schedule=schedule, warmup_ratio=0.1)
    curve = [compute_lr_ratio(step, 100, part) for step in range(100)]
    assert curve[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert max(curve) == curve[10] == 1.0
    assert all(a > b for a, b in pairwise(curve[10:]))
    assert curve[-1] < 0.03


def test_halfway_poly_is_half_to_the_power_of_nine_tenths():
    assert compute_lr_ratio(55, 100, OptimOptions(warmup_ratio=0.1)) == pytest.approx(0.5**0.9)


def model():
    return new_model(ArchSpec(name="segformer", encoder="resnet18"), 3, 2)


def test_every_parameter_learns_in_one_group_and_only_weights_decay():
    network = model()
    part = OptimOptions(lr=1e-3, encoder_lr_ratio=0.1, weight_decay=0.05)
    groups = make_optimizer(network, part).param_groups
    assert sum(len(g["params"]) for g in groups) == len(list(network.parameters()))
    for group in groups:
        assert all((p.ndim > 1) == (group["weight_decay"] == 0.05) for p in group["params"])
    assert sorted({g["lr"] for g in groups}) == pytest.approx([1e-4, 1e-3])


def test_layer_decay_slows_the_blocks_near_the_image():
    network = model()
    groups = make_optimizer(
        network, OptimOptions(lr=1.0, encoder_lr_ratio=1.0, layer_decay=0.5)
    ).param_groups
    lr_of = {id(p): g["lr"] for g in groups for p in g["params"]}
    first, last = (
        lr_of[id(network.get_parameter(f"network.encoder.{name}"))]
        for name in ("conv1.weight", "layer4.1.conv2.weight")
    )
    assert last == 1.0
    assert first < 0.01


def test_the_ratio_scales_every_group_from_its_peak():
    optimizer = make_optimizer(model(), OptimOptions(lr=1e-3, encoder_lr_ratio=0.1))
    for ratio in (0.5, 0.25):
        set_lr(optimizer, ratio)
    assert {round(g["lr"], 9) for g in optimizer.param_groups} == {2.5e-4, 2.5e-5}


def test_the_average_follows_the_formula():
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = MovingAverage(network, decay=0.9)
    nn.init.ones_(network.weight)
    average.update(network, step=1)
    # decay is min(0.9, 2 / 11), so the new weight counts 9 / 11
    assert average.state["weight"].item() == pytest.approx(9 / 11)
    average.update(network, step=10_000)
    assert average.state["weight"].item() == pytest.approx(0.9 * 9 / 11 + 0.1)


def test_batch_statistics_are_averaged_and_counters_copied():
    network = nn.BatchNorm2d(2)
    average = MovingAverage(network, decay=0.5)
    network(torch.randn(4, 2, 3, 3) + 5)
    average.update(network, step=100)
    torch.testing.assert_close(average.state["running_mean"], network.running_mean / 2)
    assert average.state["num_batches_tracked"] == 1
