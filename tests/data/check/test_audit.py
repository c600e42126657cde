import json
import tracemalloc

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFilter

from maskwright.core.errors import DataError
from maskwright.data.check.audit import audit
from maskwright.data.check.findings import KINDS, MAX_EXAMPLES
from maskwright.data.splits import make_split

from ..pixels.test_images import huge_png

YAML = {"dataset.yaml": "classes: [{name: back}, {name: leaf}]\n"}


@pytest.fixture
def check(write, pairs):
    """A function: the audit of six good pairs, changed so."""

    def run(changes, *, yaml=True):
        files = pairs(4, split="train") | pairs(2, split="val", first=4)
        return audit(write(files | (YAML if yaml else {}) | changes))

    return run


def codes(found):
    return {finding.code for finding in found.findings}


def the(found, code):
    (finding,) = (f for f in found.findings if f.code == code)
    return finding


def disc(size=60, value=1):
    y, x = np.ogrid[:size, :size]
    return np.where((x - 30) ** 2 + (y - 30) ** 2 < 400, value, 0).astype(np.uint8)


def test_good_data_has_no_findings_and_its_numbers_are_exact(check):
    found = check({})
    assert codes(found) == set()
    assert not found.harmful
    assert found.splits == {"train": 4, "val": 2}
    assert found.sizes_HW == ((12, 16),) * 3
    back, leaf = found.classes()
    assert (back["pixels"], back["share"], back["images"]) == (6 * 96, 0.5, 6)
    assert leaf["images_by_split"] == {"train": 4, "val": 2}
    assert "Nothing harms training." in found.to_text()


def test_a_missing_mask_and_a_missing_image_are_named(check, pairs):
    lone = pairs(2, split="train", first=90)
    found = check(
        {
            n: c
            for n, c in lone.items()
            if n in ("images/train/im90.png", "masks/train/im91.png")
        }
    )
    assert the(found, "missing-mask").examples == [("images/train/im90.png", "")]
    assert the(found, "missing-image").examples == [("masks/train/im91.png", "")]
    assert found.harmful


@pytest.mark.parametrize("kind", ["image", "mask"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty (0 bytes); copy it again or remove it"),
        (b"junk", "no image in a format"),
        (huge_png(), "declares 3,600,000,000 pixels"),
    ],
)
def test_an_unreadable_file_is_named_with_the_reason(check, kind, content, reason):
    found = check({f"{kind}s/train/im00.png": content})
    ((file, detail),) = the(found, f"unreadable-{kind}").examples
    assert file == f"{kind}s/train/im00.png"
    assert detail.startswith(reason)
    assert found.harmful


def test_a_truncated_jpeg_is_unreadable(check, pairs, tmp_path_factory):
    path = tmp_path_factory.mktemp("x") / "x.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)).save(path)
    found = check({"images/val/z.jpg": path.read_bytes()[:-150], "masks/val/z.png": disc(12)})
    assert "cut short" in the(found, "unreadable-image").examples[0][1]


def test_sizes_are_compared_as_a_viewer_shows_them(check, tmp_path_factory):
    folder = tmp_path_factory.mktemp("x")
    turned = Image.fromarray(np.zeros((12, 16, 3), np.uint8))
    exif = turned.getexif()
    exif[274] = 6
    turned.save(folder / "t.png", exif=exif)
    image = (folder / "t.png").read_bytes()
    found = check(
        {
            "masks/train/im01.png": np.zeros((12, 15), np.uint8),
            "images/train/im02.png": image,
            "images/train/im03.png": image,
            "masks/train/im03.png": np.eye(16, 12, dtype=np.uint8),
        }
    )
    turned = "which EXIF turns by a quarter: the mask fits the image as it is stored"
    name = "images/train/im0"
    assert the(found, "size-mismatch").examples == [
        ("masks/train/im01.png", f"mask is 12 x 15, its image {name}1.png is 12 x 16 (H x W)"),
        (
            "masks/train/im02.png",
            f"mask is 12 x 16, its image {name}2.png is 16 x 12 (H x W), {turned}",
        ),
    ]


def test_unlisted_values_are_reported_by_file_value_and_pixels(check):
    mask = np.zeros((12, 16), np.uint8)
    mask[0, :3], mask[1, 0] = 9, 77
    found = check({"masks/train/im01.png": mask})
    assert the(found, "unlisted-values").examples == [
        ("masks/train/im01.png", "9 (3 px), 77 (1 px)")
    ]
    assert found.harmful


def test_an_undeclared_colour_is_reported_as_dataset_yaml_writes_it(check, write, pairs):
    files = pairs(4, split="train")
    table = np.array([[0, 0, 0], [0, 255, 0]], np.uint8)
    for name in [n for n in files if n.startswith("masks")]:
        files[name] = table[files[name]]
    files["masks/train/im02.png"][3, 3] = (255, 0, 1)
    yaml = "classes: [{name: a, color: [0, 0, 0]}, {name: b, color: [0, 255, 0]}]\n"
    found = audit(write(files | {"dataset.yaml": yaml}))
    assert the(found, "unlisted-values").examples == [
        ("masks/train/im02.png", "#ff0001 (1 px)")
    ]


