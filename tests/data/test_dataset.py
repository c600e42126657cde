import pickle

import numpy as np
import pytest
from PIL import Image

from maskwright.core import IGNORE
from maskwright.core.errors import ConfigError, DataError
from maskwright.core.yamlfile import read_yaml
from maskwright.data.dataset import open_dataset

from .pixels.test_images import huge_png

NATIVE = "classes: [{name: back}, {name: leaf}]\n"


@pytest.fixture
def native(write, pairs):
    """Four images for train, two for val, two classes."""
    return write(
        {"dataset.yaml": NATIVE}
        | pairs(4, split="train", values=(0, 1, 255))
        | pairs(2, split="val", first=4)
    )


def test_a_native_folder_opens_by_folder_or_by_file(native):
    dataset = open_dataset(native)
    again = open_dataset(str(native / "dataset.yaml"))
    assert len(dataset) == 6
    assert dataset.splits == {"train": 4, "val": 2}
    assert dataset.spec.names == ("back", "leaf")
    assert dataset.notes == ()
    assert again.entries == dataset.entries
    assert (native / "dataset.yaml").read_text() == NATIVE


def test_a_sample_is_image_labels_key_and_group(native):
    sample = open_dataset(native)[0]
    assert (sample.key, sample.group) == ("im00", "im00")
    assert sample.image_HWC.shape == (12, 16, 3)
    np.testing.assert_array_equal(
        sample.image_HWC, np.array(Image.open(native / "images/train/im00.png"))
    )
    assert np.unique(sample.labels_HW).tolist() == [0, 1, IGNORE]


def test_a_subset_keeps_order_and_codec_and_an_unknown_split_lists_the_known(native):
    dataset = open_dataset(native)
    subset = dataset.subset("val")
    assert [entry.key for entry in subset.entries] == ["im04", "im05"]
    assert subset.codec == dataset.codec
    with pytest.raises(DataError, match=r"no split 'test'; there are train \(4\), val \(2\)"):
        dataset.subset("test")


def test_the_fingerprints_of_two_datasets_differ(native):
    before = open_dataset(native)
    assert len(before.fingerprint) == 16
    assert before.fingerprint == open_dataset(native).fingerprint
    assert before.fingerprint != before.subset("train").fingerprint
    Image.new("RGB", (16, 12)).save(native / "images/val/im04.png")
    assert before.fingerprint != open_dataset(native).fingerprint


def test_a_dataset_is_sent_to_worker_processes(native):
    dataset = open_dataset(native)
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again.labels(0), dataset.labels(0))


def test_the_root_may_lie_elsewhere(native, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "set.yaml").write_text(f"root: {native}\n{NATIVE}")
    assert len(open_dataset(home / "set.yaml", allow_outside=True)) == 6


def test_what_is_inferred_is_said_once_written_and_read_back(write, pairs):
    root = write(
        pairs(4, split="train", values=(0, 1, 2, 255)) | pairs(2, split="val", first=4)
    )
    dataset = open_dataset(root)
    assert dataset.spec.names == ("class_0", "class_1", "class_2")
    assert any("255 is IGNORE" in note for note in dataset.notes)
    assert dataset.notes[-1] == f"written to {root / 'dataset.yaml'}"
    again = open_dataset(root)
    assert again.codec == dataset.codec
    assert again.notes == ()
    assert read_yaml(root / "dataset.yaml")["inferred"] == list(dataset.notes[:-1])


def test_binary_masks_become_two_classes(write, pairs):
    dataset = open_dataset(
        write(
            pairs(4, split="train", values=(0, 255))
            | pairs(1, split="val", values=(0,), first=4)
        )
    )
    assert dataset.spec.names == ("background", "foreground")
    assert np.unique(dataset.labels(0)).tolist() == [0, 1]


def test_colour_masks_become_classes(write, pairs):
    files = pairs(4, split="train")
    for name in [n for n in files if n.startswith("masks")]:
        files[name] = np.array([[10, 20, 30], [200, 100, 0]], np.uint8)[files[name]]
    dataset = open_dataset(write(files))
    assert dataset.codec.pixels == "rgb"
    assert [c.color for c in dataset.spec] == [(10, 20, 30), (200, 100, 0)]
    assert dataset.labels(0)[0, 0] == 0


