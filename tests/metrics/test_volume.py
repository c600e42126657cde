"""Surfaces of volumes, against MONAI; Dice and volume of patients."""

import numpy as np
import pytest

from maskwright.core.errors import DataError, MissingDependencyError
from maskwright.core.labels import IGNORE
from maskwright.metrics import surface
from maskwright.metrics.surface import Ruler
from maskwright.metrics.volume import PatientSums, VolumeSlice, VolumeSurfaces


def measure(truth_DHW, predicted_DHW, spacing_DHW, *, num_classes=2, tolerance=1.0):
    ruler = Ruler(tolerance=tolerance, unit="mm")
    volume = VolumeSurfaces(num_classes=num_classes)
    for truth_HW, predicted_HW in zip(truth_DHW, predicted_DHW, strict=True):
        volume.add(truth_HW, predicted_HW)
    return surface.scores(volume.finish(ruler, spacing_DHW), ruler).classes


def blobs(rng, size_DHW):
    z, y, x = np.mgrid[: size_DHW[0], : size_DHW[1], : size_DHW[2]]
    labels = np.zeros(size_DHW, np.uint8)
    for index in (1, 2):
        centre, radius = (
            rng.uniform(0.3, 0.7, 3) * size_DHW,
            rng.uniform(0.15, 0.4, 3) * size_DHW,
        )
        r = sum(((p - c) / s) ** 2 for p, c, s in zip((z, y, x), centre, radius, strict=True))
        labels[r <= 1] = index
    labels[rng.random(size_DHW) < 0.003] = 1
    return labels


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # its own
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 0.7, 0.9)])
def test_distances_are_those_of_monai_on_random_volumes(seed, spacing):
    torch = pytest.importorskip("torch")
    monai = pytest.importorskip("monai.metrics")
    rng = np.random.default_rng(seed)
    size = tuple(rng.integers(8, 20, 3))
    maps = blobs(rng, size), blobs(rng, size)
    truth, predicted = (
        torch.from_numpy(np.stack([m == index for index in (1, 2)]))[None] for m in maps
    )
    found = measure(*maps, spacing, num_classes=3, tolerance=1.5)
    options = {"include_background": True, "spacing": spacing}
    peers = {
        "hd_mm": monai.compute_hausdorff_distance(predicted, truth, **options),
        "hd95_mm": monai.compute_hausdorff_distance(predicted, truth, percentile=95, **options),
        "assd_mm": monai.compute_average_surface_distance(
            predicted, truth, symmetric=True, **options
        ),
        "nsd": monai.compute_surface_dice(predicted, truth, [1.5, 1.5], **options),
    }
    for name, values in peers.items():
        np.testing.assert_allclose(found[name][1:], values[0].numpy(), atol=1e-4, err_msg=name)


def test_a_distance_between_slices_is_not_seen_in_any_slice():
    truth = np.zeros((8, 5, 5), np.uint8)
    predicted = truth.copy()
    truth[:4], predicted[:6] = 1, 1
    found = measure(truth, predicted, (3.0, 1.0, 1.0))
    # two slices of 3 mm; the outlines of each slice alone are those of the image
    assert found["hd_mm"][1] == pytest.approx(6.0)
    assert found["surface_images"][1] == 1


def test_ignored_voxels_make_no_surface_and_open_surfaces_are_left_out():
    truth = np.zeros((6, 5, 5), np.uint8)
    truth[1:3, 1:4, 1:4], truth[3:] = 1, IGNORE
    predicted = truth.copy()
    predicted[3:] = 1
    found = measure(truth, predicted, (2.0, 1.0, 1.0))
    assert found["hd_mm"].tolist() == [0.0, 0.0]


def test_a_class_that_one_side_lacks_is_counted():
    truth = np.zeros((3, 4, 4), np.uint8)
    predicted = truth.copy()
    truth[1, 1, 1] = 1
    found = measure(truth, predicted, (1.0, 1.0, 1.0))
    assert (found["surface_missed"][1], found["nsd"][1]) == (1, 0)
    assert np.isnan(found["hd95_mm"][1])


def test_slices_of_another_size_are_refused():
    volume = VolumeSurfaces(num_classes=2)
    volume.add(*np.zeros((2, 4, 5), np.uint8))
    with pytest.raises(DataError, match=r"a slice of \(4, 6\) .* after slices of \(4, 5\)"):
        volume.add(*np.zeros((2, 4, 6), np.uint8))


def test_without_scipy_the_command_is_given(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "scipy.spatial", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'maskwright\[measure\]'"):
        measure(*np.ones((2, 2, 3, 3), np.uint8), (1.0, 1.0, 1.0))


def test_the_volume_of_a_voxel_and_the_dice_of_a_patient():
    place = VolumeSlice(volume="a", index=0, count=2, spacing_mm_DHW=(5.0, 2.0, 1.0))
    assert place.voxel_ml == 0.01
    sums = PatientSums.zero(2)
    for counts in ([[60, 10], [20, 10]], [[80, 0], [0, 20]]):
        sums.add(np.array(counts), place.voxel_ml, share=0.5)
    counts = sums.count()
    # class 1: 30 hits of 50 true and 40 predicted voxels
    assert counts["patient_dice_sum"][1] == pytest.approx(60 / 90)
    assert counts["patient_truth_sum"][1] == pytest.approx(0.5)
    assert counts["patient_error_sum"][1] == pytest.approx(-0.1)
    assert counts["patient_num"].tolist() == [1, 1]
