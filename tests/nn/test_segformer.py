"""SegFormer gives the numbers of transformers, whose network is the authors'."""

import torch

from maskwright.core.card import ArchSpec
from maskwright.nn.build import new_model

from .peers import packed, randomised, translated

K = 5
NAMES = {
    r"^segformer\.stages\.(\d)\.blocks": lambda m: f"encoder.block{int(m[1]) + 1}",
    r"^segformer\.stages\.(\d)\.patch_embeddings\.": lambda m: (
        f"encoder.patch_embed{int(m[1]) + 1}."
    ),
    r"^segformer\.stages\.(\d)\.layer_norm": lambda m: f"encoder.norm{int(m[1]) + 1}",
    r"embed(\d)\.layer_norm": r"embed\1.norm",
    r"layernorm_before": "norm1",
    r"layernorm_after": "norm2",
    r"\.attention\.sequence_reduction\.sequence_reduction": ".attn.sr",
    r"\.attention\.sequence_reduction\.layer_norm": ".attn.norm",
    r"\.attention\.q_proj": ".attn.q",
    r"\.attention\.o_proj": ".attn.proj",
    r"^decode_head\.linear_projections\.(\d)\.proj": lambda m: (
        f"decoder.mlp_stage.{3 - int(m[1])}.linear"
    ),
    r"^decode_head\.linear_fuse": "decoder.fuse_stage.0",
    r"^decode_head\.batch_norm": "decoder.fuse_stage.1",
    r"^decode_head\.classifier": "segmentation_head.0",
}


def test_logits_are_those_of_transformers_with_the_same_weights():
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(0)
    peer = randomised(SegformerForSemanticSegmentation(SegformerConfig(num_labels=K)))
    arch = ArchSpec(name="segformer", encoder="mit_b0")
    model = new_model(arch, 3, K).eval()
    theirs = packed(peer.state_dict(), ("attention.k_proj", "attention.v_proj"), "attn.kv")
    model.network.load_state_dict(translated(theirs, NAMES))
    image = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        expected = torch.nn.functional.interpolate(
            peer(image).logits, scale_factor=4, mode="bilinear"
        )
        found = model(image)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        network = new_model(arch, 3, K).network.train()
        assert network.dropout.p == 0.1
        assert not torch.equal(network(image), network(image))
