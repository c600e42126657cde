"""Decoders on an encoder of convolutions give the numbers of their references.

The dictionaries turn our names of tensors into the reference's, see `reference.fill_by_name`,
or, for a peer that runs here, its names into ours.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import UperNetConfig
from transformers.models.upernet.modeling_upernet import UperNetFCNHead, UperNetHead

from maskwright.core.card import ArchSpec
from maskwright.nn.archs import deeplabv1, upernet
from maskwright.nn.archs.manet import PositionAttention
from maskwright.nn.archs.pan import GuidedSkip
from maskwright.nn.blocks.initialise import init_he
from maskwright.nn.blocks.resize import resize_like
from maskwright.nn.build import new_model
from maskwright.nn.encoders import import_smp

from .peers import randomised, translated
from .reference import assert_equals_fixture, fill_by_name, noise

K = 5
IMAGE = noise("image", (1, 3, 64, 96))

LINKNET = {
    r"^encoder\.conv1": "in_block.0",
    r"^encoder\.bn1": "in_block.1",
    r"^encoder\.layer": "encoder",
    **{rf"^decoder\.{i}": f"decoder{i + 1}" for i in range(4)},
    r"^(decoder\d)\.0": r"\1.conv1",
    r"^(decoder\d)\.1": r"\1.tp_conv",
    r"^(decoder\d)\.2": r"\1.conv2",
    r"^head\.([01])": r"tp_conv1.\1",
    r"^head\.3": "conv2.0",
    r"^head\.4": "conv2.1",
    r"^head\.6": "tp_conv2",
}
DEEPLABV2 = {r"^encoder": "base.body", r"^pyramid\.": "base.aspp.c"}
PSPNET = {
    r"^levels\.(\d)\.1\.0": r"ppm.features.\1.1",
    r"^levels\.(\d)\.1\.1": r"ppm.features.\1.2",
    r"^head\.0": "cls",
    r"^head\.2": "cls.4",
    r"^aux_head\.0": "aux",
    r"^aux_head\.2": "aux.4",
    r"^encoder\.conv1": "layer0.0",
    r"^encoder\.bn1": "layer0.1",
    r"^encoder\.": "",
}
FPN = {
    r"^encoder": "body",
    r"^lateral\.(\d)": r"fpn.inner_blocks.\1.0",
    r"^smooth\.(\d)": r"fpn.layer_blocks.\1.0",
    r"^head\.": "head.predictor.",
    r"^branches\.(\d)\.([048])": r"level.\1.\2",
    **{rf"^branches\.(\d)\.{n + 1}": rf"level.\1.{n}.norm" for n in (0, 4, 8)},
    r"^level\.(\d)\.4": r"level.\1.2",
    r"^level\.(\d)\.8": r"level.\1.4",
    **{rf"^level\.{i}": f"head.p{i + 2}" for i in range(4)},
}
TRANSFORMERS = {
    r"\.conv\.": ".0.",
    r"\.batch_norm\.": ".1.",
    r"^psp_modules": "levels",
    r"^bottleneck": "context",
    r"^lateral_convs": "lateral",
    r"^fpn_convs": "smooth",
    r"^fpn_bottleneck": "head.0",
    r"^convs\.0": "aux_head.0",
}


def network(name, encoder="resnet50", **config):
    torch.manual_seed(0)
    arch = ArchSpec(name=name, encoder=encoder, config=config)
    return new_model(arch, 3, K).network.eval()


class Maps(nn.Module):
    """An encoder that returns painted maps of strides 1 to 32."""

    out_channels = (3, 4, 8, 12, 16, 20)

    def forward(self, _x):
        return [
            noise(str(index), (1, width, 64 >> index, 128 >> index))
            for index, width in enumerate(self.out_channels)
        ]


@torch.inference_mode()
@pytest.mark.parametrize(
    ("name", "encoder", "names"), [("linknet", "resnet18", LINKNET), ("fpn", "resnet50", FPN)]
)
def test_network_gives_the_numbers_of_its_reference_code(name, encoder, names):
    ours = fill_by_name(network(name, encoder), names)
    assert_equals_fixture({"logits": ours(IMAGE)}, name)


@torch.inference_mode()
def test_pspnet_gives_the_numbers_of_the_authors_code():
    ours = fill_by_name(network("pspnet"), PSPNET)
    outputs = {}
    for head in (ours.head, ours.aux_head):
        head[-1].register_forward_hook(lambda m, _, out: outputs.update({m: out}))
    ours.train()
    for module in ours.modules():
        module.training = module is ours  # both heads, and no statistics of the batch
    ours(IMAGE)
    found = {"scores": outputs[ours.head[-1]], "aux": outputs[ours.aux_head[-1]]}
    assert_equals_fixture(found, "pspnet")


@torch.inference_mode()
def test_deeplabv2_gives_the_numbers_of_its_reference_code():
    ours = fill_by_name(network("deeplabv2"), DEEPLABV2)
    scores = []
    for size_HW in ((64, 96), (32, 48), (48, 72)):
        resized = functional.interpolate(IMAGE, size_HW, mode="bilinear")
        scores.append(functional.interpolate(ours._score(resized), (8, 12), mode="bilinear"))
    expected = torch.stack(scores).amax(0)
    assert_equals_fixture({"scores": expected}, "deeplabv2")
    expected = functional.interpolate(expected, scale_factor=8, mode="bilinear")
    torch.testing.assert_close(ours(IMAGE), expected)


@torch.inference_mode()
def test_deeplabv1_pools_after_the_last_stage_as_in_the_authors_network():
    """pool5a, fc6, fc7 and fc8 of the authors' train.prototxt of DeepLab-LargeFOV."""
    config = deeplabv1.Config(decoder_channels=8)
    ours = deeplabv1.LargeFOV(config, Maps(), K).eval()
    x = Maps()(None)[-1]
    fc6, fc7, fc8 = (layer for layer in ours.head if isinstance(layer, nn.Conv2d))
    pooled = functional.avg_pool2d(x, 3, 1, 1)
    wide = functional.conv2d(pooled, fc6.weight, fc6.bias, padding=12, dilation=12).relu()
    scores = functional.conv2d(
        functional.conv2d(wide, fc7.weight, fc7.bias).relu(), fc8.weight, fc8.bias
    )
    expected = functional.interpolate(scores, scale_factor=8, mode="bilinear")
    torch.testing.assert_close(ours(torch.zeros(1, 3, 64, 128)), expected)
    assert {type(m) for m in ours.head if "Dropout" in type(m).__name__} == {nn.Dropout}


