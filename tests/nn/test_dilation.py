"""A dilated encoder keeps the features of the undilated, at every second or fourth place."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.nn.blocks.dilation import DilatedPool, build_encoder, dilate, fix_padding
from maskwright.nn.build import new_model
from maskwright.nn.encoders import library_name

SLOWER = [
    *("se_resnet50", "dpn68", "densenet121", "vgg11", "xception", "mobileone_s0"),
    *("resnet26d", "resnest14d", "tf_efficientnet_lite0", "ese_vovnet19b_dw"),
]
FAMILIES = [
    *("resnet18", "mobilenet_v2", "efficientnet-b0", "test_resnet", "regnety_002"),
    *("convnext_atto", *(pytest.param(name, marks=pytest.mark.long) for name in SLOWER)),
]


def close_gates(encoder):
    """Squeeze and excitation without the map's mean, which dilation takes of more places."""
    with torch.no_grad():
        for module in encoder.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_pre_hook(zero_where_pooled)
        encoder.eval()(torch.zeros(1, 3, 64, 64))


def zero_where_pooled(module, inputs):
    if inputs[0].shape[2:].numel() == 1:
        module.weight.zero_()


@pytest.mark.parametrize("name", FAMILIES)
def test_features_at_every_second_or_fourth_place_are_those_of_the_undilated(name):
    image = torch.rand(1, 3, 64, 96)
    undilated = build_encoder(library_name(name), 3)
    close_gates(undilated)
    with torch.no_grad():
        expected = undilated(image)
        for output_stride in (16, 8):
            dilated = deepcopy(undilated)
            dilate(dilated, 3, output_stride)
            found = dilated(image)
            assert found[-1].shape[-2:] == (64 // output_stride, 96 // output_stride)
            for ours, theirs in zip(found, expected, strict=True):
                step = max(1, ours.shape[-1] // theirs.shape[-1])
                torch.testing.assert_close(ours[..., ::step, ::step], theirs)


def test_the_layer_that_loses_its_stride_keeps_its_rate():
    """By hand: two convolutions of stride 2 at strides 8 and 16, and one after each."""
    layers = [nn.Conv2d(1, 1, 8, stride=8), *(nn.Conv2d(1, 1, 3, s, 1) for s in (2, 1, 2, 1))]
    encoder = nn.Sequential(*layers)
    encoder.forward = lambda x: [nn.Sequential.forward(encoder, x)]
    dilate(encoder, 1, 8)
    found = [(layer.stride, layer.dilation, layer.padding) for layer in encoder[1:]]
    assert found == [((1, 1), (rate, rate), (rate, rate)) for rate in (1, 2, 2, 4)]


def test_the_layer_that_loses_its_stride_is_dilated_where_weights_were_trained_so():
    layers = [nn.Conv2d(1, 1, 8, stride=8), *(nn.Conv2d(1, 1, 3, s, 1) for s in (2, 1, 2, 1))]
    encoder = nn.Sequential(*layers)
    encoder.forward = lambda x: [nn.Sequential.forward(encoder, x)]
    dilate(encoder, 1, 8, dilates_strided=True)
    assert [layer.dilation[0] for layer in encoder[1:]] == [2, 2, 4, 4]


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.MaxPool2d(3, 2, padding=1),
        nn.AvgPool2d(2),
        nn.AvgPool2d(3, 2, padding=1),
        nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
    ],
)
def test_a_dilated_pool_of_a_spread_map_is_the_pool(pool):
    x = torch.randn(2, 3, 8, 12)
    spread = torch.randn(2, 3, 16, 24)
    spread[..., ::2, ::2] = x
    margin = 2 * pool.padding, 4 * (pool.kernel_size - 1) // 2 - 2 * pool.padding
    ours = DilatedPool(pool, (*margin, *margin), 1, (2, 2))(spread)
    assert ours.shape == spread.shape
    torch.testing.assert_close(ours[..., ::4, ::4], pool(x))


@pytest.mark.parametrize(
    ("encoder", "why"),
    [
        ("mit_b0", "it attends between places"),
        ("swin_tiny_patch4_window7_224", "it has a fixed image size"),
        ("hrnet_w18_small", "a change of size in it is neither"),
        ("dm_nfnet_f0", "pads its sides by different widths"),
    ],
)
def test_an_encoder_that_cannot_be_dilated_is_refused(encoder, why):
    arch = ArchSpec(name="pspnet", encoder=encoder)
    with pytest.raises(ConfigError, match=f"'pspnet' does not support encoder .*{why}"):
        new_model(arch, 3, 2)


def test_padding_by_size_becomes_fixed_with_the_same_features_and_names():
    encoder = build_encoder("tu-tf_efficientnet_lite0", 3).eval()
    image = torch.rand(1, 3, 96, 160)
    with torch.no_grad():
        before = encoder(image)
    names = list(encoder.state_dict())
    assert any(type(m).__name__ == "Conv2dSame" for m in encoder.modules())
    fix_padding(encoder)
    assert not any(type(m).__name__ == "Conv2dSame" for m in encoder.modules())
    assert list(encoder.state_dict()) == names
    with torch.no_grad():
        for one, other in zip(before, encoder(image), strict=True):
            assert torch.equal(one, other)
