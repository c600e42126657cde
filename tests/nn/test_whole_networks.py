"""Networks without a separate encoder, and SegNet, give the numbers of their reference code.

Each dictionary turns our names of tensors into the reference's, see `reference.fill_by_name`;
where published weights can be opened, it is that of their layout.
"""

import pytest
import torch
from torch import nn

from maskwright.core.card import ArchSpec
from maskwright.core.labels import IGNORE
from maskwright.nn.archs.stdc import detail_map
from maskwright.nn.blocks.borders import border_overlap_loss
from maskwright.nn.build import new_model
from maskwright.nn.pretrained.layouts import bisenetv2, ddrnet, pidnet, stdc

from .reference import assert_equals_fixture, fill_by_name, noise

K = 5
LARGE, SMALL = (1, 3, 128, 192), (1, 3, 64, 96)

STAGES = {
    r"^stages\.(\d)\.(\d)": lambda m: f"cp.backbone.features.{2 + 2 * int(m[1]) + int(m[2])}"
}
STDC = STAGES | stdc.NAMES
"""Opening a checkpoint numbers its blocks by stage first; here the authors' numbers stay."""
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
    found = training_outputs(filled("pidnet_s", pidnet.NAMES), LARGE)
    outputs = {
        "logits": found.logits_BKHW,
        "aux": found.aux_BKhw,
        "border": found.border_B1hw,
    }
    assert_equals_fixture(outputs, "pidnet_s")


def test_ddrnet_is_the_authors():
    logits, aux = training_outputs(filled("ddrnet23_slim", ddrnet.NAMES), LARGE)
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
        ("bisenetv2", bisenetv2.NAMES, LARGE, "own", {}),
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
    network = filled("bisenetv2", bisenetv2.NAMES, released=True)
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
