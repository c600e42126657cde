"""`convert` as a user meets it: there and back, from an archive, and refused."""

import json
import shutil

import numpy as np
import pytest

from maskwright.data.dataset import open_as_is
from maskwright.data.synth.streets import write_street_scenes


@pytest.fixture
def streets(tmp_path):
    return write_street_scenes(tmp_path / "streets", num_images=6, size_HW=(48, 64))


def test_there_and_back_is_the_same_data(run_verb, streets, tmp_path):
    there, back = tmp_path / "labelme", tmp_path / "back"
    done = run_verb("convert", streets, there, "--to", "labelme", "--verify")
    assert done.returncode == 0, done.stderr
    assert "6 images from mask_folder to labelme" in done.stdout
    assert "100 % of 18,432 pixels agree, 0 differ" in done.stdout
    assert run_verb("convert", there, back, "--to", "mask_folder").returncode == 0
    before, after = open_as_is(streets), open_as_is(back)
    assert after.spec == before.spec
    assert after.splits == before.splits
    for place, entry in enumerate(before.entries):
        assert after.entries[place].key == entry.key
        np.testing.assert_array_equal(after.labels(place), before.labels(place))


def test_an_archive_is_read_in_place(run_verb, streets, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "export"), "zip", streets)
    done = run_verb("convert", archive, tmp_path / "out", "--to", "labelme", "--json")
    document = json.loads(done.stdout)
    assert document["source"] == archive
    assert document["images"] == 6
    assert document["pixels"]["before"] == document["pixels"]["after"]
    assert json.loads((tmp_path / "out/conversion.json").read_text()) == document
    checked = json.loads(run_verb("check", archive, "--json").stdout)
    assert (checked["images"], checked["dataset"]) == (6, archive)


def test_a_mapping_of_classes_is_applied_and_counted(run_verb, streets, tmp_path):
    names = open_as_is(streets).spec.names
    mapping = tmp_path / "map.yaml"
    mapping.write_text(
        f"classes: [{{name: ground, from: [{names[0]}, {names[1]}]}}]\n"
        f"ignored: [{', '.join(names[2:])}]\n"
    )
    done = run_verb(
        *("convert", streets, tmp_path / "out", "--to", "mask_folder"),
        *("--classes", mapping, "--json"),
    )
    pixels = json.loads(done.stdout)["pixels"]
    assert set(pixels["after"]) == {"ground", "(ignored)"}
    assert pixels["after"]["ground"] == sum(pixels["before"].get(n, 0) for n in names[:2])
    assert open_as_is(tmp_path / "out").spec.names == ("ground",)


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("labelm", "no format named 'labelm'; did you mean 'labelme'?"),
        ("mask_folder", "out: exists already and holds files that convert did not write"),
    ],
)
def test_what_cannot_be_is_refused(run_verb, streets, tmp_path, to, message):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").touch()
    done = run_verb("convert", streets, tmp_path / "out", "--to", to)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_diff_says_what_a_mapping_changed(run_verb, streets, tmp_path):
    names = open_as_is(streets).spec.names
    (tmp_path / "map.yaml").write_text(
        f"classes: [{{name: {names[0]}}}, {{name: other, from: [{', '.join(names[1:])}]}}]\n"
    )
    new = tmp_path / "new"
    mapped = ("convert", streets, new, "--to", "mask_folder", "--classes")
    run_verb(*mapped, tmp_path / "map.yaml")
    done = run_verb("diff", streets, new, "-o", tmp_path / "diff")
    assert done.returncode == 0, done.stderr
    assert "classes added: 1 (other)" in done.stdout
    assert f"{names[1]} -> other: " in done.stdout
    assert (tmp_path / "diff/diff.html").is_file()
    same = run_verb("diff", streets, streets, "-o", tmp_path / "same", "--json")
    assert json.loads(same.stdout)["same"] is True
