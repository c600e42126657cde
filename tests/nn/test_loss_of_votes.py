"""Losses of several annotators: the formula, and how votes reach it through a network."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from maskwright.core import IGNORE
from maskwright.core.card import ArchSpec
from maskwright.data.entries.votes import majority_vote
from maskwright.nn.any_size import AnySize
from maskwright.nn.build import new_model
from maskwright.nn.loss import build_loss

WEIGHTS = np.array([0.5, 1.0, 1.5])


def cross_entropy(logits_BKHW, votes_BAHW, weights, smoothing=0.0):
    """Pixel by pixel: targets are shares, each class's part is weighted by that class."""
    total = weight = 0.0
    for b, y, x in np.ndindex(logits_BKHW.shape[0], *logits_BKHW.shape[2:]):
        said = [int(v) for v in votes_BAHW[b, :, y, x] if v != IGNORE]
        if not said:
            continue
        share_K = np.bincount(said, minlength=3) / len(said)
        logits_K = logits_BKHW[b, :, y, x]
        log_K = logits_K - logits_K.max() - np.log(np.exp(logits_K - logits_K.max()).sum())
        target_K = (1 - smoothing) * share_K + smoothing / 3
        total -= (weights * target_K * log_K).sum()
        weight += (weights * share_K).sum()
    return total / weight


def random_votes(num_annotators, size=(2, 9, 7)):
    votes = torch.randint(0, 3, (size[0], num_annotators, *size[1:]), dtype=torch.uint8)
    votes[torch.rand(votes.shape) < 0.3] = IGNORE
    votes[:, :, :2] = IGNORE
    return votes


def labels_of(votes_BAHW):
    return torch.from_numpy(np.stack([majority_vote(v) for v in votes_BAHW.numpy()])).long()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("num_annotators", [2, 3, 7])
def test_value_is_that_of_the_formula_in_float64(num_annotators, weights, smoothing):
    votes, logits = random_votes(num_annotators), 2 * torch.randn(2, 3, 9, 7)
    expected = cross_entropy(
        logits.double().numpy(),
        votes.numpy(),
        np.ones(3) if weights is None else weights,
        smoothing,
    )
    tensor = None if weights is None else torch.from_numpy(weights).float()
    loss = build_loss("ce", {"cross_entropy": {"label_smoothing": smoothing}}, tensor)
    found = loss(logits, labels_of(votes), votes)
    assert found.item() == pytest.approx(expected, rel=1e-5)
    exact = loss(logits.double(), labels_of(votes), votes)
    assert exact.item() == pytest.approx(expected, rel=1e-12 if weights is None else 1e-6)


def test_two_annotators_who_differ_on_a_pixel_by_hand():
    logits = torch.tensor([0.0, np.log(3.0)]).view(1, 2, 1, 1)
    votes = torch.tensor([0, 1], dtype=torch.uint8).view(1, 2, 1, 1)
    value = build_loss("ce", {}, None)(logits, torch.full((1, 1, 1), IGNORE), votes)
    assert value.item() == pytest.approx(-(np.log(1 / 4) + np.log(3 / 4)) / 2)


def test_torch_agrees_where_targets_are_probabilities_and_nothing_is_ignored():
    votes, logits = (
        torch.randint(0, 3, (2, 4, 9, 7), dtype=torch.uint8),
        torch.randn(2, 3, 9, 7),
    )
    share = F.one_hot(votes.long(), 3).float().mean(dim=1).movedim(-1, 1)
    found = build_loss("ce", {}, None)(logits, labels_of(votes), votes)
    torch.testing.assert_close(found, F.cross_entropy(logits, share))


def test_the_loss_is_least_where_probabilities_are_the_shares_of_the_votes():
    logits = torch.zeros(1, 2, 1, 1, requires_grad=True)
    votes = torch.tensor([0, 1, 1, 1, IGNORE], dtype=torch.uint8).view(1, 5, 1, 1)
    loss, best = build_loss("ce", {}, None), torch.optim.SGD([logits], lr=2.0)
    for _ in range(200):
        best.zero_grad()
        loss(logits, torch.ones(1, 1, 1).long(), votes).backward()
        best.step()
    assert logits.softmax(1)[0, 1].item() == pytest.approx(3 / 4, abs=1e-4)


def test_in_a_sum_each_loss_uses_votes_or_the_majority_label():
    votes, logits = random_votes(2), torch.randn(2, 3, 9, 7)
    labels = labels_of(votes)
    ce, dice, both = (build_loss(t, {}, None) for t in ("ce", "dice", "2*ce + 0.5*dice"))
    expected = 2 * ce(logits, labels, votes) + 0.5 * dice(logits, labels)
    torch.testing.assert_close(both(logits, labels, votes), expected)
    torch.testing.assert_close(dice(logits, labels, votes), dice(logits, labels))
    assert ce(logits, labels, votes) != ce(logits, labels)


def recorded(seen):
    def pixel_loss(logits, labels, votes=None):
        seen.append((labels, votes))
        return logits.mean()

    return pixel_loss


def test_votes_reach_the_loss_of_every_head_padded_like_the_labels():
    model = new_model(ArchSpec(name="pspnet", encoder="test_resnet"), 3, 3).train()
    votes = random_votes(2, size=(2, 40, 70))
    labels, seen = labels_of(votes), []
    outputs = model(torch.rand(2, 3, 40, 70))
    model.loss(outputs, labels, recorded(seen), votes)
    assert len(seen) == 2
    for own, reached in seen:
        assert own.shape == (2, 64, 96)
        assert torch.equal(reached[..., :40, :70], votes)
        assert (reached[..., 40:, :] == IGNORE).all()
        assert (reached[..., 70:] == IGNORE).all()


class _Choosy(torch.nn.Module):
    """A network whose loss leaves the left half out, and has a second term at half the size."""

    def forward(self, x_BCHW):
        return [x_BCHW]

    def loss(self, outputs, labels_BHW, pixel_loss):
        right_BHW = labels_BHW.clone()
        right_BHW[..., :16] = IGNORE
        pixel_loss(outputs[0], right_BHW)
        return pixel_loss(outputs[0][..., ::2, ::2], labels_BHW[..., ::2, ::2])


def test_votes_count_where_the_network_keeps_the_label():
    votes = random_votes(2, size=(1, 32, 32))
    labels, seen = labels_of(votes), []
    assert ((labels == IGNORE) & (votes != IGNORE).any(1)).any()
    model = AnySize(_Choosy())
    model.loss(model(torch.rand(1, 3, 32, 32)), labels, recorded(seen), votes)
    (_, near), (small, none) = seen
    agreed = (labels != IGNORE)[:, None].expand_as(votes)
    assert (near[..., :16][agreed[..., :16]] == IGNORE).all()
    assert torch.equal(near[..., 16:], votes[..., 16:])
    assert small.shape == (1, 16, 16)
    assert none is None
