import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.core.errors import ConfigError, DataError, OutputError
from maskwright.data.dataset import open_dataset
from maskwright.data.opening import stratify
from maskwright.data.opening.splitfile import SplitFile
from maskwright.data.opening.stratify import assign_splits, count_pixels
from maskwright.data.splits import make_split

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}


@st.composite
def drawings(draw):
    num_images = draw(st.integers(3, 60))
    groups = draw(st.lists(st.integers(0, 30), min_size=num_images, max_size=num_images))
    num_classes = draw(st.integers(1, 5))
    bits = draw(
        st.lists(
            st.booleans(), min_size=num_images * num_classes, max_size=num_images * num_classes
        )
    )
    present_NC = np.array(bits).reshape(num_images, num_classes)
    return [f"g{group}" for group in groups], present_NC, draw(st.integers(0, 9))


@given(drawings())
def test_a_group_is_never_split_apart(drawing):
    groups, present_NC, seed = drawing
    splits = assign_splits(groups, present_NC, SHARES, seed=seed)
    assert len(set(zip(groups, splits, strict=True))) == len(set(groups))


@given(drawings())
def test_the_same_seed_gives_the_same_splits(drawing):
    groups, present_NC, seed = drawing
    once = assign_splits(groups, present_NC, SHARES, seed=seed)
    assert once == assign_splits(groups, present_NC, SHARES, seed=seed)


@given(drawings())
def test_the_rarest_class_reaches_every_split_where_it_has_the_groups(drawing):
    groups, present_NC, seed = drawing
    splits = np.array(assign_splits(groups, present_NC, SHARES, seed=seed))
    groups_C = [len(set(np.array(groups)[present_N])) for present_N in present_NC.T]
    possible = [(n, c) for c, n in enumerate(groups_C) if n > 0]
    if possible and min(possible)[0] >= 3:
        assert set(splits[present_NC[:, min(possible)[1]]]) == set(SHARES)


def test_shares_are_kept():
    present_NC = np.ones((200, 1), np.bool_)
    splits = assign_splits([str(n) for n in range(200)], present_NC, SHARES, seed=0)
    assert {s: splits.count(s) for s in SHARES} == {"train": 140, "val": 30, "test": 30}


def test_three_groups_of_a_rare_class_go_to_three_splits():
    present_NC = np.zeros((30, 2), np.bool_)
    present_NC[:, 0] = True
    present_NC[[4, 11, 25], 1] = True
    splits = assign_splits([str(n) for n in range(30)], present_NC, SHARES, seed=3)
    assert {splits[4], splits[11], splits[25]} == set(SHARES)


@pytest.fixture
def rare(write, pairs):
    """Twenty images in flat folders, three of them with a rare class."""
    files = pairs(20)
    for number in (2, 9, 17):
        files[f"masks/im{number:02d}.png"][0, 0] = 2
    return write(files)


def test_splits_are_saved_hashed_and_used(rare):
    drawn = make_split(rare, seed=1)
    document = json.loads((rare / "splits.json").read_text())
    assert document["sha256"] == drawn.file.sha256
    assert document["seed"] == 1
    dataset = open_dataset(rare)
    assert dataset.splits == {"test": 3, "train": 14, "val": 3}
    for split, keys in document["splits"].items():
        assert [e.key for e in dataset.subset(split).entries] == sorted(keys)
    assert all(counts["class_2"] == 1 for counts in drawn.images_per_class.values())
    assert drawn.missing == {"train": [], "val": [], "test": []}


def test_the_file_is_written_the_same_byte_for_byte(rare):
    make_split(rare)
    first = (rare / "splits.json").read_bytes()
    make_split(rare)
    assert (rare / "splits.json").read_bytes() == first
    make_split(rare, seed=5, redraw=True)
    assert (rare / "splits.json").read_bytes() != first


