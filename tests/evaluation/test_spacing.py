"""Surface distances in the millimetres that medical headers state."""

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from maskwright.core import Report
from maskwright.evaluation.score import ScoreOptions, score
from maskwright.metrics.family import ScoreDetail
from maskwright.metrics.surface import Ruler

TRUTH = np.zeros((30, 20, 2), np.uint8)
TRUTH[15:25, 5:15] = 1
SAID = np.roll(TRUTH, 4, axis=0)


@pytest.fixture
def both(tmp_path):
    (tmp_path / "truth").mkdir()
    for case, width in (("a", 0.5), ("b", 0.5)):
        image = nib.Nifti1Image(TRUTH, np.diag([width, 2.0, 5.0, 1.0]))
        image.header.set_xyzt_units("mm")
        nib.save(image, tmp_path / f"truth/{case}.nii.gz")
        folder = tmp_path / f"said/{case}.nii.gz"
        folder.mkdir(parents=True)
        for number in range(2):
            Image.fromarray(SAID[::-1, ::-1, number].T).save(folder / f"{number:04}.png")
    (tmp_path / "classes.txt").write_text("0 background\n1 organ\n")
    return tmp_path


def scored(root, ruler) -> Report:
    options = ScoreOptions(spec=root / "classes.txt")
    return score(
        root / "said", root / "truth", options=options, detail=ScoreDetail(ruler=ruler)
    )


def test_distances_are_of_volumes_where_all_slices_and_their_spacing_are_there(both):
    report = scored(both, Ruler(tolerance=1.0)).to_json()
    organ = next(c for c in report["classes"] if c["name"] == "organ")
    assert organ["hd_mm"] == pytest.approx(2.0)  # four columns of 0.5 mm
    assert organ["surface_images"] == 2
    assert report["settings"]["surface"] == {
        "tolerance": 1.0,
        "spacing_DHW": [5.0, 2.0, 0.5],
        "unit": "mm",
        "volumes": 2,
    }


def test_patients_have_dice_and_volume_with_intervals(both):
    report = scored(both, None)
    organ = report.classes[1]
    # 10 x 10 x 2 voxels of 5 x 2 x 0.5 mm; of ten columns, six are hit
    assert organ["patient_truth_ml"].value == organ["patient_predicted_ml"].value == 1.0
    assert organ["patient_dice"].value == pytest.approx(0.6)
    assert (organ["patients"].value, organ["patient_error_ml"].value) == (2, 0)


def test_one_slice_that_is_missing_leaves_each_image_alone(both):
    (both / "truth/b.nii.gz").unlink()
    for path in (both / "said/b.nii.gz").glob("*"):
        path.unlink()
    (both / "said/b.nii.gz").rmdir()
    # the first slice of b alone, as a map of its own
    Image.fromarray(TRUTH[::-1, ::-1, 0].T).save(both / "truth/b.png")
    Image.fromarray(SAID[::-1, ::-1, 0].T).save(both / "said/b.png")
    report = scored(both, Ruler(tolerance=1.0)).to_json()
    assert report["settings"]["surface"]["unit"] == "px"
    assert "patient_dice" not in report["classes"][1]


def test_slices_of_a_group_are_a_volume_where_three_spacings_are_given(both):
    report = scored(both, Ruler.parse(1.0, "5x2x0.5")).to_json()
    assert report["classes"][1]["hd_mm"] == pytest.approx(2.0)
    assert report["settings"]["surface"]["volumes"] == 2


def test_a_spacing_that_is_given_takes_precedence(both):
    report = scored(both, Ruler.parse(1.0, "3")).to_json()
    organ = next(c for c in report["classes"] if c["name"] == "organ")
    assert organ["hd_mm"] == pytest.approx(12.0)


def test_a_header_without_a_unit_is_taken_as_mm(both):
    image = nib.Nifti1Image(TRUTH, np.diag([0.5, 2.0, 5.0, 1.0]))
    image.header.set_xyzt_units("unknown")
    nib.save(image, both / "truth/b.nii.gz")
    organ = scored(both, Ruler(tolerance=1.0)).to_json()["classes"][1]
    assert organ["hd_mm"] == pytest.approx(2.0)
