"""Networks without a separate encoder, and SegNet, give the numbers of their reference code.

Each dictionary turns our names of tensors into the reference's, see `reference.fill_by_name`.
"""

import pytest
import torch
from torch import nn

from maskwright.core.card import ArchSpec
from maskwright.core.labels import IGNORE
from maskwright.nn.archs.stdc import detail_map
from maskwright.nn.blocks.borders import border_overlap_loss
from maskwright.nn.build import new_model

from .reference import assert_equals_fixture, fill_by_name, noise

K = 5
LARGE, SMALL = (1, 3, 128, 192), (1, 3, 64, 96)

RESIDUAL = {
    r"\.2\.(body|shortcut)": r".1.\1",
    r"\.4\.(body|shortcut)": r".2.\1",
    r"\.body\.0": ".conv1",
    r"\.body\.1": ".bn1",
    r"\.body\.3": ".conv2",
    r"\.body\.4": ".bn2",
    r"\.body\.6": ".conv3",
    r"\.body\.7": ".bn3",
    r"(\d)\.shortcut": r"\1.downsample",
}
TWO_BRANCHES = {
    r"^stem\.0": "conv1",
    r"^stem\.1\.0": "conv1.3",
    r"^stem\.1\.1": "conv1.4",
    r"^stem\.2": "layer1",
    r"^stem\.4": "layer2",
    r"^context\.reduced\.0": "spp.scale0",
    r"^context\.reduced\.(\d)\.0": r"spp.scale\1.1",
    r"^context\.reduced\.(\d)\.2": r"spp.scale\1.3",
    r"^context\.mix": "spp.compression",
    r"^context\.shortcut": "spp.shortcut",
    r"^head": "final_layer",
    r"(final_layer|aux_head|border_head)\.0": r"\1.bn1",
    r"(final_layer|aux_head|border_head)\.2": r"\1.conv1",
    r"(final_layer|aux_head|border_head)\.3": r"\1.bn2",
    r"(final_layer|aux_head|border_head)\.5": r"\1.conv2",
}
PIDNET = (
    TWO_BRANCHES
    | {
        r"^i(\d)": r"layer\1",
        r"^p(\d)": r"layer\1_",
        r"^d3\.0": "layer3_d",
        r"^d(\d)": r"layer\1_d",
        r"^(layer3_d)\.shortcut": r"\1.downsample",
        r"^pick(\d)\.compress": r"compression\1",
        r"^pick(\d)\.of_details": r"pag\1.f_x",
        r"^pick(\d)\.of_context": r"pag\1.f_y",
        r"^difference": "diff",
        r"^context\.refine": "spp.scale_process",
        r"^mix\.details": "dfm.conv_p",
        r"^mix\.context": "dfm.conv_i",
        r"^aux_head": "seghead_p",
        r"^border_head": "seghead_d",
    }
    | RESIDUAL
)
DDRNET = (
    TWO_BRANCHES
    | {
        r"^fusion(\d)\.low": r"layer\1",
        r"^fusion(\d)\.high": r"layer\1_",
        r"^fusion(\d)\.compress": r"compression\1",
        r"^fusion(\d)\.shrink\.0": r"down\1",
        r"^fusion4\.shrink\.2\.0": "down4.3",
        r"^fusion4\.shrink\.2\.1": "down4.4",
        r"^high5": "layer5_",
        r"^low5": "layer5",
        r"^context\.refine\.0": "spp.process1",
        r"^context\.refine\.1": "spp.process2",
        r"^context\.refine\.2": "spp.process3",
        r"^context\.refine\.3": "spp.process4",
        r"^aux_head": "seghead_extra",
    }
    | RESIDUAL
)
STDC = {
    r"^stem\.(\d)": r"cp.backbone.features.\1",
    r"^stages\.(\d)\.(\d)": lambda m: f"cp.backbone.features.{2 + 2 * int(m[1]) + int(m[2])}",
    r"\.first": ".conv_list.0",
    r"\.rest\.0": ".conv_list.1",
    r"\.rest\.1": ".conv_list.2",
    r"\.rest\.2": ".conv_list.3",
    r"\.shrink": ".avd_layer",
    r"^context\.mean": "cp.conv_avg",
    r"^context\.refine(\d+)\.body": r"cp.arm\1.conv",
    r"^context\.refine(\d+)\.gate\.0": r"cp.arm\1.conv_atten",
    r"^context\.refine(\d+)\.gate\.1": r"cp.arm\1.bn_atten",
    r"^context\.smooth": "cp.conv_head",
    r"^fuse\.mix": "ffm.convblk",
    r"^fuse\.gate\.0": "ffm.conv1",
    r"^fuse\.gate\.2": "ffm.conv2",
    r"^head": "conv_out",
    r"^aux_heads\.0": "conv_out16",
    r"^aux_heads\.1": "conv_out32",
    r"^detail_head": "conv_out_sp8",
    r"^(conv_out\w*)\.3": r"\1.conv_out",
    r"^(conv_out\w*)\.([01])\.": r"\1.conv.\2.",
    r"^(?!.*avd_layer)(.*)\.0\.(\w+)$": r"\1.conv.\2",
    r"^(?!.*avd_layer)(.*)\.1\.(\w+)$": r"\1.bn.\2",
}
BISENETV2 = {
    r"^details\.([01])\.": r"detail.S1.\1.",
    r"^details\.2": "detail.S2.0",
    r"^details\.3": "detail.S2.1",
    r"^details\.4": "detail.S2.2",
    r"^details\.5": "detail.S3.0",
    r"^details\.6": "detail.S3.1",
    r"^details\.7": "detail.S3.2",
    r"^semantics\.0\.first": "segment.S1S2.conv",
    r"^semantics\.0\.shrink": "segment.S1S2.left",
    r"^semantics\.0\.mix": "segment.S1S2.fuse",
    r"^semantics\.3\.4\.norm": "segment.S5_5.bn",
    r"^semantics\.3\.4\.embed": "segment.S5_5.conv_gap",
    r"^semantics\.3\.4\.mix": "segment.S5_5.conv_last",
    r"^semantics\.1": "segment.S3",
    r"^semantics\.2": "segment.S4",
    r"^semantics\.3": "segment.S5_4",
    r"^(segment.*)\.body\.0": r"\1.conv1",
    r"^(segment.*)\.0\.body\.1": r"\1.0.dwconv1",
    r"^(segment.*)\.body\.1": r"\1.dwconv",
    r"^(segment.*)\.0\.body\.2": r"\1.0.dwconv2",
    r"^(segment.*)\.body\.[23]": r"\1.conv2",
    r"\.shortcut\.1\.0": ".shortcut.2",
    r"\.shortcut\.1\.1": ".shortcut.3",
    r"\.shortcut\.0\.([01])": r".shortcut.\1",
    r"^aggregate\.details_small": "bga.left2",
    r"^aggregate\.semantics_large": "bga.right1",
    r"^aggregate\.details": "bga.left1",
    r"^aggregate\.semantics": "bga.right2",
    r"^aggregate\.mix": "bga.conv",
    r"^head\.3": "head.conv_out.1",
    r"^head\.([01])\.": r"head.conv.\1.",
    r"^(?!.*(?:bga|dwconv|shortcut|conv2))(.*)\.0\.(\w+)$": r"\1.conv.\2",
    r"^(?!.*(?:bga|dwconv|shortcut|conv2|conv_out))(.*)\.1\.(\w+)$": r"\1.bn.\2",
}
FASTSCNN = {
    r"^learn_to_shrink\.0": "learning_to_downsample.conv.conv",
    r"^learn_to_shrink\.(\d)": r"learning_to_downsample.dsconv\1",
    r"^global_features\.9\.levels\.(\d)\.1": lambda m: f"ppm.conv{int(m[1]) + 1}.conv",
    r"^global_features\.9\.mix": "ppm.out.conv",
    r"^global_features\.(\d)": lambda m: f"bottleneck{int(m[1]) // 3 + 1}.{int(m[1]) % 3}",
    r"\.body\.2\.0": ".block.2",
    r"\.body\.2\.1": ".block.3",
    r"\.body\.([01])": r".block.\1.conv",
    r"^(ppm|bottleneck)": r"global_feature_extractor.\1",
    r"^fuse_low\.0": "feature_fusion.dwconv.conv",
    r"^fuse_low\.1": "feature_fusion.conv_lower_res",
    r"^fuse_high": "feature_fusion.conv_higher_res",
    r"^head\.3": "classifier.conv.1",
    r"^head\.([01])": lambda m: f"classifier.dsconv{int(m[1]) + 1}",
    r"(dsconv\d)\.0\.": r"\1.conv.",
    r"(dsconv\d)\.1\.0": r"\1.conv.3",
    r"(dsconv\d)\.1\.1": r"\1.conv.4",
}
ENET = {
    r"^initial_act\.0": "bn",
    r"^initial_act\.1": "act",
    r"^down1": "enc.0",
    r"^stage1\.(\d)": lambda m: f"enc.{1 + int(m[1])}",
    r"^down2": "enc.5",
    r"^stage2\.(\d)": lambda m: f"enc.{6 + int(m[1])}",
    r"^stage3\.(\d)": lambda m: f"enc.{14 + int(m[1])}",
    r"^up4": "dec.0",
    r"^stage4\.(\d)": lambda m: f"dec.{1 + int(m[1])}",
    r"^up5": "dec.3",
    r"^stage5": "dec.4",
    r"\.main": ".other",
    r"\.extension": ".main",
    r"^classify": "full",
}
FCDENSENET = {
    r"^first": "firstconv",
    r"^down_blocks": "denseBlocksDown",
    r"^up_blocks": "denseBlocksUp",
    r"^bottleneck": "bottleneck.bottleneck",
    r"^shrink\.(\d)": r"transDownBlocks.\1",
    r"^enlarge\.(\d)": r"transUpBlocks.\1.convTrans",
    r"^classify": "finalConv",
    r"^(dense.*|bottleneck.*)\.body\.0": r"\1.norm",
    r"^(dense.*|bottleneck.*)\.body\.2": r"\1.conv",
    r"^(transDown.*)\.0\.(\w+)$": r"\1.norm.\2",
    r"^(transDown.*)\.2\.(\w+)$": r"\1.conv.\2",
}
VGG16 = ((0, 3), (7, 10), (14, 17, 20), (24, 27, 30), (34, 37, 40))
"""Index of each convolution among torchvision's layers; its normalisation follows it."""
SEGNET = {
    rf"^encoder\.features\.{first + kind}\.": f"conv{block}_{number}{('', '_bn')[kind]}."
    for block, firsts in enumerate(VGG16, 1)
    for number, first in enumerate(firsts, 1)
    for kind in (0, 1)
} | {
    r"^decoder\.4\.1\.": "conv1_1_D.",
    r"^decoder\.(\d)\.(\d)\.0": lambda m: f"conv{_mirrored(m)}_D",
    r"^decoder\.(\d)\.(\d)\.1": lambda m: f"conv{_mirrored(m)}_D_bn",
}
SEGNET_BASIC = {
    r"^down\.(\d)\.0": lambda m: f"conv{int(m[1]) + 1}",
    r"^down\.(\d)\.1": lambda m: f"conv{int(m[1]) + 1}_bn",
    r"^up\.(\d)\.0": lambda m: f"conv_decode{4 - int(m[1])}",
    r"^up\.(\d)\.1": lambda m: f"conv_decode{4 - int(m[1])}_bn",
    r"^classify": "conv_classifier",
}