def test_multi_grid_multiplies_the_dilation_of_the_last_three_units():
    encoder = network("deeplabv3", "resnet34").encoder
    assert [unit.conv1.dilation for unit in encoder.layer4] == [(1, 1), (4, 4), (8, 8)]
    assert {unit.conv1.dilation for unit in encoder.layer3} == {(1, 1)}


def conv_norm_relu(module, x, **options):
    """One `slim.conv2d` of the authors' code, or one depthwise `slim.separable_conv2d`."""
    conv, norm, _ = module
    x = functional.conv2d(x, conv.weight, None, padding="same", **options)
    shifted = x - norm.running_mean[:, None, None]
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return (shifted * scale[:, None, None] + norm.bias[:, None, None]).relu()


def separable(module, x, rate):
    """The authors' `split_separable_conv2d`."""
    depthwise, pointwise = module
    x = conv_norm_relu(depthwise, x, dilation=rate, groups=x.shape[1])
    return conv_norm_relu(pointwise, x)


@torch.inference_mode()
def test_deeplabv3plus_is_the_graph_of_the_authors_code():
    """research/deeplab/model.py of tensorflow/models, from aspp to logits."""
    ours = fill_by_name(network("deeplabv3plus", "resnet18", decoder_channels=16))
    features = ours.encoder(IMAGE)
    last, pyramid = features[-1], ours.pyramid
    pooled = conv_norm_relu(pyramid.pooled, last.mean((2, 3), keepdim=True))
    levels = [pooled.expand(-1, -1, 4, 6), conv_norm_relu(pyramid.branches[0], last)]
    for branch, rate in zip(pyramid.branches[1:], (6, 12, 18), strict=True):
        levels.append(separable(branch, last, rate))
    # the authors have the pooled level first, here it is last
    context = conv_norm_relu(pyramid.project[:3], torch.cat([*levels[1:], levels[0]], 1))
    context = functional.interpolate(context, (16, 24), mode="bilinear")
    decoder = torch.cat([context, conv_norm_relu(ours.skip, features[2])], 1)
    for conv in ours.fuse:
        decoder = separable(conv, decoder, 1)
    scores = functional.conv2d(decoder, ours.head.weight, ours.head.bias)
    expected = functional.interpolate(scores, (64, 96), mode="bilinear")
    torch.testing.assert_close(ours(IMAGE), expected, atol=1e-3, rtol=1e-4)


