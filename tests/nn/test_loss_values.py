"""Every loss agrees with its formula, written plainly in float64 NumPy and SciPy."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn.functional import one_hot

from maskwright.core import IGNORE, parts
from maskwright.core.errors import ConfigError
from maskwright.nn.blocks.border_distance import (
    border_distance,
    distance_transform,
    distance_transform_cuda,
)
from maskwright.nn.encoders import import_smp
from maskwright.nn.loss import build_loss
from maskwright.nn.protocols import LOSSES

WEIGHTS = np.array([0.5, 1.0, 1.5])


def cross_entropy(prob_KBHW, truth_BHW, weights, smoothing=0.0):
    valid = truth_BHW != IGNORE
    truth, log_NK = truth_BHW[valid], np.log(prob_KBHW[:, valid].T)
    target_NK = (1 - smoothing) * np.eye(3)[truth] + smoothing / 3
    return -(target_NK * log_NK * weights).sum() / weights[truth].sum()


def focal(prob_KBHW, truth_BHW, weights, gamma=2.0):
    p, truth = own(prob_KBHW, truth_BHW)
    return (-((1 - p) ** gamma) * np.log(p) * weights[truth]).sum() / weights[truth].sum()


def class_balanced(prob_KBHW, truth_BHW, weights, beta=0.9999, gamma=0.0):
    counts = np.array([(truth_BHW == k).sum() for k in range(3)])
    effective = (1 - beta ** np.maximum(counts, 1)) / (1 - beta)
    return focal(prob_KBHW, truth_BHW, weights / effective, gamma)


def ohem(prob_KBHW, truth_BHW, weights, threshold=0.7, min_kept=1 / 16):
    p, truth = own(prob_KBHW, truth_BHW)
    order = np.argsort(p)
    hard = max((p < threshold).sum(), int(np.ceil(min_kept * len(p))))
    p, truth = p[order][:hard], truth[order][:hard]
    return (-np.log(p) * weights[truth]).sum() / weights[truth].sum()


def border_relax(prob_KBHW, truth_BHW, weights, radius=1):
    total = weight = 0.0
    for b, i, j in np.argwhere(truth_BHW != IGNORE):
        rows, columns = (slice(max(at - radius, 0), at + radius + 1) for at in (i, j))
        near = np.setdiff1d(truth_BHW[b, rows, columns], IGNORE)
        own_weight = weights[truth_BHW[b, i, j]]
        total -= own_weight * np.log(prob_KBHW[near, b, i, j].sum())
        weight += own_weight
    return total / weight


def dice(prob_KBHW, truth_BHW, weights):
    return regions(prob_KBHW, truth_BHW, weights, lambda h, t, p: (2 * h + 1) / (t + p + 1))


def jaccard(prob_KBHW, truth_BHW, weights):
    return regions(prob_KBHW, truth_BHW, weights, lambda h, t, p: (h + 1) / (t + p - h + 1))


def tversky(prob_KBHW, truth_BHW, weights, power=1.0):
    def lack(hit, truth, predicted):
        index = (hit + 1) / (hit + 0.3 * (predicted - hit) + 0.7 * (truth - hit) + 1)
        return 1 - (1 - index) ** power

    return regions(prob_KBHW, truth_BHW, weights, lack)


def focal_tversky(prob_KBHW, truth_BHW, weights):
    return tversky(prob_KBHW, truth_BHW, weights, power=3 / 4)


def mcc(prob_KBHW, truth_BHW, weights):
    total = (truth_BHW != IGNORE).sum()

    def score(tp, truth, predicted):
        fp, fn = predicted - tp, truth - tp
        tn = total - tp - fp - fn
        spread = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return (tp * tn - fp * fn) / np.sqrt(spread) if spread else 0.0

    return regions(prob_KBHW, truth_BHW, weights, score)


def generalised_dice(prob_KBHW, truth_BHW, weights):
    valid, above, below = truth_BHW != IGNORE, 0.0, 0.0
    for k in range(3):
        truth, prob = (truth_BHW == k)[valid], prob_KBHW[k][valid]
        if truth.any():
            weight = weights[k] / truth.sum() ** 2
            above += weight * (truth * prob).sum()
            below += weight * (truth + prob).sum()
    return 1 - 2 * above / below


def lovasz(prob_KBHW, truth_BHW, weights):
    valid, total, weight = truth_BHW != IGNORE, 0.0, 0.0
    for k in range(3):
        truth, prob = (truth_BHW == k)[valid], prob_KBHW[k][valid]
        if not truth.any():
            continue
        error = np.where(truth, 1 - prob, prob)
        order = np.argsort(-error, kind="stable")
        jaccard_of = [0.0]
        for n in range(1, len(order) + 1):
            wrong = np.zeros(len(order), bool)
            wrong[order[:n]] = True
            jaccard_of.append(wrong.sum() / (truth | wrong).sum())
        total += weights[k] * np.dot(error[order], np.diff(jaccard_of))
        weight += weights[k]
    return total / weight


def boundary(prob_KBHW, truth_BHW, weights):
    """Signed: below 0 inside. The constant part makes a perfect prediction cost nothing."""
    valid, costs = truth_BHW != IGNORE, np.zeros(3)
    for k in range(3):
        inside = truth_BHW == k
        sign = np.where(inside, -1, 1)
        costs[k] = (sign * from_border(inside, valid) * (prob_KBHW[k] - inside))[valid].mean()
    return (weights * costs).sum() / weights.sum()


def hausdorff_dt(prob_KBHW, truth_BHW, weights):
    valid, costs = truth_BHW != IGNORE, np.zeros(3)
    for k in range(3):
        inside, found = truth_BHW == k, prob_KBHW[k] > 0.5
        far = from_border(inside, valid) ** 2 + from_border(found, valid) ** 2
        costs[k] = ((prob_KBHW[k] - inside) ** 2 * far)[valid].mean()
    return (weights * costs).sum() / weights.sum()


def cldice(prob_KBHW, truth_BHW, weights):
    valid, total, weight = truth_BHW != IGNORE, 0.0, 0.0
    for k in range(3):
        truth, prob = (truth_BHW == k).astype(float), prob_KBHW[k] * valid
        if not truth.any():
            continue
        line, true_line = skeleton(prob), skeleton(truth)
        precision = ((line * truth).sum() + 1) / (line.sum() + 1)
        recall = ((true_line * prob).sum() + 1) / (true_line.sum() + 1)
        total += weights[k] * (1 - 2 * precision * recall / (precision + recall))
        weight += weights[k]
    return total / weight


def skeleton(x_BHW, iterations=5):
    cross = ndimage.generate_binary_structure(2, 1)[None]

    def eroded(x):
        return ndimage.grey_erosion(x, footprint=cross, mode="constant", cval=9.0)

    def rest(x):
        opened = ndimage.grey_dilation(eroded(x), size=(1, 3, 3), mode="constant", cval=-9.0)
        return np.maximum(x - opened, 0)

    found = rest(x_BHW)
    for _ in range(iterations):
        x_BHW = eroded(x_BHW)
        found = found + np.maximum(rest(x_BHW) * (1 - found), 0)
    return found


def from_border(inside_BHW, valid_BHW):
    """SciPy's distance to the nearest valid pixel of the other side, image by image."""
    distance = np.zeros(inside_BHW.shape)
    for n, (inside, valid) in enumerate(zip(inside_BHW, valid_BHW, strict=True)):
        for here, there in (
            (inside & valid, ~inside & valid),
            (~inside & valid, inside & valid),
        ):
            if there.any():
                distance[n][here] = ndimage.distance_transform_edt(~there)[here]
    return distance


