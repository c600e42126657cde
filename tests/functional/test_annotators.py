"""Two annotators from the command line: checked and learnt from."""

import json
import shlex

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow

TWO_STEPS = (
    "--set model.encoder=test_resnet --set model.encoder_weights=none --set model.arch=fpn "
    "--set data.batch_size=8 --set data.crop_px='[64, 64]' --set data.class_mix=0.5 "
    "--set schedule.epochs=2 --set loss.sum=ce+dice --set optim.precision=fp32"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Street scenes with masks, and with those of ben, who saw all but one a little lower."""
    from maskwright.data.synth.streets import write_street_scenes

    home = tmp_path_factory.mktemp("annotators")
    write_street_scenes(home / "made", num_images=8, size_HW=(64, 96), seed=0)
    for path in sorted((home / "made/masks").rglob("*.png"))[1:]:
        lower = home / "made/ben" / path.relative_to(home / "made/masks")
        lower.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as mask:
            Image.fromarray(np.roll(np.asarray(mask), 2, axis=0)).save(lower)
    return home


@pytest.fixture(scope="module")
def listing(home):
    """A function: write this list of annotators, if any, into dataset.yaml."""
    plain = (home / "made/dataset.yaml").read_text()

    def write(annotators):
        (home / "made/dataset.yaml").write_text(plain + annotators)

    return write


def test_check_tells_how_far_two_agree(home, listing, run_verb):
    listing("annotators: [masks, ben]\n")
    done = run_verb("check", "made", "--json", cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["annotators"]["masks"] == {"masks": 8, "ben": 7}
    assert 0 < found["annotators"]["disputed_pixels"] < found["annotators"]["shared_pixels"] / 3
    (disputed,) = (f for f in found["findings"] if f["code"] == "disputed-image")
    assert disputed["count"] == 7
    told = run_verb("check", "made", cwd=home)
    assert "masks and ben: kappa 0." in told.stdout


def test_two_steps_of_training_on_both_leave_a_bundle(home, listing, run_verb):
    listing("annotators: [masks, ben]\n")
    done = run_verb(*shlex.split(f"train made -o run {TWO_STEPS}"), cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (home / "run/bundle/model.onnx").is_file()
    rows = (home / "run/log.csv").read_text().splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == ["1", "2"]
    weights = load_file(home / "run/last/weights.safetensors")
    assert all(np.isfinite(values).all() for values in weights.values())
