"""RTSTRUCT as labels: contours are filled by pixel centres, even-odd."""

import numpy as np
import pytest
from skimage.measure import points_in_poly

from maskwright.core.errors import DataError
from maskwright.data.dataset import open_as_is

from ...dicoms import CORONAL, save_series, save_structures

RNG = np.random.default_rng(7)
SHAPE = 5, 24, 32
SPACING_DHW = 3.0, 0.5, 0.7
ORIGIN = (-10.0, -20.0, -30.0)
SERIES = "1.2.840.99.2"


def to_mm(corners, k):
    """Corners (x, y) in pixels, (0.5, 0.5) at the first centre, on slice k, in LPS."""
    x, y = np.transpose(corners) - 0.5
    return np.c_[ORIGIN[0] + 0.7 * x, ORIGIN[1] + 0.5 * y, np.full(len(x), -30 + 3.0 * k)]


def square(low, high):
    return [(low, low), (high, low), (high, high), (low, high)]


@pytest.fixture
def root(tmp_path):
    save_series(tmp_path / "ct" / "p1", np.zeros(SHAPE, np.int16))
    return tmp_path


def read_labels(root):
    dataset = open_as_is(root)
    order = np.argsort(dataset.keys)
    return dataset, np.stack([dataset.labels(index) for index in order])


def test_a_contour_inside_another_is_a_hole_and_a_region_inside_another_stays(root):
    regions = [
        ("body", [to_mm(square(0, 20), 2)]),
        ("liver", [to_mm(square(2, 10), 2), to_mm(square(4, 6), 2)]),
    ]
    save_structures(root / "rt.dcm", regions, series=[SERIES])
    dataset, labels_DHW = read_labels(root)
    assert (dataset.format, dataset.spec.names) == (
        "rtstruct",
        ("background", "body", "liver"),
    )
    expected_HW = np.zeros(SHAPE[1:], np.uint8)
    expected_HW[0:20, 0:20] = 1
    expected_HW[2:10, 2:10] = 2
    expected_HW[4:6, 4:6] = 1
    np.testing.assert_array_equal(labels_DHW[2], expected_HW)
    assert not labels_DHW[[0, 1, 3, 4]].any()


def test_contours_are_filled_as_a_peer_fills_them_by_pixel_centres(root):
    angles = np.sort(RNG.uniform(0, 2 * np.pi, (5, 12)), axis=1)
    outlines = [
        np.c_[16 + RNG.uniform(3, 11, 12) * np.cos(a), 12 + RNG.uniform(3, 9, 12) * np.sin(a)]
        for a in angles
    ]
    contours = [to_mm(outline, k) for k, outline in enumerate(outlines)]
    save_structures(root / "rt.dcm", [("liver", contours)], series=[SERIES])
    centres = np.stack(np.meshgrid(np.arange(32) + 0.5, np.arange(24) + 0.5), axis=-1)
    _, labels_DHW = read_labels(root)
    for k, outline in enumerate(outlines):
        inside = points_in_poly(centres.reshape(-1, 2), outline).reshape(24, 32)
        np.testing.assert_array_equal(labels_DHW[k], inside)


def test_contours_of_other_planes_of_the_body_are_filled_too(tmp_path):
    save_series(tmp_path / "ct" / "p1", np.zeros(SHAPE, np.int16), orientation=CORONAL)
    # rows run to the feet, slices to the front: slice 1 of 5 lies 3 spacings along the normal
    corners = np.array(square(2, 8)) - 0.5
    points = np.c_[
        ORIGIN[0] + 0.7 * corners[:, 0], np.full(4, -20 + 3 * 3), -30 - 0.5 * corners[:, 1]
    ]
    save_structures(tmp_path / "rt.dcm", [("liver", [points])], series=[SERIES])
    _, labels_DHW = read_labels(tmp_path)
    expected_DHW = np.zeros(SHAPE, np.uint8)
    expected_DHW[1, 2:8, 2:8] = 1
    np.testing.assert_array_equal(labels_DHW, expected_DHW)


def test_a_contour_that_names_its_slice_needs_no_series(root):
    contours = [to_mm(square(2, 8), 3)]
    instance = f"{SERIES}.4"
    save_structures(root / "rt.dcm", [("liver", contours)], series=[], instances=instance)
    _, labels_DHW = read_labels(root)
    assert labels_DHW.sum(axis=(1, 2)).tolist() == [0, 0, 0, 36, 0]


def test_contours_on_planes_that_are_no_slices_are_refused_by_name_and_number(root):
    regions = [
        ("liver", [to_mm(square(2, 8), k) for k in (1.5, 2, 2.5)]),
        ("lung", [to_mm(square(2, 8), 9)]),
    ]
    save_structures(root / "rt.dcm", regions, series=[SERIES])
    with pytest.raises(
        DataError,
        match=r"rt.dcm: 3 contours on planes that are no slices .* liver \(2\), lung \(1\); "
        r"the first lies at slice 1.50: export the contours on the slices",
    ):
        open_as_is(root)


def test_a_structure_set_of_no_series_here_is_refused(root):
    contours = [to_mm(square(2, 8), 1)]
    save_structures(root / "rt.dcm", [("liver", contours)], series=["1.2.9"])
    with pytest.raises(DataError, match=r"none of the structure sets refers to .* \(rt.dcm\)"):
        open_as_is(root)


@pytest.mark.parametrize(
    ("kind", "what"), [("POINT", "points"), ("OPEN_PLANAR", "open contours")]
)
def test_points_and_open_contours_are_counted_and_no_regions(root, kind, what):
    regions = [("mark", [to_mm(square(2, 8), 1.4)])]
    save_structures(root / "rt.dcm", regions, series=[SERIES], kind=kind)
    dataset, labels_DHW = read_labels(root)
    assert not labels_DHW.any()
    drawing = dataset.entries[dataset.keys.index("ct__p1__0001")].labels.read()
    assert dict(drawing.skipped) == {what: 1}


def test_corners_that_are_not_in_threes_are_refused(root):
    save_structures(root / "rt.dcm", [("liver", [[1.0, 2.0]])], series=[SERIES])
    with pytest.raises(DataError, match="a contour of ROI 1 has 2 coordinates, expected x, y"):
        open_as_is(root)