def regions(prob_KBHW, truth_BHW, weights, score):
    """1 - weighted mean score(hit, truth, predicted) of the classes in truth."""
    valid, total, weight = truth_BHW != IGNORE, 0.0, 0.0
    for k in range(3):
        truth, prob = (truth_BHW == k)[valid], prob_KBHW[k][valid]
        if truth.any():
            total += weights[k] * (1 - score((truth * prob).sum(), truth.sum(), prob.sum()))
            weight += weights[k]
    return total / weight


def own(prob_KBHW, truth_BHW):
    """Probability of its own class, and the class, of every valid pixel."""
    valid = truth_BHW != IGNORE
    truth = truth_BHW[valid]
    return prob_KBHW[:, valid][truth, np.arange(len(truth))], truth


REFERENCE = {
    f.__name__: f
    for f in (
        *(cross_entropy, focal, class_balanced, ohem, dice, jaccard, tversky, focal_tversky),
        *(mcc, generalised_dice, lovasz, boundary, hausdorff_dt, cldice, border_relax),
    )
}
SET = [
    ("cross_entropy", {"label_smoothing": 0.1}, {"smoothing": 0.1}),
    ("focal", {"gamma": 0.5}, {"gamma": 0.5}),
    ("class_balanced", {"beta": 0.9, "gamma": 2.0}, {"beta": 0.9, "gamma": 2.0}),
    ("ohem", {"threshold": 0.2, "min_kept": 0.5}, {"threshold": 0.2, "min_kept": 0.5}),
    ("border_relax", {"radius_px": 2}, {"radius": 2}),
]