def _mirrored(match) -> str:
    """Block and number of a decoder's convolution, counted from its end."""
    block = 5 - int(match[1])
    return f"{block}_{len(VGG16[block - 1]) - int(match[2])}"


def filled(name, names, encoder="own", **config):
    arch = ArchSpec(name=name, encoder=encoder, config=config)
    with torch.device("meta"):
        network = new_model(arch, 3, K).network
    return fill_by_name(network.to_empty(device="cpu"), names)


def training_outputs(network, shape):
    """What the network returns in training, with its normalisation and dropout in eval mode."""
    network.training = True
    with torch.inference_mode():
        return network(noise("image", shape))


def test_pidnet_is_the_authors():
    found = training_outputs(filled("pidnet_s", PIDNET), LARGE)
    outputs = {
        "logits": found.logits_BKHW,
        "aux": found.aux_BKhw,
        "border": found.border_B1hw,
    }
    assert_equals_fixture(outputs, "pidnet_s")


def test_ddrnet_is_the_authors():
    logits, aux = training_outputs(filled("ddrnet23_slim", DDRNET), LARGE)
    assert_equals_fixture({"logits": logits, "aux": aux}, "ddrnet23_slim")


def test_stdc_is_the_authors():
    network = filled("stdc", STDC)
    for head in (network.head, *network.aux_heads, network.detail_head):
        nn.init.zeros_(head[-1].bias)  # the authors have none
    found = training_outputs(network, LARGE)
    aux8, aux16 = found.aux_BKhw
    outputs = {"logits": found.logits_BKHW, "aux8": aux8, "aux16": aux16}
    assert_equals_fixture(outputs | {"detail": found.detail_B1hw}, "stdc")


