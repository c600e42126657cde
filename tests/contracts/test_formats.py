"""Every file in data/formats keeps the same promises.

What a format that can be written must read is what it wrote; for the others, and where the
tool's own layout is another, `contracts/formats/<name>.py` has `make(root, keys, labels)`.
"""

from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from maskwright.core import parts
from maskwright.core.codec import LabelCodec
from maskwright.core.errors import ConfigError, MaskwrightError
from maskwright.core.labels import IGNORE, ClassDef, LabelSpec, voc_palette
from maskwright.core.results import WriteMode
from maskwright.data.classes.codec import write_dataset_file
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert, list_writable
from maskwright.data.dataset import open_as_is, open_dataset
from maskwright.data.entries.annotation import Annotation
from maskwright.data.entries.format import FORMATS, load_format
from maskwright.data.entries.picture import Picture, codec_of_shapes
from maskwright.data.pixels.imageref import ImageRef

MAKERS = Path(__file__).parent / "formats"
M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
"""A mask with a hole and two components."""

KEYS = {"train": ("a", "b", "c.d"), "val": ("e",)}
NAMES = parts.names(FORMATS)
WRITTEN = list_writable()
HELD = frozenset(
    {"polygons", "overlaps", "attributes", "instances", "ignored", "groups"}
    | {"splits", "usual splits", "usual splits alone", "folds", "volumes"}
)


def native(root, keys, labels_HW, classes):
    """A dataset in the native layout."""
    maker("mask_folder")(root, keys, labels_HW)
    codec = LabelCodec.identity(LabelSpec(classes))
    write_dataset_file(root / "dataset.yaml", DatasetFile(format="mask_folder"), codec)
    return root


def maker(name):
    """The function `make` of a format, None where it is read back from what it writes."""
    return getattr(maker_module(name), "make", None)


