import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def plates(tmp_path):
    """Two metal plates, one with a long scratch; class maps as predict writes them."""
    for key, length_px in (("good", 4), ("bad", 30)):
        labels_HW = np.zeros((40, 60), np.uint8)
        labels_HW[10:12, 5 : 5 + length_px] = 1
        path = tmp_path / "out/classes" / f"{key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels_HW).save(path)
    (tmp_path / "out/classes.txt").write_text("0 metal\n1 scratch\n")
    (tmp_path / "rules.yaml").write_text("rules:\n- fail: scratch area > 2 mm2\n")
    return tmp_path


def test_measure_tells_and_writes(run_verb, plates):
    done = run_verb(
        *("measure", "out/classes", "--mm-per-px", "0.5", "--regions", "scratch"),
        *("--thin", "scratch", "--gap", "scratch,metal"),
        cwd=plates,
    )
    assert done.returncode == 0, done.stderr
    assert "2 images; given: 0.5 mm per pixel (--mm-per-px)" in done.stdout
    assert ["1.42", "%", "scratch", "17", "mm2"] in [
        x.split() for x in done.stdout.splitlines()
    ]
    assert "scratch: 2 regions, 17 mm2, the largest 15 mm2" in done.stdout
    assert "scratch and metal: smallest gap 0 mm, in bad; they touch in 2 of 2" in done.stdout
    assert (plates / "measurements/report.html").exists()
    assert (plates / "measurements/overlay/bad.png").exists()


def test_a_broken_rule_is_named_and_exits_3(run_verb, plates):
    done = run_verb(
        *("measure", "out/classes", "--mm-per-px", "0.5", "--rules", "rules.yaml", "--quiet"),
        cwd=plates,
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == "bad: scratch area > 2 mm2: 15 mm2, fails if > 2 mm2\n"
    (plates / "out/classes/bad.png").unlink()
    done = run_verb(
        *("measure", "out/classes", "--mm-per-px", "0.5", "--rules", "rules.yaml"),
        "--overwrite",
        cwd=plates,
    )
    assert done.returncode == 0
    assert "scratch area > 2 mm2: passes" in done.stdout


def test_measure_as_json_is_one_document_also_where_a_rule_fails(run_verb, plates):
    done = run_verb(
        *("measure", "out/classes", "--mm-per-px", "0.5", "--rules", "rules.yaml", "--json"),
        cwd=plates,
    )
    document = json.loads(done.stdout)
    assert done.returncode == 3
    assert document["passed"] is False
    assert document["verdicts"][0]["key"] == "bad"
    assert document["out"] == "measurements"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--gap", "scratch"), 2, "'scratch': give two classes, A,B"),
        (("--regions", "scrach"), 1, "no class named 'scrach'; did you mean 'scratch'?"),
        (("--rules", "rules.yaml"), 1, "give the size of a pixel with --mm-per-px"),
        (("--mm-per-px", "0"), 1, "--mm-per-px 0.0: give a number above 0, such as 0.05"),
        (("--before", "gone"), 1, "gone: no such file or folder"),
        (("-o", "out/classes"), 1, "out/classes: exists already and holds files that measure"),
    ],
)
def test_what_cannot_be_measured_is_refused_bare(run_verb, plates, options, code, message):
    done = run_verb("measure", "out/classes", *options, cwd=plates)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (plates / "measurements").exists()


def test_without_extras_all_but_gaps_and_thin_is_measured(run_plain_python, plates):
    command = ("-m", "maskwright", "measure", "out/classes", "--mm-per-px", "0.5")
    done = run_plain_python(
        *command, "--regions", "scratch", "--before", "out/classes", cwd=plates
    )
    assert done.returncode == 0, done.stderr
    assert "0.00 % of the pixels that both dates label changed class" in done.stdout
    done = run_plain_python(*command, "--thin", "scratch", "-o", "other", cwd=plates)
    assert done.returncode == 1
    assert done.stderr.endswith("is not installed; run: pip install 'maskwright[measure]'\n")
    assert not (plates / "other").exists()
