"""Boundary and surface scores against the libraries whose definitions they follow.

MONAI and SciPy are called; MedPy (GPL), DAVIS and the authors of boundary IoU (not on the
package index) have left their answers, by `benchmarks/peer_answers.py`.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from peer_answers import NUM_PAIRS, draw_pair, spacing
from scipy.spatial.distance import directed_hausdorff

from maskwright.metrics import boundary, surface

FIXTURES = Path(__file__).parents[1] / "fixtures/peers"
PAIRS = range(NUM_PAIRS)


def answers(peer):
    return json.loads((FIXTURES / f"{peer}.json").read_text())["answers"]


def maps(number):
    return [mask.astype(np.uint8) for mask in draw_pair(number)]


def surface_scores(number, tolerance=2.0):
    ruler = surface.Ruler(tolerance=tolerance, spacing_HW=spacing(number), unit="mm")
    found = surface.scores(surface.count(*maps(number), 2, ruler), ruler).classes
    return {name.removesuffix("_mm"): values[1] for name, values in found.items()}


@pytest.mark.parametrize("number", PAIRS)
def test_surface_distances_are_those_of_medpy(number):
    found = surface_scores(number)
    expected = answers("medpy")[number]
    hd95 = expected.pop("hd95")
    assert found["hd95"] >= hd95 * (1 - 1e-9)  # the larger percentile of two, not that of all
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9), name


@pytest.mark.parametrize("number", PAIRS)
def test_the_hausdorff_distance_is_that_of_scipy(number):
    points = [
        np.argwhere(surface.mark_surface(m) & (m == 1)) * spacing(number) for m in maps(number)
    ]
    expected = max(directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0])
    assert surface_scores(number)["hd"] == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # its own
@pytest.mark.parametrize("number", PAIRS)
def test_surface_scores_are_those_of_monai(number):
    torch = pytest.importorskip("torch")
    monai = pytest.importorskip("monai.metrics")
    truth, predicted = (torch.from_numpy(m)[None, None] for m in maps(number))
    settings = {"include_background": True, "spacing": spacing(number)}
    found = surface_scores(number)
    assd = monai.compute_average_surface_distance(predicted, truth, symmetric=True, **settings)
    assert found["assd"] == pytest.approx(assd.item(), rel=1e-5)
    hd = monai.compute_hausdorff_distance(predicted, truth, **settings)
    assert found["hd"] == pytest.approx(hd.item(), rel=1e-5)
    nsd = monai.compute_surface_dice(predicted, truth, class_thresholds=[2.0], **settings)
    assert found["nsd"] == pytest.approx(nsd.item(), rel=1e-5)
    hd95 = monai.compute_hausdorff_distance(predicted, truth, percentile=95, **settings)
    assert found["hd95"] == pytest.approx(hd95.item(), rel=1e-5)


@pytest.mark.parametrize("number", PAIRS)
def test_boundary_f1_is_that_of_davis(number):
    found = boundary.scores(boundary.count(*maps(number), 2)).classes["boundary_f1"][1]
    assert found == pytest.approx(answers("davis")[number]["boundary_f1"])


@pytest.mark.parametrize("number", PAIRS)
def test_boundary_iou_is_that_of_its_authors(number):
    found = boundary.scores(boundary.count(*maps(number), 2)).classes["boundary_iou"][1]
    assert found == pytest.approx(answers("boundary_iou")[number]["boundary_iou"])