def blobs(num_classes, *, size=(2, 16, 13)):
    """Labels of a few regions a class, with IGNORE in a corner and on one in ten pixels."""
    rng = np.random.default_rng(int(torch.randint(1 << 31, ())))
    noise = ndimage.gaussian_filter(rng.standard_normal((3, *size)), (0, 0, 2, 2))
    labels = noise[:num_classes].argmax(0).astype(np.int64)
    labels[:, :4, :4] = IGNORE
    labels[rng.random(size) < 0.1] = IGNORE
    return labels


def softmax(logits_BKHW):
    x = logits_BKHW.double().movedim(1, 0).numpy()
    e = np.exp(x - x.max(0))
    return e / e.sum(0)


def test_every_loss_has_a_reference():
    assert set(REFERENCE) == set(parts.names(LOSSES))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("num_present", [1, 2, 3])
@pytest.mark.parametrize("name", REFERENCE)
def test_value_is_that_of_the_formula_in_float64(name, num_present, weights):
    labels, logits = blobs(num_present), 2 * torch.randn(2, 3, 16, 13)
    logits[:, 0] += 1
    expected = REFERENCE[name](
        softmax(logits), labels, np.ones(3) if weights is None else weights
    )
    tensor = None if weights is None else torch.from_numpy(weights).float()
    found = build_loss(name, {}, tensor)(logits, torch.from_numpy(labels))
    assert found.item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("name", "config", "settings"), SET)
def test_settings_enter_the_formula(name, config, settings):
    labels, logits = blobs(3), 2 * torch.randn(2, 3, 16, 13)
    expected = REFERENCE[name](softmax(logits), labels, WEIGHTS, **settings)
    loss = build_loss(name, {name: config}, torch.from_numpy(WEIGHTS).float())
    assert loss(logits, torch.from_numpy(labels)).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["jaccard", "tversky", "lovasz"])
def test_the_library_agrees_where_every_class_is_present_and_nothing_ignored(name):
    losses = import_smp().losses
    peer = {
        "jaccard": losses.JaccardLoss("multiclass", smooth=1.0),
        "tversky": losses.TverskyLoss("multiclass", smooth=1.0, alpha=0.3, beta=0.7),
        "lovasz": losses.LovaszLoss("multiclass"),
    }[name]
    labels, logits = torch.randint(0, 3, (2, 9, 8)), torch.randn(2, 3, 9, 8)
    torch.testing.assert_close(build_loss(name, {}, None)(logits, labels), peer(logits, labels))


def test_dice_of_one_hand_counted_pixel_pair():
    logits = torch.tensor([[[[0.0, 0.0]], [[0.0, 0.0]]]])
    labels = torch.tensor([[[0, IGNORE]]])
    # class 0 alone is present: 1 - (2 * 0.5 + 1) / (1 + 0.5 + 1)
    assert build_loss("dice", {}, None)(logits, labels).item() == pytest.approx(0.2)