def test_the_details_of_stdc_and_their_loss_are_the_authors():
    coarse = torch.floor(3.5 + 3.5 * noise("labels", (2, 8, 12))).long()
    labels_BHW = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)
    logits_BHW = 3 * noise("detail", (2, 1, 64, 96))[:, 0]
    truth_BHW = detail_map(labels_BHW)
    loss = border_overlap_loss(logits_BHW, truth_BHW, labels_BHW != IGNORE)
    assert_equals_fixture({"loss": loss[None], "truth": truth_BHW}, "stdc_detail")


@pytest.mark.parametrize(
    ("name", "names", "shape", "encoder", "config"),
    [
        ("bisenetv2", BISENETV2, LARGE, "own", {}),
        ("fastscnn", FASTSCNN, LARGE, "own", {}),
        (
            "fcdensenet103",
            FCDENSENET,
            SMALL,
            "own",
            {
                "down_layers": (2, 2, 3, 3, 2),
                "bottleneck_layers": 2,
                "growth": 8,
                "first_channels": 16,
            },
        ),
        ("segnet", SEGNET, SMALL, "vgg16_bn", {}),
        ("segnet_basic", SEGNET_BASIC, SMALL, "own", {}),
    ],
)
def test_logits_are_the_reference_s(name, names, shape, encoder, config):
    network = filled(name, names, encoder, **config)
    with torch.inference_mode():
        assert_equals_fixture({"logits": network(noise("image", shape))}, name)


