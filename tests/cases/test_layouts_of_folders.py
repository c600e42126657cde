"""Layouts of images and masks that people have: each converts to the right class maps."""

import zipfile

import numpy as np
import pytest
from PIL import Image
from tests.converted import assert_converts_to

from maskwright.core.errors import DataError
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is, open_dataset

HEIGHT, WIDTH = 24, 32
NAMES = ("class_0", "class_1", "class_2")


def draw(number):
    """Class indices of image `number`: a block of class 1 and a block of class 2."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[3:9, 4 : 12 + number % 7] = 1
    mask[12:20, 4 + number % 5 : 20] = 2
    return mask


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def make(data):
    """A function: write image and mask `number` at two paths; gives the class indices."""

    def write(number, image, mask, *, colors=None, top=1, **options):
        noise = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        indices = draw(number)
        save(data / image, noise, **options)
        if mask is not None:
            stored = indices * np.uint8(top) if colors is None else np.uint8(colors)[indices]
            save(data / mask, stored)
        return indices

    return write


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{}.png", "{}_mask.png"),
        ("{}.jpg", "{}_gt.png"),
        ("{}.jpg", "{}_label.png"),
        ("{}.jpg", "{}_labels.png"),
        ("{}.jpg", "{}_seg.png"),
        ("{}.jpg", "{}_L.png"),
        ("{}.jpg", "{}-mask.png"),
        ("{}.jpg", "mask_{}.png"),
        ("{}_sat.jpg", "{}_mask.png"),
        ("image_{}.jpg", "mask_{}.png"),
        ("{}.jpg", "{}.png"),
    ],
)
def test_images_and_masks_side_by_side_in_one_folder(data, make, image, mask):
    names = [f"scan {n} of {n % 3}" for n in range(6)]
    expected = {
        name: make(n, image.format(name), mask.format(name)) for n, name in enumerate(names)
    }
    assert_converts_to(data, expected, NAMES)


def test_folders_of_images_beside_masks_are_groups_and_splits(data, make):
    expected = {}
    for n, patient in enumerate(("p1", "p2")):
        expected[f"{patient}__1"] = make(n, f"{patient}/1.tif", f"{patient}/1_mask.tif")
    dataset = open_as_is(data)
    assert [(e.key, e.group) for e in dataset.entries] == [("p1__1", "p1"), ("p2__1", "p2")]
    assert_converts_to(data, expected, NAMES)


def test_two_masks_of_one_image_are_refused_with_both_names(data, make):
    make(0, "benign (1).png", "benign (1)_mask.png")
    make(1, "benign (2).png", "benign (2)_mask.png")
    save(data / "benign (2)_mask_1.png", draw(3))
    with pytest.raises(DataError, match=r"mask_1\.png: a second mask of .*_mask\.png; merge"):
        open_as_is(data)


def test_roboflow_masks_have_the_names_of_their_table(data, make):
    expected, n = {}, 0
    for split, count in (("train", 4), ("valid", 2), ("test", 2)):
        for _ in range(count):
            name = f"IMG_{n}_jpg.rf.{n:032x}"
            expected[name] = make(n, f"{split}/{name}.jpg", f"{split}/{name}_mask.png")
            n += 1
        table = "Pixel Value, Class\n0, background\n1, crack\n2, rust spot\n"
        (data / split / "_classes.csv").write_text(table)
    assert_converts_to(data, expected, ("background", "crack", "rust spot"))
    assert open_dataset(data).splits == {"test": 2, "train": 4, "val": 2}


def test_tables_that_differ_between_splits_are_both_named(data, make):
    for n, split in enumerate(("train", "valid")):
        make(n, f"{split}/{n}.jpg", f"{split}/{n}_mask.png")
        (data / split / "_classes.csv").write_text(f"Pixel Value, Class\n{n}, a\n")
    with pytest.raises(Exception, match=r"train/_classes\.csv and .*valid/_classes\.csv list"):
        open_as_is(data)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("img_dir/{}/{}.jpg", "ann_dir/{}/{}.png"),
        ("{}/{}.jpg", "{}_labels/{}.png"),
        ("{}/{}.jpg", "{}_masks/{}_mask.png"),
        ("{}/{}.jpg", "{}annot/{}.png"),
        ("{}_images/{}.jpg", "{}_gt/{}.png"),
        ("x_{}/{}.jpg", "y_{}/{}.png"),
        ("{}/img_dir/{}.jpg", "{}/ann_dir/{}.png"),
        ("images/{}/{}.jpg", "masks/{}/{}.png"),
    ],
)
def test_folders_with_words_for_images_masks_and_splits(data, make, image, mask):
    expected = {}
    for n, split in enumerate(("train", "train", "val", "val", "test")):
        expected[f"x{n}"] = make(n, image.format(split, f"x{n}"), mask.format(split, f"x{n}"))
    assert_converts_to(data, expected, NAMES)
    assert open_as_is(data).splits == {"train": 2, "val": 2, "test": 1}


@pytest.mark.parametrize(
    ("images", "masks"),
    [("original_images", "label_images_semantic"), ("A", "B"), ("z photos", "truth")],
)
def test_two_folders_with_equal_names_of_files(data, make, images, masks):
    expected = {f"{n}": make(n, f"{images}/{n}.jpg", f"{masks}/{n}.png") for n in range(4)}
    assert_converts_to(data, expected, NAMES)


def test_names_may_share_a_beginning_an_ending_or_differ_in_case(data, make):
    expected = {
        f"{n:03d}": make(n, f"images/image_{n:03d}.png", f"masks/mask_{n:03d}.png")
        for n in range(4)
    }
    assert_converts_to(data, expected, NAMES)


def test_case_and_unicode_form_of_masks_are_forgiven(data, make):
    expected = {
        "Caf\u00e9": make(0, "images/Caf\u00e9.JPG", "masks/cafe\u0301.PNG", format="JPEG"),
        "b": make(1, "images/b.jpg", "masks/b.jpg.png"),
        "c": make(2, "images/c.jpg", "masks/c.png"),
    }
    assert_converts_to(data, expected, NAMES)


@pytest.mark.parametrize("own", [False, True])
def test_colours_of_an_own_class_table_are_not_those_of_camvid(data, make, own):
    """The first colours are Animal and Archway in CamVid."""
    first = ((10, 200, 30), (200, 40, 90)) if own else ((64, 128, 64), (192, 0, 128))
    colors = (*first, (0, 0, 0))
    names = ("wall", "floor", "void")
    rows = [",".join(map(str, (n, *c))) for n, c in zip(names, colors, strict=True)]
    expected = {}
    for n, split in enumerate(("train", "val", "test")):
        expected[f"f{n}"] = make(
            n, f"{split}/f{n}.png", f"{split}_labels/f{n}_L.png", colors=colors
        )
    (data / "class_dict.csv").write_text("\n".join(("name,r,g,b", *rows)))
    assert_converts_to(data, expected, names)


@pytest.mark.parametrize("split", ["valid", "validation", "dev", "Val", "VALID"])
def test_names_of_splits_in_any_case(data, make, split):
    for n in range(2):
        make(n, f"images/Train/{n}.jpg", f"masks/Train/{n}.png")
    make(5, f"images/{split}/5.jpg", f"masks/{split}/5.png")
    assert open_as_is(data).splits == {"train": 2, "val": 1}


def test_one_folder_of_all_images_is_a_group_and_split_by_image(data, make):
    expected = {
        f"batch1__{n:03d}": make(n, f"images/batch1/{n:03d}.jpg", f"masks/batch1/{n:03d}.png")
        for n in range(20)
    }
    dataset = open_dataset(data)
    assert dataset.splits == {"test": 3, "train": 14, "val": 3}
    assert any("by image, as all are in one group" in note for note in dataset.notes)
    assert open_dataset(data).splits == dataset.splits
    assert_converts_to(data, expected, NAMES)


def test_equal_names_in_several_splits_are_several_images(data, make, tmp_path):
    expected, n = {}, 0
    for split in ("train", "val", "test"):
        for name in ("0000", "0001"):
            expected[f"{split}__{name}"] = make(
                n, f"images/{split}/{name}.jpg", f"masks/{split}/{name}.png"
            )
            n += 1
    assert_converts_to(data, expected, NAMES)
    convert(data, tmp_path / "native", to="mask_folder", verify=True)
    assert (tmp_path / "native/masks/val/0001.png").is_file()


def test_a_zip_of_the_finder_and_leftovers_of_disks_are_passed_over(data, make, tmp_path):
    expected = {}
    for n in range(4):
        name = f"\u00e9 {n}"
        expected[name] = make(n, f"My Data/images/{name}.jpg", f"My Data/masks/{name}.png")
    junk = b"\0\5\x16\7junk"
    archive = tmp_path / "My Data.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(data.rglob("*")):
            if path.is_file():
                name = path.relative_to(data).as_posix()
                file.write(path, name)
                file.writestr(f"__MACOSX/{name.rpartition('/')[0]}/._{path.name}", junk)
        for name in ("My Data/.DS_Store", "__MACOSX/._My Data", "My Data/images/Thumbs.db"):
            file.writestr(name, junk)
        file.writestr("My Data/images/@eaDir/\u00e9 0.jpg/SYNOPHOTO_THUMB_XL.jpg", junk)
        file.writestr("My Data/#recycle/images/old.jpg", junk)
    assert_converts_to(archive, expected, NAMES)
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "unpacked")
    notes = open_as_is(tmp_path / "unpacked/My Data").notes
    listed = "#recycle (1), .DS_Store (1), @eaDir (1), Thumbs.db (1)"
    assert f"4 files of operating systems or disks left out: {listed}" in notes


def test_images_of_phones_the_web_and_microscopes_are_read(data, make):
    expected = {}
    for n, suffix in enumerate(("jpg", "jpeg", "JPG", "jfif", "ppm", "gif", "png")):
        form = {"gif": "GIF", "ppm": "PPM", "png": "PNG"}.get(suffix, "JPEG")
        expected[f"{n}"] = make(n, f"images/{n}.{suffix}", f"masks/{n}.png", format=form)
    assert_converts_to(data, expected, NAMES)


@pytest.mark.parametrize("suffix", ["gif", "pgm"])
def test_masks_in_gif_and_pgm_hold_their_greys(data, make, suffix):
    expected = {}
    for n in range(4):
        indices = make(n, f"train/c_{n}.jpg", f"train_masks/c_{n}_mask.{suffix}", top=255)
        save(data / f"train_masks/c_{n}_mask.{suffix}", np.uint8(255) * (indices > 0))
        expected[f"c_{n}"] = (indices > 0).astype(np.uint8)
    assert_converts_to(data, expected, ("background", "foreground"))


def test_links_that_lead_nowhere_stand_in_the_account_and_loops_end(data, make, tmp_path):
    expected = {f"{n}": make(n, f"images/{n}.jpg", f"masks/{n}.png") for n in range(3)}
    save(data / "masks/3.png", draw(3))
    (data / "images/3.jpg").symlink_to("../.git/annex/none.jpg")
    (data / "images/again").symlink_to("..")
    (data / "latest").symlink_to(".")
    (data / "self").symlink_to("self")
    account = convert(data, tmp_path / "native", to="mask_folder")
    assert account.left_out == {
        "labels without an image": ("masks/3.png",),
        "links that lead nowhere or to a folder above them": (
            *("images/3.jpg", "images/again", "latest", "self"),
        ),
    }
    assert_converts_to(data, expected, NAMES)


def test_folders_and_files_that_are_links_are_read(data, make, tmp_path):
    expected = {f"{n}": make(n, f"store/i/{n}.jpg", f"store/m/{n}.png") for n in range(3)}
    (data / "store").rename(tmp_path / "store")
    (data / "masks").mkdir()
    for n in range(3):
        (data / f"masks/{n}.png").symlink_to(tmp_path / f"store/m/{n}.png")
    (data / "images").symlink_to(tmp_path / "store/i")
    assert_converts_to(data, expected, NAMES)


def test_images_that_differ_in_the_suffix_keep_it_in_their_keys(data, make):
    expected = {
        "a.jpg": make(0, "images/a.jpg", "masks/a.jpg.png"),
        "a.png": make(1, "images/a.png", "masks/a.png.png"),
        "b": make(2, "images/b.png", "masks/b.png"),
    }
    assert_converts_to(data, expected, NAMES)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("VOC2012/JPEGImages/a{}.jpg", "VOC2012/SegmentationClass/a{}.png"),
        ("field/images/rgb/a{}.jpg", "field/masks/rgb/a{}.png"),
        ("ade/a{}.jpg", "ade/a{}_seg.png"),
        ("training/images/a{}.jpg", "training/labels/a{}.png"),
    ],
)
def test_own_data_in_the_folders_of_public_datasets_keeps_its_classes(data, make, image, mask):
    """Evidence of a format is its own names of files or values, not its folders alone."""
    for n in range(2):
        make(n, image.format(n), mask.format(n))
    (data / "config.json").write_text('{"labels": ["mine"]}')
    root = data / "VOC2012" if "VOC2012" in image else data
    assert open_as_is(root).spec.names == NAMES


def test_own_data_in_the_folders_of_kitti_are_not_ids_of_cityscapes(data, make):
    for n in range(2):
        make(n, f"training/image_2/a{n}.png", f"training/semantic/a{n}.png")
    assert open_as_is(data).spec.names == NAMES


def test_images_of_a_split_without_masks_are_listed(data, make):
    for n in range(2):
        make(n, f"Aerial/train/images/a{n}.tif", f"Aerial/train/gt/a{n}.tif")
    make(3, "Aerial/test/images/b.tif", None)
    dataset = open_as_is(data)
    assert dataset.splits == {"test": 1, "train": 2}
    assert [dataset.has_labels(n) for n in range(3)] == [False, True, True]


def test_masks_may_lie_one_folder_deeper_than_images(data, make):
    expected = {
        f"a{n}": make(n, f"images/a{n}.jpg", f"annotations/trimaps/a{n}.png") for n in range(3)
    }
    assert_converts_to(data, expected, NAMES)


def test_images_of_a_kind_that_is_not_read_stand_in_the_account(data, make, tmp_path):
    for n in range(2):
        make(n, f"images/{n}.jpg", f"masks/{n}.png")
    save(data / "masks/2.png", draw(2))
    (data / "images/2.AVIF").write_bytes(b"x")
    account = convert(data, tmp_path / "native", to="mask_folder")
    assert account.left_out == {
        "labels without an image": ("masks/2.png",),
        "images of a kind that is not read; convert them to PNG": ("images/2.AVIF",),
    }


@pytest.mark.parametrize("form", ["coco", "yolo", "voc", "supervisely"])
def test_one_dataset_of_a_tool_is_split_by_image(data, make, tmp_path, form):
    """One Supervisely dataset is one group; CVAT's split `default` is none."""
    for n in range(20):
        make(n, f"images/ds 1/p {n}.jpg", f"masks/ds 1/p {n}.png")
    convert(data, tmp_path / "made", to=form)
    dataset = open_dataset(tmp_path / "made")
    assert dataset.splits == {"test": 3, "train": 14, "val": 3}