def test_jpeg_masks_are_lossy_whatever_their_values(check, pairs, tmp_path_factory):
    path = tmp_path_factory.mktemp("x") / "x.jpg"
    Image.fromarray(disc(value=255)).save(path)
    image = pairs(1, size=(60, 60), first=9)["images/im09.png"]
    found = check({"images/train/z.png": image, "masks/train/z.jpg": path.read_bytes()})
    assert the(found, "lossy-mask").examples == [("masks/train/z.jpg", "")]
    assert found.harmful


def test_blurred_masks_are_found_even_where_all_values_are_listed(check, pairs):
    smooth = np.array(
        Image.fromarray(disc(value=8)).filter(ImageFilter.GaussianBlur(1)), np.uint8
    )
    image = pairs(1, size=(60, 60), first=9)["images/im09.png"]
    names = ", ".join(f"{{name: c{n}}}" for n in range(9))
    found = check(
        {
            "images/train/z.png": image,
            "masks/train/z.png": smooth,
            "dataset.yaml": f"classes: [{names}]\n",
        }
    )
    assert the(found, "antialiased-mask").examples == [("masks/train/z.png", "")]
    assert "unlisted-values" not in codes(found)


def test_labels_that_cannot_be_understood_are_a_finding_and_the_rest_is_still_checked(check):
    found = check(
        {
            "masks/train/im00.png": np.array([[0, 128], [255, 0]] * 6, np.uint8).repeat(8, 1),
            "images/train/im01.png": b"",
        },
        yaml=False,
    )
    assert {"unclear-labels", "unreadable-image"} <= codes(found)
    unclear = the(found, "unclear-labels").to_json()
    assert unclear["files"][0]["detail"].endswith("so 255 could be a class or ignored")
    assert unclear["fix"].startswith(
        f"write one line in {found.root / 'dataset.yaml'}: 'codec: "
    )
    assert found.classes() == []
    assert found.harmful


def test_masks_of_nothing_and_of_one_class_are_distinguished(check):
    found = check(
        {
            "masks/train/im00.png": np.full((12, 16), 255, np.uint8),
            "masks/train/im01.png": np.zeros((12, 16), np.uint8),
        }
    )
    assert the(found, "empty-mask").examples == [("masks/train/im00.png", "")]
    assert the(found, "one-class-mask").examples == [("masks/train/im01.png", "back")]
    assert not found.harmful


def test_absent_classes_are_reported_by_split(check):
    names = "classes: [{name: a}, {name: b}, {name: v}, {name: t}, {name: never}]\n"
    only_train, only_val = np.zeros((2, 12, 16), np.uint8)
    only_val[0, 0], only_train[0, 0] = 2, 3
    found = check(
        {
            "dataset.yaml": names,
            "masks/val/im04.png": only_val,
            "masks/train/im00.png": only_train,
        }
    )
    assert the(found, "absent-class").examples == [("never", "")]
    assert the(found, "class-not-in-train").examples == [("v", "")]
    assert the(found, "class-not-in-val").examples == [("t", "")]
    assert the(found, "class-not-in-train").kind.severity == "error"


def test_a_single_class_teaches_nothing(write, pairs):
    found = audit(write(pairs(4, values=(0,)) | YAML))
    assert the(found, "one-class").examples == [("back", "")]
    assert found.harmful


def test_one_image_is_too_few(write, pairs):
    found = audit(write(pairs(1) | YAML))
    assert the(found, "too-few-images").examples == [("images/im00.png", "")]
    assert found.harmful


def test_the_same_image_in_two_splits_is_an_error_and_an_equal_name_is_not(check, pairs):
    found = check(pairs(1, split="val"))
    assert not any(finding.code == "same-key" for finding in found.findings)
    assert the(found, "duplicate-across-splits").count == 1
    assert found.harmful


def test_two_images_of_one_key_are_an_error(check, pairs):
    files = {name.replace("im50", "a/b"): c for name, c in pairs(1, first=50).items()}
    files |= {name.replace("im51", "a__b"): c for name, c in pairs(1, first=51).items()}
    train = {name.replace("/", "/train/", 1): content for name, content in files.items()}
    (example,) = the(check(train), "same-key").examples
    assert example == ("images/train/a__b.png", "'a__b' is images/train/a/b.png")


def test_a_folder_of_one_name_in_two_splits_is_a_leak(check, pairs):
    files = pairs(1, first=50, split="train/street") | pairs(1, first=51, split="val/street")
    found = check(files)
    assert the(found, "group-across-splits").examples == [
        (
            "street",
            "train (images/train/street/im50.png) and val (images/val/street/im51.png)",
        )
    ]