def test_bisenetv2_can_be_the_network_of_the_published_weights():
    network = filled("bisenetv2", BISENETV2, released=True)
    with torch.inference_mode():
        logits = network(noise("image", LARGE))
    assert_equals_fixture({"logits": logits}, "bisenetv2_released")


def test_enet_is_the_authors():
    network = filled("enet", ENET)
    with torch.inference_mode():
        for layer in network.modules():
            if isinstance(layer, nn.PReLU):
                layer.weight /= 4  # a slope of 1 would hide the layer
        assert_equals_fixture({"logits": network(noise("image", SMALL))}, "enet")


@pytest.mark.parametrize(
    ("name", "kernel", "variance"),
    [
        ("pidnet_s", "i4.0.body.0", 2 / (256 * 9)),
        ("ddrnet23_slim", "fusion4.low.0.body.0", 2 / (256 * 9)),
        ("bisenetv2", "details.5.0", 2 / (128 * 9)),
        ("stdc", "stages.2.0.rest.0.0", 2 / (256 * 9)),
        ("stdc", "context.refine32.body.0", 1 / (1024 * 9)),
        ("segnet_basic", "down.1.0", 2 / (64 * 49)),
        ("fcdensenet103", "up_blocks.0.layers.0.body.2", 2 / (896 * 9)),
    ],
)
def test_kernels_start_with_the_variance_of_the_authors(name, kernel, variance):
    torch.manual_seed(0)
    network = new_model(ArchSpec(name=name, encoder="own"), 3, K).network
    found = network.get_submodule(kernel).weight
    assert found.var().item() == pytest.approx(variance, rel=0.05)
    is_uniform = found.abs().max() < 2 * found.std()
    assert bool(is_uniform) == (name == "fcdensenet103")