def test_boundary_of_one_hand_counted_row():
    # Class 1 starts at pixel 2: distances 2 1 | 1 2 for both classes, every error one half.
    loss = build_loss("boundary", {}, None)
    labels = torch.tensor([[[0, 0, 1, 1]]])
    assert loss(torch.zeros(1, 2, 1, 4), labels).item() == pytest.approx(6 / 4 / 2)


def test_either_side_of_a_border_is_right_in_a_relaxed_band():
    labels = torch.tensor([[[0, 0, 0, 1, 1, 1]]])
    moved = torch.tensor([[[0, 0, 0, 0, 1, 1]]])  # the border is one pixel further
    logits = 50.0 * one_hot(moved, 2).movedim(-1, 1)
    assert build_loss("border_relax", {}, None)(logits, labels).item() == pytest.approx(0)
    assert build_loss("ce", {}, None)(logits, labels).item() == pytest.approx(50 / 6)


def test_ohem_learns_from_the_hard_pixel_alone():
    logits = torch.tensor([[[[9.0, -9.0]], [[0.0, 0.0]]]], requires_grad=True)
    build_loss("ohem", {}, None)(logits, torch.zeros(1, 1, 2, dtype=torch.int64)).backward()
    assert not logits.grad[..., 0].any()
    assert logits.grad[..., 1].any()


def test_focal_below_exponent_one_has_a_finite_slope_at_probability_one():
    logits = torch.tensor([[[[60.0]], [[-60.0]]]], requires_grad=True)
    loss = build_loss("focal", {"focal": {"gamma": 0.5}}, None)
    loss(logits, torch.zeros(1, 1, 1, dtype=torch.int64)).backward()
    assert torch.isfinite(logits.grad).all()


def test_cldice_reacts_to_a_cut_more_than_dice_does():
    labels = torch.zeros(1, 9, 41, dtype=torch.int64)
    labels[:, 3:6] = 1
    whole = torch.stack([labels == 0, labels == 1], 1) * 40.0
    cut, thin = whole.clone(), whole.clone()
    cut[:, :, :, 20:22] = whole[:, :, :1, 20:22]
    thin[:, :, 3] = whole[:, :, 0]
    cldice_loss = build_loss("cldice", {"cldice": {"classes": [1]}}, None)
    dice_loss = build_loss("dice", {}, None)
    assert cldice_loss(cut, labels) > 2 * cldice_loss(thin, labels)
    assert dice_loss(cut, labels) < dice_loss(thin, labels)


def test_cldice_refuses_a_class_that_does_not_exist():
    loss = build_loss("cldice", {"cldice": {"classes": [1, 3]}}, None)
    with pytest.raises(ConfigError, match=r"classes has \[3\]; there are 3 classes, 0 to 2"):
        loss(torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64))


def test_distances_are_those_of_scipy_on_cpu_and_gpu_code():
    target = torch.rand(6, 37, 61) < torch.tensor([0.5, 0.1, 0.01, 0.001, 1, 0])[:, None, None]
    found = distance_transform(target)
    for n in range(5):
        if target[n].any():
            expected = ndimage.distance_transform_edt(~target[n].numpy())
            np.testing.assert_allclose(found[n], expected, atol=1e-4)
    assert not found[5].any()
    torch.testing.assert_close(distance_transform_cuda(target), found)


def test_distances_are_the_same_to_the_last_bit_wherever_they_lie_in_memory():
    target = torch.rand(4, 64, 64) < 0.05
    first, kept = distance_transform(target), []
    for size in range(1000, 2000, 37):
        kept.append(np.empty(size))
        assert torch.equal(distance_transform(target), first)


def test_a_region_without_a_border_has_distance_0():
    inside = torch.stack([torch.ones(4, 4), torch.zeros(4, 4)])[None].bool()
    assert not border_distance(inside, torch.ones(1, 1, 4, 4).bool()).any()


def test_the_operator_passes_torchs_own_check():
    torch.library.opcheck(distance_transform, (torch.rand(2, 5, 6) > 0.7,))
