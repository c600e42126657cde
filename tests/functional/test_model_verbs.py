"""`evaluate` and `predict` as a user meets them: with a Bundle, also without torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
NAMES = ("sky", "road", "tree", "car")


@pytest.fixture
def home(painted_bundle, tmp_path):
    """A folder with `bundle`, `data` (a test split of two images) and `photos`."""
    painted_bundle(tmp_path / "bundle")
    index = np.repeat(np.arange(4, dtype=np.uint8), 5).reshape(4, 5)
    for kind, pixels in (("images", np.repeat(index[..., None], 3, 2)), ("masks", index)):
        for name in ("a", "b"):
            path = tmp_path / "data" / kind / "test" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    listed = "".join(f"  - name: {name}\n" for name in NAMES)
    (tmp_path / "data/dataset.yaml").write_text(f"classes:\n{listed}")
    (tmp_path / "photos").symlink_to("data/images/test")
    return tmp_path


@pytest.fixture
def maskwright(run_verb, home):
    """Run a verb in `home`."""
    return lambda *args: run_verb(*args, cwd=home)


@pytest.fixture
def without_torch(run_plain_python, home):
    """Run a verb in `home`, in a process that has no torch."""
    return lambda *args: run_plain_python("-m", "maskwright", *args, cwd=home)


def require_refused(done, *texts):
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    for text in texts:
        assert text in done.stderr


def test_evaluate_prints_the_table_and_writes_the_report(maskwright, home):
    done = maskwright("evaluate", "bundle", "data", "-o", "deep/report")
    assert done.returncode == 0, done.stderr
    assert "mIoU 100.0 %" in done.stdout
    assert "deep/report/report.html" in done.stdout
    written = sorted(p.name for p in (home / "deep/report").iterdir())
    assert written == ["images.csv", "report.html", "report.json", "results.json"]


def test_evaluate_json_is_one_document_and_the_report(without_torch, home):
    done = without_torch("evaluate", "bundle", "data", "-o", "report", "--json")
    document = json.loads(done.stdout)
    assert document == json.loads((home / "report/report.json").read_text())
    assert document["scores"]["miou"] == 1.0
    assert document["provenance"]["versions"].keys() >= {"python", "onnxruntime"}
    assert "torch" not in document["provenance"]["versions"]


def test_predict_writes_maps_and_coverage(without_torch, home):
    done = without_torch("predict", "bundle", "photos", "-o", "out", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["num_images"] == 2
    assert document["classes"][3] == {"name": "car", "pixels": 10, "percent": 25.0}
    for kind in ("classes", "overlay", "confidence"):
        assert {p.name for p in (home / "out" / kind).glob("*.png")} == {"a.png", "b.png"}
    truth, predicted = (
        np.asarray(Image.open(home / folder / "a.png"))
        for folder in ("data/masks/test", "out/classes")
    )
    np.testing.assert_array_equal(predicted, truth)


def test_refining_is_asked_for_and_written_down(without_torch, home):
    done = without_torch(
        "predict", "bundle", "photos", "--refine", "crf:w1=1", "-o", "out", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["refine"]["steps"][0]["w1"] == 1
    predicted = np.asarray(Image.open(home / "out/classes/a.png"))
    assert predicted.shape == (4, 5)
    assert predicted.max() < 4
    assert (
        "refined by crf:w1=1,theta_alpha=67" in (home / "out/classes/dataset.yaml").read_text()
    )
    done = without_torch(
        "evaluate", "bundle", "data", "--refine", "crf", "-o", "report", "--json"
    )
    (step,) = json.loads(done.stdout)["settings"]["refine"]["steps"]
    assert step["theta_alpha"] == 67
    done = without_torch("predict", "bundle", "photos", "--refine", "cfr", "-o", "none")
    require_refused(done, "no refiner named 'cfr'; did you mean 'crf'?")
    assert not (home / "none").exists()


def test_quiet_prints_nothing(maskwright):
    for verb in (
        ("evaluate", "bundle", "data", "-o", "report"),
        ("predict", "bundle", "photos", "-o", "out"),
    ):
        done = maskwright(*verb, "--quiet")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["bundle.json", "model.onnx", "weights.safetensors"])
def test_one_flipped_byte_in_the_bundle_is_refused(maskwright, home, name):
    path = home / "bundle" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    for verb, what in (("predict", "photos"), ("evaluate", "data")):
        done = maskwright(verb, "bundle", what, "-o", "out")
        require_refused(done, f"bundle/{name}", "copy the bundle again")
        assert not (home / "out").exists()


def test_a_folder_without_a_model_is_refused(maskwright, home):
    require_refused(maskwright("predict", "photos", "photos"), "not a model: neither a bundle")
    require_refused(maskwright("predict", "none", "photos"), "none: no such folder")
    assert not (home / "predictions").exists()


def test_an_image_of_another_kind_is_refused(maskwright, home):
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(home / "photos/grey.png")
    done = maskwright("predict", "bundle", "photos", "-o", "out")
    assert done.returncode == 1
    assert "grey.png: image holds uint16, the model takes uint8; convert" in done.stderr
    assert "1 of 3 images could not be predicted" in done.stderr
    (failed,) = json.loads((home / "out/results.json").read_text())["inputs"]["failed"]
    assert failed["input"].endswith("photos/grey.png")


def test_a_split_that_is_not_there_is_answered_with_those_that_are(maskwright, home):
    done = maskwright("evaluate", "bundle", "data", "--split", "val", "-o", "out")
    require_refused(done, "no split 'val'", "test (2)")
    assert not (home / "out").exists()


def test_two_images_of_one_name_are_refused(maskwright, home):
    (home / "more").mkdir()
    (home / "more/a.png").write_bytes((home / "photos/a.png").read_bytes())
    done = maskwright("predict", "bundle", "photos", "more/a.png", "-o", "out")
    require_refused(done, "more/a.png", "photos/a.png", "'a'")
    assert not (home / "out").exists()


def test_a_read_only_output_folder_is_refused_before_the_work(maskwright, mounted):
    disk = mounted("ro")
    for verb, what in (("predict", "photos"), ("evaluate", "data")):
        done = maskwright(verb, "bundle", what, "-o", disk / "out")
        require_refused(done, f"{disk}/out: cannot write", "read-only", "-o")


def test_a_full_disk_is_refused_and_keeps_only_what_can_be_resumed(maskwright, home, mounted):
    disk = mounted("size=128k")
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 4, (400, 400, 3)).astype(np.uint8)
    Image.fromarray(noise).save(home / "photos/c.png")
    Image.fromarray(noise[..., 0]).save(home / "data/masks/test/c.png")
    for verb, what, kept in (("evaluate", "data", []), ("predict", "photos", ["out.partial"])):
        done = maskwright(verb, "bundle", what, "-o", disk / "out")
        require_refused(done, f"{disk}/out: cannot write", "the disk is full")
        assert [path.name for path in disk.iterdir()] == kept


def test_a_name_that_is_not_text_keeps_its_bytes(maskwright, home):
    odd = os.fsdecode(b"gr\xfcn")
    (home / "photos/a.png").rename(home / f"photos/{odd}.png")
    done = maskwright("predict", "bundle", "photos", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert (home / f"out/classes/{odd}.png").is_file()
    assert b"gr\xfcn,sky,5" in (home / "out/coverage.csv").read_bytes()


def test_wrong_usage_is_2(maskwright):
    assert maskwright("predict", "bundle").returncode == 2
    assert maskwright("evaluate", "bundle").returncode == 2


@pytest.mark.long
def test_a_fresh_environment_with_the_wheel_alone_predicts_and_evaluates(
    wheel, untrained_bundle, photographs, home, tmp_path_factory
):
    environment = tmp_path_factory.mktemp("fresh") / "venv"
    python = _install(wheel, environment)
    listed = _run(python, "-m", "pip", "list", "--format=freeze").stdout
    assert "onnxruntime" in listed
    assert not [line for line in listed.splitlines() if line.startswith(("torch", "timm"))]
    for number, image in enumerate(photographs):
        Image.fromarray(image).save(home / f"data/images/test/photo{number}.png")
        Image.fromarray(image[..., 0] % 4).save(home / f"data/masks/test/photo{number}.png")
    bundle = untrained_bundle.root
    command = environment / "bin/maskwright"
    done = _run(command, "predict", bundle, home / "photos", "-o", home / "out", "--json")
    assert json.loads(done.stdout)["num_images"] == 4
    done = _run(command, "evaluate", bundle, home / "data", "-o", home / "report", "--json")
    assert json.loads(done.stdout)["provenance"]["model"]["id"] == untrained_bundle.model_id


def _install(wheel, environment):
    """The environment's Python, or a skip where the packages cannot be fetched."""
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin/python"
    options = "--quiet", "--retries", "1", "--constraint", str(ROOT / "constraints.txt")
    done = subprocess.run(
        [str(python), "-m", "pip", "install", *options, str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    unreachable = ("ConnectionError", "ConnectTimeout", "name resolution", "Network is unreach")
    if done.returncode and any(text in done.stderr for text in unreachable):
        pytest.skip("pip has no network here, so nothing can be installed")
    assert done.returncode == 0, done.stderr
    return python


def _run(*command):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in command], env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done
