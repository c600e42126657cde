"""Borders between classes, and the losses of heads that learn them."""

import pytest
import torch

from maskwright.core import IGNORE
from maskwright.nn.archs.stdc import detail_map
from maskwright.nn.blocks.borders import balanced_border_loss, border_map, border_overlap_loss

HALVES = torch.tensor([[[0, 0, 0, 1, 1, 1]] * 4])
ALL_IGNORED = torch.full((1, 4, 6), IGNORE)


def test_a_border_pixel_is_near_another_class():
    assert border_map(HALVES, 1)[0, 0].tolist() == [0, 0, 1, 1, 0, 0]
    assert border_map(HALVES, 2)[0, 0].tolist() == [0, 1, 1, 1, 1, 0]


def test_ignored_pixels_are_not_border_pixels_and_make_none():
    labels = HALVES.clone()
    labels[:, :, 3] = IGNORE
    assert border_map(labels, 1).sum() == 0
    assert border_map(labels, 2)[0, 0].tolist() == [0, 0, 1, 0, 1, 0]
    assert border_map(ALL_IGNORED, 2).sum() == 0


def test_borders_do_not_depend_on_the_order_of_classes():
    labels = torch.randint(0, 3, (2, 9, 7))
    order = torch.tensor([2, 0, 1])
    assert torch.equal(border_map(labels, 1), border_map(order[labels], 1))


def test_details_are_the_pixels_of_a_higher_index_than_those_around_them():
    labels = torch.zeros(1, 32, 32, dtype=torch.long)
    labels[:, 4:28, 16:28] = 1
    # 16: stride 1; 16 and 17: the pixel of stride 2 that covers both
    assert detail_map(labels)[0, 8, :24].nonzero().flatten().tolist() == [16, 17]


def test_ignored_pixels_are_no_details_and_make_none():
    labels = torch.full((1, 16, 16), 2)
    labels[:, :, 8:] = IGNORE
    inner = detail_map(labels)[0, 4:12]
    assert not inner[:, 4:].any()
    assert detail_map(ALL_IGNORED).sum() == 0


@pytest.mark.parametrize("loss_of", [balanced_border_loss, border_overlap_loss])
def test_better_borders_cost_less_and_ignored_pixels_nothing(loss_of):
    truth, valid = border_map(HALVES, 1), HALVES != IGNORE
    perfect, wrong = 20 * (2 * truth - 1), -20 * (2 * truth - 1)
    assert loss_of(perfect, truth, valid) < loss_of(0 * truth, truth, valid)
    assert loss_of(0 * truth, truth, valid) < loss_of(wrong, truth, valid)
    none = loss_of(wrong.requires_grad_(), border_map(ALL_IGNORED, 1), ALL_IGNORED != IGNORE)
    none.backward()
    assert none.item() == 0
    assert not wrong.grad.any()


def test_balanced_loss_of_a_hand_counted_row():
    truth = torch.tensor([[[1.0, 0.0, 0.0, 0.0]]])
    loss = balanced_border_loss(torch.zeros(1, 1, 4), truth, torch.ones(1, 1, 4))
    # log 2 for each pixel: the border by 3/4, each other by 1/4
    assert loss.item() == pytest.approx(0.693147 * (0.75 + 3 * 0.25) / 4)