def test_groups_are_cut_out_of_keys(rare):
    drawn = make_split(rare, group=r"^im(\d)\d", val=0.5, test=0)
    assert drawn.num_groups == 2
    assert drawn.file.splits["train"] == tuple(
        f"im0{n}" for n in range(10)
    ) or drawn.file.splits["val"] == tuple(f"im0{n}" for n in range(10))
    assert {e.group for e in open_dataset(rare).entries} == {"0", "1"}


def test_a_class_in_too_few_groups_is_named(write, pairs):
    files = pairs(10)
    files["masks/im03.png"][0, 0] = 2
    drawn = make_split(write(files))
    assert sorted(split for split, names in drawn.missing.items() if names == ["class_2"]) == [
        "test",
        "val",
    ]


def test_splits_take_precedence_over_folders(write, pairs):
    root = write(pairs(10, split="train") | pairs(5, split="val", first=10))
    make_split(root, val=0.2, test=0.2, redraw=True)
    assert open_dataset(root).splits == {"test": 3, "train": 9, "val": 3}


@pytest.mark.parametrize(
    ("choices", "error", "message"),
    [
        ({"val": 0.6, "test": 0.4}, ConfigError, "val 0.6 and test 0.4 must be at least 0 and"),
        ({"val": -0.1}, ConfigError, "must be at least 0"),
        ({"group": "("}, ConfigError, r"group '\(' is not a regular expression"),
        (
            {"group": "street"},
            DataError,
            "group 'street' matches nothing in 'im00' and 19 other",
        ),
        ({"group": "im"}, DataError, "20 images in 1 group cannot fill 3 splits"),
    ],
)
def test_a_draw_that_cannot_be_is_refused(rare, choices, error, message):
    with pytest.raises(error, match=message):
        make_split(rare, **choices)
    assert not (rare / "splits.json").exists()


def test_one_image_cannot_be_split(write, pairs):
    root = write(pairs(1))
    with pytest.raises(
        DataError, match=r"1 image in 1 group cannot fill 3 splits .* add images"
    ):
        make_split(root)


def test_a_read_only_folder_is_refused(rare, read_only):
    with pytest.raises(OutputError, match=r"splits\.json: the folder is read-only; split a"):
        make_split(read_only(rare))


def test_images_without_masks_cannot_be_split(write, pairs):
    files = pairs(4, split="train")
    files |= {
        n: c for n, c in pairs(2, split="test", first=4).items() if n.startswith("images")
    }
    with pytest.raises(DataError, match=r"im04\.png and 1 other images have no mask; only"):
        make_split(write(files))


class TestStaleSplits:
    @pytest.fixture
    def drawn(self, rare):
        make_split(rare)
        return rare

    def test_a_new_image_is_named(self, drawn, pairs, write):
        write(pairs(1, first=50))
        with pytest.raises(
            DataError,
            match=r"splits\.json: 'im50' is in no split; draw them again with",
        ):
            open_dataset(drawn)
        make_split(drawn, keep=("val", "test"))
        assert len(open_dataset(drawn)) == 21

    def test_a_lost_image_is_named(self, drawn):
        for kind in ("images", "masks"):
            (drawn / kind / "im00.png").unlink()
        with pytest.raises(DataError, match="'im00' has no image"):
            open_dataset(drawn)

    def test_a_moved_key_is_noticed(self, drawn):
        document = json.loads((drawn / "splits.json").read_text())
        document["splits"]["train"].append(document["splits"]["val"].pop())
        (drawn / "splits.json").write_text(json.dumps(document))
        with pytest.raises(
            DataError, match="keys changed since the splits were drawn; draw them"
        ):
            open_dataset(drawn)

    def test_a_damaged_file_is_named(self, drawn):
        (drawn / "splits.json").write_text("{}")
        with pytest.raises(
            DataError, match=r"splits\.json: not a splits file .* draw them again with"
        ):
            open_dataset(drawn)


def test_a_splits_file_of_a_newer_version_is_refused(rare):
    make_split(rare)
    path = rare / "splits.json"
    document = json.loads(path.read_text())
    assert next(iter(document)) == "version"
    path.write_text(json.dumps(document | {"version": 3}))
    with pytest.raises(
        DataError, match="splits file of version 3, this maskwright reads up to"
    ):
        SplitFile.read(path)
    del document["version"], document["groups"]  # as the first files were
    path.write_text(json.dumps(document))
    assert set(SplitFile.read(path).splits) == {"train", "val", "test"}


