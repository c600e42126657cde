"""DINOv3's transformer gives the library's numbers, for any image size."""

import pytest
import timm
import torch

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.nn.build import new_model
from maskwright.nn.licences import weights_licence

from .peers import randomised, renamed

K = 5
NAME = "vit_small_patch16_dinov3"
CARD = {"name": "dinov3", "encoder": NAME, "config": {}}
BLOCK = {
    "norm1": "norm1",
    "norm2": "norm2",
    "mlp.up_proj": "mlp.fc1",
    "mlp.down_proj": "mlp.fc2",
    "attention.o_proj": "attn.proj",
    "layer_scale1.lambda1": "gamma_1",
    "layer_scale2.lambda1": "gamma_2",
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def timms(state):
    """The weights of transformers' network by timm's names, projections packed."""
    names = {
        "embeddings.cls_token": "model.cls_token",
        "embeddings.register_tokens": "model.reg_token",
        "embeddings.patch_embeddings.": "model.patch_embed.proj.",
        "norm.": "model.norm.",
    }
    found = renamed(state, names)
    for n in range(12):
        theirs, ours = f"model.layer.{n}.", f"model.blocks.{n}."
        found |= renamed(state, {theirs + old: ours + new for old, new in BLOCK.items()})
        packed = [state[f"{theirs}attention.{p}_proj.weight"] for p in "qkv"]
        found[f"{ours}attn.qkv.weight"] = torch.cat(packed)
    return found


@pytest.mark.parametrize("size_HW", [(64, 96), (208, 48)])
def test_tokens_are_those_of_transformers_with_the_same_weights(size_HW):
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    config = DINOv3ViTConfig(
        num_register_tokens=4, query_bias=False, value_bias=False, layer_norm_eps=1e-5
    )
    peer = randomised(DINOv3ViTModel(config))
    encoder = new_model(ArchSpec.from_json(CARD), 3, K).eval().network.encoder
    encoder.load_state_dict(timms(peer.state_dict()))
    image = torch.rand(2, 3, *size_HW)
    with torch.inference_mode():
        expected_BNC = peer(image).last_hidden_state
        ((map_BChw, class_B1C),) = encoder(image, (11,))
    assert map_BChw.shape == (2, 384, size_HW[0] // 16, size_HW[1] // 16)
    found_BNC = map_BChw.flatten(2).transpose(1, 2)
    torch.testing.assert_close(found_BNC, expected_BNC[:, 5:], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(class_B1C, expected_BNC[:, :1], rtol=1e-3, atol=1e-4)


def test_the_authors_file_of_weights_fills_the_encoder_silently(tmp_path, capsys):
    theirs = timm.create_model(NAME, num_classes=0).state_dict()
    # as the authors store it: registers by another name, biases of zero, periods, a mask token
    theirs = {
        key.replace("reg_token", "storage_tokens")
        .replace("gamma_1", "ls1.gamma")
        .replace("gamma_2", "ls2.gamma"): value
        for key, value in theirs.items()
    }
    theirs |= {"mask_token": torch.zeros(1, 384), "rope_embed.periods": torch.ones(16)}
    for n in range(12):
        theirs[f"blocks.{n}.attn.qkv.bias"] = torch.zeros(3 * 384)
        theirs[f"blocks.{n}.attn.qkv.bias_mask"] = torch.ones(3 * 384)
    theirs["storage_tokens"] = torch.randn(1, 4, 384)
    torch.save(theirs, tmp_path / "weights.pth")
    model = new_model(
        ArchSpec.from_json(CARD), 3, K, weights=str(tmp_path / "weights.pth")
    ).network.encoder.model
    assert torch.equal(model.reg_token, theirs["storage_tokens"])
    assert torch.equal(model.blocks[3].gamma_2, theirs["blocks.3.ls2.gamma"])
    assert torch.equal(model.blocks[3].attn.qkv.weight, theirs["blocks.3.attn.qkv.weight"])
    assert capsys.readouterr().out == ""
    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "other.pth")
    with pytest.raises(ConfigError, match="belongs to another encoder"):
        new_model(ArchSpec.from_json(CARD), 3, K, weights=str(tmp_path / "other.pth"))


def test_the_dpt_head_takes_any_size_and_learns_from_one_image():
    config = {"head": "dpt", "stage_channels": (8, 16, 16, 16), "fusion_channels": 16}
    model = new_model(ArchSpec.from_json({**CARD, "config": config}), 2, K)
    logits = model(torch.rand(1, 2, 33, 47))
    assert logits.shape == (1, K, 33, 47)
    logits.square().mean().backward()
    assert [n for n, p in model.network.head.named_parameters() if p.grad is None] == []


def test_its_weights_have_a_licence_of_their_own():
    assert weights_licence(NAME).startswith("DINOv3 License: Meta's own")
    assert weights_licence("vit_small_patch14_dinov2") == "apache-2.0"
