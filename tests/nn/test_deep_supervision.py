"""Losses of networks that return several outputs in training."""

import pytest
import torch

from maskwright.core import IGNORE
from maskwright.core.card import ArchSpec
from maskwright.nn.build import new_model
from maskwright.nn.loss import build_loss

WEIGHTS = [
    ("fastscnn", {"aux_weight": 0.4}, 3),
    ("bisenetv2", {"aux_weight": 1.0}, 5),
    ("ddrnet23_slim", {"aux_weight": 0.4}, 2),
]


def made(name, **config):
    torch.manual_seed(0)
    return new_model(ArchSpec(name=name, encoder="own", config=config), 3, 4)


@pytest.mark.parametrize(("name", "config", "num_heads"), WEIGHTS)
def test_the_loss_of_every_head_has_its_weight(name, config, num_heads):
    outputs = made(name, **config)(torch.rand(2, 3, 64, 64))
    assert len(outputs) == num_heads
    labels = torch.randint(0, 4, (2, 64, 64))
    loss = made(name, **config).loss(outputs, labels, lambda logits, _: logits.mean() * 0 + 1)
    assert loss.item() == pytest.approx(1 + config["aux_weight"] * (num_heads - 1))


@pytest.mark.parametrize("name", [name for name, _, _ in WEIGHTS])
def test_without_weight_there_are_no_auxiliary_heads(name):
    model = made(name, aux_weight=0)
    assert isinstance(model(torch.rand(2, 3, 64, 64)), torch.Tensor)
    assert not [key for key in model.state_dict() if "aux" in key]


@pytest.mark.parametrize("name", ["pidnet_s", "stdc", "bisenetv2"])
def test_an_image_of_ignored_pixels_has_no_gradient(name):
    model = made(name)
    labels = torch.full((1, 40, 64), IGNORE)
    loss = model.loss(model(torch.rand(1, 3, 40, 64)), labels, build_loss("ce+dice", {}, None))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert not [n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()]


def test_pidnet_adds_its_four_losses_by_their_weights():
    model = made("pidnet_s", aux_weight=0.5, border_weight=0.0, near_border_weight=3.0)
    outputs = model(torch.rand(2, 3, 64, 64))
    labels = torch.randint(0, 4, (2, 64, 64))
    near = []

    def counting(logits, seen_labels):
        near.append((seen_labels != IGNORE).float().mean().item())
        return logits.mean() * 0 + 1

    assert model.loss(outputs, labels, counting).item() == pytest.approx(1 + 0.5 + 3)
    sure = outputs._replace(border_B1hw=torch.full_like(outputs.border_B1hw, 9.0))
    model.loss(sure, labels, counting)
    assert near[:2] == [1, 1]
    assert near[-1] == 1
    assert near[2] < 1


@pytest.mark.parametrize("name", ["pidnet_s", "stdc"])
def test_the_border_head_learns_from_borders(name):
    model = made(name)
    labels = torch.zeros(1, 64, 64, dtype=torch.long)
    labels[:, :, 30:] = 1
    image = labels[:, None].expand(-1, 3, -1, -1).float()
    zero = lambda logits, _: logits.sum() * 0  # noqa: E731
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    losses = []
    for _ in range(8):
        loss = model.loss(model(image), labels, zero)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
