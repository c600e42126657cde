import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from maskwright.core import ClassDef, LabelCodec, LabelSpec
from maskwright.core.errors import ConfigError
from maskwright.data.classes.codec import build_codec, write_dataset_file
from maskwright.data.classes.dataset_yaml import DatasetFile, read_dataset_file

COLORS = st.tuples(*[st.integers(0, 255)] * 3)
NAMES = st.text(min_size=1, max_size=12).filter(lambda name: name.strip())


def read(tmp_path, text):
    path = tmp_path / "dataset.yaml"
    path.write_text(text, encoding="utf-8")
    document = read_dataset_file(path)
    return build_codec(document, where=path)


@st.composite
def codecs(draw):
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    pixels = draw(st.sampled_from(["index", "rgb"]))
    top = (1 << 24) - 1 if pixels == "rgb" else 70_000
    size = len(names) + draw(st.integers(0, 3))
    raws = draw(
        st.lists(st.integers(0, top), min_size=size + 2, max_size=size + 2, unique=True)
    )
    classes = tuple(
        ClassDef(name=n, color=draw(COLORS), kind=draw(st.sampled_from(["stuff", "thing"])))
        for n in names
    )
    table = {raw: i % len(names) for i, raw in enumerate(raws[:size])}
    return LabelCodec(
        spec=LabelSpec(classes),
        raw_to_index=table,
        ignored=frozenset(raws[size:]),
        pixels=pixels,
    )


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(codecs())
@example(LabelCodec.identity(LabelSpec.from_names(("straße", "next\x85line", "a: {b} #c"))))
def test_a_codec_comes_back_as_written(tmp_path, codec):
    path = tmp_path / "dataset.yaml"
    document = DatasetFile(format="voc", source="a: b # c", inferred=("7 is 'x', 3 %",))
    write_dataset_file(path, document, codec)
    again = read_dataset_file(path)
    assert build_codec(again, where=path) == codec
    assert (again.source, again.inferred) == (document.source, document.inferred)


def test_names_alone_are_enough(tmp_path):
    codec = read(tmp_path, "classes: [{name: road}, {name: sky}]\n")
    assert codec.spec.names == ("road", "sky")
    assert codec.raw_to_index == {0: 0, 1: 1}
    assert codec.ignored == {255}
    assert codec.spec.classes[1].color == (128, 0, 0)


def test_colours_are_raw_values_in_colour_masks(tmp_path):
    codec = read(
        tmp_path,
        "classes: [{name: road, color: [128, 64, 128]}, {name: sky, raw: ['#4682b4', 5]}]\n"
        "codec: {pixels: rgb, ignored: ['#000000']}\n",
    )
    assert codec.raw_to_index == {0x804080: 0, 0x4682B4: 1, 5: 1}
    assert codec.ignored == {0}


def test_several_raw_values_may_be_one_class(tmp_path):
    codec = read(tmp_path, "classes: [{name: ground, raw: [7, 8]}, {name: sky, raw: [23]}]\n")
    assert codec.raw_to_index == {7: 0, 8: 0, 23: 1}


def test_what_is_written_is_short_and_readable(tmp_path):
    path = tmp_path / "dataset.yaml"
    codec = LabelCodec(
        spec=LabelSpec((ClassDef(name="road", color=(1, 2, 3)),)),
        raw_to_index={0x010203: 0},
        ignored=frozenset({0}),
        pixels="rgb",
    )
    write_dataset_file(path, DatasetFile(), codec)
    assert path.read_text().splitlines() == [
        "# yaml-language-server: $schema=dataset.schema.json",
        "version: 1",
        "classes:",
        "  - {name: road, color: [1, 2, 3], kind: stuff, raw: ['#010203']}",
        "codec: {pixels: rgb, ignored: ['#000000']}",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "clases: []",
            r"dataset\.yaml: line 1: unknown key 'clases'; did you mean 'classes'\?",
        ),
        (
            "classes: [{name: a, colour: [1, 2, 3]}]",
            r"unknown key 'classes\.0\.colour'; did you mean 'color'\?",
        ),
        ("codec: {ignore: [255]}", r"unknown key 'codec\.ignore'; did you mean 'ignored'\?"),
        ("classes: [{name: a, color: [1, 2, 300]}]", r"classes\.0\.color\.2: .* got 300"),
        (
            "classes: [{name: a, raw: ['red']}]",
            "a raw value is an integer or a colour in quotes",
        ),
        ("classes: [", "not valid YAML"),
        ("- a", "not a dataset.yaml; expected an object of keys"),
        ("version: 2", "dataset.yaml of version 2, this maskwright reads up to 1"),
        ("classes: [{name: a}, {name: a}]", "class names must be unique; repeated: a"),
        (
            "classes: [{name: a, raw: [3]}, {name: b, raw: [3]}]",
            "raw value 3 is under 'a' and 'b'",
        ),
        (
            "classes: [{name: a}]\ncodec: {ignored: [0]}",
            r"raw values \[0\] are under a class and",
        ),
        ("classes: [{name: a}]\ncodec: {pixels: rgb}", "class 'a' needs the colour it has"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as refusal:
        read(tmp_path, text)
    assert str(refusal.value).startswith(str(tmp_path / "dataset.yaml"))


def test_more_classes_than_255_are_refused(tmp_path):
    text = yaml.safe_dump({"classes": [{"name": f"c{i}"} for i in range(256)]})
    with pytest.raises(
        ConfigError, match=r"dataset\.yaml: need 1\.\.255 classes, got 256; merge"
    ):
        read(tmp_path, text)


def test_yaml_cannot_run_code(tmp_path):
    with pytest.raises(ConfigError, match="not valid YAML"):
        read(tmp_path, "source: !!python/object/apply:os.system ['touch pwned']")


def test_a_file_without_a_version_opens_and_a_written_one_begins_with_it(tmp_path):
    path = tmp_path / "dataset.yaml"
    path.write_text("classes: [{name: a}]\n")
    document = read_dataset_file(path)
    write_dataset_file(path, document, build_codec(document, where=path))
    assert path.read_text().splitlines()[1:3] == ["version: 1", "classes:"]
    assert [entry.name for entry in read_dataset_file(path).classes] == ["a"]
