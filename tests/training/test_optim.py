from itertools import pairwise

import pytest
import torch
from torch import nn

from maskwright.core.card import ArchSpec
from maskwright.nn.build import load_arch, new_model
from maskwright.training.optim import (
    MovingAverage,
    compute_lr_ratio,
    find_decayed,
    find_encoder_depths,
    make_optimizer,
    set_lr,
)
from maskwright.training.recipe import OptimOptions


@pytest.mark.parametrize("schedule", ["poly", "linear", "cosine"])
def test_the_curve_warms_up_to_one_and_falls_to_nothing(schedule):
    part = OptimOptions(schedule=schedule, warmup_ratio=0.1)
    curve = [compute_lr_ratio(step, 100, part) for step in range(100)]
    assert curve[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert max(curve) == curve[10] == 1.0
    assert all(a > b for a, b in pairwise(curve[10:]))
    assert curve[-1] < 0.03


def test_a_linear_curve_falls_by_the_same_at_each_step():
    part = OptimOptions(schedule="linear", warmup_ratio=0.1)
    assert compute_lr_ratio(55, 100, part) == pytest.approx(0.5)


def test_halfway_poly_is_half_to_the_power_of_nine_tenths():
    assert compute_lr_ratio(55, 100, OptimOptions(warmup_ratio=0.1)) == pytest.approx(0.5**0.9)


def model():
    return new_model(ArchSpec(name="segformer", encoder="resnet18"), 3, 2)


def test_every_parameter_learns_in_one_group():
    network = model()
    groups = make_optimizer(network, OptimOptions(lr=1e-3, encoder_lr_ratio=0.1)).param_groups
    assert sum(len(g["params"]) for g in groups) == len(list(network.parameters()))
    assert sorted({g["lr"] for g in groups}) == pytest.approx([1e-4, 1e-3])


UNDECAYED = {
    "eomt": {"encoder.model.cls_token", "encoder.model.pos_embed", "encoder.model.reg_token"}
    | {"query.weight"},
    "dinov2": {"encoder.model.cls_token", "encoder.model.pos_embed"},
    "dinov3": {"encoder.model.cls_token", "encoder.model.reg_token"},
    "dpt": {"encoder.model.cls_token", "encoder.model.pos_embed"},
    "segformer": set(),
    "maskformer": {"query_decoder.queries_embedder.weight"},
    "mask2former": {
        "pixel_decoder.level_embed",
        "query_decoder.level_embed.weight",
        "query_decoder.queries_embedder.weight",
        "query_decoder.queries_features.weight",
    },
}
"""Tables, tokens and queries: the parameters of two or more dimensions without decay."""


@pytest.mark.parametrize("name", UNDECAYED)
def test_biases_norms_tables_tokens_and_queries_of_transformers_do_not_decay(name):
    usual = "mit_b0" if name == "segformer" else "resnet18"
    encoder = (load_arch(name).ENCODERS or (usual,))[0]
    network = new_model(ArchSpec(name=name, encoder=encoder), 3, 2)
    decayed = find_decayed(network)
    sizes = {n: p.ndim for n, p in network.named_parameters()}
    assert {n for n, ndim in sizes.items() if ndim > 1} - decayed == {
        f"network.{n}" for n in UNDECAYED[name]
    }
    assert min(sizes[n] for n in decayed) > 1
    groups = make_optimizer(network, OptimOptions(weight_decay=0.05)).param_groups
    found = {id(p): g["weight_decay"] for g in groups for p in g["params"]}
    for parameter_name, parameter in network.named_parameters():
        assert found[id(parameter)] == (0.05 if parameter_name in decayed else 0)


def test_tables_of_relative_positions_and_what_a_network_lists_do_not_decay():
    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.relative_position_bias_table = nn.Parameter(torch.zeros(9, 2))
            self.cpb_mlp = nn.Linear(2, 2)
            self.listed = nn.Linear(2, 2)
            self.attention = nn.MultiheadAttention(2, 1)

        def no_weight_decay(self):
            return {"listed.weight"}

    decayed = find_decayed(nn.Sequential(Windows()))
    assert decayed == {"0.attention.in_proj_weight", "0.attention.out_proj.weight"}


def depth_of(arch, encoder):
    network = new_model(ArchSpec(name=arch, encoder=encoder), 3, 2)
    return lambda name: find_encoder_depths(network)[f"network.encoder.{name}"]


def test_a_vision_transformer_has_its_norm_at_the_top_and_its_tokens_at_the_bottom():
    depth = depth_of("eomt", "vit_small_patch14_reg4_dinov2")
    names = ("norm.weight", "blocks.11.attn.qkv.weight", "blocks.10.mlp.fc1.bias")
    assert [depth(f"model.{n}") for n in names] == [0, 0, 1]
    names = ("blocks.0.norm1.weight", "pos_embed", "cls_token", "reg_token")
    assert {depth(f"model.{n}") for n in (*names, "patch_embed.proj.weight")} == {11}


def test_blocks_of_other_encoders_are_counted_from_the_last_one():
    resnet, mit = depth_of("segformer", "resnet18"), depth_of("segformer", "mit_b0")
    assert [resnet(f"{n}.weight") for n in ("layer4.1.conv2", "layer1.0.conv1", "conv1")] == [
        0,
        7,
        7,
    ]
    names = ("norm4", "block4.1.norm1", "norm3", "block4.0.norm1", "patch_embed1.proj")
    assert [mit(f"{n}.weight") for n in names] == [0, 0, 1, 1, 7]
    assert depth_of("fpn", "efficientnet-b0")("_blocks.14._bn0.weight") == 1


def test_eomt_decays_its_rates_by_block_as_its_authors_do():
    network = new_model(ArchSpec(name="eomt", encoder="vit_small_patch14_reg4_dinov2"), 3, 2)
    groups = make_optimizer(network, OptimOptions(lr=1e-4, encoder_lr_ratio=1, layer_decay=0.8))
    lr_of = {id(p): g["lr"] for g in groups.param_groups for p in g["params"]}
    names = ("query.weight", "encoder.model.norm.weight", "encoder.model.blocks.10.norm1.bias")
    rates = [lr_of[id(network.get_parameter(f"network.{n}"))] for n in names]
    assert rates == pytest.approx([1e-4, 1e-4, 0.8e-4])
    patches = network.get_parameter("network.encoder.model.patch_embed.proj.weight")
    assert lr_of[id(patches)] == pytest.approx(8.5899e-6, rel=1e-4)  # 1e-4 * 0.8^11


def test_sgd_moves_against_the_gradient_with_momentum():
    layer = nn.Linear(1, 1, bias=False)
    options = OptimOptions(name="sgd", momentum=0.5, lr=0.1, weight_decay=0.0)
    optimizer, start = make_optimizer(layer, options), layer.weight.item()
    for _ in range(2):
        layer.weight.grad = torch.ones(1, 1)
        optimizer.step()
    assert layer.weight.item() == pytest.approx(start - 0.1 - 0.15)


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
