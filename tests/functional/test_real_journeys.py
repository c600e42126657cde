"""Three new users with the real datasets: from their files to a result, command by command."""

import json
import shutil

import pytest

SMALL = (
    "--epochs 1 --batch 4 --encoder test_resnet --device cpu "
    "--set model.encoder_weights=none --set schedule.steps_per_epoch=8"
)

pytestmark = [pytest.mark.real, pytest.mark.slow]


def copy(source, target):
    """A copy that can be written: the shared folders are read-only."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("dataset.yaml"))
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.long
def test_an_inspection_engineer_gets_verdicts_and_hears_that_the_model_is_useless(
    run, real_data, tmp_path
):
    copy(real_data / "magnetic_tile", tmp_path / "tiles")
    assert "Nothing harms training." in run("maskwright check tiles")
    groups = "--test 0.2 --group-file tiles/groups.csv"
    assert "there are splits already" in run(f"maskwright split tiles {groups}", status=1)
    assert "112 groups" in run(f"maskwright split tiles {groups} --keep val")
    trained = run(f"maskwright train tiles -o run --crop 128 {SMALL}")
    assert "px is found" in trained
    decided = run("maskwright decide run tiles --miss 5% --by group -o bundle")
    assert "tested on test" in decided
    scored = run("maskwright evaluate run tiles -o report")
    assert "px is found" in scored
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert report["scores"]["miou"] < 0.3
    run("maskwright predict bundle tiles/images/val -o out --write classes,cvat")
    lines = (tmp_path / "out/verdicts.csv").read_text().splitlines()
    assert len(lines) == 147


@pytest.mark.long
def test_an_agronomist_gets_the_cover_of_crop_and_weed(run, real_data, tmp_path):
    copy(real_data / "cwfid", tmp_path / "field")
    assert "Nothing harms training." in run("maskwright check field")
    assert "test: 9 images" in run("maskwright split field --keep test --val 0.25")
    run(f"maskwright train field -o run --crop 256 --set input.scale_ratio=0.5 {SMALL}")
    assert "mIoU" in run("maskwright evaluate run field -o report")
    run("maskwright predict run field/images/test -o out --write classes,coverage,labelme")
    assert len((tmp_path / "out/coverage.csv").read_text().splitlines()) == 1 + 9 * 3
    measured = run("maskwright measure field/masks/test --regions weed --gap crop,weed")
    assert "9 images" in measured


def test_a_data_engineer_moves_a_project_of_cvat_to_coco_and_back(run, real_data, tmp_path):
    export = real_data / "formats/cvat_xml/datumaro/for_images/export_project"
    shutil.make_archive(str(tmp_path / "cvat-export"), "zip", export)
    checked = run("maskwright check cvat-export.zip", status=3)
    assert "images that another split holds too, pixel for pixel (a leak): 4" in checked
    account = run("maskwright convert cvat-export.zip coco --to coco --verify")
    assert "lost: points, which are not regions: 3 in 3 images" in account
    assert "100 % of 492 pixels agree, 0 differ" in account
    assert "no difference: 6 images" in run("maskwright diff cvat-export.zip coco -o diff")
    run("maskwright convert coco cvat --to cvat --verify")
    assert "no difference: 6 images" in run("maskwright diff cvat-export.zip cvat -o back")


def test_a_data_engineer_turns_a_coco_export_into_masks(run, real_data, tmp_path):
    copy(real_data / "formats/coco/labelbox20", tmp_path / "export")
    assert "could be coco or coco_panoptic" in run("maskwright check export", status=1)
    checked = run("maskwright check export --from coco", status=3)
    assert "classes that occur, but not in train: 2" in checked
    account = run("maskwright convert export masks --to mask_folder --verify")
    assert "left out: images that no COCO file lists: 30" in account
    assert "100 % of 2,899,840 pixels agree, 0 differ" in account
    scored = run("maskwright score masks/masks masks/masks -o report")
    assert "mIoU 100.0 %" in scored
