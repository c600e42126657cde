"""Models that need no training, real data, small disks: shared by tests of several layers."""

import gc
import json
import os
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from maskwright.core import InputSpec, LabelSpec
from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.spelling import speaks_command_line

from .browser import Browser, find_browser
from .postgres import Postgres

# No deadline: the first call of a kernel compiles it. The default draws the same examples on
# every run, so that a change is judged by itself; `pytest --hypothesis-profile=search` draws
# new ones, and `fuzz` 10,000 for each test.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=10_000)
settings.load_profile("same")


def pytest_addoption(parser):
    parser.addoption(
        "--time-limit-min",
        type=float,
        help="fail when the tests take longer, and print the time of each folder",
    )


def pytest_configure(config):
    # what is trusted in tests is not trusted by the person who runs them, nor the other way
    config.homes = [_make_home("XDG_STATE_HOME")]
    if hasattr(config, "workerinput"):  # of xdist: its workers share what is kept
        return
    config.homes.append(_make_home("XDG_CACHE_HOME"))
    limit_min = config.getoption("--time-limit-min")
    if limit_min:
        config.pluginmanager.register(_FolderTimes(limit_min), "folder-times")


def _make_home(variable):
    home = tempfile.TemporaryDirectory(prefix=f"{variable}.")
    os.environ[variable] = home.name
    return home


def pytest_unconfigure(config):
    for home in config.homes:
        home.cleanup()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Slow tests come first, so that no process waits for another with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


class _FolderTimes:
    """Adds up the time of the tests of each folder, over all processes."""

    def __init__(self, limit_min):
        self.limit_min = limit_min
        self.started_s = time.monotonic()
        self.seconds = Counter()

    def pytest_runtest_logreport(self, report):
        folder = "/".join(report.nodeid.partition("::")[0].split("/")[:2])
        self.seconds[folder] += report.duration

    @property
    def took_min(self):
        return (time.monotonic() - self.started_s) / 60

    def pytest_sessionfinish(self, session):
        if self.took_min > self.limit_min:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.section("seconds of tests by folder")
        for folder, seconds in self.seconds.most_common():
            terminalreporter.write_line(f"{seconds:8.1f}  {folder}")
        verdict = "OVER" if self.took_min > self.limit_min else "within"
        terminalreporter.write_line(
            f"{self.took_min:.1f} min in all, {verdict} the limit of {self.limit_min:g} min"
        )


