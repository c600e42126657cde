"""Networks of queries and of vision transformers say what the libraries' networks say."""

import re

import pytest
import torch
from torch import nn

from maskwright.core.labels import IGNORE
from maskwright.nn.blocks.query_scores import class_logits
from maskwright.nn.blocks.set_loss import Queries, SetLoss
from maskwright.nn.build import new_model

K, Q = 5, 7
POINTS = SetLoss(
    class_weight=2, mask_weight=5, dice_weight=5, no_object_weight=0.1, num_points=400
)
EVERYWHERE = SetLoss(
    class_weight=1, mask_weight=20, dice_weight=1, no_object_weight=0.1, focal=True
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def queries(batch=2, size_hw=(8, 12), scale=3.0):
    return Queries(
        (torch.randn(batch, Q, K + 1) * scale).requires_grad_(),
        (torch.randn(batch, Q, *size_hw) * scale).requires_grad_(),
    )


def blocky(batch=2, size_HW=(32, 48)):
    """Labels in blocks of 8 pixels."""
    small = torch.randint(0, K, (batch, size_HW[0] // 8, size_HW[1] // 8))
    return small.repeat_interleave(8, 1).repeat_interleave(8, 2)


def masks_of(labels_BHW):
    classes = [labels.unique() for labels in labels_BHW]
    return classes, [
        (labels == c[:, None, None]).float()
        for labels, c in zip(labels_BHW, classes, strict=True)
    ]


def weighted(criterion, layers, labels_BHW, weights):
    """The library's loss, its terms weighted as its network weighs them."""
    classes, masks = masks_of(labels_BHW)
    first, *others = layers
    auxiliary = [
        {"class_queries_logits": q.class_BQk, "masks_queries_logits": q.mask_BQhw}
        for q in others
    ]
    terms = criterion(first.mask_BQhw, first.class_BQk, masks, classes, auxiliary)
    return sum(weights[key.rstrip("_0123456789")] * value for key, value in terms.items())


def test_loss_at_points_is_that_of_transformers_where_nothing_is_ignored():
    from transformers import Mask2FormerConfig
    from transformers.models.mask2former.modeling_mask2former import Mask2FormerLoss

    config = Mask2FormerConfig(num_labels=K, train_num_points=POINTS.num_points)
    layers, labels = [queries(), queries()], blocky()
    weights = {"loss_cross_entropy": 2, "loss_mask": 5, "loss_dice": 5}
    torch.manual_seed(1)
    expected = weighted(Mask2FormerLoss(config, weights), layers, labels, weights)
    torch.manual_seed(1)
    torch.testing.assert_close(POINTS(layers, labels), expected)


def test_loss_at_every_pixel_is_that_of_transformers_where_nothing_is_ignored():
    from transformers.models.maskformer.modeling_maskformer import (
        MaskFormerHungarianMatcher,
        MaskFormerLoss,
    )

    weights = {"loss_cross_entropy": 1, "loss_mask": 20, "loss_dice": 1}
    matcher = MaskFormerHungarianMatcher(cost_class=1, cost_mask=20, cost_dice=1)
    criterion = MaskFormerLoss(K, matcher, weights, eos_coef=0.1)
    layers, labels = [queries(), queries()], blocky()
    expected = weighted(criterion, layers, labels, weights)
    torch.testing.assert_close(EVERYWHERE(layers, labels), expected)


@pytest.mark.parametrize("loss", [POINTS, EVERYWHERE])
def test_masks_of_ignored_pixels_change_neither_loss_nor_gradient(loss):
    labels = blocky()
    labels[:, :, 24:] = IGNORE
    first = queries()
    changed = Queries(first.class_BQk.detach().clone(), first.mask_BQhw.detach().clone())
    changed.mask_BQhw[..., 7:] = 40.0
    torch.manual_seed(1)
    value = loss([first], labels)
    torch.manual_seed(1)
    torch.testing.assert_close(value, loss([changed], labels))
    value.backward()
    assert not first.mask_BQhw.grad[..., 7:].any()
    assert first.mask_BQhw.grad[..., :6].any()


@pytest.mark.parametrize("loss", [POINTS, EVERYWHERE])
def test_an_image_without_labels_teaches_nothing(loss):
    nothing = torch.full((2, 32, 48), IGNORE)
    first = queries()
    value = loss([first], nothing)
    value.backward()
    assert value.item() == 0
    assert not first.class_BQk.grad.any()
    assert not first.mask_BQhw.grad.any()
    half = blocky()
    half[1] = IGNORE
    second = queries()
    loss([second], half).backward()
    assert second.class_BQk.grad[0].any()
    assert not second.class_BQk.grad[1].any()


@pytest.mark.parametrize("loss", [POINTS, EVERYWHERE])
def test_queries_that_are_right_cost_least_in_any_order(loss):
    labels = torch.zeros(1, 32, 48, dtype=torch.long)
    labels[:, :, 24:] = 3
    labels[:, :8] = IGNORE
    class_BQk = torch.full((1, Q, K + 1), -20.0)
    class_BQk[0, :, K] = 20.0
    class_BQk[0, 5], class_BQk[0, 2] = -20.0, -20.0
    class_BQk[0, 5, 0] = class_BQk[0, 2, 3] = 20.0
    mask_BQhw = torch.randn(1, Q, 32, 48)
    mask_BQhw[0, 5] = torch.where(labels[0] == 0, 30.0, -30.0)
    mask_BQhw[0, 2] = torch.where(labels[0] == 3, 30.0, -30.0)
    wrong = class_BQk.clone()
    wrong[0, 5, 0], wrong[0, 5, 1] = -20.0, 20.0
    value = loss([Queries(class_BQk, mask_BQhw)], labels)
    assert value < 0.5 * loss([queries(1, (32, 48))], labels)
    assert value < loss([Queries(wrong, mask_BQhw)], labels) - 5


@pytest.mark.parametrize("loss", [POINTS, EVERYWHERE])
def test_more_classes_than_queries_and_huge_logits_give_a_number(loss):
    few = Queries(torch.randn(2, 2, K + 1) * 60, torch.randn(2, 2, 8, 12).sign() * 60)
    few.mask_BQhw.requires_grad_()
    value = loss([Queries(*(t.bfloat16() for t in few))], blocky())
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(few.mask_BQhw.grad).all()


def test_scores_are_class_times_mask_as_logits_whose_softmax_is_the_share():
    # two queries: class 0 with 3/4 (no object 1/4), class 1 with 1/2; masks 1/2 and 3/4
    class_BQk = torch.tensor([[[0.75, 1e-9, 0.25], [1e-9, 0.5, 0.5]]]).log()
    mask_BQhw = torch.tensor([0.5, 0.75]).logit()[None, :, None, None].expand(1, 2, 2, 3)
    logits = class_logits(Queries(class_BQk, mask_BQhw), 2)
    assert logits.shape == (1, 2, 4, 6)
    torch.testing.assert_close(logits[0, :, 0, 0].exp(), torch.tensor([0.375, 0.375]))
    torch.testing.assert_close(logits.softmax(1)[0, :, 0, 0], torch.tensor([0.5, 0.5]))


def renamed(state, names):
    """Keys by their first matching beginning; packed projections taken apart."""
    found = {}
    for key, value in state.items():
        old = next((old for old in names if key.startswith(old)), None)
        if old is not None:
            found[names[old] + key.removeprefix(old)] = value
    return found


def randomised(network):
    """Norms and biases too, which start at 1 and 0 and so would hide a mistake."""
    for parameter in network.parameters():
        if parameter.ndim < 2:
            nn.init.normal_(parameter, mean=0.5, std=0.3)
    return network.eval()


MASK2FORMER = {
    "model.pixel_level_module.encoder._backbone.": "encoder.",
    "model.pixel_level_module.decoder.encoder.layers.": "pixel_decoder.layers.",
    "model.pixel_level_module.decoder.adapter_1.": "pixel_decoder.adapter.",
    "model.pixel_level_module.decoder.layer_1.": "pixel_decoder.layer.",
    "model.pixel_level_module.decoder.": "pixel_decoder.",
    "model.transformer_module.decoder.mask_predictor.": "query_decoder.",
    "model.transformer_module.decoder.": "query_decoder.",
    "model.transformer_module.": "query_decoder.",
    "class_predictor.": "query_decoder.class_predictor.",
}


def with_separate_projections(state):
    """torch's packed `in_proj` as three projections; the head's layers numbered as ours."""
    found = {}
    for key, value in state.items():
        if ".cross_attn.in_proj_" in key:
            stem, kind = key.split("in_proj_")
            for name, part in zip("qkv", value.chunk(3), strict=True):
                found[f"{stem}{name}_proj.{kind}"] = part
        elif "mask_embedder." in key:
            stem, rest = key.split("mask_embedder.")
            number, _, kind = rest.split(".")
            found[f"{stem}mask_embedder.{2 * int(number)}.{kind}"] = value
        else:
            found[key] = value
    return found


def scores_of(queries_logits, masks_logits):
    """Semantic post-processing of the library, at the network's own size."""
    masks = nn.functional.interpolate(masks_logits, scale_factor=4, mode="bilinear")
    classes = queries_logits.softmax(-1)[..., :-1]
    return torch.einsum("bqc,bqhw->bchw", classes, masks.sigmoid())


def test_mask2former_says_what_transformers_network_says_with_the_same_weights():
    from transformers import (
        Mask2FormerConfig,
        Mask2FormerForUniversalSegmentation,
        TimmBackboneConfig,
    )

    backbone = TimmBackboneConfig(backbone="resnet18", out_indices=(1, 2, 3, 4))
    config = Mask2FormerConfig(backbone_config=backbone, num_labels=K, num_queries=Q)
    peer = randomised(Mask2FormerForUniversalSegmentation(config))
    arch = {"name": "mask2former", "encoder": "resnet18", "config": {"num_queries": Q}}
    model = new_model(arch, 3, K).eval()
    state = renamed(with_separate_projections(peer.state_dict()), MASK2FORMER)
    model.network.load_state_dict(state)
    image = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        theirs = peer(image)
        expected = scores_of(theirs.class_queries_logits, theirs.masks_queries_logits)
        torch.testing.assert_close(model(image).exp(), expected, rtol=1e-3, atol=1e-5)


MASKFORMER = {
    "model.pixel_level_module.encoder._backbone.": "encoder.",
    "model.pixel_level_module.decoder.fpn.stem.": "pixel_decoder.stem.",
    "model.pixel_level_module.decoder.mask_projection.": "pixel_decoder.mask_projection.",
    "model.transformer_module.decoder.": "query_decoder.",
    "model.transformer_module.": "query_decoder.",
    "class_predictor.": "query_decoder.class_predictor.",
    "mask_embedder.": "query_decoder.mask_embedder.",
} | {
    f"model.pixel_level_module.decoder.fpn.layers.{n}.{theirs}.": f"pixel_decoder.{ours}.{n}."
    for n in range(3)
    for theirs, ours in (("proj", "laterals"), ("block", "blocks"))
}


def test_maskformer_says_what_transformers_network_says_with_the_same_weights():
    from transformers import (
        MaskFormerConfig,
        MaskFormerDetrConfig,
        MaskFormerForInstanceSegmentation,
        TimmBackboneConfig,
    )

    backbone = TimmBackboneConfig(backbone="resnet18", out_indices=(1, 2, 3, 4))
    decoder = MaskFormerDetrConfig(num_queries=Q)
    config = MaskFormerConfig(
        backbone_config=backbone, decoder_config=decoder, num_labels=K, use_auxiliary_loss=False
    )
    peer = randomised(MaskFormerForInstanceSegmentation(config))
    arch = {"name": "maskformer", "encoder": "resnet18", "config": {"num_queries": Q}}
    model = new_model(arch, 3, K).eval()
    state = renamed(with_separate_projections(peer.state_dict()), MASKFORMER)
    state = {
        k.replace(".o_proj.", ".out_proj.").replace(".mlp.", "."): v for k, v in state.items()
    }
    model.network.load_state_dict(state)
    image = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        theirs = peer(image)
        expected = scores_of(theirs.class_queries_logits, theirs.masks_queries_logits)
        torch.testing.assert_close(model(image).exp(), expected, rtol=1e-3, atol=1e-5)


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


def test_eomt_says_what_transformers_network_says_with_the_same_weights():
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
    peer.attn_mask_probs.zero_()
    arch = {
        "name": "eomt",
        "encoder": "vit_small_patch14_reg4_dinov2",
        "config": {"num_queries": Q},
    }
    model = new_model(arch, 3, K).eval()
    theirs = peer.state_dict()
    state = timm_blocks(theirs, "layers.", "encoder.model.blocks.") | renamed(
        {k: v for k, v in theirs.items() if "position" not in k},
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
    places = theirs["embeddings.position_embeddings.weight"][None]
    state["encoder.model.pos_embed"] = places
    model.network.encoder.model.pos_embed = nn.Parameter(places.clone())
    model.network.encoder.model.patch_embed.grid_size = (6, 6)
    missing, unknown = model.network.load_state_dict(state, strict=False)
    assert missing == ["steps"]
    assert unknown == []
    image = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        said = peer(image)
        expected = scores_of(said.class_queries_logits, said.masks_queries_logits)
        torch.testing.assert_close(model(image).exp(), expected, rtol=1e-3, atol=1e-5)


def test_masks_are_given_up_block_after_block():
    settings = {"annealing_steps": 50, "num_queries": 4, "num_points": 50}
    arch = {"name": "eomt", "encoder": "vit_small_patch14_reg4_dinov2", "config": settings}
    network = new_model(arch, 3, K).network
    shares = []
    for step in (0, 15, 35, 45):
        network.steps.fill_(step)
        shares.append([round(network.masked_share(block), 3) for block in range(3)])
    half = round(0.5**0.9, 3)
    assert shares == [[1, 1, 1], [half, 1, 1], [0, 0, half], [0, 0, 0]]
    network.steps.zero_()
    image, labels = torch.rand(1, 3, 32, 32), torch.randint(0, K, (1, 32, 32))
    outputs = network.train()(image)
    assert len(outputs) == 4
    assert network.steps == 1
    network.loss(outputs, labels, None).backward()
    assert torch.isfinite(network.query.weight.grad).all()


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
    encoder = new_model(arch, 3, K).eval().network.encoder
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