def test_one_line_in_dataset_yaml_answers_an_ambiguous_case(write, pairs):
    files = pairs(4, split="train", values=(0, 2, 255))
    root = write(files)
    with pytest.raises(DataError, match=r"'codec: \{ignored: \[255\]\}'"):
        open_dataset(root)
    assert not (root / "dataset.yaml").exists()
    (root / "dataset.yaml").write_text("codec: {ignored: [255]}\n")
    dataset = open_dataset(root)
    assert dataset.spec.names == ("class_0", "class_2")
    assert dataset.codec.ignored == {255}
    assert open_dataset(root).codec == dataset.codec


def test_splits_are_drawn_once_where_no_folder_names_them(write, pairs):
    root = write(pairs(20))
    dataset = open_dataset(root)
    assert dataset.splits == {"test": 3, "train": 14, "val": 3}
    assert any("70 % train, 15 % val, 15 % test were drawn" in note for note in dataset.notes)
    assert open_dataset(root).entries == dataset.entries


def test_val_is_drawn_from_train_where_there_is_none(write, pairs):
    root = write(pairs(20, split="train") | pairs(4, split="test", first=20))
    dataset = open_dataset(root)
    assert dataset.splits == {"test": 4, "train": 17, "val": 3}
    assert any("15 % of train were drawn for it" in note for note in dataset.notes)
    assert {e.key for e in dataset.subset("test").entries} == {f"im{n}" for n in range(20, 24)}


def test_a_read_only_folder_is_left_alone_and_gives_the_same(write, pairs, read_only):
    files = pairs(20)
    closed = read_only(write(files))
    before = sorted(closed.rglob("*"))
    dataset = open_dataset(closed)
    assert sorted(closed.rglob("*")) == before
    assert any("read-only: dataset.yaml is not written" in note for note in dataset.notes)
    closed.chmod(0o755)
    assert open_dataset(closed).entries == dataset.entries


def test_a_split_without_masks_is_kept_to_be_predicted(write, pairs):
    files = pairs(4, split="train") | pairs(2, split="val", first=4)
    files |= {
        n: c for n, c in pairs(2, split="test", first=6).items() if n.startswith("images")
    }
    dataset = open_dataset(write(files))
    assert dataset.subset("test")[0].labels_HW is None
    with pytest.raises(DataError, match=r"im06\.png: has no mask"):
        dataset.subset("test").labels(0)


def test_a_path_that_is_nothing_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such file or folder"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match=r"a\.png: neither a folder nor a dataset\.yaml"):
        open_dataset(tmp_path / "a.png")


def test_an_unknown_format_names_the_nearest(write, pairs):
    root = write(pairs(2) | {"dataset.yaml": "format: mask_folders\n"})
    with pytest.raises(ConfigError, match="did you mean 'mask_folder'"):
        open_dataset(root)


def read_all(root):
    """Open a folder and read all of it."""
    dataset = open_dataset(root)
    for index in range(len(dataset)):
        dataset[index]