NAMES = ("sky", "road", "tree", "car")
REAL = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def window(tmp_path_factory):
    """A browser whose scripts are those of the tests, for one page after the other."""
    opened = Browser(find_browser(), tmp_path_factory.mktemp("window"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server; the test is skipped where the package is not installed."""
    with tempfile.TemporaryDirectory(prefix="postgres.") as folder:
        server = Postgres(Path(folder))
        yield server
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_place(request, tmp_path):
    """Where an empty store can be made: a path, then a database of PostgreSQL."""
    if request.param == "sqlite":
        return tmp_path / "store.sqlite"
    return request.getfixturevalue("postgres").make_url()


@pytest.fixture
def real_data():
    """Where the real datasets lie; the test is skipped where there are none."""
    if not REAL.is_dir():
        pytest.skip(f"the real datasets are not at {REAL}: their licences forbid shipping them")
    return REAL


@pytest.fixture(autouse=True, scope="session")
def _messages_of_the_command_line():
    """Messages are tested as they are written; tests/core/test_spelling.py has Python's."""
    speaks_command_line.set(True)


@pytest.fixture(scope="session")
def painted_card():
    """A function: the card of a network that reads the class index off the first channel."""

    def make(*, names=NAMES, channels=3, scale_ratio=1.0, max_value=255, provenance=None):
        return ModelCard(
            labels=LabelSpec.from_names(names),
            input=InputSpec(
                channels=channels,
                mean=(0.0,) * channels,
                std=(1.0,) * channels,
                max_value=max_value,
                scale_ratio=scale_ratio,
            ),
            arch=ArchSpec(name="painted", encoder="none"),
            provenance=provenance or {"seed": 7},
        )

    return make


@pytest.fixture(scope="session")
def painted_bundle(painted_card):
    """A function: write a Bundle whose graph says class k where the first channel holds k."""

    def make(path, **card_choices):
        from maskwright.core.bundle import GRAPH, WEIGHTS, write_bundle
        from maskwright.core.graph import Graph
        from maskwright.core.results import WriteMode
        from maskwright.core.trust import hash_file, remember

        card = painted_card(**card_choices)
        path.parent.mkdir(parents=True, exist_ok=True)
        graph, weights = path.parent / f"{path.name}.onnx", path.parent / f"{path.name}.st"
        graph.write_bytes(_painted_graph(card))
        remember("graph", hash_file(graph))  # else each Bundle has a trial in a process
        weights.write_bytes(b"no network reads these")
        files = {GRAPH: graph, WEIGHTS: weights}
        graphs, mode = [Graph(file=GRAPH, engine="onnxruntime")], WriteMode(overwrite=True)
        return write_bundle(path, card, files, graphs=graphs, mode=mode)

    return make


def _painted_graph(card):
    """-(x - k)^2 has the order of 2 k x - k^2, which a 1 x 1 convolution says."""
    from onnx import TensorProto, helper, numpy_helper

    num_classes, channels = len(card.labels), card.input.channels
    index_K = np.arange(num_classes, dtype=np.float32)
    weight_KC11 = np.zeros((num_classes, channels, 1, 1), np.float32)
    weight_KC11[:, 0, 0, 0] = 2 * index_K * card.input.max_value
    float32 = TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weight", "bias"], ["logits"])],
        "painted",
        [helper.make_tensor_value_info("image", float32, ["B", channels, "H", "W"])],
        [helper.make_tensor_value_info("logits", float32, ["B", num_classes, "H", "W"])],
        [
            numpy_helper.from_array(weight_KC11, "weight"),
            numpy_helper.from_array(-(index_K**2), "bias"),
        ],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


@pytest.fixture(scope="session")
def engine_from():
    """A function: an Engine that calls the function given to it."""
    from maskwright.inference.engine import Engine

    class Painted(Engine):
        name = "painted"

        def __init__(self, function, **limits):
            self.function = function
            for limit, value in limits.items():
                setattr(self, limit, value)

        def __call__(self, image_BCHW):
            return self.function(image_BCHW)

    return Painted


@pytest.fixture(scope="session")
def untrained_checkpoint(tmp_path_factory):
    """A checkpoint folder of a very small network with random weights, four classes."""
    import torch
    from safetensors.torch import save_file

    from maskwright.nn.build import build_model

    card = ModelCard(
        labels=LabelSpec.from_names(NAMES),
        input=InputSpec(channels=3, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.3)),
        arch=ArchSpec(name="pspnet", encoder="test_resnet"),
        provenance={"seed": 3},
    )
    folder = tmp_path_factory.mktemp("checkpoint")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build_model(card)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    (folder / "card.json").write_text(json.dumps(card.to_json()))
    save_file(network.state_dict(), folder / "weights.safetensors")
    return folder


@pytest.fixture(scope="session")
def photographs():
    """Two images of noise with some structure, of sizes that are no multiples of anything."""
    rng = np.random.default_rng(0)
    return [
        (rng.random((height, width, 3)) * 255).astype(np.uint8)
        for height, width in ((75, 101), (50, 39))
    ]


@pytest.fixture(scope="session")
def untrained_bundle(untrained_checkpoint, photographs, tmp_path_factory):
    """The Bundle exported from `untrained_checkpoint`."""
    from maskwright.export.bundle import export_bundle

    out = tmp_path_factory.mktemp("exported") / "bundle"
    return export_bundle(untrained_checkpoint, photographs, out)


@pytest.fixture
def mounted(tmp_path):
    """A function: mount a tmpfs with the given options; skips where that is not permitted."""
    points = []

    def mount(options):
        point = tmp_path / f"mounted{len(points)}"
        point.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        points.append(point)
        return point

    yield mount
    for point in points:
        subprocess.run(["umount", str(point)], check=True)


@pytest.fixture
def one_ray_start(monkeypatch):
    """Skips where Ray does not start in the 15 s that it gives its helpers (ray#65983)."""
    from maskwright.core.errors import ConfigError
    from maskwright.inference import cluster

    monkeypatch.setattr(cluster, "_STARTS", 1)
    run = cluster.RayWorkers.__call__

    def run_or_skip(workers, work, parts):
        try:
            yield from run(workers, work, parts)
        except ConfigError as error:
            if "no Ray cluster" not in str(error):
                raise
            pytest.skip(f"this machine is too busy to start Ray: {error}")

    monkeypatch.setattr(cluster.RayWorkers, "__call__", run_or_skip)
    yield
    gc.collect()  # Ray's helpers warn when they are freed: here, where the test ignores it
