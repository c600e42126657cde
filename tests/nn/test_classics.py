"""FCN and the first two DeepLabs, as their papers describe them."""

import pytest
import torch
from torch import nn
from torchvision.models.segmentation import fcn_resnet50

from maskwright.core.card import ArchSpec
from maskwright.nn.build import new_model

K = 3


def network(name, encoder, **config):
    torch.manual_seed(0)
    arch = {"name": name, "encoder": encoder, "config": config}
    return new_model(ArchSpec.from_json(arch), 3, K).network.eval()


@pytest.mark.parametrize(("stride", "num_skips"), [(32, 0), (16, 1), (8, 2)])
def test_fcn_starts_as_its_coarsest_scores_upsampled_bilinearly(stride, num_skips):
    fcn = network("fcn", "resnet18", stride=stride)
    assert len(fcn.skips) == num_skips
    x = torch.rand(1, 3, 96, 128)
    with torch.inference_mode():
        coarse = fcn.head(fcn.encoder(x)[-1])
        expected = coarse
        for _ in range(num_skips):
            expected = nn.functional.interpolate(expected, scale_factor=2, mode="bilinear")
        expected = nn.functional.interpolate(expected, scale_factor=stride, mode="bilinear")
        # a transposed convolution has zeros beyond the border, an interpolation the border
        inner = (..., slice(48, -48), slice(48, -48))
        torch.testing.assert_close(fcn(x)[inner], expected[inner], atol=1e-5, rtol=1e-5)


def test_fcn_on_vgg_has_skips_from_pool4_and_pool3():
    fcn = network("fcn", "vgg11")
    assert [skip.in_channels for skip in fcn.skips] == [512, 256]
    assert fcn(torch.rand(1, 3, 64, 32)).shape == (1, K, 64, 32)


def test_dilated_fcn_with_the_weights_of_torchvision_gives_its_numbers():
    torch.manual_seed(0)
    theirs = fcn_resnet50(
        weights=None, weights_backbone=None, num_classes=K, aux_loss=True
    ).eval()
    ours = network("fcn", "resnet50", dilated=True, aux_weight=0.5)
    ours.encoder.load_state_dict(
        {k: v for k, v in theirs.backbone.state_dict().items() if not k.startswith("fc.")}
    )
    fill(ours.head, theirs.classifier)
    fill(ours.aux_head, theirs.aux_classifier)
    x = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x)["out"], atol=1e-4, rtol=1e-4)


def fill(ours, theirs):
    """Copy in order: the same layers under other names."""
    mine, other = ours.state_dict(), theirs.state_dict()
    ours.load_state_dict(dict(zip(mine, other.values(), strict=True)))


@pytest.mark.parametrize("name", ["deeplabv1", "deeplabv2"])
def test_dilated_vgg_keeps_stride_8_and_the_names_of_its_weights(name):
    encoder = network(name, "vgg16").encoder
    plain = network("fcn", "vgg16").encoder
    assert list(encoder.state_dict()) == list(plain.state_dict())
    with torch.inference_mode():
        assert encoder(torch.rand(1, 3, 64, 96))[-1].shape == (1, 512, 8, 12)


@pytest.mark.parametrize(
    ("view", "rates"), [("small", [2, 4, 8, 12]), ("large", [6, 12, 18, 24])]
)
def test_deeplabv2_sums_scores_over_the_rates_of_the_paper(view, rates):
    model = network("deeplabv2", "resnet18", field_of_view=view, multi_scale=False)
    assert [branch.dilation[0] for branch in model.pyramid] == rates


def test_deeplabv2_takes_the_maximum_over_three_scales():
    torch.manual_seed(0)
    model = network("deeplabv2", "resnet18")
    x = torch.rand(1, 3, 64, 96)
    scores = []
    for size in ((64, 96), (32, 48), (48, 72)):
        resized = nn.functional.interpolate(x, size, mode="bilinear")
        scores.append(
            nn.functional.interpolate(model._score(resized), (8, 12), mode="bilinear")
        )
    largest = torch.stack(scores).amax(0)
    expected = nn.functional.interpolate(largest, scale_factor=8, mode="bilinear")
    torch.testing.assert_close(model(x), expected)
    assert len(model.train()(x)) == 4


def test_deeplabv2_has_fully_connected_layers_only_with_a_vgg():
    assert isinstance(network("deeplabv2", "resnet18").pyramid[0], nn.Conv2d)
    assert len(network("deeplabv2", "vgg16").pyramid[0]) == 7


@pytest.mark.parametrize(
    ("name", "encoder", "scores"),
    [("deeplabv1", "vgg16", "head.6"), ("deeplabv2", "resnet18", "pyramid.0")],
)
def test_scores_start_as_fc8_of_the_authors_train_prototxt(name, encoder, scores):
    layer = network(name, encoder).get_submodule(scores)
    assert layer.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not layer.bias.any()