def test_images_of_another_kind_are_named(check):
    found = check({"images/train/im02.png": np.ones((12, 16), dtype=np.uint16)})
    assert the(found, "mixed-images").examples == [
        ("images/train/im02.png", "1 channel of uint16, most have 3 of uint8")
    ]
    assert found.harmful


def test_sizes_far_apart_are_named(check, pairs):
    found = check(pairs(1, split="train", first=7, size=(60, 80)))
    assert the(found, "resolution-spread").examples == [
        ("images/train/im07.png", "60 x 80 (H x W)")
    ]
    assert not found.harmful


def test_a_split_without_masks_is_only_noted(check, pairs):
    test = {n: c for n, c in pairs(2, split="test", first=8).items() if n.startswith("images")}
    found = check(test)
    assert codes(found) == {"unlabelled-split"}
    assert not found.harmful


def test_splits_that_do_not_fit_are_an_error(write, pairs):
    root = write(pairs(8) | YAML)
    make_split(root)
    write(pairs(1, first=30))
    found = audit(root)
    stale = the(found, "stale-splits").to_json()
    assert stale["files"] == [{"file": "splits.json", "detail": "'im30' is in no split"}]
    assert stale["fix"].startswith("draw them again with `maskwright split --redraw`, remove")
    assert f"  fix: {stale['fix']}" in found.to_text()
    assert found.harmful


def test_checking_draws_no_splits_on_disk(write, pairs):
    root = write(pairs(20) | YAML)
    assert audit(root).splits == {"test": 3, "train": 14, "val": 3}
    assert not (root / "splits.json").exists()


def test_many_files_are_counted_and_a_few_named(check):
    broken = {f"images/train/x{n:02d}.png": b"" for n in range(30)}
    masks = {n.replace("images", "masks"): disc(12) for n in broken}
    finding = the(check(broken | masks), "unreadable-image")
    assert finding.count == 30
    assert len(finding.examples) == MAX_EXAMPLES


def test_text_and_json_tell_the_same(check):
    found = check({"images/train/im00.png": b""})
    document = json.loads(json.dumps(found.to_json()))
    assert document["harmful"] is True
    (finding,) = document["findings"]
    assert finding == {
        "code": "unreadable-image",
        "severity": "error",
        "count": 1,
        "message": "images that cannot be read: 1",
        "files": [
            {
                "file": "images/train/im00.png",
                "detail": "the file is empty (0 bytes); copy it again or remove it",
            }
        ],
        "fix": KINDS["unreadable-image"].fix,
    }
    text = found.to_text()
    for part in (
        "error: images that cannot be read: 1",
        finding["fix"],
        "1 kind of error harms",
    ):
        assert part in text


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="the folder is empty or missing"):
        audit(tmp_path)


def test_a_read_only_folder_is_checked_and_left_alone(write, pairs, read_only):
    root = read_only(write(pairs(4, split="train") | pairs(2, split="val", first=4)))
    before = sorted(root.rglob("*"))
    found = audit(root)
    assert sorted(root.rglob("*")) == before
    assert any("read-only" in note for note in found.notes)


def peak_bytes(root):
    tracemalloc.start()
    audit(root)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_memory_grows_by_names_only_not_by_images(tmp_path, write, pairs):
    sizes = {}
    for count in (20, 80):
        files = pairs(count, size=(100, 100), split="train") | YAML
        root = write({f"{count}/{name}": content for name, content in files.items()})
        del files
        audit(root / str(count))  # once for what Python loads on first use
        sizes[count] = peak_bytes(root / str(count))
    assert (sizes[80] - sizes[20]) / 60 < 4000  # an image alone is 10,000 and more


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("name", ["camvid", "magnetic_tile", "crackforest", "cwfid"])
def test_the_real_sets_are_fit_for_training(real_data, name):
    found = audit(real_data / name)
    assert not found.harmful, found.to_text()


def test_images_upright_and_across_are_not_all_alike(check, pairs):
    found = check(pairs(1, split="train", size=(16, 12), first=90))
    assert found.sizes_HW == ((12, 16), (12, 16), (16, 12))
    assert "size: min 12 x 16, median 12 x 16, max 16 x 12 (H x W)" in found.to_text()


def test_numbers_of_16_bits_beside_floats_keep_their_values_and_the_finding_says_so(tmp_path):
    values_HW = np.arange(120, dtype=np.float32).reshape(10, 12)
    for number, dtype in enumerate((np.uint16, np.float32, np.float32)):
        for kind, pixels in (("images", values_HW.astype(dtype)), ("masks", values_HW > 60)):
            (tmp_path / kind).mkdir(exist_ok=True)
            stored = pixels.astype(np.uint8) if kind == "masks" else pixels
            tifffile.imwrite(tmp_path / kind / f"t{number}.tif", stored)
    finding = the(audit(tmp_path), "converted-images")
    assert finding.examples == [("images/t0.tif", "1 channel of uint16, converted to floats")]
    assert finding.kind.fix.startswith("nothing to do: values stay the same")
