"""DPT's decoder gives the numbers of transformers, but for its aligned corners."""

import re

import pytest
import torch
from torch import nn

from maskwright.core.card import ArchSpec
from maskwright.nn.build import new_model

from .peers import packed, randomised, translated

K = 5
BLOCK = {
    "attention.output.dense": "attn.proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
}
NAMES = {
    r"^dpt\.embeddings\.position_embeddings": "encoder.model.pos_embed",
    r"^dpt\.embeddings\.cls_token": "encoder.model.cls_token",
    r"^dpt\.embeddings\.patch_embeddings\.projection": "encoder.model.patch_embed.proj",
    r"^dpt\.encoder\.layer": "encoder.model.blocks",
    r"^neck\.reassemble_stage\.readout_projects\.(\d)": r"decoder.projection_blocks.\1.project",
    r"^neck\.reassemble_stage\.layers": "decoder.reassemble_blocks",
    r"^neck\.convs\.(\d)": r"decoder.reassemble_blocks.\1.project_to_feature_dim",
    r"^neck\.fusion_stage\.layers": "decoder.fusion_blocks",
    r"(reassemble_blocks\.\d)\.projection": r"\1.project_to_out_channel",
    r"(reassemble_blocks\.\d)\.resize": r"\1.upsample",
    r"(fusion_blocks\.\d)\.projection": r"\1.project",
    r"residual_layer(\d)\.convolution(\d)": r"residual_conv_block\1.conv_\2",
    r"residual_layer(\d)\.batch_norm(\d)": r"residual_conv_block\1.batch_norm_\2",
} | {re.escape(old): new for old, new in BLOCK.items()}
NOT_OURS = ("auxiliary_head.", "dpt.layernorm.", "neck.fusion_stage.layers.0.residual_layer1.")
"""The last one is never called: the coarsest map has nothing to be added to."""


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def ours(state):
    """The weights of transformers' network by our names, projections packed."""
    parts = [f"attention.attention.{part}" for part in ("query", "key", "value")]
    used = {key: value for key, value in state.items() if not key.startswith(NOT_OURS)}
    return translated(packed(used, parts, "attn.qkv"), NAMES)


def peer_of(*, align_corners=False, **options):
    from transformers import DPTConfig, DPTForSemanticSegmentation

    config = DPTConfig(
        hidden_size=192,
        num_attention_heads=3,
        intermediate_size=768,
        image_size=224,
        num_labels=K,
        neck_hidden_sizes=[24, 48, 96, 192],
        fusion_hidden_size=32,
        backbone_out_indices=[2, 5, 8, 11],
        use_batch_norm_in_fusion_residual=True,
        **options,
    )
    peer = randomised(DPTForSemanticSegmentation(config))
    for module in peer.modules():
        if hasattr(module, "align_corners"):
            module.align_corners = align_corners
    return peer


@pytest.mark.parametrize(("readout", "aligned"), [("project", False), ("ignore", True)])
def test_logits_are_those_of_transformers_with_the_same_weights(readout, aligned):
    peer = peer_of(readout_type=readout, align_corners=aligned)
    config = {"fusion_channels": 32, "aux_weight": 0, "align_corners": aligned}
    config["readout"] = {"project": "cat"}.get(readout, readout)
    arch = ArchSpec(name="dpt", encoder="vit_tiny_patch16_224", config=config)
    model = new_model(arch, 3, K).eval()
    model.network.load_state_dict(ours(peer.state_dict()))
    image = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        torch.testing.assert_close(model(image), peer(image).logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("encoder", "widths"),
    [
        ("vit_base_patch16_384", [96, 192, 384, 768]),
        ("vit_large_patch16_384", [256, 512, 1024, 1024]),
    ],
)
def test_stages_have_the_widths_of_the_authors(encoder, widths):
    with torch.device("meta"):
        network = new_model(ArchSpec(name="dpt", encoder=encoder), 3, K).network
    blocks = network.decoder.reassemble_blocks
    assert [block.project_to_out_channel.out_channels for block in blocks] == widths


@pytest.mark.parametrize("name", ["dinov2", "dinov3"])
def test_the_head_of_a_dino_is_the_same_decoder_with_the_same_scores(name):
    encoder = {"dinov2": "vit_small_patch14_dinov2", "dinov3": "vit_small_patch16_dinov3"}
    config = {"head": "dpt", "fusion_channels": 32}
    with torch.device("meta"):
        arch = ArchSpec(name=name, encoder=encoder[name], config=config)
        head = new_model(arch, 3, K).network.head
    widths = [b.project_to_out_channel.out_channels for b in head.decoder.reassemble_blocks]
    assert widths == [48, 96, 192, 384]
    assert isinstance(head.decoder.fusion_blocks[0].residual_conv_block1, nn.Identity)
    assert {f.align_corners for f in head.decoder.fusion_blocks} == {False}
    assert [type(layer).__name__ for layer in head.head] == [
        "Conv2d",
        "Norm",
        "ReLU",
        "Dropout",
        "Conv2d",
    ]
