"""Published checkpoints give the numbers of their publishers' own code."""

import json

import pytest
import torch
from safetensors.torch import save_file

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.inference.published import open_published
from maskwright.nn.build import new_model
from maskwright.nn.encoders import import_smp
from maskwright.nn.pretrained.layout import translate
from maskwright.nn.pretrained.layouts import (
    bisenetv2,
    ddrnet,
    dpt_authors,
    eomt_authors,
    eomt_transformers,
    mask2former_authors,
    mask2former_transformers,
    pidnet,
    segformer_authors,
    smp_dpt,
    torchvision_lraspp,
)
from maskwright.nn.pretrained.layouts import smp as smp_layout

from ..peers import packed, randomised, scores_of, translated
from ..reference import CLOSE_RATIO, _tensor, fill_by_name, load_fixture, noise, sample
from ..test_dpt import peer_of
from ..test_whole_networks import STDC, filled

K = 5


def theirs(name, names, *, without=(), **config):
    """A state dict with the authors' names, filled as the reference of the fixture was."""
    own = filled(name, names, **config).state_dict()
    found = {
        translate(key, names): value
        for key, value in own.items()
        if not key.startswith(without)
    }
    return filled_by_name(found)


def filled_by_name(found):
    """The tensors of a state dict, filled as the reference of a fixture was."""
    return {
        key: _tensor(key, tuple(value.shape)) if value.is_floating_point() else value
        for key, value in found.items()
    }


def assert_logits(network, name, size_HW=(128, 192)):
    """Logits, or for networks of queries their scores, are those of the fixture."""
    with torch.inference_mode():
        output = network(noise("image", (1, 3, *size_HW)))
    ((kind, expected),) = (
        (kind, load_fixture(name)["outputs"][kind])
        for kind in ("logits", "scores")
        if kind in load_fixture(name)["outputs"]
    )
    found = sample(output.exp() if kind == "scores" else output)
    assert found["shape"] == expected["shape"]
    assert_close(torch.tensor(found["values"]), torch.tensor(expected["values"]), CLOSE_RATIO)


def assert_close(found, expected, ratio=1e-5):
    """Up to a share of the largest value: float32 sums in another order."""
    atol = ratio * expected.abs().max().item()
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


def saved(path, state, prefix="", **beside):
    torch.save({"state_dict": {prefix + k: v for k, v in state.items()}, **beside}, path)
    return str(path)


def test_pidnet_from_its_authors_training_code(tmp_path):
    state = theirs("pidnet_s", pidnet.NAMES)
    published = open_published(saved(tmp_path / "best.pt", state, "model.", epoch=3))
    assert published.layout == "pidnet"
    assert published.licence.startswith("MIT")
    assert published.unused == ()
    assert_logits(published.network, "pidnet_s")


def test_biases_before_a_normalisation_move_into_its_mean(tmp_path):
    state = theirs("ddrnet23_slim", ddrnet.NAMES)
    bias = noise("bias", (32,))
    state["conv1.0.bias"] = bias
    state["conv1.1.running_mean"] = state["conv1.1.running_mean"] + bias
    published = open_published(saved(tmp_path / "w.pth", state))
    assert published.layout == "ddrnet"
    assert_logits(published.network, "ddrnet23_slim")


def test_stdc_whose_heads_have_no_biases(tmp_path):
    state = {k: v for k, v in theirs("stdc", STDC).items() if not k.endswith("conv_out.bias")}
    published = open_published(saved(tmp_path / "w.pth", state))
    assert published.card.arch.config["backbone"] == "stdc1"
    assert_logits(published.network, "stdc")


def test_bisenetv2_with_the_activations_of_its_published_code(tmp_path):
    state = theirs("bisenetv2", bisenetv2.NAMES, without=("aux_heads",))
    state["aux2.conv.conv.weight"] = torch.zeros(1)
    published = open_published(saved(tmp_path / "w.pth", state))
    assert published.unused == ("aux2.conv.conv.weight",)
    assert published.card.input.mean == (0.3257, 0.3690, 0.3223)
    assert_logits(published.network, "bisenetv2_released")


