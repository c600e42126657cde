"""BraTS: the volumes of a case are channels, in both ways of naming them."""

import nibabel as nib
import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.brats import CHANNELS, recognises, scan

RNG = np.random.default_rng(1)


def save_case(root, name, channels, mark="_", *, labels=True):
    (root / name).mkdir(parents=True)
    for channel in (*channels, "seg")[: None if labels else -1]:
        voxels = RNG.integers(1, 99, (4, 5, 3)).astype(np.int16)
        if channel == "seg":
            voxels[:] = voxels % 2
        path = root / name / f"{name}{mark}{channel}.nii.gz"
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)


@pytest.mark.parametrize(("channels", "mark"), [(CHANNELS[0], "_"), (CHANNELS[1], "-")])
def test_both_ways_of_naming_channels_are_read(tmp_path, channels, mark):
    for number in range(2):
        save_case(tmp_path, f"BraTS-GLI-00001-00{number}", channels, mark)
    save_case(tmp_path, "BraTS-GLI-00002-000", channels, mark, labels=False)
    assert recognises(tmp_path)
    dataset = open_as_is(tmp_path)
    assert (dataset.format, dataset.bands) == ("brats", channels)
    assert dataset.keys[3] == "BraTS-GLI-00001-001__0000"
    assert dataset.groups[:6] == ("BraTS-GLI-00001",) * 6
    assert dataset.splits == {"": 6, "test": 3}
    assert dataset[1].image_HWC.shape == (5, 4, 4)


def test_bands_of_dataset_yaml_choose_channels(tmp_path):
    save_case(tmp_path, "a", CHANNELS[0])
    (tmp_path / "dataset.yaml").write_text("format: brats\nbands: [flair, t1]\n")
    whole = scan(tmp_path, DatasetFile()).entries[1]
    chosen = open_as_is(tmp_path)
    assert chosen.bands == ("flair", "t1")
    image = chosen[1].image_HWC
    with_all = open_as_is(tmp_path).with_bands(("t1", "flair"))
    np.testing.assert_array_equal(image, with_all[1].image_HWC[..., ::-1])
    assert whole.image.bands == CHANNELS[0]


def test_a_case_without_a_channel_is_refused_by_name(tmp_path):
    save_case(tmp_path, "a", CHANNELS[0])
    save_case(tmp_path, "b", CHANNELS[0][:3])
    with pytest.raises(DataError, match=r"b: has no file of flair; a case has all channels"):
        scan(tmp_path, DatasetFile())
