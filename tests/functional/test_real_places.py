"""Nuclei of a real stack: from the files to measurements, command by command."""

import numpy as np
import pytest
import tifffile

SMALL = (
    "--epochs 1 --batch 2 --encoder test_resnet --device cpu "
    "--set model.encoder_weights=none --set schedule.steps_per_epoch=4"
)

pytestmark = pytest.mark.real


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