def test_segformer_of_transformers_with_names_and_input_of_its_folder(tmp_path):
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(0)
    names = {0: "wall", 1: "floor", 2: "wall"}
    peer = randomised(SegformerForSemanticSegmentation(SegformerConfig(id2label=names)))
    peer.save_pretrained(tmp_path)
    settings = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "size": 64}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    published = open_published(str(tmp_path))
    assert published.card.labels.names == ("wall", "floor", "wall (2)")
    assert published.card.arch.encoder == "mit_b0"
    assert published.card.input.mean == (0.5,) * 3
    assert published.card.input.network_size((100, 300)) == (64, 64)
    image = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        expected = torch.nn.functional.interpolate(
            peer(image).logits, scale_factor=4, mode="bilinear"
        )
        torch.testing.assert_close(published.network(image), expected, rtol=1e-4, atol=1e-4)


def test_segformer_of_its_authors_needs_consent_to_its_licence(tmp_path):
    names = segformer_authors.NAMES
    own = new_model(ArchSpec(name="segformer", encoder="mit_b0"), 3, K).network.state_dict()
    state = filled_by_name(translated(own, names))
    path = saved(tmp_path / "w.pth", state, meta={"CLASSES": tuple("abcde")})
    with pytest.raises(ConfigError, match=r"NVIDIA .* --accept-licence"):
        open_published(path)
    published = open_published(path, accept_licence=True)
    assert published.card.labels.names == tuple("abcde")
    assert published.card.provenance["published"]["files"]["w.pth"]["bytes"] > 1e6
    assert_logits(published.network, "segformer")


SMALL_DPT = {
    "encoder_name": "tu-vit_tiny_patch16_224.augreg_in21k",
    "decoder_intermediate_channels": (24, 48, 96, 192),
    "decoder_fusion_channels": 32,
}
OF_SMP = {
    **{kind: {} for kind in smp_layout.KINDS},
    "DPT": SMALL_DPT,
}


@pytest.mark.parametrize("kind", OF_SMP)
def test_networks_of_smp_as_it_saves_them(tmp_path, kind):
    torch.manual_seed(0)
    options = {"encoder_name": "tu-test_resnet", "encoder_weights": None, "classes": 3}
    peer = randomised(getattr(import_smp(), kind)(**options | OF_SMP[kind]))
    peer.save_pretrained(tmp_path)
    published = open_published(str(tmp_path))
    assert published.licence == "mit"
    side_HW = published.card.input.network_size((64, 96))
    assert side_HW == ((224, 224) if kind == "DPT" else (64, 96))
    image = torch.rand(1, 3, *side_HW)
    with torch.inference_mode():
        assert_close(published.network(image), peer(image))


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"_model_class": "PSPNet"}, "PSPNet of the library resizes .* with aligned corners"),
        ({"_model_class": "PAN"}, "PAN of the library halves odd maps"),
        ({"_model_class": "Other"}, "Other; expected .* Unet, UnetPlusPlus, MAnet, Linknet"),
        ({"_model_class": "Linknet", "encoder_depth": 4}, "encoder_depth is 4, which linknet"),
        ({"_model_class": "Linknet", "in_channels": 4}, "takes 4 channels, and nothing"),
    ],
)
def test_a_network_of_smp_that_differs_from_ours_is_refused(tmp_path, config, why):
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = {f"segmentation_head.0.{kind}": torch.zeros(1) for kind in ("weight", "bias")}
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ConfigError, match=why):
        open_published(str(tmp_path))


def test_a_dpt_of_smp_that_resizes_its_positions_is_refused(tmp_path):
    config = {"_model_class": "DPT", "dynamic_img_size": True}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = {key: torch.zeros(1) for key in smp_dpt.KEYS}
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ConfigError, match=r"resizes its position embeddings .* another rule"):
        open_published(str(tmp_path))


