"""Bands, objects and surfaces of real label maps, against references written out in SciPy."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from maskwright.core.labels import IGNORE
from maskwright.data.dataset import open_dataset
from maskwright.metrics import bands, components, objects, surface

from .test_components import by_runs, by_scipy
from .test_objects import assert_same, counted
from .test_surface import reference


@pytest.fixture(params=["camvid", "crackforest", "cwfid"])
def pair(request, real_data):
    """Truth, large ones by every n-th pixel, and as prediction the truth three pixels aside."""
    dataset = open_dataset(real_data / request.param)
    labels_HW = dataset.labels(len(dataset) // 2)
    step = -(-len(labels_HW) // 400)
    labels_HW = np.ascontiguousarray(labels_HW[::step, ::step])
    moved_HW = np.roll(labels_HW, 3, axis=1)
    moved_HW[moved_HW == IGNORE] = 0
    return labels_HW, moved_HW, len(dataset.spec)


@pytest.mark.real
def test_bands_of_real_maps(pair):
    truth_HW, _, _ = pair
    far_HW = 1 + distance_transform_edt(~bands.mark_border(truth_HW))
    expected = np.digitize(far_HW, bands.WIDTHS_PX, right=True)
    np.testing.assert_array_equal(bands.assign_bands(truth_HW), expected)


@pytest.mark.real
def test_objects_of_real_maps(pair):
    assert by_runs(pair[0]) == by_scipy(pair[0])
    assert len(components.find_components(pair[0]).class_N) > 1
    assert_same(objects.count(*pair), counted(*pair))


@pytest.mark.real
def test_surfaces_of_real_maps(pair):
    truth_HW, predicted_HW, num_classes = pair
    truth_HW = np.where(truth_HW == IGNORE, np.uint8(0), truth_HW)
    ruler = surface.Ruler(tolerance=1.0, spacing_HW=(0.5, 0.4), unit="mm")
    found = surface.count(truth_HW, predicted_HW, num_classes, ruler)
    score_columns = np.flatnonzero(found["surface_images"])
    assert len(score_columns) > 1
    for index in score_columns:
        expected = reference(truth_HW == index, predicted_HW == index, ruler)
        for name, value in expected.items():
            assert found[name][index] == pytest.approx(value, rel=1e-9), name