def test_coco_of_the_split_default_is_split(data, make, tmp_path):
    for n in range(12):
        make(n, f"images/{n:03d}.jpg", f"masks/{n:03d}.png")
    made = tmp_path / "made"
    convert(data, made, to="coco")
    for path in (made / "dataset.yaml", made / "splits.json", made / "conversion.json"):
        path.unlink(missing_ok=True)
    (document,) = made.rglob("*.json")
    (made / "annotations").mkdir(exist_ok=True)
    document.rename(made / "annotations/instances_default.json")
    (made / "images/default").mkdir()
    for image in list((made / "images").glob("*.jpg")):
        image.rename(made / "images/default" / image.name)
    assert open_dataset(made).splits == {"test": 2, "train": 8, "val": 2}


@pytest.mark.slow
def test_masks_of_more_than_178_megapixels_are_read(data):
    """An orthomosaic of 14,000 x 13,000 pixels; Pillow alone refuses it."""
    for folder in ("images", "masks"):
        (data / folder).mkdir(parents=True)
        image = Image.new("1", (14_000, 13_000))
        image.paste(1, (100, 100, 5_100, 5_000))
        image.save(data / folder / "0.png", compress_level=1)
    dataset = open_as_is(data)
    assert dataset.spec.names == ("background", "foreground")
    assert int(dataset.labels(0).sum()) == 5_000 * 4_900