def test_fcn_of_torchvision(tmp_path):
    from torchvision.models.segmentation import fcn_resnet50

    torch.manual_seed(0)
    peer = randomised(fcn_resnet50(weights=None, weights_backbone=None, aux_loss=True))
    torch.save(peer.state_dict(), tmp_path / "fcn.pth")
    published = open_published(str(tmp_path / "fcn.pth"))
    assert published.card.labels.names[1] == "aeroplane"
    assert published.card.input.network_size((260, 600)) == (520, 1200)
    image = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(
            published.network(image), peer(image)["out"], rtol=1e-3, atol=1e-3
        )


def test_dpt_of_transformers(tmp_path):
    peer = peer_of(readout_type="project", align_corners=True)
    peer.save_pretrained(tmp_path)
    published = open_published(str(tmp_path))
    assert published.card.arch.encoder == "vit_tiny_patch16_224"
    assert published.card.input.mean == (0.5,) * 3
    assert any(name.startswith("auxiliary_head") for name in published.unused)
    image = torch.rand(1, 3, 96, 96)
    with torch.inference_mode():
        assert_close(published.network(image), peer(image).logits)


def test_dpt_of_its_authors(tmp_path):
    config = {"stage_channels": (24, 48, 96, 192), "fusion_channels": 32}
    state = theirs("dpt", dpt_authors.NAMES, encoder="vit_tiny_patch16_384", **config)
    unused = {"pretrained.model.norm.weight": torch.ones(192)}
    published = open_published(saved(tmp_path / "dpt.pt", state | unused))
    assert published.licence.startswith("MIT")
    assert published.unused == tuple(unused)
    assert published.card.input.network_size((600, 800)) == (480, 640)
    assert_logits(published.network, "dpt", (96, 128))


@pytest.mark.parametrize(
    "name", ["deeplabv3_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"]
)
def test_deeplabv3_and_lraspp_of_torchvision(tmp_path, name):
    from torchvision.models import segmentation

    heads = {"aux_loss": True} if name.startswith("deeplabv3") else {}
    peer = getattr(segmentation, name)(weights=None, weights_backbone=None, **heads)
    torch.save(fill_by_name(peer).state_dict(), tmp_path / "w.pth")
    published = open_published(str(tmp_path / "w.pth"))
    assert published.licence.startswith("BSD-3-Clause")
    assert published.card.labels.names[1] == "aeroplane"
    assert published.card.input.network_size((260, 600)) == (520, 1200)
    assert all(key.startswith("aux_classifier") for key in published.unused)
    image = noise("image", (1, 3, 64, 96))
    with torch.inference_mode():
        theirs = peer(image)
        assert_close(published.network(image), theirs["out"])
        if name == "deeplabv3_resnet50":
            assert not published.unused
            network = published.network.network
            aux = network.aux_head(network.encoder(image)[-2])
            aux = torch.nn.functional.interpolate(aux, (64, 96), mode="bilinear")
            assert_close(aux, theirs["aux"])


DETECTRON2 = {
    r"^backbone\.(conv|bn)1\.": r"backbone.stem.\g<1>1.",
    r"^backbone\.layer(\d)": lambda m: f"backbone.res{int(m[1]) + 1}",
    r"^(backbone.*)\.bn(\d)": r"\1.conv\2.norm",
    r"\.downsample\.0": ".shortcut",
    r"\.downsample\.1": ".shortcut.norm",
}
FIRST_NAMES = {r"sem_seg_head\.pixel_decoder": "sem_seg_head", "query_feat": "static_query"}
"""Of the authors' code when it wrote the published files."""


@pytest.mark.parametrize("later_names", [{}, FIRST_NAMES])
def test_mask2former_of_its_authors(tmp_path, later_names):
    config = {"num_queries": 7, "pixel_layers": 2, "query_layers": 3, "decoder_channels": 64}
    names = mask2former_authors.NAMES
    own = translated(filled("mask2former", names, "resnet18", **config).state_dict(), names)
    parts = [f".{name}_proj." for name in "qkv"]
    state = filled_by_name(translated(packed(own, parts, ".in_proj_"), DETECTRON2))
    path = saved(tmp_path / "m.pth", translated(state, later_names))
    with pytest.raises(ConfigError, match=r"CC-BY-NC-4\.0.* --accept-licence"):
        open_published(path)
    published = open_published(path, accept_licence=True)
    assert published.card.arch.config == config
    assert published.unused == ()
    assert_logits(published.network, "mask2former", (64, 96))


