"""What `convert --to nnunet` writes passes the rules by which nnU-Net checks a dataset."""

import json
import re
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.core.labels import IGNORE
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.pixels.images import open_image

from ...dicoms import AXIAL, save_series

RNG = np.random.default_rng(9)
SHAPE = (6, 5, 4)
AFFINE = np.array([[-2.0, 0, 0, 7], [0, 0, 3, 8], [0, 1.5, 0, 9], [0, 0, 0, 1]])


def read(path):
    """Channels and spacing of a file, by a reader that nnU-Net uses for its kind."""
    if path.name.endswith(".nii.gz"):
        image = nib.load(path)
        return np.asarray(image.dataobj)[None], image.affine
    pixels = tifffile.imread(path) if path.suffix == ".tif" else np.asarray(Image.open(path))
    return (pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None]), np.eye(4)


def verify(root):
    """The rules of nnunetv2/experiment_planning/verify_dataset_integrity.py."""
    table = json.loads((root / "dataset.json").read_text())
    assert {"labels", "channel_names", "numTraining", "file_ending"} <= table.keys()
    ending = table["file_ending"]
    names = [p.name for p in (root / "imagesTr").iterdir()]
    cases = {re.fullmatch(rf"(.+)_\d{{4}}{re.escape(ending)}", name)[1] for name in names}
    assert len(cases) == table["numTraining"]
    values = sorted(table["labels"].values())
    assert values == list(range(len(values)))
    assert table["labels"]["background"] == 0
    assert table["labels"].get("ignore", values[-1]) == values[-1]
    for case in cases:
        files = [n for n in names if re.fullmatch(rf"{re.escape(case)}_\d{{4}}.*", n)]
        read_files = [read(root / "imagesTr" / name) for name in sorted(files)]
        labels, grid = read(root / f"labelsTr/{case}{ending}")
        assert sum(len(pixels) for pixels, _ in read_files) == len(table["channel_names"])
        assert set(np.unique(labels).tolist()) <= {*values}
        for pixels, affine in read_files:
            assert pixels.shape[1:] == labels.shape[1:]
            assert np.isfinite(pixels).all()
            np.testing.assert_allclose(affine, grid)
    return table


def save(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"Jane Doe"
    nib.save(image, path)


@pytest.fixture
def volumes(tmp_path):
    """Three patients of two channels; values 7 (tissue), 0 (background) and 9 (ignored)."""
    root, kept = tmp_path / "volumes", {}
    for name, split in (("p1", "train"), ("p2", "val"), ("p3", "test")):
        labels = RNG.choice([0, 7, 9], SHAPE).astype(np.uint8)
        channels = RNG.normal(0, 9, (2, *SHAPE)).astype(np.float32)
        kept[name] = channels, labels
        save(root / f"masks/{split}/{name}.nii.gz", labels)
        save(root / f"images/{split}/{name}_t1.nii.gz", channels[0])
        save(root / f"images/{split}/{name}_t2.nii", channels[1])
    (root / "dataset.yaml").write_text(
        "format: mask_folder\nbands: [t2, t1]\ncodec: {pixels: index, ignored: [9]}\n"
        "classes:\n- {name: tissue, raw: [7]}\n- {name: background, raw: [0]}\n"
    )
    return root, kept


def test_volumes_stay_volumes_with_their_affine(volumes, tmp_path):
    root, kept = volumes
    out = tmp_path / "Dataset001_Tissue"
    account = convert(root, out, to="nnunet", verify=True)
    assert (account.agreement.differing, account.losses) == (0, {})
    table = verify(out)
    assert table["channel_names"] == {"0": "t2", "1": "t1"}
    assert table["labels"] == {"background": 0, "tissue": 1, "ignore": 2}
    for name, ending in (("p1", "Tr"), ("p3", "Ts")):
        channels, labels = kept[name]
        for number in range(2):
            image = nib.load(out / f"images{ending}/{name}_{number:04}.nii.gz")
            np.testing.assert_array_equal(image.dataobj, channels[1 - number])
            assert image.header["descrip"].item() == b""
        written = nib.load(out / f"labels{ending}/{name}.nii.gz")
        np.testing.assert_allclose(written.affine, AFFINE)
        expected = np.select([labels == 7, labels == 9], [1, 2], 0)
        np.testing.assert_array_equal(written.dataobj, expected)
    folds = json.loads((out / "splits_final.json").read_text())
    assert folds == [{"train": ["p1"], "val": ["p2"]}]
    opened = open_as_is(out)
    assert opened.splits == {"test": 4, "train": 4, "val": 4}
    assert opened.bands == ("t2", "t1")
    assert not list(out.rglob(".pages*"))


@pytest.mark.parametrize("orientation", [AXIAL, (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)])
def test_a_dicom_series_becomes_a_volume_that_lies_where_it_lay(tmp_path, orientation):
    values_DHW = RNG.integers(-1000, 1000, (4, 6, 5)).astype(np.int16)
    labels_DHW = RNG.integers(0, 3, (4, 6, 5)).astype(np.uint8)
    root = tmp_path / "data"
    for name, split in (("p1", "train"), ("p2", "test")):
        folder, uid = root / f"images/{split}/{name}", f"1.2.840.99.{name[1]}"
        save_series(folder, values_DHW, orientation=orientation, series=uid)
        for k, labels_HW in enumerate(labels_DHW):
            path = root / f"masks/{split}/{name}/{k:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(labels_HW).save(path)
    (root / "classes.txt").write_text("background\nliver\nlesion\n")
    out = tmp_path / "Dataset002_Liver"
    account = convert(root, out, to="nnunet", verify=True)
    assert account.agreement.differing == 0
    table = verify(out)
    assert (table["file_ending"], table["channel_names"]) == (".nii.gz", {"0": "CT"})
    assert table["labels"] == {"background": 0, "liver": 1, "lesion": 2}
    first = next(e.image for e in open_as_is(root).entries if e.split == "train")
    slices_DHW = [open_image(first.with_page(k)).read()[..., 0] for k in range(4)]
    image = nib.load(out / "imagesTr/p1_0000.nii.gz")
    affine_44 = open_image(first).patient_frame.affine_44
    np.testing.assert_allclose(image.affine, affine_44, atol=1e-5)
    assert image.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, slices_DHW)
    assert set(np.ravel(slices_DHW)) == set(values_DHW.ravel())


