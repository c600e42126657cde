"""Groups by what the files themselves say; a patient is not named anywhere."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.progress import silent
from maskwright.core.pseudonyms import keeping_ids
from maskwright.data.entries.scan import Entry
from maskwright.data.opening.groupby import find_groups
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.splits import make_split

pydicom = pytest.importorskip("pydicom")

from tests.contracts.test_readers import write_dicom  # noqa: E402 - needs pydicom
from tests.data.georef.geotiffs import write_geotiff  # noqa: E402


def list_entries(folder, pattern):
    files = sorted(folder.rglob(pattern))
    keys = [file.relative_to(folder).with_suffix("").as_posix() for file in files]
    return [
        Entry(key=key, split="", group=key, image=ImageRef(file), labels=None)
        for key, file in zip(keys, files, strict=True)
    ]


def group(folder, by, pattern="*.*"):
    return find_groups(list_entries(folder, pattern), by, silent, folder=folder)


def write_photo(path, date):
    exif = Image.Exif()
    if date:
        exif[0x8769] = {0x9003: date}
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6)).save(path, exif=exif)


def test_photographs_of_one_day_are_one_group(tmp_path):
    write_photo(tmp_path / "a.jpg", "2024:05:31 09:00:00")
    write_photo(tmp_path / "b.jpg", "2024:05:31 17:30:00")
    write_photo(tmp_path / "c.jpg", "2024:06:01 00:00:01")
    assert group(tmp_path, "date") == {"a": "2024-05-31", "b": "2024-05-31", "c": "2024-06-01"}


@pytest.mark.parametrize("date", ["", "0000:00:00 00:00:00", "31 May"])
def test_photographs_without_a_date_are_counted_and_refused(tmp_path, date):
    write_photo(tmp_path / "a.jpg", "2024:05:31 09:00:00")
    write_photo(tmp_path / "b.jpg", date)
    with pytest.raises(DataError, match=r"b\.jpg: 1 image has no date in EXIF, the first"):
        group(tmp_path, "date")


def test_folders_at_any_level_are_groups(tmp_path):
    for name in ("north/a/1.jpg", "north/b/2.jpg", "south/a/3.jpg"):
        write_photo(tmp_path / name, "")
    assert set(group(tmp_path, "folder").values()) == {"north/a", "north/b", "south/a"}
    assert set(group(tmp_path, "folder:1").values()) == {"north", "south"}
    with pytest.raises(DataError, match="3 images have no such folder in its key"):
        group(tmp_path, "folder:3")


def test_tiles_of_one_block_of_the_ground_are_one_group(tmp_path):
    for name, east in (("a", 700_010.0), ("b", 700_900.0), ("c", 701_010.0)):
        tile_HW = np.zeros((20, 20), np.uint8)
        write_geotiff(tmp_path / f"{name}.tif", tile_HW, tie=(east, 3_725_139.0))
    by_km = group(tmp_path, "block:1km")
    assert by_km["a"] == by_km["b"] != by_km["c"]
    assert len(set(group(tmp_path, "block:100m").values())) == 3
    assert len(set(group(tmp_path, "block:50mi").values())) == 1
    write_photo(tmp_path / "d.jpg", "")
    with pytest.raises(DataError, match=r"d\.jpg: 1 image has no georeference"):
        group(tmp_path, "block:1km")


def write_slice(path, patient):
    write_dicom(path)
    head = pydicom.dcmread(path)
    if patient is not None:
        head.PatientID = patient
    head.save_as(path)


def test_slices_of_one_patient_are_one_group_and_the_patient_is_not_named(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    for name, patient in (("a", "Doe^1970"), ("b", "Doe^1970"), ("c", "Roe")):
        write_slice(one / f"{name}.dcm", patient)
    groups = group(one, "PatientID", "*.dcm")
    assert groups["a"] == groups["b"] != groups["c"]
    assert all(re.fullmatch("PatientID [0-9a-f]{16}", name) for name in groups.values())
    (one / "0.dcm").write_bytes((one / "a.dcm").read_bytes() + b"\0\0")  # another first file
    assert groups.items() <= group(one, "PatientID", "*.dcm").items()
    with keeping_ids():
        assert group(one, "PatientID", "*.dcm")["c"] == "PatientID Roe"
    other.mkdir()
    write_slice(other / "a.dcm", "Doe^1970")
    (other / "a.dcm").write_bytes((other / "a.dcm").read_bytes() + b"\0\0")
    assert (
        group(other, "PatientID", "*.dcm")["a"] != groups["a"]
    )  # keyed: values cannot be tried out


def test_a_slice_without_the_tag_and_an_unknown_tag_are_refused(tmp_path):
    write_slice(tmp_path / "a.dcm", "Doe^1970")
    write_slice(tmp_path / "b.dcm", "")
    with pytest.raises(DataError) as refusal:
        group(tmp_path, "PatientID")
    assert "1 image has no PatientID in a DICOM header" in str(refusal.value)
    assert "Doe" not in str(refusal.value)
    with pytest.raises(ConfigError, match="no tag of DICOM is called 'PatientId'; did you"):
        group(tmp_path, "PatientId")


@pytest.mark.parametrize("by", ["block:1", "block:1mm", "folder:0", "day", "^im", "block:-1km"])
def test_another_word_is_refused_with_the_words_there_are(tmp_path, by):
    with pytest.raises(ConfigError, match=r"expected date, folder, folder:1, a block of"):
        group(tmp_path, by)


@pytest.fixture
def photos(tmp_path):
    """Twelve photographs of four days, with masks."""
    for index in range(12):
        day = 1 + index % 4
        write_photo(tmp_path / f"data/images/{index:02}.jpg", f"2024:05:0{day} 09:00:00")
        mask_HW = np.zeros((6, 8), np.uint8)
        mask_HW[:, : 1 + index % 7] = 1
        path = tmp_path / f"data/masks/{index:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(mask_HW).save(path)
    return tmp_path / "data"


def test_a_split_by_day_keeps_days_together_and_is_drawn_the_same_again(photos):
    drawn = make_split(photos, group_by="date", val=0.25, test=0.25)
    assert drawn.num_groups == 4
    for keys in drawn.file.splits.values():
        days = {int(key) % 4 for key in keys}
        assert len(keys) == 3 * len(days)
    text = (photos / "splits.json").read_bytes()
    make_split(photos, group_by="date", val=0.25, test=0.25)
    assert (photos / "splits.json").read_bytes() == text


def test_a_column_of_a_table_gives_the_groups(photos, tmp_path):
    table = Path(tmp_path / "field.csv")
    table.write_text("key,plot\n" + "".join(f"{i:02},p{i % 3}\n" for i in range(12)))
    drawn = make_split(photos, group_file=table, group_by="plot", redraw=True)
    assert set(drawn.file.groups.values()) == {"p0", "p1", "p2"}
    with pytest.raises(ConfigError, match="--group and --group-by both give the groups"):
        make_split(photos, group="x", group_by="date")
