"""A folder in the layout of BraTS, of volumes of one slice."""

import nibabel as nib
import numpy as np

SPLITS = {"": 4}
"""BraTS names no splits."""


def make(root, keys, labels_HW):
    """Write the four channels and the labels of each case."""
    for name in (name for names in keys.values() for name in names):
        (root / name).mkdir(parents=True)
        for channel in ("t1", "t1ce", "t2", "flair", "seg"):
            shown_HW = labels_HW if channel == "seg" else np.zeros_like(labels_HW)
            # rows run from the front to the back, columns from the right to the left
            voxels_XYZ = shown_HW[::-1, ::-1].T[..., None].astype(np.int16)
            path = root / name / f"{name}_{channel}.nii.gz"
            nib.save(nib.Nifti1Image(voxels_XYZ, np.eye(4)), path)
