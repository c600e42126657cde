"""Networks on DINOv2's transformers give the numbers of transformers."""

import re

import pytest
import timm
import torch
from torch import nn

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.nn.any_size import AnySize
from maskwright.nn.build import new_model
from maskwright.nn.protocols import ProgressAware

from .peers import randomised, renamed, scores_of

K, Q = 5, 7


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def timm_blocks(state, theirs, ours):
    """A vision transformer of transformers in timm's names, projections packed."""
    found = {}
    names = {
        "layer_scale1.lambda1": "ls1.gamma",
        "layer_scale2.lambda1": "ls2.gamma",
        "attention.out_proj": "attn.proj",
        "attention.o_proj": "attn.proj",
    }
    for key, value in state.items():
        rest = key.removeprefix(theirs)
        if rest == key or "q_proj" in key:
            continue
        if packed := re.fullmatch(r"(.*)attention\.k_proj\.(\w+)", rest):
            q, v = (state[key.replace("k_proj", f"{n}_proj")] for n in "qv")
            found[f"{ours}{packed[1]}attn.qkv.{packed[2]}"] = torch.cat([q, value, v])
        elif "v_proj" not in rest:
            for old, new in names.items():
                rest = rest.replace(old, new)
            found[ours + rest] = value
    return found


@pytest.mark.parametrize("is_masked", [False, True])
def test_eomt_gives_the_numbers_of_transformers_with_the_same_weights(is_masked):
    from transformers import EomtConfig, EomtForUniversalSegmentation

    config = EomtConfig(
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        image_size=96,
        num_queries=Q,
        num_blocks=3,
        num_labels=K,
    )
    peer = randomised(EomtForUniversalSegmentation(config))
    peer.attn_mask_probs.fill_(float(is_masked))
    arch = {
        "name": "eomt",
        "encoder": "vit_small_patch14_reg4_dinov2",
        "config": {"num_queries": Q, "annealing_steps": 1 if is_masked else 0},
    }
    model = new_model(ArchSpec.from_json(arch), 3, K).eval()
    tensors = peer.state_dict()
    state = timm_blocks(tensors, "layers.", "encoder.model.blocks.") | renamed(
        {k: v for k, v in tensors.items() if "position" not in k},
        {
            "embeddings.cls_token": "encoder.model.cls_token",
            "embeddings.register_tokens": "encoder.model.reg_token",
            "embeddings.patch_embeddings.projection.": "encoder.model.patch_embed.proj.",
            "layernorm.": "encoder.model.norm.",
            "query.": "query.",
            "upscale_block.block.": "upscale.",
            "mask_head.fc1.": "mask_head.0.",
            "mask_head.fc2.": "mask_head.2.",
            "mask_head.fc3.": "mask_head.4.",
            "class_predictor.": "class_predictor.",
        },
    )
    places = tensors["embeddings.position_embeddings.weight"][None]
    state["encoder.model.pos_embed"] = places
    model.network.encoder.model.pos_embed = nn.Parameter(places.clone())
    model.network.encoder.model.patch_embed.grid_size = (6, 6)
    missing, unknown = model.network.load_state_dict(state, strict=False)
    assert (missing, unknown) == ([], [])
    image = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        theirs = peer(image)
        if is_masked:
            model.network.training = True  # all else stays in eval mode
            last, *others = model.network(image)
            assert len(others) == 3
            found = (last.class_BQk, last.mask_BQhw)
            expected = (theirs.class_queries_logits, theirs.masks_queries_logits)
        else:
            found = model(image).exp()
            expected = scores_of(theirs.class_queries_logits, theirs.masks_queries_logits)
        atol = 1e-4 if is_masked else 1e-5
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=atol)


def small_eomt(**settings):
    config = {"num_queries": 4, "num_points": 50, **settings}
    arch = ArchSpec(name="eomt", encoder="vit_small_patch14_reg4_dinov2", config=config)
    return new_model(arch, 3, K).network


@pytest.mark.parametrize(("settings", "end"), [({}, 1.0), ({"annealing_ratio": 0.5}, 0.5)])
def test_masking_ends_block_by_block_over_a_share_of_the_run(settings, end):
    network = small_eomt(**settings)
    assert isinstance(network, ProgressAware)
    shares = []
    for progress in (0, 0.3, 0.7, 0.9):
        network.set_progress(progress * end)
        shares.append([round(network.masked_ratio(block), 3) for block in range(3)])
    half = round(0.5**0.9, 3)
    assert shares == [[1, 1, 1], [half, 1, 1], [0, 0, half], [0, 0, 0]]