def test_a_folder_around_the_data_of_a_tool_is_no_obstacle(data, make):
    for n in range(3):
        make(n, f"wrap/Dataset001/imagesTr/t{n}_0000.png", f"wrap/Dataset001/labelsTr/t{n}.png")
    table = '{"labels": {"background": 0, "crown": 1, "root": 2}}'
    (data / "wrap/Dataset001/dataset.json").write_text(table)
    for _ in range(2):  # the second time by the dataset.yaml of the first
        dataset = open_dataset(data)
        assert dataset.spec.names == ("background", "crown", "root")
        assert sorted(dataset.keys) == ["t0", "t1", "t2"]
    assert "root: wrap/Dataset001" in (data / "dataset.yaml").read_text()


def test_roboflow_masks_in_a_folder_of_the_project_have_their_splits(data, make):
    for n, split in enumerate(("train", "train", "valid")):
        make(n, f"proj/{split}/{n}.jpg", f"proj/{split}/{n}_mask.png")
        table = "Pixel Value, Class\n0, background\n1, crack\n2, rust\n"
        (data / f"proj/{split}/_classes.csv").write_text(table)
    dataset = open_as_is(data)
    assert dataset.splits == {"train": 2, "val": 1}
    assert dataset.keys == ("0", "1", "2")
    assert dataset.spec.names == ("background", "crack", "rust")