def test_images_of_one_group_are_drawn_one_by_one(write, pairs):
    files = {name.replace("/", "/batch1/"): content for name, content in pairs(20).items()}
    root = write(files)
    drawn = make_split(root)
    assert {name: len(keys) for name, keys in drawn.file.splits.items()} == SIZES
    assert (drawn.num_groups, drawn.file.group) == (20, ".+")
    dataset = open_dataset(root)
    assert dataset.splits == SIZES
    assert len(set(dataset.groups)) == 20


SIZES = {"train": 14, "val": 3, "test": 3}


def test_a_pattern_that_finds_one_group_is_refused_with_the_way_to_single_images(write, pairs):
    with pytest.raises(DataError, match=r"in 1 group cannot .* alone with --group '\.\+'"):
        make_split(write(pairs(20)), group="im")


def test_two_groups_are_not_split_apart(write, pairs):
    files = {}
    for first, folder in ((0, "north"), (10, "south")):
        for name, content in pairs(10, first=first).items():
            files[name.replace("/", f"/{folder}/")] = content
    dataset = open_dataset(write(files))
    assert dataset.splits == {"train": 10, "val": 10}
    assert len(set(zip(dataset.groups, map(dataset.split_of, range(20)), strict=True))) == 2


def test_an_archive_is_refused_since_nothing_can_be_written_beside_its_images(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"a\.zip: splits are written beside the data; unpack"):
        make_split(tmp_path / "a.zip")


class TestEarlierSplits:
    @pytest.fixture
    def folders(self, write, pairs):
        return write(pairs(10, split="train") | pairs(5, split="val", first=10))

    def test_splits_of_folders_are_not_thrown_away_in_silence(self, folders):
        with pytest.raises(
            DataError, match=r"splits already, by the folders \(train 10, val 5\); .*redraw"
        ):
            make_split(folders)
        assert not (folders / "splits.json").exists()

    def test_a_split_that_is_kept_stays_and_the_others_are_drawn(self, folders):
        drawn = make_split(folders, keep=["val"], test=0.2)
        assert drawn.file.splits["val"] == tuple(f"im{n}" for n in range(10, 15))
        assert {name: len(keys) for name, keys in drawn.file.splits.items()} == {
            "train": 8,
            "val": 5,
            "test": 2,
        }

    def test_a_split_that_does_not_exist_cannot_be_kept(self, folders):
        with pytest.raises(
            ConfigError, match=r"valid: .*did you mean 'val'.* Known: train, val"
        ):
            make_split(folders, keep=["valid"])

    def test_a_group_is_not_torn_apart_by_what_is_kept(self, folders, tmp_path):
        table = tmp_path / "groups.csv"
        table.write_text("key,group\n" + "".join(f"im{n:02d},{n // 4}\n" for n in range(15)))
        with pytest.raises(DataError, match=r"group '2' has images in val, which is kept, and"):
            make_split(folders, keep=["val"], group_file=table)

    def test_another_seed_does_not_replace_a_drawn_split_in_silence(self, rare):
        make_split(rare)
        with pytest.raises(DataError, match=r"already, by splits\.json \(test 3, train 14"):
            make_split(rare, seed=1)

    def test_redraw_and_keep_exclude_each_other(self, folders):
        with pytest.raises(ConfigError, match="draws all images anew and"):
            make_split(folders, keep=["val"], redraw=True)