@torch.inference_mode()
def test_upernet_gives_the_numbers_of_transformers():
    config = UperNetConfig(
        hidden_size=24, auxiliary_in_channels=16, auxiliary_channels=256, num_labels=K
    )
    widths = list(Maps.out_channels[2:])
    theirs, aux = fill_by_name(UperNetHead(config, widths)), UperNetFCNHead(config, widths)
    fill_by_name(aux)
    ours = upernet.UPerNet(upernet.Config(decoder_channels=24), Maps(), K).eval()
    heads = TRANSFORMERS | {r"^classifier": "head.2"}
    state = translated(theirs.state_dict(), heads)
    aux_heads = TRANSFORMERS | {r"^classifier": "aux_head.2"}
    ours.load_state_dict(state | translated(aux.state_dict(), aux_heads))
    maps = Maps()(None)
    expected = functional.interpolate(theirs(maps[2:]), (64, 128), mode="bilinear")
    torch.testing.assert_close(ours(torch.zeros(1, 3, 64, 128)), expected, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(ours.aux_head(maps[4]), aux(maps[2:]), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(
    ("encoder", "norm"), [("test_resnet", "Identity"), ("convnext_atto", "MapLayerNorm")]
)
def test_upernet_norms_the_maps_of_patch_encoders_alone(encoder, norm):
    assert [type(m).__name__ for m in network("upernet", encoder).norms] == [norm] * 4


def test_position_attention_sums_the_values_of_all_places_by_similarity():
    block = import_smp().MAnet("tu-test_resnet", encoder_weights=None).decoder.center
    ours = PositionAttention(randomised(block))
    x = torch.rand(2, block.in_channels, 3, 4)
    query, key, value = (
        conv(x).flatten(2).transpose(1, 2)
        for conv in (block.center_conv, block.top_conv, block.bottom_conv)
    )
    attended = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
    expected = block.out_conv(x + attended.transpose(1, 2).reshape(x.shape))
    torch.testing.assert_close(ours(x), expected)


def test_guidance_of_pan_begins_as_a_plain_sum_of_skip_and_context():
    torch.manual_seed(0)
    guided = GuidedSkip(3, 4)
    init_he(guided)
    skip, context = torch.rand(2, 3, 8, 6), torch.rand(2, 4, 4, 3)
    expected = resize_like(context, skip) + guided.skip(skip)
    torch.testing.assert_close(guided(skip, context), expected)
    guided(skip, context).square().sum().backward()
    assert guided.weights[1].weight.grad.abs().max() > 0  # they learn


@torch.inference_mode()
@pytest.mark.parametrize(
    ("name", "library"),
    [("unet", "Unet"), ("unetplusplus", "UnetPlusPlus"), ("manet", "MAnet")],
)
def test_unets_are_the_library_s(name, library):
    """Of MA-Net, all but the position attention, which has a test of its own."""
    config = {"aux_weight": 0} if name == "unetplusplus" else {}
    ours = network(name, "test_resnet", **config)
    theirs = getattr(import_smp(), library)("tu-test_resnet", encoder_weights=None, classes=K)
    theirs.load_state_dict(randomised(ours).state_dict())
    if name == "manet":
        ours.decoder.center = theirs.decoder.center
    torch.testing.assert_close(ours(IMAGE), theirs.eval()(IMAGE))


ON_ANY_ENCODER = [
    *("deeplabv3", "deeplabv3plus", "fcn", "fpn", "linknet", "manet", "pan", "pspnet"),
    *("unet", "unetplusplus", "upernet"),
]


class Resizes(TorchFunctionMode):
    """Note whether corners are aligned, at each call of `interpolate`."""

    def __init__(self):
        super().__init__()
        self.aligned = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is functional.interpolate:
            self.aligned.append((kwargs or {}).get("align_corners"))
        return func(*args, **(kwargs or {}))


@torch.inference_mode()
@pytest.mark.parametrize("name", ON_ANY_ENCODER)
def test_no_map_is_resized_with_aligned_corners(name):
    """Else features would shift by up to a stride across the image."""
    with Resizes() as resizes:
        network(name, "test_resnet")(torch.zeros(1, 3, 64, 64))
    assert resizes.aligned or name == "linknet"
    assert True not in resizes.aligned
