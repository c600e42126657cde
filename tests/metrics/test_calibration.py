"""Calibration against plain float64, torchmetrics and scikit-learn."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import brier_score_loss, log_loss

from maskwright.core.labels import IGNORE
from maskwright.core.logits import Logits
from maskwright.inference.resolution import decide, planes
from maskwright.metrics.calibration import MIDDLES, NUM_BINS, count, scores


def counted(truth_HW, logits_Khw, temperature=1.0):
    logits = Logits.of_image(logits_Khw, truth_HW.shape)
    decision = decide(logits, temperature=temperature)
    return count(truth_HW, planes(logits), decision, len(logits))


def shares(truth_HW, logits_Khw, temperature=1.0):
    """Softmax in float64 of the labelled pixels, P x K, and their truth."""
    logits = Logits.of_image(logits_Khw, truth_HW.shape)
    full_KHW = np.stack(list(planes(logits))).astype(np.float64)
    valid_HW = truth_HW != IGNORE
    logits_PK = full_KHW[:, valid_HW].T / temperature
    share_PK = np.exp(logits_PK - logits_PK.max(axis=1, keepdims=True))
    return share_PK / share_PK.sum(axis=1, keepdims=True), truth_HW[valid_HW]


def gap(share_P, hit_P):
    """Sum over the bins of pixels x |accuracy - mean share|."""
    edges = np.arange(NUM_BINS + 1) / NUM_BINS
    found = 0.0
    for low, high in pairwise(edges):
        inside = (share_P > low) & (share_P <= high)
        if inside.any():
            found += inside.sum() * abs(hit_P[inside].mean() - share_P[inside].mean())
    return found


def reference(truth_HW, logits_Khw, temperature=1.0):
    share_PK, truth_P = shares(truth_HW, logits_Khw, temperature)
    predicted_P, num_classes = share_PK.argmax(axis=1), share_PK.shape[1]
    is_PK = truth_P[:, None] == np.arange(num_classes)
    terms = [
        gap(share_PK[:, k], is_PK[:, k]) / len(truth_P)
        for k in range(num_classes)
        if k in truth_P or k in predicted_P
    ]
    return {
        "ece": gap(share_PK.max(axis=1), predicted_P == truth_P) / len(truth_P),
        "sce": np.mean(terms),
        "brier": ((share_PK - is_PK) ** 2).sum(axis=1).mean(),
        "nll": -np.log(share_PK[is_PK]).mean(),
    }


def scene(seed, *, num_classes=6, size_hw=(20, 30), scale=1, spread=3.0):
    """Logits that favour the truth a little, and some IGNORE."""
    rng = np.random.default_rng(seed)
    truth_hw = rng.integers(0, num_classes, size_hw).astype(np.uint8)
    logits_Khw = rng.normal(0, spread, (num_classes, *size_hw)).astype(np.float32)
    np.put_along_axis(logits_Khw, truth_hw[None].astype(int), spread, axis=0)
    truth_HW = np.kron(truth_hw, np.ones((scale, scale), np.uint8))
    truth_HW[rng.random(truth_HW.shape) < 0.1] = IGNORE
    return truth_HW, logits_Khw


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("scale", [1, 3])
@pytest.mark.parametrize("num_classes", [1, 2, 6, 40])
def test_scores_are_those_of_plain_float64(num_classes, scale, temperature):
    truth_HW, logits_Khw = scene(num_classes, num_classes=num_classes, scale=scale)
    found = scores(counted(truth_HW, logits_Khw, temperature)).overall
    for name, value in reference(truth_HW, logits_Khw, temperature).items():
        assert found[name] == pytest.approx(value, abs=2e-6), name


@given(
    arrays(np.uint8, (4, 5), elements=st.sampled_from([0, 1, 2, IGNORE])),
    arrays(np.float32, (3, 4, 5), elements=st.floats(-60, 60, width=32)),
)
def test_proper_scores_are_exact_for_any_logits(truth_HW, logits_KHW):
    truth_HW[0, 0] = 0
    found = scores(counted(truth_HW, logits_KHW)).overall
    share_PK, truth_P = shares(truth_HW, logits_KHW)
    is_PK = truth_P[:, None] == np.arange(3)
    logits_PK = logits_KHW[:, truth_HW != IGNORE].T.astype(np.float64)
    nll = np.logaddexp.reduce(logits_PK, axis=1) - logits_PK[is_PK]
    assert found["nll"] == pytest.approx(nll.mean(), rel=1e-5, abs=1e-5)
    brier = ((share_PK - is_PK) ** 2).sum(axis=1).mean()
    assert found["brier"] == pytest.approx(brier, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_ece_is_that_of_torchmetrics(seed):
    torch = pytest.importorskip("torch")
    from torchmetrics.functional.classification import multiclass_calibration_error

    truth_HW, logits_KHW = scene(seed)
    expected = multiclass_calibration_error(
        torch.from_numpy(logits_KHW)[None].softmax(1),
        torch.from_numpy(truth_HW.astype(np.int64))[None],
        num_classes=len(logits_KHW),
        n_bins=NUM_BINS,
        norm="l1",
        ignore_index=IGNORE,
    )
    found = scores(counted(truth_HW, logits_KHW)).overall["ece"]
    assert found == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_brier_and_nll_are_those_of_scikit_learn(seed):
    truth_HW, logits_KHW = scene(seed)
    share_PK, truth_P = shares(truth_HW, logits_KHW)
    found, classes = scores(counted(truth_HW, logits_KHW)), range(len(logits_KHW))
    assert found.overall["nll"] == pytest.approx(log_loss(truth_P, share_PK, labels=classes))
    expected = brier_score_loss(truth_P, share_PK, labels=classes, scale_by_half=False)
    assert found.overall["brier"] == pytest.approx(expected)
    for k in classes:
        rows = truth_P == k
        expected = log_loss(truth_P[rows], share_PK[rows], labels=classes)
        assert found.classes["nll"][k] == pytest.approx(expected)


def test_four_pixels_made_by_hand():
    """Shares of 3/4 and 1/4; three of four are right, so the model is calibrated."""
    logits_KHW = np.zeros((2, 1, 4), np.float32)
    logits_KHW[0] = np.log(3)
    truth_HW = np.uint8([[0, 0, 0, 1]])
    found = scores(counted(truth_HW, logits_KHW))
    assert found.overall["ece"] == pytest.approx(0, abs=1e-7)
    assert found.overall["sce"] == pytest.approx(0, abs=1e-7)
    assert found.overall["brier"] == pytest.approx((3 * 2 / 16 + 18 / 16) / 4)
    assert found.overall["nll"] == pytest.approx((3 * np.log(4 / 3) + np.log(4)) / 4)
    assert found.classes["brier"] == pytest.approx([2 / 16, 18 / 16])
    curves = {name: curve.values for name, curve in found.curves.items()}
    place = int(0.75 * NUM_BINS)
    assert curves["reliability"][place] == pytest.approx(0.75)
    assert curves["mean_confidence"][place] == pytest.approx(0.75)
    assert curves["confidence_share"].tolist() == [float(b == place) for b in range(NUM_BINS)]
    assert np.isnan(np.delete(curves["reliability"], place)).all()
    assert found.curves["reliability"].at == MIDDLES == tuple(sorted(MIDDLES))


def test_a_sure_and_wrong_model_is_worst():
    logits_KHW = np.zeros((2, 3, 3), np.float32)
    logits_KHW[0], logits_KHW[1] = 60, -60
    found = scores(counted(np.ones((3, 3), np.uint8), logits_KHW)).overall
    assert found["ece"] == found["sce"] == 1
    assert found["brier"] == 2
    assert found["nll"] == pytest.approx(120)


def test_equal_logits_are_in_the_bin_that_ends_at_their_share():
    found = counted(np.zeros((2, 2), np.uint8), np.zeros((3, 2, 2), np.float32))
    assert found["top_pixels"].tolist() == [0, 0, 0, 0, 4, *[0] * 10]


def test_a_class_on_neither_side_has_no_calibration_error():
    truth_HW, logits_KHW = scene(1, num_classes=3)
    with_absent_KHW = np.concatenate([logits_KHW, np.full_like(logits_KHW[:1], -9)])
    found = scores(counted(truth_HW, with_absent_KHW))
    assert np.isnan([found.classes[n][3] for n in ("calibration_error", "brier", "nll")]).all()
    present = found.classes["calibration_error"][:3]
    assert found.overall["sce"] == pytest.approx(present.mean())


@pytest.mark.parametrize("num_classes", [254, 255])
def test_as_many_classes_as_there_can_be(num_classes):
    truth_HW, logits_KHW = scene(2, num_classes=num_classes)
    truth_HW[0, 0] = num_classes - 1
    found = scores(counted(truth_HW, logits_KHW)).overall
    for name, value in reference(truth_HW, logits_KHW).items():
        assert found[name] == pytest.approx(value, abs=2e-6), name


def test_what_is_predicted_where_truth_is_ignored_changes_nothing():
    truth_HW, logits_KHW = scene(3)
    other_KHW = np.where(truth_HW == IGNORE, np.float32(17) * logits_KHW, logits_KHW)
    one, other = counted(truth_HW, logits_KHW), counted(truth_HW, other_KHW)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_counts_of_two_halves_add_up_to_those_of_the_whole():
    truth_HW, logits_KHW = scene(4)
    whole = counted(truth_HW, logits_KHW)
    halves = [counted(truth_HW[:, s], logits_KHW[:, :, s]) for s in (np.s_[:13], np.s_[13:])]
    for name, values in whole.items():
        np.testing.assert_allclose(sum(h[name] for h in halves), values, atol=1e-4)


def test_scores_of_many_replicates_are_those_of_each():
    parts = [counted(*scene(seed, num_classes=4)) for seed in range(6)]
    stacked = {k: np.stack([p[k] for p in parts]) for k in parts[0]}
    together = scores({k: v.reshape(2, 3, *v.shape[1:]) for k, v in stacked.items()})
    for number, part in enumerate(parts):
        alone, place = scores(part), divmod(number, 3)
        for kind in ("overall", "classes"):
            for name, values in getattr(alone, kind).items():
                np.testing.assert_array_equal(getattr(together, kind)[name][place], values)
        for name, curve in alone.curves.items():
            np.testing.assert_array_equal(together.curves[name].values[place], curve.values)


@pytest.mark.parametrize("size_HW", [(0, 4), (3, 4)])
def test_without_a_counted_pixel_there_is_no_score(size_HW):
    truth_HW = np.full(size_HW, IGNORE, np.uint8)
    found = scores(counted(truth_HW, np.zeros((3, *size_HW), np.float32)))
    assert np.isnan(list(found.overall.values())).all()
    assert np.isnan(found.curves["confidence_share"].values).all()