class TestTables:
    def test_groups_come_from_a_table_by_file_name_and_are_saved(self, rare, tmp_path):
        table = tmp_path / "groups.csv"
        rows = [f"images/im{n:02d}.png,part{n // 2}" for n in range(20)]
        table.write_text("\n".join(["file,group", *rows, "another.jpg,part99"]))
        drawn = make_split(rare, group_file=table)
        assert drawn.num_groups == 10
        dataset = open_dataset(rare)
        assert dataset.groups[dataset.keys.index("im05")] == "part2"
        pairs = set(zip(dataset.groups, map(dataset.split_of, range(20)), strict=True))
        assert len(pairs) == 10

    def test_what_is_kept_keeps_its_groups(self, rare, tmp_path):
        table = tmp_path / "groups.csv"
        table.write_text("key,group\n" + "".join(f"im{n:02d},{n // 2}\n" for n in range(20)))
        make_split(rare, group_file=table)
        assert make_split(rare, keep=["val"], seed=4).num_groups == 10

    def test_splits_come_from_a_table(self, rare, tmp_path):
        table = tmp_path / "splits.csv"
        names = ["training", "val", "test"]
        table.write_text(
            "key,split\n" + "".join(f"im{n:02d},{names[n % 3]}\n" for n in range(20))
        )
        make_split(rare, split_file=table)
        assert open_dataset(rare).splits == {"test": 6, "train": 7, "val": 7}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "key,group\nim00,a\n",
                "19 images have no row with a 'group', the first is 'im01'",
            ),
            ("key,grup\nim00,a\n", "has no column 'group'; did you mean 'grup'"),
            ("group\na\n", "has no column 'key'; its first line is 'group', expected"),
            ("key,group\nim00,a\nim00,b\n", "'im00' has two values of 'group', 'a' and 'b'"),
        ],
    )
    def test_a_table_that_does_not_fit_is_refused(self, rare, tmp_path, text, message):
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(DataError, match=message):
            make_split(rare, group_file=tmp_path / "t.csv")


class TestFolds:
    def test_each_image_is_in_one_fold_and_test_stays_out(self, rare):
        drawn = make_split(rare, folds=3, test=0.1)
        sizes = {name: len(keys) for name, keys in drawn.file.splits.items()}
        assert sizes == {"fold0": 6, "fold1": 6, "fold2": 6, "test": 2}
        assert open_dataset(rare).splits == sizes

    def test_folds_are_read_together(self, rare):
        make_split(rare, folds=4)
        joined = open_dataset(rare).subset("fold0+fold2")
        assert joined.splits == {"fold0": 5, "fold2": 5}

    def test_folds_leave_no_room_for_val(self, rare):
        with pytest.raises(ConfigError, match="each fold is the validation split of one run"):
            make_split(rare, folds=5, val=0.2)


def test_no_split_is_empty_where_no_class_is_in_two_groups():
    present_NC = np.eye(3, dtype=np.bool_)
    splits = assign_splits(["a", "b", "c"], present_NC, SHARES, seed=0)
    assert set(splits) == set(SHARES)


def test_a_split_with_nothing_to_tell_apart_is_refused(write, pairs):
    files = pairs(12, values=(0,))
    files["masks/im03.png"][0, 0] = 1
    with pytest.raises(DataError, match=r"would hold no class but class_0 of 2, so that"):
        make_split(write(files))


def test_a_table_may_name_one_split_alone(write, pairs, tmp_path):
    root = write(pairs(4))
    (tmp_path / "t.csv").write_text("key,split\n" + "".join(f"im0{n},val\n" for n in range(4)))
    make_split(root, split_file=tmp_path / "t.csv")
    assert open_dataset(root).splits == {"val": 4}


def test_pixels_are_counted_by_class_in_pieces_of_any_size(monkeypatch):
    labels_HW = np.random.default_rng(0).integers(0, 7, (50, 61)).astype(np.uint8)
    labels_HW[::9] = 255
    expected = [int((labels_HW == index).sum()) for index in range(5)]
    assert count_pixels(labels_HW, 5).tolist() == expected
    assert count_pixels(labels_HW[:, ::2], 9)[7:].tolist() == [0, 0]
    assert count_pixels(labels_HW[:0], 2).tolist() == [0, 0]
    monkeypatch.setattr(stratify, "_MOST_EXACT", 17)
    assert count_pixels(labels_HW, 5).tolist() == expected
