"""Architectures built by segmentation-models-pytorch give its numbers."""

import pytest
import torch
from torch import nn

from maskwright.core.card import ArchSpec
from maskwright.nn.archs import pan
from maskwright.nn.build import new_model
from maskwright.nn.encoders import import_smp

from .peers import randomised, renamed

K = 3


def network(name, encoder="test_resnet", **config):
    torch.manual_seed(0)
    return new_model(ArchSpec(name=name, encoder=encoder, config=config), 3, K).network


def test_unetplusplus_loss_is_the_weighted_mean_over_its_unets():
    model = network("unetplusplus", aux_weight=0.5)
    outputs = [torch.full((1, K, 4, 4), float(value)) for value in (1, 2, 3, 4)]
    loss = model.loss(outputs, torch.zeros(1, 4, 4), lambda logits, _: logits.mean())
    assert loss.item() == pytest.approx((1 + 0.5 * (2 + 3 + 4)) / 2.5)


def without_aligned_corners(library):
    for module in library.modules():
        if getattr(module, "align_corners", False):
            module.align_corners = False
    return library


PAN_NAMES = {
    "decoder.fpa.branch1.1": "attention.whole",
    "decoder.fpa.mid.0": "attention.mid",
    "decoder.fpa.down1.1": "attention.down.0",
    "decoder.fpa.down2.1": "attention.down.1",
    "decoder.fpa.down3.1": "attention.down.2",
    "decoder.fpa.down3.2": "attention.levels.2",
    "decoder.fpa.conv2": "attention.levels.1",
    "decoder.fpa.conv1": "attention.levels.0",
    **{f"decoder.gau{i + 1}.conv2": f"guided.{i}.skip" for i in range(3)},
    **{f"decoder.gau{i + 1}.conv1.1": f"guided.{i}.weights" for i in range(3)},
    "segmentation_head.0": "head",
    "encoder": "encoder",
}


def test_pan_is_the_library_s_but_for_corners_padding_and_the_papers_relu():
    """The library has biases before its norms, which do nothing here: they are 0."""
    ours = network("pan", output_stride=32).eval()
    library = import_smp().PAN(
        "tu-test_resnet", encoder_weights=None, encoder_output_stride=32, classes=K
    )
    for name, bias in randomised(library).named_parameters():
        if name.endswith(".conv.bias"):
            nn.init.zeros_(bias)
    state = {
        key.replace(".conv.", ".0.").replace(".bn.", ".1."): value
        for key, value in renamed(library.state_dict(), PAN_NAMES).items()
        if not key.endswith(".conv.bias")
    }
    ours.load_state_dict(state)
    without_aligned_corners(library)
    for part in library.decoder.fpa.modules():
        if isinstance(part, nn.Conv2d):
            part.padding_mode = "replicate"
    for guided in (library.decoder.gau1, library.decoder.gau2, library.decoder.gau3):
        guided.conv1[1].add_relu, guided.conv1[2] = True, nn.Identity()
    x = torch.rand(1, 3, 256, 512)
    torch.testing.assert_close(ours(x), library(x), atol=1e-4, rtol=1e-4)


def attend(padding, size_HW):
    torch.manual_seed(0)
    attention = pan.PyramidAttention(6, 4, padding).eval()
    return attention(torch.linspace(0.5, 2, 6)[None, :, None, None].expand(1, 6, *size_HW))


def test_the_attention_of_pan_to_a_uniform_map_does_not_depend_on_its_size():
    small, large = (attend("replicate", size_HW) for size_HW in ((6, 8), (12, 15)))
    torch.testing.assert_close(large, small[..., :1, :1].expand_as(large))
    zeros = attend("constant", (12, 15))
    assert zeros.std(dim=(2, 3)).max() > 1e-3


@pytest.mark.parametrize("size_HW", [(8, 8), (16, 24)])
def test_pan_of_revision_1_gives_the_numbers_of_the_library_where_that_runs(size_HW):
    torch.manual_seed(0)
    library = (
        import_smp().PAN("tu-test_resnet", encoder_weights=None, decoder_channels=8).decoder.fpa
    )
    library.eval()
    x = torch.rand(2, library.mid[0].conv.in_channels, *size_HW)
    torch.testing.assert_close(pan.LibraryAttention(library)(x), library(x))


@pytest.mark.parametrize("name", ["deeplabv3", "deeplabv3plus"])
def test_deeplab_doubles_its_rates_at_half_the_stride(name):
    rates = {}
    for stride in (8, 16):
        modules = network(name, output_stride=stride).pyramid.modules()
        found = {m.dilation[0] for m in modules if isinstance(m, nn.Conv2d)}
        rates[stride] = sorted(found - {1})
    assert rates == {16: [6, 12, 18], 8: [12, 24, 36]}


def test_pspnet_and_dpt_have_an_auxiliary_head_in_training_only():
    for model in (network("pspnet"), network("dpt", "vit_tiny_patch16_224")):
        x, labels = torch.rand(1, 3, 64, 64), torch.zeros(1, 64, 64)
        outputs = model.train()(x)
        assert [o.shape[0] for o in outputs] == [1, 1]
        weight = model.aux_weight
        values = [o.mean() for o in outputs]
        loss = model.loss(outputs, labels, lambda logits, _: logits.mean())
        torch.testing.assert_close(loss, values[0] + weight * values[1], atol=1e-2, rtol=0.1)
        assert model.eval()(x).shape == (1, K, 64, 64)


def test_an_encoder_that_cannot_be_dilated_works_with_a_short_pspnet():
    assert network("pspnet", "mit_b0", encoder_depth=3).eval()(torch.rand(1, 3, 64, 64)).shape


@pytest.mark.parametrize(("encoder", "width"), [("mit_b1", 256), ("mit_b2", 768)])
def test_segformer_is_as_wide_as_in_the_paper(encoder, width):
    assert network("segformer", encoder).segmentation_head[0].in_channels == width


def test_vision_transformer_sees_a_224_px_image_as_timm_does():
    encoder = network("dpt", "vit_tiny_patch16_224").eval().encoder
    x = torch.rand(1, 3, 224, 224)
    theirs = encoder.model.forward_intermediates(
        x, indices=list(encoder.ends), intermediates_only=True, return_prefix_tokens=True
    )
    for (map_BChw, class_B1C), (expected_BChw, expected_B1C) in zip(
        encoder(x), theirs, strict=True
    ):
        torch.testing.assert_close(map_BChw, expected_BChw)
        torch.testing.assert_close(class_B1C, expected_B1C)
