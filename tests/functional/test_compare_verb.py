"""`compare` as a user meets it: two scored folders, an exit status, files and refusals."""

import json

import numpy as np
import pytest
from PIL import Image

NAMES = ("sky", "road", "car")


@pytest.fixture(scope="module")
def home(run_verb, tmp_path_factory):
    """Ten scored images: `good` misses a corner now and then, `bad` a quarter of each."""
    home = tmp_path_factory.mktemp("compare")
    rng = np.random.default_rng(0)
    for i in range(10):
        truth = np.kron(rng.integers(0, 3, (4, 6)), np.ones((4, 4), int)).astype(np.uint8)
        good, bad = truth.copy(), truth.copy()
        good[:4, :4] = i % 3
        bad[:8, :12] = (truth[:8, :12] + 1) % 3
        for name, labels in (("truth", truth), ("good", good), ("bad", bad)):
            (home / name).mkdir(exist_ok=True)
            Image.fromarray(labels).save(home / name / f"{i}.png")
    listed = "".join(f"{i} {name}\n" for i, name in enumerate(NAMES))
    (home / "truth/classes.txt").write_text(listed)
    for name in ("good", "bad"):
        done = run_verb("score", name, "truth", "-o", f"reports/{name}", cwd=home)
        assert done.returncode == 0, done.stderr
    return home


def run(run_verb, home, *args):
    return run_verb("compare", *args, cwd=home)


def test_compare_prints_a_table_and_writes_both_files(run_verb, home, tmp_path):
    done = run(run_verb, home, "reports/good", "reports/bad", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["sky", "road", "car", "mIoU"]
    assert "B is worse in mIoU, sky, road, car." in lines
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "compare.html",
        "compare.json",
        "results.json",
    ]
    page = (tmp_path / "out/compare.html").read_text(encoding="utf-8")
    assert "data:image/png" in page  # pictures of what changed


def test_json_is_one_document_and_the_file(run_verb, home, tmp_path):
    out = tmp_path / "out"
    done = run(run_verb, home, "reports/good", "reports/bad", "-o", out, "--json")
    document = json.loads(done.stdout)
    assert document == json.loads((out / "compare.json").read_text())
    assert document["worse"] is True
    assert document["scores"]["miou"]["interval"][1] < 0


def test_fail_if_worse_exits_3_only_where_b_is_worse(run_verb, home, tmp_path):
    options = "-o", tmp_path / "out", "--overwrite", "--fail-if-worse"
    done = run(run_verb, home, "reports/good", "reports/bad", *options)
    assert done.returncode == 3
    assert "B is worse than A in mIoU, sky, road, car" in done.stderr
    assert (tmp_path / "out/compare.html").is_file()  # what CI shows
    for pair in (("bad", "good"), ("good", "good")):
        reports = [f"reports/{name}" for name in pair]
        assert run(run_verb, home, *reports, *options).returncode == 0


def test_quiet_says_only_what_failed(run_verb, home, tmp_path):
    options = "-o", tmp_path / "out", "--overwrite", "--quiet"
    done = run(run_verb, home, "reports/bad", "reports/good", *options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    options = *options, "--fail-if-worse"
    done = run(run_verb, home, "reports/good", "reports/bad", *options)
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1


def test_what_is_not_a_report_is_refused(run_verb, home, tmp_path):
    done = run(run_verb, home, "truth", "reports/good", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "truth: has no report.json; give a folder that `maskwright score`" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_other_images_are_refused(run_verb, home, tmp_path):
    for name in ("good", "truth"):
        (tmp_path / name).mkdir()
        for path in sorted((home / name).iterdir())[:6]:
            (tmp_path / name / path.name).write_bytes(path.read_bytes())
    listed = tmp_path / "classes.txt"
    listed.write_text((home / "truth/classes.txt").read_text())
    done = run_verb(*("score", "good", "truth", "--spec", listed, "-o", "few"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run(run_verb, home, "reports/good", tmp_path / "few", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "few: lacks 4 of the 10 images of reports/good, the first is '6'" in done.stderr


def test_too_few_groups_can_not_fail_so_that_is_refused(run_verb, home, tmp_path):
    for name in ("good", "bad"):
        done = run_verb(
            *("score", name, "truth", "-o", tmp_path / name),
            *("--group", "[0-2]?"),
            cwd=home,
        )
        assert done.returncode == 0, done.stderr
    options = "-o", tmp_path / "out", "--overwrite", "--fail-if-worse"
    done = run(run_verb, home, tmp_path / "good", tmp_path / "bad", *options)
    assert done.returncode == 1
    assert "4 groups give no p below 0.125, so B can never count as worse" in done.stderr
    assert not (tmp_path / "out").exists()


def test_wrong_usage_is_2(run_verb, home):
    assert run(run_verb, home, "reports/good").returncode == 2