def test_a_fourth_axis_becomes_files(tmp_path):
    voxels = RNG.integers(-9, 9, (*SHAPE, 2)).astype(np.int16)
    save(tmp_path / "a/imagesTr/c.nii.gz", voxels)
    save(tmp_path / "a/labelsTr/c.nii.gz", RNG.integers(0, 2, SHAPE).astype(np.uint8))
    table = {"modality": {"0": "T1", "1": "T2"}, "labels": {"0": "background", "1": "x"}}
    (tmp_path / "a/dataset.json").write_text(json.dumps(table))
    convert(tmp_path / "a", tmp_path / "b", to="nnunet", verify=True)
    verify(tmp_path / "b")
    for number in range(2):
        image = nib.load(tmp_path / f"b/imagesTr/c_{number:04}.nii.gz")
        np.testing.assert_array_equal(image.dataobj, voxels[..., number])
        assert image.get_data_dtype() == np.int16
        np.testing.assert_allclose(image.affine, AFFINE)


def write_pair(root, name, pixels, labels):
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True, exist_ok=True)
    if pixels.dtype == np.uint8:
        Image.fromarray(pixels).save(root / f"images/{name}.png")
    else:
        tifffile.imwrite(root / f"images/{name}.tif", pixels)
    Image.fromarray(labels).save(root / f"masks/{name}.png")


@pytest.mark.parametrize(
    ("shape", "dtype", "ending", "names"),
    [
        ((8, 9, 3), np.uint8, ".png", ["red", "green", "blue"]),
        ((8, 9), np.uint16, ".png", ["channel 0"]),
        ((8, 9), np.float32, ".tif", ["channel 0"]),
    ],
)
def test_images_are_one_file_of_colours_or_one_per_channel(
    tmp_path, shape, dtype, ending, names
):
    labels = RNG.integers(0, 3, (8, 9)).astype(np.uint8)
    for name in "ab":
        write_pair(tmp_path / "in", name, RNG.integers(0, 200, shape).astype(dtype), labels)
    account = convert(tmp_path / "in", tmp_path / "out", to="nnunet", verify=True)
    assert account.agreement.differing == 0
    table = verify(tmp_path / "out")
    assert (table["file_ending"], [*table["channel_names"].values()]) == (ending, names)


def test_images_of_two_kinds_are_refused(tmp_path):
    labels = np.eye(8, 9, dtype=np.uint8)
    write_pair(tmp_path / "in", "a", np.zeros((8, 9, 3), np.uint8), labels)
    write_pair(tmp_path / "in", "b", np.zeros((8, 9), np.float32), labels)
    with pytest.raises(DataError, match=r"b: its files would be \.tif, those of a are \.png"):
        convert(tmp_path / "in", tmp_path / "out", to="nnunet")
    assert not (tmp_path / "out").exists()


def test_folds_are_written_and_read_again(tmp_path):
    labels = np.eye(8, 9, dtype=np.uint8)
    for name in "abc":
        write_pair(tmp_path / "in", name, np.zeros((8, 9, 3), np.uint8), labels)
    dataset = open_as_is(tmp_path / "in")
    entries = (replace(e, split=f"fold{n}") for n, e in enumerate(dataset.entries))
    convert(replace(dataset, entries=tuple(entries)), tmp_path / "out", to="nnunet")
    folds = json.loads((tmp_path / "out/splits_final.json").read_text())
    assert folds[1] == {"train": ["a", "c"], "val": ["b"]}
    assert open_as_is(tmp_path / "out").splits == {"fold0": 1, "fold1": 1, "fold2": 1}
    assert IGNORE not in np.unique(open_as_is(tmp_path / "out").labels(0))
