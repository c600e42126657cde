"""A CT, nuclei of a stack and a scene: from real files to measurements, command by command."""

import csv
import json

import numpy as np
import pytest
import tifffile
from scipy import ndimage

SMALL = (
    "--epochs 1 --batch 2 --encoder test_resnet --device cpu "
    "--set model.encoder_weights=none --set schedule.steps_per_epoch=4"
)

pytestmark = [pytest.mark.real, pytest.mark.slow]


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.long
def test_a_ct_comes_out_as_volumes_that_lie_on_the_scan(run, real_data, tmp_path):
    nib = pytest.importorskip("nibabel")
    folder = real_data / "formats/volume3d/nnunet_ct"
    for kind, name in (
        ("images", "example_ct_sm.nii.gz"),
        ("masks", "example_ct_sm_T300_output.nii.gz"),
    ):
        (tmp_path / f"ct/{kind}").mkdir(parents=True)
        whole = nib.load(folder / name)
        for part in range(3):  # three blocks of one scan stand for three patients
            block = whole.slicer[:, :, 10 * part : 10 * part + 10]
            nib.save(block, tmp_path / f"ct/{kind}/p{part}.nii.gz")
    (tmp_path / "ct/classes.txt").write_text("0 background\n1 bone\n")
    run("maskwright check ct")
    assert "3 groups" in run("maskwright split ct --val 0.34 --test 0.33")
    trained = run(f"maskwright train ct -o run --crop 96 {SMALL}")
    assert "ct" in trained
    run("maskwright evaluate run ct -o report")
    run("maskwright predict run ct/images -o out")
    for part in range(3):
        source = nib.load(tmp_path / f"ct/images/p{part}.nii.gz")
        for kind in ("classes", "confidence"):
            written = nib.load(tmp_path / f"out/{kind}/p{part}.nii.gz")
            np.testing.assert_array_equal(written.affine, source.affine)
            assert written.shape == source.shape
    run("maskwright score out/classes ct/masks --spec ct/classes.txt -o scored")
    perfect = run(
        "maskwright score ct/masks ct/masks --spec ct/classes.txt --surface 2 -o perfect"
    )
    assert "mIoU 100.0 %" in perfect
    run("maskwright measure out/classes --before ct/masks -o measured")
    bone = [r for r in read_rows(tmp_path / "measured/volumes.csv") if r["class"] == "bone"]
    truth = nib.load(folder / "example_ct_sm_T300_output.nii.gz")
    voxel_ml = np.prod(truth.header.get_zooms()[:3]) / 1000
    true_ml = float(np.asarray(truth.dataobj)[:, :, :30].sum() * voxel_ml)
    assert sum(float(row["ml_before"]) for row in bone) == pytest.approx(true_ml, rel=1e-4)
    found = [
        np.asarray(nib.load(path).dataobj) == 1
        for path in sorted((tmp_path / "out/classes").glob("*.nii.gz"))
    ]
    for row, inside in zip(bone, found, strict=True):
        assert float(row["ml"]) == pytest.approx(float(inside.sum() * voxel_ml), rel=1e-4)
        assert int(row["lesions"]) == ndimage.label(inside, np.ones((3, 3, 3)))[1]


def test_nuclei_of_a_stack_are_trained_predicted_and_measured(run, real_data, tmp_path):
    folder = real_data / "formats/volume3d"
    for kind in ("images", "masks"):
        (tmp_path / f"nuclei/{kind}").mkdir(parents=True)
        stack = tifffile.imread(folder / ("img3d.tif" if kind == "images" else "mask3d.tif"))
        if kind == "masks":
            stack = (stack > 0).astype(np.uint8)
        for part in range(3):
            planes = stack[10 * part : 10 * part + 10]
            path = tmp_path / f"nuclei/{kind}/n{part}.tif"
            tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "ZYX"})
    (tmp_path / "nuclei/classes.txt").write_text("0 background\n1 nucleus\n")
    run("maskwright check nuclei")
    assert "3 groups" in run("maskwright split nuclei --val 0.34 --test 0.33")
    run(f"maskwright train nuclei -o run --crop 48 {SMALL}")
    run("maskwright evaluate run nuclei -o report")
    run("maskwright predict run nuclei/images -o out")
    run("maskwright measure out/classes --regions nucleus -o measured")
    assert len(list((tmp_path / "out/classes").rglob("*.png"))) == 30
    run("maskwright score out/classes nuclei/masks --spec nuclei/classes.txt -o scored")


@pytest.mark.long
def test_a_scene_comes_out_as_geotiff_on_its_grid(run, real_data, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    folder = real_data / "formats/geotiff"
    with rasterio.open(folder / "sample_geotiff.tif") as scene:
        for row in range(3):
            for column in range(3):
                window = rasterio.windows.Window(300 * column, 300 * row, 300, 300)
                profile = scene.profile | {
                    "width": 300,
                    "height": 300,
                    "transform": rasterio.Affine(
                        0.5, 0, 733_601 + 150 * column, 0, -0.5, 3_725_139 - 150 * row
                    ),
                }
                path = tmp_path / f"scene/images/t{row}{column}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                with rasterio.open(path, "w", **profile) as tile:
                    tile.write(scene.read(window=window))
        grid, size, crs = scene.transform, scene.shape, scene.crs
    (tmp_path / "scene/dataset.yaml").write_text(
        "format: vector\nmasks: houses.geojson\nlabel_key: building\n"
    )
    labels = (folder / "geotiff_labels.geojson").read_bytes()
    (tmp_path / "scene/houses.geojson").write_bytes(labels)
    run("maskwright check scene")
    run("maskwright split scene --val 0.34 --test 0.33")
    trained = run(f"maskwright train scene -o run --crop 96 {SMALL}")
    assert "reflectance" in trained
    run("maskwright evaluate run scene -o report")
    run("maskwright predict run scene/images -o out --mosaic")
    with rasterio.open(tmp_path / "out/mosaic.tif") as mosaic:
        assert (mosaic.transform, mosaic.shape, mosaic.crs) == (grid, size, crs)
        assert mosaic.nodata == 255
    run("maskwright measure out/classes -o measured")
    measured = json.loads((tmp_path / "measured/measurements.json").read_text())
    total_m2 = sum(entry["area"] for entry in measured["coverage"]["classes"].values())
    assert total_m2 == pytest.approx(900 * 900 * 0.25, rel=1e-6)