class TestBadInput:
    """Each names the file, the reason and the fix, and leaves nothing behind."""

    @pytest.fixture
    def refused(self, write, pairs):
        """A function: the message with which a folder of files, changed so, is refused."""

        def refuse(changes, *, yaml=None):
            files = pairs(4, split="train") | pairs(2, split="val", first=4) | changes
            root = write(files | ({"dataset.yaml": yaml} if yaml else {}))
            before = {p: p.stat().st_mtime_ns for p in sorted(root.rglob("*"))}
            with pytest.raises(DataError) as refusal:
                read_all(root)
            after = {p: p.stat().st_mtime_ns for p in sorted(root.rglob("*"))}
            if yaml:
                assert after == before
            return str(refusal.value).replace(f"{root}/", "")

        return refuse

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(DataError, match="the folder is empty or missing; put images and"):
            open_dataset(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_masks_missing_for_some_images(self, refused, pairs):
        images = [(n, c) for n, c in pairs(3, first=90).items() if n.startswith("images")]
        message = refused({n.replace("images/", "images/train/"): c for n, c in images})
        assert message.startswith(
            "images/train/im90.png and 2 other images have no mask; add the masks under the "
            "same names, or move the images out of"
        )

    def test_a_truncated_jpeg(self, refused, tmp_path):
        noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "x.jpg")
        content = (tmp_path / "x.jpg").read_bytes()[:-200]
        (tmp_path / "x.jpg").unlink()
        mask = np.zeros((12, 16), np.uint8)
        message = refused({"images/val/z.jpg": content, "masks/val/z.png": mask}, yaml=NATIVE)
        assert message.startswith("images/val/z.jpg: the image is cut short or damaged")
        assert message.endswith("copy it again or remove it")

    def test_a_mask_of_no_bytes(self, refused):
        message = (
            "masks/train/im00.png: the file is empty (0 bytes); copy it again or remove it"
        )
        assert refused({"masks/train/im00.png": b""}) == message
        assert refused({"masks/train/im00.png": b""}, yaml=NATIVE) == message

    def test_a_mask_one_pixel_smaller(self, refused):
        message = refused({"masks/train/im01.png": np.zeros((12, 15), np.uint8)}, yaml=NATIVE)
        assert message == (
            "masks/train/im01.png: mask is 12 x 15, its image images/train/im01.png is 12 x 16 "
            "(H x W); save the mask at the size of the image as a viewer shows it "
            "(EXIF applied)"
        )

    def test_a_mask_value_not_in_the_list(self, refused):
        mask = np.zeros((12, 16), np.uint8)
        mask[0, :3] = 9
        message = refused({"masks/train/im01.png": mask}, yaml=NATIVE)
        assert message == (
            "masks/train/im01.png: mask values 9 (3 px) are not in the label codec; in "
            "dataset.yaml, list them as 'raw' of a class or add them to 'ignored'"
        )

    def test_a_mask_value_not_in_classes_txt(self, refused):
        mask = np.zeros((12, 16), np.uint8)
        mask[0, :3] = 9
        listed = refused({"masks/train/im01.png": mask, "classes.txt": "0 back\n1 leaf\n"})
        assert "9 (3 px in 1 mask, first masks/train/im01.png) are not listed in" in listed

    def test_a_colour_mask_with_an_undeclared_colour(self, write, pairs):
        files = pairs(4, split="train") | pairs(2, split="val", first=4)
        table = np.array([[0, 0, 0], [0, 255, 0]], np.uint8)
        for name in [n for n in files if n.startswith("masks")]:
            files[name] = table[files[name]]
        files["masks/val/im04.png"][0, 0] = (1, 2, 3)
        yaml = "classes: [{name: a, color: [0, 0, 0]}, {name: b, color: [0, 255, 0]}]\n"
        dataset = open_dataset(write(files | {"dataset.yaml": yaml}))
        with pytest.raises(
            DataError, match=r"masks/val/im04\.png: mask values #010203 \(1 px\) are not in"
        ):
            dataset.subset("val").labels(0)

    def test_a_huge_image_in_a_small_file(self, refused):
        message = refused({"images/train/im00.png": huge_png()}, yaml=NATIVE)
        assert message.startswith("images/train/im00.png: declares 3,600,000,000 pixels in a")
        assert "cut it into tiles" in message

    def test_more_classes_than_255(self, write, pairs):
        files = pairs(2, split="train", size=(20, 20))
        files["masks/train/im00.png"] = np.arange(400, dtype=np.uint16).reshape(20, 20)
        files["masks/train/im01.png"] = np.zeros((20, 20), np.uint16)
        with pytest.raises(DataError, match=r"hold 400 different values .* merge values"):
            open_dataset(write(files))

    def test_one_image_opens_but_has_no_val(self, write, pairs):
        dataset = open_dataset(write(pairs(1)))
        assert dataset.splits == {"train": 1}
        with pytest.raises(DataError, match=r"no split 'val'; there are train \(1\)"):
            dataset.subset("val")

    def test_equal_names_in_two_splits_are_two_images(self, write, pairs):
        root = write(pairs(2, split="train") | pairs(1, split="val"))
        dataset = open_dataset(root)
        assert dataset.keys == ("train__im00", "train__im01", "val__im00")
        assert [e.name_in_split for e in dataset.entries] == ["im00", "im01", "im00"]


@pytest.mark.real
class TestRealData:
    @pytest.mark.parametrize(
        ("name", "num_classes", "splits"),
        [
            ("camvid", 11, {"train": 367, "val": 101}),
            ("magnetic_tile", 6, {"train": 473, "val": 146}),
            ("crackforest", 2, {"test": 46, "train": 62, "val": 10}),
            ("cwfid", 3, {"test": 9, "train": 14, "val": 3}),
            ("davis_car", 2, {"test": 6, "train": 28, "val": 6}),
            ("coco_panoptic20", 133, {"val": 20}),
        ],
    )
    def test_opens_without_a_word_of_configuration(self, real_data, name, num_classes, splits):
        dataset = open_dataset(real_data / name)
        assert len(dataset.spec) == num_classes
        assert dataset.splits == splits
        sample = dataset[len(dataset) // 2]
        assert sample.labels_HW.shape == sample.image_HWC.shape[:2]
