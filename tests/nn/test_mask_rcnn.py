"""Mask R-CNN's parts and losses give torchvision's numbers; instances from class maps.

Here the centre of a pixel is at 0.5, in torchvision's crops at an integer: boxes are shifted.
"""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.core.labels import IGNORE
from maskwright.nn.archs.mask_rcnn import FLOOR, merge_instances
from maskwright.nn.blocks import boxes, instance_loss
from maskwright.nn.blocks.instances import find_instances
from maskwright.nn.build import new_model

from .peers import randomised, renamed

K = 3
SMALL = {
    "anchor_px": 8,
    "num_proposals": 32,
    "num_detections": 16,
    "pyramid_channels": 16,
    "box_channels": 32,
    "mask_channels": 8,
}
SIZE_HW = (128, 192)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def small(encoder="test_resnet", **config):
    arch = {"name": "mask_rcnn", "encoder": encoder, "config": SMALL | config}
    return new_model(ArchSpec.from_json(arch), 3, K)


def some_boxes(num):
    corner_N2 = torch.rand(num, 2) * torch.tensor([120.0, 80.0])
    return torch.cat([corner_N2, corner_N2 + 4 + torch.rand(num, 2) * 60], 1)


def streets(batch=2):
    """Blocks of classes, with an IGNORE border between two of them."""
    labels_BHW = torch.zeros(batch, 64, 64, dtype=torch.long)
    labels_BHW[:, 32:] = 1
    labels_BHW[:, 40:60, 8:30] = 2
    labels_BHW[:, 31] = IGNORE
    return labels_BHW


def test_connected_pieces_of_a_class_are_its_instances():
    labels_HW = torch.tensor(
        [
            [0, 0, 1, 1],
            [0, 255, 1, 0],
            [2, 255, 0, 0],
        ]
    )
    found = find_instances(labels_HW, most=9, least_px=2)
    assert found.class_M.tolist() == [0, 0, 1]
    assert found.box_M4.tolist() == [[0, 0, 2, 2], [2, 1, 4, 3], [2, 0, 4, 2]]
    assert found.mask_MHW[1].long().tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1]]
    # the single pixel of class 2 is too small: unknown, as IGNORE
    assert found.known_HW.tolist() == [[1, 1, 1, 1], [1, 0, 1, 1], [0, 0, 1, 1]]
    assert find_instances(labels_HW, most=1, least_px=1).class_M.tolist() == [0]


