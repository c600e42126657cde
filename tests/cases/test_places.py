"""Labels at another place than their image are refused, or resampled where asked."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.check.audit import audit
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_dataset
from maskwright.data.pixels.alignment import describe_place
from maskwright.data.pixels.imageref import ImageRef
from maskwright.evaluation.counting import hash_truth
from maskwright.evaluation.diff.diff import diff
from maskwright.evaluation.score import ScoreOptions, score
from maskwright.measurement.measure import measure
from maskwright.measurement.series import MeasureOptions

KEYS = (1, 1, 0, 3, 1024, 0, 1, 1, 3072, 0, 1, 32632, 3076, 0, 1, 9001)
RNG = np.random.default_rng(11)


def save(path, pixels, *, east=0.0):
    """A GeoTIFF of pixels of 10 m, `east` metres east of the others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tags = [
        (33550, "d", 3, (10.0, 10.0, 0.0), False),
        (33922, "d", 6, (0.0, 0.0, 0.0, 500_000 + east, 5_300_000.0, 0.0), False),
        (34735, "H", len(KEYS), KEYS, False),
    ]
    tifffile.imwrite(path, pixels, extratags=tags, metadata=None)
    return path


@pytest.fixture
def scenes(tmp_path):
    """Four scenes whose masks lie 20 m east of where they are drawn, in the first one."""
    (tmp_path / "dataset.yaml").write_text("classes: [{name: soil}, {name: water}]\n")
    for number in range(4):
        image = RNG.integers(0, 255, (16, 20, 3)).astype(np.uint8)
        labels = np.zeros((16, 20), np.uint8)
        labels[:, 8:] = 1
        split = "train" if number < 3 else "val"
        save(tmp_path / f"images/{split}/s{number}.tif", image)
        save(tmp_path / f"masks/{split}/s{number}.tif", labels, east=20.0 * (number == 0))
    return tmp_path


def test_check_names_both_files_the_offset_and_the_fix(scenes):
    found = audit(scenes)
    (finding,) = (f for f in found.findings if f.code == "misaligned")
    assert finding.examples == [
        ("masks/train/s0.tif", "beside images/train/s0.tif it is shifted by 2 px (20 m)")
    ]
    assert found.harmful
    assert "convert --align" in finding.to_json()["fix"]


def test_training_evaluation_and_conversion_refuse_them(scenes, tmp_path):
    dataset = open_dataset(scenes)
    with pytest.raises(DataError, match=r"s0\.tif: does not lie where .*s0\.tif lies"):
        dataset.require_one_place()
    dataset.subset("val").require_one_place()
    with pytest.raises(DataError, match=r"by 2 px \(20 m\); .* `maskwright convert --al"):
        convert(scenes, tmp_path / "out", to="mask_folder")


def test_a_conversion_with_align_resamples_them_and_says_so(scenes, tmp_path):
    account = convert(scenes, tmp_path / "out", to="mask_folder", align=True, verify=True)
    assert account.resampled == ("s0",)
    assert "by the nearest pixel: labels of 1 images (s0)" in account.to_text()
    assert json.loads((tmp_path / "out/conversion.json").read_text())["resampled"] == ["s0"]
    assert account.agreement.ratio == 1.0
    written = open_dataset(tmp_path / "out")
    written.require_one_place()
    labels_HW = written.labels(written.keys.index("s0"))
    # the mask lies two pixels to the right: so do its classes, and two columns have none
    assert (labels_HW[:, :2] == 255).all()
    assert (labels_HW[:, 2:10] == 0).all()
    assert (labels_HW[:, 10:] == 1).all()


@pytest.fixture
def two_dates(tmp_path):
    labels = np.zeros((16, 20), np.uint8)
    labels[:, 8:] = 1
    save(tmp_path / "now/a.tif", labels)
    save(tmp_path / "before/a.tif", labels, east=50)
    (tmp_path / "classes.txt").write_text("0 soil\n1 water\n")
    return tmp_path


