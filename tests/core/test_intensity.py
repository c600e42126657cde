"""Scaling by kind: literal numbers, the same number in every type, and old models."""

import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.core.imagestats import ImageStatistics
from maskwright.core.inputspec import InputSpec
from maskwright.core.intensity import measure_foreground

CT = InputSpec(
    channels=1, kind="ct", window=((-200, 300),), mean=(50,), std=(100,), max_value=65535
)
MR = InputSpec(channels=1, kind="mr", mean=(0,), std=(1,), max_value=65535)
OLD = {"channels": 1, "mean": [0.5], "std": [0.25], "max_value": 65535}


def normalize(spec, image_HWC):
    return spec.measure_scaling(image_HWC).normalize(image_HWC)


def test_hounsfield_units_are_clipped_to_the_window_and_then_z_scored():
    image = np.array([[[-1000], [-150], [50], [150], [3000]]], np.float32)
    assert normalize(CT, image)[0, 0].tolist() == [-2.5, -2.0, 0.0, 1.0, 2.5]
    assert CT.measure_scaling(image).neutral_C == (50,)


def test_bands_have_windows_of_their_own():
    spec = InputSpec(
        channels=2,
        kind="reflectance",
        window=((0, 10), (100, 200)),
        mean=(5, 150),
        std=(5, 50),
        max_value=65535,
    )
    image = np.array([[[20, 20], [0, 200]]], np.uint16)
    assert normalize(spec, image).tolist() == [[[1, -1]], [[-1, 1]]]


@pytest.mark.parametrize("spec", [CT, MR])
def test_a_number_is_the_same_in_every_type(spec):
    values = np.random.default_rng(0).integers(0, 4000, (20, 30, 1))
    wide, floats = values.astype(np.uint16), values.astype(np.float32)
    for image in (wide, floats):
        assert spec.prepare(image, where="a") is image
    np.testing.assert_array_equal(normalize(spec, wide), normalize(spec, floats))


def test_an_image_of_mr_is_scored_by_its_own_values_above_its_mean():
    image = np.array([[[0], [0], [0], [0], [100], [300]]], np.uint16)  # the mean is 66.7
    mean_C, std_C = measure_foreground(image)
    assert (mean_C.tolist(), std_C.tolist()) == ([200], [100])
    assert normalize(MR, image)[0, 0].tolist() == [-2, -2, -2, -2, -1, 1]
    twice = normalize(MR, image * 2)
    np.testing.assert_allclose(twice, normalize(MR, image), atol=1e-6)


@pytest.mark.parametrize("value", [0, 7])
def test_an_image_of_one_value_is_0_everywhere(value):
    assert not normalize(MR, np.full((3, 4, 1), value, np.uint16)).any()


def test_pixels_without_data_are_measured_in_no_image():
    image = np.array([[[0], [0], [0], [0], [100], [300], [60_000]]], np.uint16)
    valid = np.array([[True] * 6 + [False]])
    assert measure_foreground(image, valid)[0].tolist() == [200]
    image = image.astype(np.float32)
    image[0, 6] = np.nan
    assert measure_foreground(image)[0].tolist() == [200]


def test_a_model_of_version_0_1_sees_minus_1000_as_31768():
    spec = InputSpec.from_json(OLD)
    assert (spec.kind, spec.signed_offset) == ("photograph", 32_768)
    prepared = spec.prepare(np.full((2, 2, 1), -1000, np.float32), where="a")
    assert prepared.dtype == np.uint16
    assert (prepared == 31_768).all()
    with pytest.raises(DataError, match=r"a\.nii: image holds float32, the model takes uint16"):
        spec.prepare(np.full((2, 2, 1), 0.5, np.float32), where="a.nii")


def test_a_new_model_of_wide_photographs_takes_no_value_with_a_sign():
    spec = InputSpec.from_json({**OLD, "kind": "photograph"})
    with pytest.raises(DataError, match="image holds float32, the model takes uint16"):
        spec.prepare(np.zeros((2, 2, 1), np.float32), where="a")


def test_8_bits_are_no_hounsfield_units():
    with pytest.raises(DataError, match="image holds uint8, the model takes uint16 or float32"):
        CT.prepare(np.zeros((2, 2, 1), np.uint8), where="a")


@pytest.mark.parametrize(
    ("spec", "modality", "fits"),
    [
        (CT, "CT", True),
        (CT, "MR", False),
        (CT, "", True),
        (CT, None, True),
        (MR, "CT", False),
        (MR, "PT", True),
    ],
)
def test_a_header_of_another_modality_is_refused(spec, modality, fits):
    if fits:
        spec.require_modality(modality, where="a.dcm")
    else:
        with pytest.raises(DataError, match=rf"a\.dcm: DICOM says Modality {modality}, the"):
            spec.require_modality(modality, where="a.dcm")


@pytest.mark.parametrize("spec", [CT, MR])
def test_a_spec_survives_json(spec):
    assert InputSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(("offset", "far"), [(0, False), (1024, True)])
def test_values_of_another_unit_are_far_off(offset, far):
    rng = np.random.default_rng(0)
    images = [rng.normal(-300, 400, (20, 20, 1)).astype(np.float32) for _ in range(5)]
    learnt = ImageStatistics.from_images(images, CT)
    assert learnt.is_other_color(images[0] + np.float32(offset), CT) == far
    assert not learnt.is_other_color(images[0] + np.float32(offset), MR)
