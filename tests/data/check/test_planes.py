"""Volumes of one dataset that are cut in several planes."""

import numpy as np
import pytest

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