def test_masked_queries_get_finite_gradients_and_no_ratio_means_no_masking():
    network = small_eomt()
    image, labels = torch.rand(1, 3, 32, 32), torch.randint(0, K, (1, 32, 32))
    outputs = network.train()(image)
    assert len(outputs) == 4
    network.loss(outputs, labels, None).backward()
    assert torch.isfinite(network.query.weight.grad).all()
    assert small_eomt(annealing_ratio=0.0).masked_ratio(0) == 0


def test_weights_that_hold_a_count_of_training_steps_still_load():
    network = AnySize(small_eomt())
    state = network.state_dict()
    network.load_state_dict(state | {"network.steps": torch.tensor(7)})
    assert "network.steps" not in network.state_dict()


@pytest.mark.parametrize("size_HW", [(56, 84), (518, 70)])
def test_dinov2_tokens_are_those_of_transformers_with_the_same_weights(size_HW):
    from transformers import Dinov2Backbone, Dinov2Config

    config = Dinov2Config(
        hidden_size=384,
        num_attention_heads=6,
        image_size=518,
        patch_size=14,
        out_features=["stage11", "stage12"],
        reshape_hidden_states=True,
    )
    peer = randomised(Dinov2Backbone(config))
    arch = {"name": "dinov2", "encoder": "vit_small_patch14_dinov2", "config": {}}
    encoder = new_model(ArchSpec.from_json(arch), 3, K).eval().network.encoder
    theirs = peer.state_dict()
    state = timm_blocks(theirs, "encoder.layer.", "model.blocks.") | renamed(
        theirs,
        {
            "embeddings.cls_token": "model.cls_token",
            "embeddings.position_embeddings": "model.pos_embed",
            "embeddings.patch_embeddings.projection.": "model.patch_embed.proj.",
            "layernorm.": "model.norm.",
        },
    )
    encoder.load_state_dict(state)
    image = torch.rand(1, 3, *size_HW)
    with torch.inference_mode():
        expected = peer(image).feature_maps
        found = encoder(image, (10, 11))
    for (map_BChw, _), expected_BChw in zip(found, expected, strict=True):
        torch.testing.assert_close(map_BChw, expected_BChw, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("arch", ["dinov2", "eomt"])
def test_the_authors_file_of_weights_fills_the_encoder_whatever_its_patches(arch, tmp_path):
    name = "vit_small_patch14_reg4_dinov2"
    theirs = timm.create_model(name, num_classes=0).state_dict()
    # as the authors store it: registers by another name, a place for the class token
    theirs["register_tokens"] = torch.randn_like(theirs.pop("reg_token"))
    theirs["mask_token"] = torch.zeros(1, 384)
    theirs["pos_embed"] = torch.randn(1, 1 + 37 * 37, 384)
    torch.save(theirs, tmp_path / "weights.pth")
    card = {"name": arch, "encoder": name, "config": {}}
    model = new_model(
        ArchSpec.from_json(card), 3, K, weights=str(tmp_path / "weights.pth")
    ).network.encoder.model
    assert torch.equal(model.reg_token, theirs["register_tokens"])
    assert torch.equal(model.blocks[3].mlp.fc1.weight, theirs["blocks.3.mlp.fc1.weight"])
    assert torch.equal(model.cls_token, theirs["cls_token"] + theirs["pos_embed"][:, :1])
    if arch == "dinov2":
        assert torch.equal(model.pos_embed, theirs["pos_embed"][:, 1:])
    other = timm.create_model("resnet18").state_dict()
    torch.save(other, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match="belongs to another encoder"):
        new_model(ArchSpec.from_json(card), 3, K, weights=str(tmp_path / "other.pth"))


def test_dinov2_with_dpts_head_takes_any_size_and_learns_from_one_image():
    config = {"head": "dpt", "stage_channels": (8, 16, 16, 16), "fusion_channels": 16}
    arch = {"name": "dinov2", "encoder": "vit_small_patch14_dinov2", "config": config}
    model = new_model(ArchSpec.from_json(arch), 2, K)
    logits = model(torch.rand(1, 2, 33, 47))
    assert logits.shape == (1, K, 33, 47)
    logits.square().mean().backward()
    assert [n for n, p in model.network.head.named_parameters() if p.grad is None] == []
    assert model.eval()(torch.rand(2, 2, 1, 1)).shape == (2, K, 1, 1)
