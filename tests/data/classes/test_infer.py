from pathlib import Path

import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.data.classes.dataset_yaml import ClassEntry, CodecEntry
from maskwright.data.classes.infer import Hints, infer_codec, read_classes_file
from maskwright.data.classes.survey import Survey, ValueCount
from maskwright.data.pixels.imageref import ImageRef

ROOT = Path("set")


def survey(*values, kind="index"):
    """A survey of ten masks in which each value has ten pixels."""
    counts = {
        v: ValueCount(first=ImageRef(ROOT / f"{v}.png"), pixels=10, masks=10) for v in values
    }
    return Survey(
        counts=counts,
        kinds={kind: ImageRef(ROOT / "a.png")},
        num_masks=10,
        num_pixels=10 * len(values),
    )


def hints(*names, ignored=None, colors=None):
    listed = None
    if names:
        listed = {
            i: ClassEntry(name=n, color=colors[i] if colors else None)
            for i, n in enumerate(names)
        }
    return Hints(
        root=ROOT, classes=listed, origin="classes.txt", codec=CodecEntry(ignored=ignored)
    )


def test_binary_masks_are_background_and_foreground_never_ignore():
    codec, notes = infer_codec(survey(0, 255), hints())
    assert codec.raw_to_index == {0: 0, 255: 1}
    assert codec.spec.names == ("background", "foreground")
    assert codec.ignored == frozenset()
    assert notes[0] == (
        "10 masks read, one number per pixel; values: 0 (50 % of pixels, in 10 of 10 masks), "
        "255 (50 % of pixels, in 10 of 10 masks)"
    )
    assert notes[1:] == (
        "0 and 255 are the only values, so 255 is foreground, not IGNORE",
        "2 classes, names made up",
    )


def test_binary_masks_take_two_listed_names():
    codec, _ = infer_codec(survey(0, 255), hints("pavement", "crack"))
    assert codec.spec.names == ("pavement", "crack")
    assert codec.raw_to_index == {0: 0, 255: 1}


def test_one_listed_name_leaves_255_to_be_ignored():
    codec, _ = infer_codec(survey(0, 255), hints("leaf"))
    assert codec.raw_to_index == {0: 0}
    assert codec.ignored == {255}


def test_0_and_255_with_three_names_are_ambiguous():
    with pytest.raises(
        DataError, match=r"write one line in .*'codec: \{ignored: \[255\]\}' if"
    ):
        infer_codec(survey(0, 255), hints("a", "b", "c"))
    codec, _ = infer_codec(survey(0, 255), hints("a", "b", "c", ignored=(255,)))
    assert codec.ignored == {255}


@pytest.mark.parametrize(("values", "classes"), [((0, 1, 2, 255), 3), ((1, 2, 255), 2)])
def test_255_above_numbers_without_a_gap_is_ignored(values, classes):
    codec, notes = infer_codec(survey(*values), hints())
    assert len(codec.spec) == classes
    assert codec.ignored == {255}
    assert any("255 is IGNORE: the other values are" in note for note in notes)


def test_a_16_bit_mask_may_use_65535_like_255():
    codec, _ = infer_codec(survey(0, 1, 2, 65535), hints())
    assert codec.ignored == {65535}
    codec, _ = infer_codec(survey(0, 65535), hints())
    assert codec.raw_to_index == {0: 0, 65535: 1}


@pytest.mark.parametrize("values", [(0, 128, 255), (1, 255), (0, 2, 255), (5, 6, 255)])
def test_255_above_numbers_with_gaps_is_asked_about(values):
    with pytest.raises(DataError, match=r"255 could be a class or ignored; write one line"):
        infer_codec(survey(*values), hints())
    ignored, _ = infer_codec(survey(*values), hints(ignored=(255,)))
    kept, _ = infer_codec(survey(*values), hints(ignored=()))
    assert len(kept.spec) == len(ignored.spec) + 1 == len(values)


def test_blurred_masks_are_recognised():
    with pytest.raises(DataError, match=r"as blurred \(antialiased\) masks do"):
        infer_codec(survey(0, *range(3, 250, 7), 255), hints())


def test_each_value_is_a_class_named_after_it():
    codec, _ = infer_codec(survey(0, 64, 128), hints())
    assert codec.spec.names == ("class_0", "class_64", "class_128")
    assert codec.raw_to_index == {0: 0, 64: 1, 128: 2}


def test_many_values_with_gaps_are_asked_about():
    with pytest.raises(DataError, match="50 different values between 0 and 98"):
        infer_codec(survey(*range(0, 100, 2)), hints())
    codec, _ = infer_codec(survey(*range(0, 100, 2)), hints(ignored=()))
    assert len(codec.spec) == 50


