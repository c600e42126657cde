"""The calls of a notebook: paths are accepted, and results show themselves."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import maskwright
from maskwright.core.errors import ConfigError, OutputError

YAML = "classes:\n" + "".join(f"  - {{name: {n}}}\n" for n in ("sky", "road", "tree", "car"))


@pytest.fixture
def bundle(painted_bundle, tmp_path):
    return painted_bundle(tmp_path / "m/bundle").root


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "data"
    for kind in ("images/test", "masks/test"):
        (root / kind).mkdir(parents=True)
    for number in range(3):
        map_HW = np.roll(np.arange(4, dtype=np.uint8), number).reshape(2, 2)
        Image.fromarray(map_HW).save(root / f"masks/test/im{number}.png")
        rgb_HW3 = np.repeat(map_HW[..., None], 3, 2)
        Image.fromarray(rgb_HW3).save(root / f"images/test/im{number}.png")
    (root / "dataset.yaml").write_text(YAML)
    return root


def test_one_image_gives_a_prediction_and_several_a_list(bundle, data):
    photo = data / "images/test/im0.png"
    one = maskwright.predict(bundle, photo)
    np.testing.assert_array_equal(one.labels_HW, [[0, 1], [2, 3]])
    assert [p.labels_HW[0, 0] for p in maskwright.predict(str(bundle), [photo, photo])] == [
        0,
        0,
    ]
    assert len(maskwright.predict(bundle, data / "images")) == 3
    model = maskwright.open_model(bundle)
    np.testing.assert_array_equal(model(str(photo)).labels_HW, one.labels_HW)
    np.testing.assert_array_equal(model(one.image_HWC).labels_HW, one.labels_HW)


def test_with_out_the_outputs_are_written(bundle, data, tmp_path):
    summary = maskwright.predict(bundle, data / "images", tmp_path / "out", write=("classes",))
    assert summary.num_images == 3
    assert (tmp_path / "out/classes/test/im0.png").is_file()
    with pytest.raises(ConfigError, match="write: only where a folder `out` is written"):
        maskwright.predict(bundle, [], write=("classes",))


def test_results_may_be_written_to_an_address(bundle, data):
    fsspec = pytest.importorskip("fsspec")
    summary = maskwright.predict(bundle, data / "images", "memory://calls/out")
    assert summary.num_images == 3
    store = fsspec.filesystem("memory")
    assert store.exists("/calls/out/classes/test/im0.png")
    store.rm("/calls", recursive=True)


def test_a_prediction_shows_and_saves_itself(bundle, data, tmp_path):
    prediction = maskwright.predict(bundle, data / "images/test/im0.png")
    assert repr(prediction) == (
        "Prediction(2 x 2: sky 25.0 %, road 25.0 %, tree 25.0 %, car 25.0 %)"
    )
    assert prediction.coverage["car"] == 0.25
    assert prediction.overlay().shape == (2, 2, 3)
    assert prediction._repr_png_().startswith(b"\x89PNG")
    with Image.open(prediction.save(tmp_path / "map.png")) as image:
        np.testing.assert_array_equal(np.array(image), prediction.labels_HW)
    with pytest.raises(OutputError, match=r"written without loss, as \.png"):
        prediction.save(tmp_path / "map.jpg")


def test_evaluate_and_diff_take_paths_and_reports_show_themselves(bundle, data):
    report = maskwright.evaluate(bundle, data, split="test")
    assert repr(report) == "Report(mIoU 100.0 %, 4 classes)"
    assert "<td>car</td><td>100.0 %</td>" in report._repr_html_()
    assert maskwright.diff(data, str(data)).same


def test_an_audit_shows_its_findings(data):
    audit = maskwright.check(data)
    assert repr(audit).startswith(f"Audit({data}: 3 images; ")
    assert "<th>severity</th><th>finding</th>" in audit._repr_html_()


def test_a_comparison_shows_what_changed(bundle, data, tmp_path):
    report = maskwright.evaluate(bundle, data)
    for name in "ab":
        maskwright.write_report(report, tmp_path / name)
    comparison = maskwright.compare(tmp_path / "a", tmp_path / "b")
    assert repr(comparison) == (
        "Comparison(mIoU 0.0 points on 3 images; no difference beyond chance)"
    )
    assert "<td>car</td>" in comparison._repr_html_()


def test_the_public_names_and_the_version_are_listed():
    names = dir(maskwright)
    assert {"train", "predict", "Report", "__version__"} <= set(names)
    assert not [name for name in names if name.startswith("_") and name[:2] != "__"]
    assert "import_module" not in names
    assert maskwright.__version__[0].isdigit()


def test_training_without_torch_names_the_pip_command(data, tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; import maskwright\n"
        f"try: maskwright.train({str(data)!r}, {str(tmp_path / 'r')!r}, epochs=1)\n"
        "except maskwright.MaskwrightError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "torch is not installed; run: pip install 'maskwright[train]'\n"


def test_options_of_train_are_arguments(data, tmp_path):
    with pytest.raises(ConfigError, match=r"x.*: write numbers with d, h, m or s"):
        maskwright.train(data, tmp_path / "r", budget="x")
    random = {"model.encoder_weights": "none"}
    with pytest.raises(ConfigError, match="epochs"):
        maskwright.train(data, tmp_path / "r", epochs=-1, settings=random)
