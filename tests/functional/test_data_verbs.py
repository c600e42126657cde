import json

import numpy as np
import pytest
from PIL import Image

from maskwright.data.synth.streets import write_street_scenes


@pytest.fixture
def streets(tmp_path):
    return write_street_scenes(tmp_path / "streets", num_images=12, size_HW=(48, 64))


@pytest.fixture
def flat(tmp_path):
    """Ten pairs in two folders, nothing else; two streets by name."""
    for number in range(10):
        rng = np.random.default_rng(number)
        for kind, pixels in (
            ("images", rng.integers(0, 256, (20, 20, 3), np.uint8)),
            ("masks", (np.arange(400).reshape(20, 20) % 3).astype(np.uint8)),
        ):
            path = tmp_path / "flat" / kind / f"{'ab'[number % 2]}_{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return tmp_path / "flat"


def test_check_of_good_data_ends_well(run_verb, streets):
    done = run_verb("check", streets)
    assert done.returncode == 0, done.stderr
    assert "12 images (test 2, train 8, val 2)" in done.stdout
    assert "traffic_sign" in done.stdout
    assert done.stdout.rstrip().endswith("look at.") or "Nothing" in done.stdout


def test_check_names_what_harms_and_exits_3(run_verb, streets):
    mask = streets / "masks/train/street_0000.png"
    pixels = np.array(Image.open(mask))
    pixels[0, :2] = 99
    Image.fromarray(pixels).save(mask)
    (streets / "images/val/street_0008.png").write_bytes(b"")
    done = run_verb("check", streets)
    assert done.returncode == 3
    assert "masks/train/street_0000.png: 99 (2 px)" in done.stdout
    assert "images/val/street_0008.png: the file is empty (0 bytes)" in done.stdout
    assert "2 kinds of error harm training" in done.stdout
    assert "Traceback" not in done.stderr


def test_check_as_json_is_one_document_whatever_it_finds(run_verb, streets):
    document = json.loads(run_verb("check", streets, "--json").stdout)
    assert document["harmful"] is False
    assert [c["name"] for c in document["classes"]][:2] == ["road", "sidewalk"]
    (streets / "images/val/street_0008.png").write_bytes(b"")
    done = run_verb("check", streets, "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["findings"][0]["code"] == "unreadable-image"


def test_check_says_what_it_inferred_and_writes_it(run_verb, flat):
    done = run_verb("check", flat)
    assert "3 classes, names made up" in done.stdout
    assert "values: 0 (33.5 % of pixels, in 10 of 10 masks)" in done.stdout
    assert "name: class_2" in (flat / "dataset.yaml").read_text()


def test_check_of_nothing_is_refused_bare(run_verb, tmp_path):
    done = run_verb("check", tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"{tmp_path}: the folder is empty or missing; put images and masks into it\n"
    )
    assert run_verb("check").returncode == 2


def test_split_writes_and_tells_and_check_uses_it(run_verb, flat):
    done = run_verb("split", flat, "--val", "0.2", "--test", "0.2", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert "train: 6 images\nval: 2 images\ntest: 2 images\n" in done.stdout
    assert str(flat / "splits.json") in done.stdout
    assert "(test 2, train 6, val 2)" in run_verb("check", flat).stdout


def test_split_by_group_keeps_groups_whole(run_verb, flat):
    done = run_verb("split", flat, "--val", "0.5", "--test", "0", "--group", "^[ab]", "--json")
    document = json.loads(done.stdout)
    assert document["groups"] == 2
    assert document["splits"] == {"train": 5, "val": 5}
    splits = json.loads((flat / "splits.json").read_text())["splits"]
    assert {key[0] for key in splits["train"]} != {key[0] for key in splits["val"]}


def test_split_refuses_what_cannot_be(run_verb, flat):
    done = run_verb("split", flat, "--group", "(")
    assert done.returncode == 1
    assert done.stderr.startswith("group '(' is not a regular expression")
    assert not (flat / "splits.json").exists()
    assert run_verb("split", flat, "--seed", "x").returncode == 2