def test_eomt_of_its_authors(tmp_path):
    config = {"num_queries": 7, "position_grid": 6}
    names = eomt_authors.NAMES
    state = theirs("eomt", names, encoder="vit_small_patch14_reg4_dinov2", **config)
    state["attn_mask_probs"] = torch.zeros(3)
    published = open_published(saved(tmp_path / "m.ckpt", state, "network."))
    assert published.licence.startswith("MIT")
    assert published.card.arch.config == config | {"query_blocks": 3}
    assert published.card.input.size_rule.shortest_px == 96
    assert_logits(published.network, "eomt", (96, 96))


def saved_mask2former(folder):
    from transformers import (
        Mask2FormerConfig,
        Mask2FormerForUniversalSegmentation,
        ResNetConfig,
    )

    stages = [f"stage{n}" for n in range(1, 5)]
    backbone = ResNetConfig(
        depths=[2] * 4,
        layer_type="basic",
        hidden_sizes=[64, 128, 256, 512],
        out_features=stages,
    )
    widths = dict.fromkeys(("hidden_dim", "mask_feature_size", "feature_size"), 64)
    config = Mask2FormerConfig(
        backbone_config=backbone,
        num_labels=K,
        num_queries=7,
        encoder_layers=1,
        decoder_layers=2,
        encoder_feedforward_dim=256,
        dim_feedforward=512,
        **widths,
    )
    peer = randomised(Mask2FormerForUniversalSegmentation(config))
    peer.save_pretrained(folder)
    return peer


def saved_eomt(folder):
    from transformers import EomtConfig, EomtForUniversalSegmentation

    config = EomtConfig(
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        image_size=96,
        num_queries=7,
        num_blocks=3,
        num_labels=K,
    )
    peer = randomised(EomtForUniversalSegmentation(config))
    peer.attn_mask_probs.zero_()
    peer.save_pretrained(folder)
    return peer


@pytest.mark.parametrize(
    ("save", "unused"), [(saved_mask2former, ()), (saved_eomt, ("attn_mask_probs",))]
)
def test_networks_of_queries_as_transformers_saves_them(tmp_path, save, unused):
    torch.manual_seed(0)
    peer = save(tmp_path)
    published = open_published(str(tmp_path))
    assert published.unused == (*unused, "criterion.empty_weight")
    image = noise("image", (1, 3, 96, 96))
    with torch.inference_mode():
        theirs = peer(image)
        expected = scores_of(theirs.class_queries_logits, theirs.masks_queries_logits)
        assert_close(published.network(image).exp(), expected)


EMBEDDINGS = "model.pixel_level_module.encoder.embeddings.patch_embeddings.projection.weight"


@pytest.mark.parametrize(
    ("layout", "changes", "why"),
    [
        (torchvision_lraspp, {}, "whose backbone is not MobileNetV3-Large"),
        (mask2former_transformers, {EMBEDDINGS: (1,)}, "on a Swin transformer, whose graph"),
        (
            mask2former_authors,
            {"backbone.patch_embed.proj.weight": (1,)},
            "on a Swin transformer, whose graph",
        ),
        (eomt_transformers, {"query.weight": (2, 384)}, "those on DINOv3 have other positions"),
        (eomt_authors, {"q.weight": (2, 384)}, "those on DINOv3 have other positions"),
        (
            dpt_authors,
            {"pretrained.model.patch_embed.backbone.stem.conv.weight": (1,)},
            "DPT-Hybrid, whose encoder is a ResNet before a transformer",
        ),
        (dpt_authors, {}, "DPT for depth; expected DPT for semantic segmentation"),
    ],
)
def test_a_network_that_no_architecture_here_is_is_named(tmp_path, layout, changes, why):
    shapes = dict.fromkeys(layout.KEYS, (1,)) | changes
    state = {key: torch.zeros(shape) for key, shape in shapes.items()}
    with pytest.raises(ConfigError, match=why):
        open_published(saved(tmp_path / "w.pth", state), accept_licence=True)