def maker_module(name):
    """The file of a format beside this one, None where there is none."""
    path = MAKERS / f"{name}.py"
    if not path.exists():
        return None
    spec = spec_from_file_location(f"format_{name}", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def taken(target, names):
    """`names`, or of the only ones that the target can be written with (`NAMES`, of which the
    first is the background) as many as there are.
    """
    only = getattr(maker_module(target), "NAMES", None)
    if only is None:
        return names
    return only[: len(names)] if names[0] == "background" else only[1 : len(names) + 1]


def classes_of(*names):
    colors = voc_palette()
    return tuple(
        ClassDef(name=n, color=colors[i], kind="thing" if i % 2 else "stuff")
        for i, n in enumerate(names)
    )


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def part(name):
    return load_format(name)


@pytest.fixture
def root(name, tmp_path):
    """A dataset of M in every image."""
    folder = tmp_path / "made"
    if make := maker(name):
        folder.mkdir()
        make(folder, KEYS, M)
    else:
        source = native(tmp_path / "native", KEYS, M, classes_of("background", "car"))
        convert(source, folder, to=name)
        (folder / "dataset.yaml").unlink()
    return folder


def test_every_format_can_be_made_here(name):
    assert maker(name) or name in WRITTEN, (
        f"write tests/contracts/formats/{name}.py with make(root, keys, labels_HW)"
    )


def test_recognises_its_own_layout_and_no_other(name, part, root, tmp_path_factory):
    assert part.recognises(root)
    assert not part.recognises(tmp_path_factory.mktemp("empty"))
    others = [n for n in NAMES if n not in {name, "mask_folder"}]
    assert [n for n in others if load_format(n).recognises(root)] == []


def test_scan_finds_every_image_without_reading_pixels(name, part, root):
    images = {entry.image for entry in part.scan(root, DatasetFile()).entries}
    if not getattr(maker_module(name), "READS_HEADERS", False):
        for image in images:
            image.file.write_bytes(b"not read")
    scan = part.scan(root, DatasetFile())
    assert sorted(e.key for e in scan.entries) == sorted(
        k for keys in KEYS.values() for k in keys
    )
    for entry in scan.entries:
        assert entry.image != entry.labels
        assert entry.image.file.is_file()
        assert isinstance(entry.labels, ImageRef | Annotation)
    assert scan.lone_masks == ()


def test_scan_is_in_the_same_order_each_time(part, root):
    once, again = part.scan(root, DatasetFile()), part.scan(root, DatasetFile())
    assert once == again
    assert [(e.split, e.key) for e in once.entries] == sorted(
        (e.split, e.key) for e in once.entries
    )


def test_labels_come_back_as_painted(name, part, root):
    dataset = open_as_is(root)
    splits = {"train": 3, "val": 1}
    assert dataset.splits == getattr(maker_module(name), "SPLITS", splits)
    for index in range(len(dataset)):
        np.testing.assert_array_equal(dataset.labels(index) != 0, M != 0)
        assert set(np.unique(dataset.labels(index)).tolist()) == {0, 1}
    opened = open_dataset(root)
    assert open_dataset(root).entries == opened.entries
    assert open_dataset(root / "dataset.yaml").codec == opened.codec


def test_an_empty_folder_is_refused(part, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(MaskwrightError, match=str(empty)):
        part.scan(empty, DatasetFile())


@pytest.mark.parametrize("target", WRITTEN)
def test_what_can_be_written_says_what_it_holds(target):
    assert load_format(target).HOLDS <= HELD


def hard_case():
    """A hole, a one-pixel line, pixels that touch at a corner, nested classes, a class of index
    130, a void border and a class that fills the picture's edge.
    """
    labels_HW = np.zeros((26, 34), np.uint8)
    labels_HW[3:12, 3:14] = 1
    labels_HW[5:9, 6:10] = 0
    labels_HW[6:8, 7:9] = 2
    labels_HW[14, 2:30] = 3
    labels_HW[np.arange(16, 24), np.arange(4, 12)] = 4
    labels_HW[15:24, 16:28] = 130
    labels_HW[14:15, 16:28] = IGNORE
    labels_HW[24:26, 16:28] = IGNORE
    labels_HW[:, 33] = 5
    return labels_HW


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("target", WRITTEN)
def test_hard_cases_come_back_or_are_in_the_account(target, background, tmp_path):
    first = "background" if background else "lawn"
    names = taken(target, (first, *(f"class {n}" for n in range(1, 131))))
    case = np.where(hard_case() == 130, len(names) - 1, hard_case()).astype(np.uint8)
    classes = classes_of(*names)
    source = native(tmp_path / "native", {"train": ("a",), "val": ("b",)}, case, classes)
    account = convert(source, tmp_path / "out", to=target, verify=True)
    assert account.num_images == 2
    if account.agreement.differing:
        assert account.losses, account.to_text()
    else:
        written = open_as_is(tmp_path / "out")
        assert written.spec == open_as_is(source).spec
        assert written.splits == {"train": 1, "val": 1}


@pytest.mark.parametrize("target", WRITTEN)
def test_images_are_copied_byte_by_byte(target, tmp_path):
    classes = classes_of(*taken(target, ("background", "car")))
    source = native(tmp_path / "native", KEYS, M, classes)
    convert(source, tmp_path / "out", to=target)
    before, after = open_as_is(source), open_as_is(tmp_path / "out")
    content = {e.key: e.image.file.read_bytes() for e in before.entries}
    assert {e.key: e.image.file.read_bytes() for e in after.entries} == content


@pytest.mark.parametrize("target", WRITTEN)
def test_what_was_broken_off_goes_on_and_ends_the_same(target, tmp_path, monkeypatch):
    classes = classes_of(*taken(target, ("background", "car")))
    source = native(tmp_path / "native", KEYS, M, classes)
    part, seen = import_module(f"{FORMATS}.{target}"), []
    write = part.write

    def failing(folder: Path, picture: Picture):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(picture.entry.key)
        return write(folder, picture)

    monkeypatch.setattr(part, "write", failing)
    with pytest.raises(KeyboardInterrupt):
        convert(source, tmp_path / "out", to=target)
    assert not (tmp_path / "out").exists()
    again = []
    monkeypatch.setattr(part, "write", lambda f, p: (again.append(p.entry.key), write(f, p))[1])
    convert(source, tmp_path / "out", to=target, mode=WriteMode(resume=True))
    assert sorted(seen + again) == sorted(k for keys in KEYS.values() for k in keys)
    convert(source, tmp_path / "whole", to=target)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def files(folder):
    """Content by name, but for what says when and where."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "conversion.json"
    }


def test_nothing_else_lies_in_the_makers():
    assert {path.stem for path in MAKERS.glob("*.py")} <= set(NAMES)


def test_a_part_that_only_reads_cannot_write(tmp_path):
    part = load_format("camvid")
    assert part.HOLDS is None
    assert "camvid" not in WRITTEN
    with pytest.raises(ConfigError, match="can only be read"):
        convert(
            native(tmp_path / "a", KEYS, M, classes_of("b", "c")), tmp_path / "o", to="camvid"
        )


def test_what_a_format_leaves_out_is_the_default():
    spec = LabelSpec(classes_of("background", "car"))
    assert load_format("coco").codec_for(spec, 0) == codec_of_shapes(spec, 0)
    assert frozenset() == load_format("coco").READS
    assert frozenset({"label_key"}) == load_format("geojson").READS