def test_anchors_are_those_of_torchvision():
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.image_list import ImageList

    maps = [torch.zeros(1, 1, SIZE_HW[0] // s, SIZE_HW[1] // s) for s in (4, 8, 16, 32, 64)]
    sides = tuple((32 * 2**level,) for level in range(5))
    peer = AnchorGenerator(sides, ((0.5, 1.0, 2.0),) * 5)
    (expected,) = peer(ImageList(torch.zeros(1, 3, *SIZE_HW), [SIZE_HW]), maps)
    found = torch.cat(boxes.make_anchors([m.shape[-2:] for m in maps], 32, maps[0]))
    assert torch.equal(found, expected)
    assert found[1].tolist() == [-16, -16, 16, 16]


def test_crops_are_those_of_torchvision():
    from torchvision.ops import MultiScaleRoIAlign

    maps = [torch.rand(2, 5, 256 // s, 384 // s) for s in (4, 8, 16, 32)]
    box_BR4 = torch.stack([some_boxes(40), 3 * some_boxes(40)])
    box_BR4[1, 0] = torch.tensor([0.0, 0, 384, 256])
    peer = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
    named = OrderedDict((str(n), x) for n, x in enumerate(maps))
    found = boxes.crop_features(maps, boxes.flatten_with_batch_index(box_BR4), 7)
    peer(named, list(box_BR4), [(256, 384)] * 2)
    level_N = peer.map_levels(list(box_BR4))
    assert len(level_N.unique()) == 3
    for level in level_N.unique():
        shifted = box_BR4 - 4 * 2**level / 2
        expected = peer(named, list(shifted), [(256, 384)] * 2)
        torch.testing.assert_close(found[level_N == level], expected[level_N == level])


def test_fast_nms_suppresses_what_torchvision_drops_where_no_box_is_suppressed_twice():
    from torchvision.ops import nms

    box_N4 = torch.tensor(
        [[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [0, 5, 10, 15], [20, 1, 30, 10]]
    ).float()
    kept = nms(box_N4, torch.arange(5, 0, -1).float(), 0.5)
    suppressed = boxes.fast_nms(box_N4[None], None, 0.5)[0]
    assert suppressed.tolist() == [False, True, False, False, True]
    assert torch.nonzero(~suppressed)[:, 0].tolist() == sorted(kept.tolist())
    groups = torch.tensor([[0, 1, 0, 0, 0]])
    assert boxes.fast_nms(box_N4[None], groups, 0.5)[0].tolist() == [False] * 4 + [True]


def test_missing_boxes_of_a_small_map_have_score_minus_infinity():
    score, delta = torch.zeros(1, 3), torch.zeros(1, 3, 4)
    anchor = torch.tensor([[0.0, 0, 8, 8], [8, 0, 16, 8], [40, 0, 48, 8]])
    best, box = boxes.select_proposals(score, delta, anchor, 5, (8, 16))
    assert best.shape == (1, 5)
    assert best.isfinite().sum() == 3
    assert box[..., 2].max() == 16


def test_a_mask_is_pasted_into_its_box():
    mask = torch.tensor([[[[1.0, 0], [0, 0]]]])
    found = boxes.paste_masks(mask, torch.tensor([[[2.0, 0, 6, 2]]]), 2, 8)[0, 0]
    # cells are two pixels wide; the middle of the first is x = 3
    expected = [0, 0.25, 0.75, 0.75, 0.25, 0, 0, 0]
    torch.testing.assert_close(found[0], torch.tensor(expected))
    assert not found[1].any()


def test_a_pixel_has_the_logarithm_of_the_best_score_times_mask():
    mask = torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1)
    score, classes = torch.tensor([[0.3, 0.8, 0.9]]), torch.tensor([[1, 1, 2]])
    logits = merge_instances(mask, score, classes, K)[0, :, 0, 0]
    torch.testing.assert_close(logits[1].exp().item(), 0.4, atol=0.01, rtol=0)
    torch.testing.assert_close(logits[[0, 2]].exp(), torch.full((2,), FLOOR))
    with torch.autocast("cpu", torch.float16):
        again = merge_instances(mask.half(), score / 10, classes, K)[0, :, 0, 0]
    torch.testing.assert_close(again[1].exp().item(), 0.04, atol=0.001, rtol=0)


def test_an_image_is_scored_as_torchvisions_parts_score_it():
    from torchvision.models.detection import roi_heads
    from torchvision.models.detection._utils import BoxCoder

    network = small(num_detections=8).eval().network
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.normal_(layer.weight, std=0.1)
    image = torch.rand(1, 3, *SIZE_HW)
    with torch.inference_mode():
        proposed = network._propose(network.encoder(image)[-4:], SIZE_HW)
        score, classes, box = network._detect(proposed, SIZE_HW)
        crop = boxes.crop_features(
            proposed.maps, boxes.flatten_with_batch_index(proposed.box_BR4), 7
        )
        class_Nk, delta_Nc = network.box_predictor(network.box_head(crop))
        peer = roi_heads.RoIHeads(
            None, None, None, 0.5, 0.5, 1, 0.25, None, 0.0, 0.5, 8 * K
        ).eval()
        peer.box_coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
        peers = peer.postprocess_detections(
            class_Nk, delta_Nc, [proposed.box_BR4[0]], [SIZE_HW]
        )
    theirs = {
        (int(c) - 1, *b.round().long().tolist()): float(s)
        for b, s, c in zip(*(found[0] for found in peers), strict=True)
    }
    assert score[0, 0].item() == pytest.approx(max(theirs.values()), rel=1e-4)
    kept = score[0] > 0
    assert kept.sum() == 8
    for s, c, b in zip(score[0], classes[0], box[0], strict=True):
        key = (int(c), *b.round().long().tolist())
        assert theirs[key] == pytest.approx(float(s), rel=1e-4)


def test_torchvisions_weights_give_its_features_scores_and_deltas():
    from torchvision.models.detection import MaskRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    backbone = resnet_fpn_backbone(
        backbone_name="resnet18", weights=None, norm_layer=nn.BatchNorm2d
    )
    peer = randomised(MaskRCNN(backbone, K + 1))
    arch = ArchSpec(name="mask_rcnn", encoder="resnet18")
    network = new_model(arch, 3, K).network.eval()
    names = {
        "backbone.body.": "encoder.",
        "backbone.fpn.": "fpn.",
        "rpn.head.": "rpn_head.",
        "roi_heads.": "",
    }
    network.load_state_dict(renamed(peer.state_dict(), names))
    image = torch.rand(2, 3, *SIZE_HW)
    with torch.inference_mode():
        maps = list(peer.backbone(image).values())
        proposed = network._propose(network.encoder(image)[-4:], SIZE_HW)
        scores, deltas = peer.rpn.head(maps)
    for found, expected in zip(proposed.maps, maps, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    # (B, A, h, w) -> (B, h w A), torchvision's order of anchors
    score_BA = torch.cat([s.permute(0, 2, 3, 1).flatten(1) for s in scores], 1)
    delta_BA4 = torch.cat([d.permute(0, 2, 3, 1).reshape(len(d), -1, 4) for d in deltas], 1)
    torch.testing.assert_close(proposed.score_BA, score_BA, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(proposed.delta_BA4, delta_BA4, rtol=1e-4, atol=1e-4)


def test_losses_are_torchvisions_where_everything_is_known():
    from torchvision.models.detection import roi_heads

    class_Sk, delta_Sk4 = torch.randn(20, K + 1), torch.randn(20, K + 1, 4)
    class_S, target_S4 = torch.randint(0, K + 1, (20,)), torch.randn(20, 4)
    expected = sum(
        roi_heads.fastrcnn_loss(class_Sk, delta_Sk4.flatten(1), [class_S], [target_S4])
    )
    found = instance_loss.box_loss(class_Sk, delta_Sk4, class_S, target_S4)
    torch.testing.assert_close(found, expected)
    labels_HW = torch.randint(0, K, (8, 12)).repeat_interleave(8, 0).repeat_interleave(16, 1)
    truth = find_instances(labels_HW, most=99, least_px=1)
    some = instance_loss.sample_boxes(some_boxes(200).clamp(max=63), truth, 64)
    assert 0 < some.positive.sum() <= 16
    logits = torch.randn(int(some.positive.sum()), K + 1, 28, 28)
    match = some.match_S[some.positive]
    expected = roi_heads.maskrcnn_loss(
        logits,
        [some.box_S4[some.positive] - 0.5],
        [truth.mask_MHW.float()],
        [truth.class_M + 1],
        [match],
    )
    own = logits[torch.arange(len(match)), truth.class_M[match] + 1]
    masks = instance_loss.mask_targets(some, truth, 28)
    torch.testing.assert_close(instance_loss.mask_loss(own, *masks), expected)


def test_the_loss_of_proposals_is_torchvisions():
    from torchvision.models.detection.rpn import RegionProposalNetwork

    score, delta, target = torch.randn(1, 30, 1), torch.randn(30, 4), torch.randn(30, 4)
    found = torch.rand(30) > 0.5
    peer = RegionProposalNetwork(None, None, 0.7, 0.3, 256, 0.9, {}, {}, 0.7)
    expected = sum(peer.compute_loss(score, delta, [found.float()], [target]))
    ours = instance_loss.proposal_loss(score.flatten(), delta, found, target)
    torch.testing.assert_close(ours, expected)


def test_decoding_the_encoded_deltas_gives_the_goals():
    box, goal = some_boxes(9), some_boxes(9)
    weights = (10.0, 10.0, 5.0, 5.0)
    deltas = instance_loss.encode_boxes(box, goal, weights)
    torch.testing.assert_close(
        boxes.decode_boxes(box, deltas, weights), goal, rtol=1e-4, atol=1e-3
    )
    assert torch.isfinite(
        instance_loss.encode_boxes(torch.zeros(1, 4), torch.zeros(1, 4), weights)
    ).all()


def test_unknown_pixels_are_neither_background_nor_in_a_mask_target():
    known_HW = torch.ones(8, 8)
    known_HW[:, 4:] = 0
    box = torch.tensor([[0.0, 0, 4, 8], [2, 0, 6, 8], [4, 0, 99, 8]])
    assert instance_loss.unknown_ratio(box, known_HW).tolist() == [0, 0.5, 1]
    labels_HW = torch.zeros(8, 8, dtype=torch.long)
    labels_HW[:, 4:] = IGNORE
    truth = find_instances(labels_HW, most=9, least_px=1)
    match = torch.zeros(1, dtype=torch.long)
    whole = torch.tensor([[0.0, 0, 8, 8]])
    some = instance_loss.Examples(match, whole, match, whole)
    target, known = instance_loss.mask_targets(some, truth, 4)
    assert known[0, 0].tolist() == [1, 1, 0, 0]
    assert target[0, 0, :2].tolist() == [1, 1]
    logits = torch.randn(1, 4, 4)
    changed = logits.clone()
    changed[..., 2:] = 50
    torch.testing.assert_close(
        instance_loss.mask_loss(logits, target, known),
        instance_loss.mask_loss(changed, target, known),
    )


def test_images_without_a_labelled_pixel_have_no_gradient():
    model = small().train()
    labels_BHW = torch.full((2, 64, 64), IGNORE)
    loss = model.loss(model(torch.rand(2, 3, 64, 64)), labels_BHW, None)
    loss.backward()
    assert loss.item() == 0
    assert not any(p.grad is not None and p.grad.any() for p in model.parameters())


def test_boxes_without_a_size_change_no_gradient_to_nan():
    model = small().train()
    nn.init.constant_(model.network.rpn_head.bbox_pred.bias, -60)  # out of the image, and tiny
    loss = model.loss(model(torch.rand(2, 3, 64, 64)), streets(), None)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_the_forward_pass_uses_every_weight_of_the_heads():
    """Else DistributedDataParallel would not average its gradient."""
    model = small().train()
    outputs = model(torch.rand(1, 3, 64, 64))
    outputs.zero.backward()
    heads = [p for n, p in model.network.named_parameters() if n.startswith(("box_", "mask_"))]
    assert heads
    assert all(p.grad is not None and not p.grad.any() for p in heads)


def test_a_swin_encoder_is_refused_before_training():
    with pytest.raises(ConfigError, match=r"exported for images of any size.*resnet50 can"):
        small("swin_tiny_patch4_window7_224")


@pytest.mark.long
def test_it_learns_one_image():
    model = small().train()
    image, labels_BHW = torch.rand(2, 3, 64, 64) / 4, streets()
    image += torch.nn.functional.one_hot(labels_BHW.clamp(max=2), 3).permute(0, 3, 1, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(150):
        loss = model.loss(model(image), labels_BHW, None)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5)
        optimizer.step()
    with torch.inference_mode():
        found_BHW = model.eval()(image).argmax(1)
    known_BHW = labels_BHW != IGNORE
    assert (found_BHW == labels_BHW)[known_BHW].float().mean() > 0.9
