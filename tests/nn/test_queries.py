"""The set loss and the query networks give the numbers of transformers."""

from functools import cache

import pytest
import torch

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.core.labels import IGNORE
from maskwright.nn.blocks.set_loss import Queries, SetLoss, class_logits
from maskwright.nn.build import new_model

from .peers import randomised, renamed, scores_of

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


@pytest.fixture(scope="module")
def networks_on_resnet18():
    """A function: the network `name` on ResNet-18 with its random weights, built once."""

    @cache
    def build(name):
        return new_model(ArchSpec(name=name, encoder="resnet18"), 3, K).network

    return build


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
def test_an_image_without_labels_has_no_gradient(loss):
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


def test_mask2former_gives_the_numbers_of_transformers_with_the_same_weights():
    from transformers import (
        Mask2FormerConfig,
        Mask2FormerForUniversalSegmentation,
        TimmBackboneConfig,
    )

    backbone = TimmBackboneConfig(backbone="resnet18", out_indices=(1, 2, 3, 4))
    config = Mask2FormerConfig(backbone_config=backbone, num_labels=K, num_queries=Q)
    peer = randomised(Mask2FormerForUniversalSegmentation(config))
    arch = {"name": "mask2former", "encoder": "resnet18", "config": {"num_queries": Q}}
    model = new_model(ArchSpec.from_json(arch), 3, K).eval()
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


def test_maskformer_gives_the_numbers_of_transformers_with_the_same_weights():
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
    model = new_model(ArchSpec.from_json(arch), 3, K).eval()
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


@pytest.mark.parametrize(
    ("name", "weight", "variance"),
    [
        ("mask2former", "query_decoder.layers.0.self_attn.q_proj", 2 / (4 * 256)),
        ("mask2former", "query_decoder.layers.0.self_attn.out_proj", 2 / (2 * 256)),
        ("mask2former", "pixel_decoder.layers.0.fc1", 2 / (5 * 256)),
        ("mask2former", "pixel_decoder.layer.0", 1 / (9 * 256)),
        ("mask2former", "pixel_decoder.input_projections.0.0", 2 / (512 + 256)),
        ("maskformer", "pixel_decoder.stem.0", 1 / (9 * 512)),
        ("maskformer", "query_decoder.input_projection", 1 / 512),
        ("maskformer", "query_decoder.layers.0.fc1", 2 / (9 * 256)),
    ],
)
def test_weights_start_with_the_variance_of_the_authors(
    name, weight, variance, networks_on_resnet18
):
    found = networks_on_resnet18(name).get_submodule(weight).weight
    assert found.var().item() == pytest.approx(variance, rel=0.05)
    assert found.abs().max() < 2 * found.std()


@pytest.mark.parametrize("name", ["mask2former", "maskformer"])
def test_an_encoder_whose_graph_would_fix_the_image_size_is_refused_before_training(name):
    arch = {"name": name, "encoder": "swin_tiny_patch4_window7_224", "config": {}}
    with pytest.raises(ConfigError, match=r"exported for images of any size.*resnet50 can"):
        new_model(ArchSpec.from_json(arch), 3, K)
