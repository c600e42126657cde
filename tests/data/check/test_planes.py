"""Volumes of one dataset cut in several planes, and frames that are not one volume."""

import numpy as np
import pytest
import tifffile

from maskwright.data.check.audit import audit

from .test_audit import YAML, the


def test_volumes_of_two_planes_are_named(write, tmp_path):
    nib = pytest.importorskip("nibabel")
    rng = np.random.default_rng(3)
    for number, zooms in enumerate([(1, 1, 3), (1, 1, 3), (1, 3, 1)]):
        for folder, values in (
            ("images", rng.integers(0, 99, (12, 12, 12))),
            ("masks", rng.integers(0, 2, (12, 12, 12))),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            image = nib.Nifti1Image(values.astype(np.uint8), np.diag([*zooms, 1]))
            nib.save(image, tmp_path / folder / f"p{number}.nii")
    found = audit(write(YAML))
    assert the(found, "mixed-planes").examples == [
        ("images/p2.nii", "coronal slices, most have axial ones")
    ]


@pytest.mark.parametrize(
    ("heights", "words"),
    [
        (
            (0, 3, 6, 15, 18),
            (
                "2 slices missing: 9 mm from one to the next between frame 3 and frame 4, "
                "3 mm elsewhere (1 gap): no volume"
            ),
        ),
        (
            (0, 3, 3, 6, 9),
            "1 frame at the position of another, the first frame 2 and frame 3: no volume",
        ),
        ((0, 3, 6, 9, 12), None),
    ],
)
def test_frames_that_are_not_one_volume_are_named_with_their_distances(
    write, tmp_path, heights, words
):
    pytest.importorskip("pydicom")
    from ...dicoms import save_enhanced

    rng = np.random.default_rng(4)
    values_DHW = rng.integers(0, 999, (5, 12, 12)).astype(np.uint16)
    save_enhanced(tmp_path / "images/p.dcm", values_DHW, [(0, 0, z) for z in heights])
    (tmp_path / "masks").mkdir()
    masks_DHW = rng.integers(0, 2, (5, 12, 12)).astype(np.uint8)
    stack = {"imagej": True, "metadata": {"axes": "ZYX"}}
    tifffile.imwrite(tmp_path / "masks/p.tif", masks_DHW, **stack)
    found = audit(write(YAML))
    codes = [finding.code for finding in found.findings]
    assert "missing-mask" not in codes
    assert ("no-volume" in codes) == (words is not None)
    if words is not None:
        assert the(found, "no-volume").examples == [("images/p.dcm", words)]
