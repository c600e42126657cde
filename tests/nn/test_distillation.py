"""Losses of a student against its teacher, by the formulas of the papers in float64 NumPy."""

import math

import numpy as np
import pytest
import torch

from maskwright.core.labels import IGNORE
from maskwright.nn.distillation import (
    choose_labels,
    compare_classes,
    compare_pairs,
    compare_pixels,
    mix_teachers,
)


def draw(shape, seed):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def softmax(x, axis):
    exp = np.exp(x - x.max(axis, keepdims=True))
    return exp / exp.sum(axis, keepdims=True)


@pytest.mark.parametrize("temperature", [1.0, 3.5])
def test_pixels_are_compared_as_hinton_et_al_write(temperature):
    student, teacher = draw((2, 5, 6, 7), 0), draw((2, 5, 6, 7), 1)
    counted = draw((2, 6, 7), 2) > 0
    own, target = (
        softmax(x.double().numpy() / temperature, axis=1) for x in (student, teacher)
    )
    divergence_BHW = (target * np.log(target / own)).sum(1)
    wanted = temperature**2 * divergence_BHW[counted.numpy()].mean()
    found = compare_pixels(student, teacher, temperature, counted)
    assert found.item() == pytest.approx(wanted, rel=1e-5)


def test_a_student_that_says_the_same_has_nothing_to_learn():
    logits, counted = draw((1, 3, 16, 16), 0), torch.ones(1, 16, 16, dtype=torch.bool)
    assert compare_pixels(logits, logits + 4, 2.0, counted).item() == pytest.approx(0, abs=1e-6)
    assert compare_classes(logits, logits - 1, 4.0).item() == pytest.approx(0, abs=1e-6)
    assert compare_pairs(logits, 3 * logits).item() == pytest.approx(0, abs=1e-6)


def test_shares_of_one_half_against_three_quarters():
    student, teacher = torch.zeros(1, 2, 1, 1), torch.tensor([math.log(3), 0.0])
    counted = torch.ones(1, 1, 1, dtype=torch.bool)
    found = compare_pixels(student, teacher.view(1, 2, 1, 1), 1.0, counted)
    wanted = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert found.item() == pytest.approx(wanted, rel=1e-5)  # 0.1308


def test_without_a_pixel_that_counts_there_is_no_loss_and_a_gradient_of_zero():
    student = draw((1, 3, 4, 4), 0).requires_grad_()
    none = torch.zeros(1, 4, 4, dtype=torch.bool)
    loss = compare_pixels(student, draw((1, 3, 4, 4), 1), 2.0, none)
    loss.backward()
    assert loss.item() == 0
    assert not student.grad.any()


def test_classes_are_compared_over_places_as_shu_et_al_write():
    student, teacher = draw((2, 3, 16, 24), 0), draw((2, 3, 16, 24), 1)
    own, target = (
        softmax(
            x.double().numpy().reshape(2, 3, 2, 8, 3, 8).mean((3, 5)).reshape(2, 3, 6) / 4.0, 2
        )
        for x in (student, teacher)
    )
    wanted = 16 / 3 * (target * np.log(target / own)).sum((1, 2)).mean()
    assert compare_classes(student, teacher, 4.0).item() == pytest.approx(wanted, rel=1e-4)


def test_pairs_of_places_are_compared_by_the_cosine_of_their_features():
    student, teacher = draw((2, 4, 3, 2), 0), draw((2, 7, 6, 4), 1)
    pooled = teacher.double().numpy().reshape(2, 7, 3, 2, 2, 2).mean((3, 5))
    likeness = []
    for features in (student.double().numpy(), pooled):
        flat = features.reshape(2, features.shape[1], 6)
        unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
        likeness.append(np.einsum("bci,bcj->bij", unit, unit))
    wanted = np.square(likeness[0] - likeness[1]).mean()
    assert compare_pairs(student, teacher).item() == pytest.approx(wanted, rel=1e-4)


def test_labels_are_those_that_the_teacher_is_sure_of():
    logits = torch.tensor([[0.0, 3.0, 0.2, 5.0], [0.1, 0.0, 4.0, 0.0]]).view(1, 2, 1, 4)
    counted = torch.tensor([[[True, True, True, False]]])
    found = choose_labels(logits, counted, 0.9, IGNORE)
    assert found.tolist() == [[[IGNORE, 0, 1, IGNORE]]]


def test_several_teachers_are_the_mean_of_their_shares():
    one, two = draw((1, 4, 2, 2), 0), draw((1, 4, 2, 2), 1)
    mean = (one.softmax(1) + two.softmax(1)) / 2
    torch.testing.assert_close(mix_teachers([one, two]).softmax(1), mean)
    assert mix_teachers([one]) is one