def test_a_value_not_in_the_list_names_file_count_and_fix():
    with pytest.raises(DataError) as refusal:
        infer_codec(survey(0, 1, 9), hints("a", "b"))
    assert str(refusal.value) == (
        f"set: mask values 9 (10 px in 10 masks, first {ROOT / '9.png'}) are not listed in "
        "classes.txt; list them there, or write codec: {ignored: [9, 255]} in dataset.yaml"
    )


def test_a_listed_class_may_be_absent():
    codec, _ = infer_codec(survey(0, 2), hints("a", "b", "c"))
    assert codec.raw_to_index == {0: 0, 1: 1, 2: 2}


def test_more_values_than_255_are_refused():
    with pytest.raises(
        DataError, match=r"masks hold 300 different values .* at most 255 classes"
    ):
        infer_codec(survey(*range(300)), hints())
    codec, _ = infer_codec(survey(*range(256)), hints())
    assert len(codec.spec) == 255


def test_numbers_and_colours_together_are_refused():
    mixed = survey(0, 1)
    mixed.kinds["rgb"] = mixed.colored = ROOT / "b.png"
    with pytest.raises(
        DataError, match=r"a\.png holds one number per pixel, .*b\.png a colour"
    ):
        infer_codec(mixed, hints())


def test_all_ignored_is_refused():
    with pytest.raises(DataError, match="every pixel of every mask is ignored"):
        infer_codec(survey(3), hints(ignored=(3,)))


def test_colours_are_classes_in_ascending_order_and_black_is_mentioned():
    codec, notes = infer_codec(survey(0, 0x00FF00, 0xFF0000, kind="rgb"), hints())
    assert codec.pixels == "rgb"
    assert codec.raw_to_index == {0: 0, 0x00FF00: 1, 0xFF0000: 2}
    assert codec.spec.classes[1].color == (0, 255, 0)
    assert any("black, #000000" in note and "'unlabelled'" in note for note in notes)


def test_colours_of_the_voc_palette_stand_for_their_index_and_void_is_ignored():
    codec, _ = infer_codec(survey(0, 0x008000, 0x800000, 0xE0E0C0, kind="rgb"), hints())
    assert codec.raw_to_index == {0: 0, 0x800000: 1, 0x008000: 2}
    assert codec.ignored == {0xE0E0C0}
    named, _ = infer_codec(survey(0, 0x800000, kind="rgb"), hints("back", "plane", "bike"))
    assert named.raw_to_index == {0: 0, 0x800000: 1, 0x008000: 2}


def test_grey_colours_are_read_as_numbers():
    codec, notes = infer_codec(survey(0, 0x010101, 0xFFFFFF, kind="rgb"), hints("a", "b"))
    assert codec.raw_to_index == {0: 0, 0x010101: 1}
    assert codec.ignored == {0xFFFFFF}
    assert any("colours are all grey" in note for note in notes)
    binary, _ = infer_codec(survey(0, 0xFFFFFF, kind="rgb"), hints())
    assert binary.spec.names == ("background", "foreground")


def test_names_without_colours_are_asked_about():
    with pytest.raises(DataError, match=r"#00ff00 .* names without colours; write one line"):
        infer_codec(survey(0, 0x00FF00, kind="rgb"), hints("a", "b"))


def test_an_undeclared_colour_is_named():
    colors = [(0, 0, 0), (0, 255, 0)]
    with pytest.raises(DataError, match=r"mask colours #ff0000 \(first .*\) are not listed in"):
        infer_codec(survey(0, 0x00FF00, 0xFF0000, kind="rgb"), hints("a", "b", colors=colors))


def test_classes_file_takes_indices_or_the_order_of_lines(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("# comment\n2 traffic light\n0 road\n")
    assert read_classes_file(path) == {0: "road", 2: "traffic light"}
    for text in (
        "2: traffic light\n0: road\n",
        "2, traffic light\n0,road\n",
        "2.  traffic light\n0) road",
    ):
        path.write_text(text)
        assert read_classes_file(path) == {0: "road", 2: "traffic light"}
    path.write_text("road\n2 wheeler\n4.5 m mark\n")
    assert read_classes_file(path) == {0: "road", 1: "2 wheeler", 2: "4.5 m mark"}
    path.write_text("road\ntraffic light\n")
    assert read_classes_file(path) == {0: "road", 1: "traffic light"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 a\n0 b\n", "index 0 is listed twice"),
        ("\n", "lists no classes"),
        ("0 a\n1 b\nc\n", "most lines begin with an index, 'c' does not; write 'index name'"),
        ("\n".join(f"{i} c{i}" for i in range(256)), "lists 256 classes, at most 255"),
    ],
)
def test_a_bad_classes_file_is_named(tmp_path, text, message):
    path = tmp_path / "classes.txt"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"classes\.txt: {message}"):
        read_classes_file(path)