def test_score_and_measure_refuse_maps_of_two_places(two_dates):
    words = (
        r"before/a\.tif: does not lie where .*now/a\.tif lies: it is shifted by 5 px \(50 m\)"
    )
    with pytest.raises(DataError, match=words):
        score(two_dates / "before", two_dates / "now")
    with pytest.raises(DataError, match=words):
        measure(two_dates / "now", MeasureOptions(before=two_dates / "before"))
    Image.new("RGB", (20, 16)).save(two_dates / "photo.png")
    (two_dates / "photo.pgw").write_text("10\n0\n0\n-10\n0\n0\n")
    with pytest.raises(DataError, match=r"a\.tif: does not lie where .*photo\.png lies"):
        measure(two_dates / "now", MeasureOptions(images=two_dates / "photo.png"))


def test_with_align_the_ground_that_both_show_is_compared(two_dates):
    options = ScoreOptions(align=True, skip_undecided=True)
    report = score(two_dates / "before", two_dates / "now", options=options)
    assert report.confusion.counts_CC.tolist() == [[3 * 16, 0], [5 * 16, 7 * 16]]
    assert "1 of the predictions resampled to the grid of the other map" in report.notes[-1]
    change = measure(
        two_dates / "now", MeasureOptions(before=two_dates / "before", align=True)
    ).change
    assert change.pixels_CC.tolist() == [[3 * 16, 5 * 16], [0, 7 * 16]]
    assert change.only_after_px == 5 * 16


def test_diff_lists_labels_at_another_place(scenes, tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("images", "masks", "dataset.yaml"):
        (scenes / name).rename(tmp_path / "b" / name)
    dataset = open_dataset(tmp_path / "b")
    labels_HW = dataset.labels(0)
    a = tmp_path / "a"
    (a / "images").mkdir(parents=True)
    for index, key in enumerate(dataset.keys):
        split = dataset.split_of(index)
        image = tifffile.imread(dataset.describe(index))
        save(a / f"images/{split}/{key}.tif", image)
        save(a / f"masks/{split}/{key}.tif", labels_HW)
    (a / "dataset.yaml").write_text("classes: [{name: soil}, {name: water}]\n")
    found = diff(open_dataset(a), dataset)
    assert found.images["with labels at another place"] == ("s0",)
    assert found.changed_px == 0


def test_a_conversion_keeps_world_files_and_counts_what_slices_lose(tmp_path):
    nib = pytest.importorskip("nibabel")
    (tmp_path / "dataset.yaml").write_text("classes: [{name: soil}, {name: water}]\n")
    for folder, high in (("images", 200), ("masks", 2)):
        (tmp_path / folder).mkdir()
        pixels = RNG.integers(0, high, (12, 14)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / folder / "map.png")
        (tmp_path / folder / "map.pgw").write_text("10\n0\n0\n-10\n500005\n5299995\n")
        (tmp_path / folder / "map.prj").write_text('PROJCS["UTM", AUTHORITY["EPSG","32632"]]')
        values = RNG.integers(0, high, (14, 12, 3)).astype(np.uint8)
        volume = nib.Nifti1Image(values, np.diag([0.5, 0.5, 3, 1]))
        volume.header.set_xyzt_units("mm")
        nib.save(volume, tmp_path / folder / "ct.nii")
    account = convert(tmp_path, tmp_path / "out", to="mask_folder")
    written = open_dataset(tmp_path / "out")
    place = written.image_file(written.keys.index("map")).placement
    assert (place.epsg, place.affine) == (32632, (10, 0, 500_000, 0, -10, 5_300_000))
    lost = {what: item.count for what, item in account.losses.items()}
    assert lost["spacings of slices in mm, which the TIFF file of a page does not hold"] == 3
    assert sum("orientations of slices in the patient" in what for what in lost) == 1
    assert "lost: nothing" not in account.to_text()


def test_the_truth_at_another_place_is_another_truth_for_compare(tmp_path):
    labels = RNG.integers(0, 2, (8, 8)).astype(np.uint8)
    hashes = []
    for name, east in (("a", 0), ("b", 0), ("c", 50)):
        truth = ImageRef(save(tmp_path / name / "s.tif", labels, east=east))
        hashes.append(hash_truth(labels, describe_place(truth)))
    Image.fromarray(labels).save(tmp_path / "s.png")
    nowhere = hash_truth(labels, describe_place(ImageRef(tmp_path / "s.png")))
    assert hashes[0] == hashes[1]
    assert len({*hashes, nowhere}) == 3
    assert nowhere == hash_truth(labels)
