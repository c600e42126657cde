"""`score` as a user meets it, where there is no torch."""

import json

import numpy as np
import pytest
from PIL import Image

NAMES = ("sky", "road", "car")


@pytest.fixture
def home(tmp_path):
    """Folders `truth` and `said` of six images each."""
    rng = np.random.default_rng(0)
    for number in range(6):
        truth = rng.integers(0, 3, (4, 6)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        said = np.where(rng.random(truth.shape) < 0.1, np.uint8(1), truth)
        for kind, pixels in (("truth", truth), ("said", said)):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / kind / f"{number}.png")
    lines = (f"{index} {name}" for index, name in enumerate(NAMES))
    (tmp_path / "truth/classes.txt").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def maskwright(run_plain_python, home):
    """Run a verb in `home`, without torch."""
    return lambda *args: run_plain_python("-m", "maskwright", *args, cwd=home)


def test_score_prints_a_table_with_intervals_and_writes_the_report(maskwright, home):
    done = maskwright("score", "said", "truth", "-o", "out")
    assert done.returncode == 0, done.stderr
    document = json.loads((home / "out/report.json").read_text())
    low, high = document["intervals"]["miou"]
    miou = document["scores"]["miou"]
    shown = f"mIoU {100 * miou:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    assert shown in done.stdout
    assert "boundary_f1" not in document["classes"][0]
    assert {p.name for p in (home / "out").iterdir()} == {
        "report.json",
        "report.html",
        "images.csv",
        "results.json",
    }


def test_all_options_together_give_every_family(maskwright, home):
    rows = "".join(f"{n},cam{n % 2}\n" for n in range(6))
    (home / "cameras.csv").write_text(f"key,camera\n{rows}")
    options = "--full --tolerance 2px --surface 1 --spacing 0.5x0.7 --attributes cameras.csv"
    done = maskwright("score", "said", "truth", *options.split(), "--json", "-o", "out")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["settings"]["boundary_tolerance"] == "2px"
    assert document["settings"]["surface"]["spacing_HW"] == [0.5, 0.7]
    assert {"boundary_f1", "hd95_mm", "object_recall"} <= set(document["classes"][0])
    by = {(part["by"], part["value"]) for part in document["slices"]}
    assert {("camera", "cam0"), ("distance to a class border", "0-1 px")} <= by
    worst_first = [p["miou"] for p in document["slices"] if p["miou"] is not None]
    assert worst_first == sorted(worst_first)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--full --tolerance 3", "tolerance is '3'; write it as '3px' or '0.75%'"),
        ("--spacing 0.5", "--spacing 0.5 is for --surface; add for example --surface 2"),
        ("--surface 1 --spacing wide", "spacing 'wide'; give the size of a pixel in mm"),
        ("--spec none.yaml", "none.yaml: no such file"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_written(maskwright, home, options, reason):
    done = maskwright("score", "said", "truth", "-o", "out", *options.split())
    assert done.returncode == 1
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "out").exists()
