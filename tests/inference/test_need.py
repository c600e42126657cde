"""What does not fit in memory is refused before the network runs, with the sum."""

import resource
import subprocess
import sys

import numpy as np
import pytest

from maskwright.core import memory
from maskwright.core.errors import BundleError, ConfigError, DataError
from maskwright.core.memory import find_free_bytes
from maskwright.inference import need, predictor
from maskwright.inference.predictor import open_model

IMAGE = np.zeros((300, 400, 3), np.uint8)
_MEASURE = """
import numpy as np
from maskwright.core.memory import measure_peak

with measure_peak() as peak:
    np.ones(10_000_000, np.float32)
print(peak.num_bytes)
"""


@pytest.fixture
def model(painted_bundle, tmp_path):
    return open_model(painted_bundle(tmp_path / "bundle").root)


def test_an_image_that_does_not_fit_is_refused_with_the_sum(model, monkeypatch):
    monkeypatch.setattr(need, "LARGE_PX", 1)
    monkeypatch.setattr(need, "find_free_bytes", lambda: 2_000_000)
    with pytest.raises(DataError, match=r"a\.jpg: 300 x 400 px \(H, W\) need \d+\.\d GB"):
        model.predict(IMAGE, where="a.jpg")
    monkeypatch.setattr(predictor, "run_whole", None)
    with pytest.raises(DataError, match=r"0\.0 GB are free; cut the image into tiles"):
        list(model.predict_many([IMAGE]))


def test_an_image_that_fits_or_is_small_is_predicted(model, monkeypatch):
    monkeypatch.setattr(need, "find_free_bytes", lambda: 1)
    assert model.predict(IMAGE).labels_HW.shape == (300, 400)
    assert model.need.engine is None
    monkeypatch.setattr(need, "LARGE_PX", 1)
    monkeypatch.setattr(need, "find_free_bytes", lambda: 1 << 40)
    assert model.predict(IMAGE).labels_HW.shape == (300, 400)
    # four logits of four bytes; the layout in blocks of eight channels is not used
    assert 4 * 4 <= model.need.bytes_per_px < 24


def test_a_large_image_gets_the_same_numbers_from_the_compact_engine(model, monkeypatch):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    small = model.predict(image)
    monkeypatch.setattr(need, "LARGE_PX", 1)
    large = model.predict(image)
    assert model.need.engine.is_compact
    assert model.need.engine.make_compact() is None
    np.testing.assert_array_equal(large.labels_HW, small.labels_HW)
    np.testing.assert_array_equal(large.confidence_HW, small.confidence_HW)


def test_an_engine_that_gains_little_is_kept(model, monkeypatch):
    monkeypatch.setattr(need, "LARGE_PX", 1)
    monkeypatch.setattr(need, "_WORTH_RATIO", 0.0)
    model.predict(IMAGE)
    assert model.need.engine is model.engine


def test_the_peak_of_a_block_is_measured():
    """In a process of its own: of this one the system may take pages of libraries meanwhile."""
    found = subprocess.check_output([sys.executable, "-c", _MEASURE], text=True)
    assert 38e6 <= int(found) < 60e6


def test_the_limit_of_the_process_counts(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10**12, 10**12))
    assert find_free_bytes() < 10**12
    monkeypatch.setattr(resource, "getrlimit", lambda _: (5, 5))
    assert find_free_bytes() < 0


def test_the_limit_of_a_control_group_counts(tmp_path, monkeypatch):
    assert find_free_bytes() > 1e6
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    texts = {"max": "3000", "current": "2500", "stat": "file 7\ninactive_file 40"}
    for name, text in texts.items():
        (tmp_path / f"memory.{name}").write_text(f"{text}\n")
    assert find_free_bytes() == 3000 - 2500 + 40
    (tmp_path / "memory.max").write_text("max\n")
    assert find_free_bytes() > 1e6
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    assert find_free_bytes() is None


def test_an_engine_keeps_its_memory_for_the_next_input_of_the_same_size_alone(model):
    engine = model.engine.make_serial()

    def gives_back(*shape_BHW):
        batch, *size_HW = shape_BHW
        x_BCHW = np.zeros((batch, 3, *size_HW), np.float32)
        options = engine._choose_memory(x_BCHW)
        engine(x_BCHW)
        key = "memory.enable_memory_arena_shrinkage"
        return options is not None and options.get_run_config_entry(key) == "cpu:0"

    assert gives_back(1, 64, 96)
    assert not gives_back(1, 64, 96)
    assert not gives_back(1, 96, 64)  # the same blocks of memory
    assert gives_back(2, 64, 96)
    assert gives_back(1, 64, 96)
    assert [gives_back(1, 2048, 2080) for _ in range(2)] == [True, True]  # too large to keep
    assert model.engine.last.num_px == 0  # another session


def test_an_engine_is_not_opened_without_memory_for_its_threads(tmp_path):
    """Some wait for ever there, or end the process."""
    graph = tmp_path / "model.onnx"
    graph.write_bytes(bytes(1_000_000))
    with (
        pytest.raises(ConfigError, match=r"needs about 1,000,000,020 MB for that, .* are free"),
        need.require_memory(graph, 10**15, threads=2),
    ):
        pytest.fail("was opened")
    with need.require_memory(graph, 0, threads=1):
        pass


@pytest.mark.parametrize(
    "error", [RuntimeError("std::bad_alloc"), BundleError("cannot run it (bad allocation)")]
)
def test_an_engine_that_finds_no_memory_names_the_fix(tmp_path, error):
    graph = tmp_path / "model.onnx"
    graph.write_bytes(b"")
    with (
        pytest.raises(
            ConfigError, match=r"raise the limit \(ulimit -v\), or use fewer threads"
        ),
        need.require_memory(graph, 0, threads=1),
    ):
        raise error
    with pytest.raises(RuntimeError, match="shapes"), need.require_memory(graph, 0, threads=1):
        raise RuntimeError("shapes disagree")
