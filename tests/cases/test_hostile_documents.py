"""Documents of maskwright, changed at random: a verb reads one, or refuses it in one message.

By default some cases are drawn, the same on every run; `pytest --hypothesis-profile=fuzz` draws
10,000 for each document. A case may take a second of processor time and half a gigabyte.
"""

import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.bundle import _identity as seal
from maskwright.core.bundle import open_bundle
from maskwright.core.checkpoint import Checkpoint
from maskwright.core.errors import MaskwrightError
from maskwright.data.dataset import open_dataset
from maskwright.training.recipe import Recipe, read_recipe, to_yaml

MAX_S, MAX_KB = 10.0, 500_000
ABSURD = (
    *(None, True, -1, 0, 255, 10**9, (1 << 63) - 1, 1 << 64, 0.5, 1e308, float("nan")),
    *("", "x", "../../etc/passwd", "/etc/passwd", "a\0b", "\x1b[2J", "9" * 400, "\udcff"),
    *([], {}, [[]], [1, "x", None], {"a": {"b": []}}, {"": 1}, [0] * 100, "x" * 3000),
)


@pytest.fixture
def attack():
    """A function: write many changes of a JSON or YAML document and call `read` after each."""

    def run(document, write, read):
        @settings(max_examples=_examples(), suppress_health_check=list(HealthCheck))
        @given(st.one_of(changed(document), damaged(json.dumps(document).encode())))
        def every(case):
            content = case if isinstance(case, bytes) else json.dumps(case).encode()
            write(content, case)
            _judge(read)

        every()

    return run


def _examples():
    """A few, or those of a profile that asks for more."""
    asked = settings().max_examples
    return asked if asked > 1000 else 15


@st.composite
def changed(draw, document):
    """`document` with one to three of its values replaced, removed or doubled."""
    copy = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        holders = [holder for holder in _holders(copy) if holder]
        if not holders:
            return copy
        holder = draw(st.sampled_from(range(len(holders))))
        keys = list(_keys(holders[holder]))
        key = keys[draw(st.integers(0, len(keys) - 1))]
        kind = draw(st.sampled_from(("replace", "replace", "replace", "remove", "add")))
        if kind == "replace":
            holders[holder][key] = deepcopy(draw(st.sampled_from(ABSURD)))
        elif kind == "remove":
            del holders[holder][key]
        elif isinstance(holders[holder], dict):
            holders[holder]["unknown"] = deepcopy(draw(st.sampled_from(ABSURD)))
        else:
            holders[holder].append(deepcopy(holders[holder][key]))
    return copy


@st.composite
def damaged(draw, content):
    """`content` cut short, or with a byte changed."""
    place = draw(st.integers(0, len(content) - 1))
    if draw(st.booleans()):
        return content[:place]
    return content[:place] + bytes([draw(st.integers(0, 255))]) + content[place + 1 :]


def _holders(value):
    """All objects and arrays in a document, the outer one first."""
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _holders(inner)


def _keys(holder):
    return holder if isinstance(holder, dict) else range(len(holder))


def _judge(read):
    """Call `read` and measure; a refusal is a message of one or a few short lines."""
    began_s, before_kb, said = time.thread_time(), _peak_kb(), "read"
    try:
        read()
    except MaskwrightError as error:
        said = str(error)
    assert said.strip()
    assert len(said) < 2000, said[:3000]
    assert time.thread_time() - began_s < MAX_S
    assert _peak_kb() - before_kb < MAX_KB


def _peak_kb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_long_message_keeps_its_beginning_and_its_fix():
    said = str(MaskwrightError(f"a.yaml: {'x' * 9000}; remove it"))
    assert len(said) < 2000
    assert said.startswith("a.yaml: x")
    assert said.endswith("; remove it")


def _run(*args):
    """Run a verb in this process; what it raises is raised here."""
    result = CliRunner().invoke(app, [str(argument) for argument in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in (0, 1, 3)


@pytest.fixture
def data(tmp_path):
    """Four images of three classes, in two splits."""
    for index in range(4):
        mask = np.zeros((24, 32), np.uint8)
        mask[4:9, 4:20], mask[12:20, 3 + index : 20] = 1, 2
        split = "train" if index < 3 else "val"
        for folder, pixels in (("images", np.full((24, 32, 3), 9, np.uint8)), ("masks", mask)):
            (tmp_path / "d" / folder / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / "d" / folder / split / f"{index}.png")
    return tmp_path / "d"


DATASET = {
    "version": 1,
    "format": "mask_folder",
    "classes": [
        {"name": "sky", "color": [1, 2, 3], "kind": "stuff", "raw": [0]},
        {"name": "road", "raw": [1]},
        {"name": "car", "kind": "thing", "raw": [2]},
    ],
    "codec": {"pixels": "index", "ignored": [255]},
    "images": "images",
    "masks": "masks",
}


def test_dataset_yaml(data, attack):
    _run("check", data)

    def write(content, _):
        (data / "dataset.yaml").write_bytes(content)
        (data / "splits.json").unlink(missing_ok=True)

    attack(DATASET, write, lambda: _run("check", data))


def test_mapping(data, attack):
    (data / "dataset.yaml").write_text(yaml.safe_dump({**DATASET, "mapping": "m.yaml"}))
    mapping = {
        "classes": [{"name": "all", "from": ["sky", "road"], "color": [1, 2, 3]}],
        "ignored": ["car"],
    }
    attack(
        mapping,
        lambda content, _: (data / "m.yaml").write_bytes(content),
        lambda: open_dataset(data),
    )


def test_splits_json_sealed_anew(data, attack):
    _run("split", data, "--redraw", "--val", "0.25", "--test", "0.25", "--group", r"(\d)")
    path = data / "splits.json"
    document = json.loads(path.read_text())

    def write(content, case):
        if isinstance(case, dict) and isinstance(case.get("splits"), dict):
            try:
                lists = {split: sorted(keys) for split, keys in case["splits"].items()}
                text = json.dumps(lists, sort_keys=True)
                content = json.dumps(
                    {**case, "sha256": hashlib.sha256(text.encode()).hexdigest()}
                ).encode()
            except TypeError:
                pass
        path.write_bytes(content)

    attack(document, write, lambda: (open_dataset(data), _run("check", data)))


def test_recipe(tmp_path, attack):
    recipe = yaml.safe_load(to_yaml(Recipe(), {}))
    attack(
        recipe,
        lambda content, _: (tmp_path / "recipe.yaml").write_bytes(content),
        lambda: read_recipe(tmp_path / "recipe.yaml"),
    )


@pytest.fixture
def reports(data, tmp_path):
    """Two folders of `score`, the second to be changed."""
    masks = data / "masks"
    for name in ("a", "b"):
        _run("score", masks, masks, "-o", tmp_path / name)
    return tmp_path / "a", tmp_path / "b"


def test_report_json(reports, tmp_path, attack):
    a, b = reports
    document = json.loads((b / "report.json").read_text())
    compare = ("compare", a, b, "-o", tmp_path / "c", "--overwrite")
    attack(
        document,
        lambda content, _: (b / "report.json").write_bytes(content),
        lambda: _run(*compare),
    )


def test_images_csv(reports, tmp_path):
    a, b = reports
    content = (b / "images.csv").read_bytes()
    compare = ("compare", a, b, "-o", tmp_path / "c", "--overwrite")
    absurd = st.sampled_from(
        (b"9" * 30, b"9" * 5000, b"x" * 200_000, b'"', b"-1", b"1e9", b"\0")
    )

    @settings(max_examples=_examples(), suppress_health_check=list(HealthCheck))
    @given(st.one_of(damaged(content), st.tuples(st.integers(0, len(content)), absurd)))
    def every(case):
        if isinstance(case, tuple):
            place, inserted = case
            case = content[:place] + inserted + content[place:]
        (b / "images.csv").write_bytes(case)
        _judge(lambda: _run(*compare))

    every()


def test_rules_yaml_and_regions_of_interest(data, tmp_path, attack):
    rules, roi = tmp_path / "rules.yaml", tmp_path / "roi.geojson"
    ring = [[1, 1], [9, 1], [9, 9], [1, 9], [1, 1]]
    regions = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "EPSG:32616"}},
        "features": [
            {
                "type": "Feature",
                "properties": {"name": "north"},
                "geometry": {"type": "Polygon", "coordinates": [ring]},
            }
        ],
    }
    limits = {"version": 1, "rules": [{"fail": "class_1 > 2 %", "name": "r", "roi": "north"}]}
    masks = data / "masks"
    measure = ("measure", masks, "--rules", rules, "--roi", roi, "-o", tmp_path / "m")
    roi.write_text(json.dumps(regions))
    attack(
        limits,
        lambda content, _: rules.write_bytes(content),
        lambda: _run(*measure, "--overwrite"),
    )
    rules.write_text(json.dumps(limits))
    attack(
        regions,
        lambda content, _: roi.write_bytes(content),
        lambda: _run(*measure, "--overwrite"),
    )


def test_bundle_json_sealed_anew(painted_bundle, tmp_path, attack):
    bundle = painted_bundle(tmp_path / "bundle")
    path = bundle.root / "bundle.json"
    document = json.loads(path.read_text())

    def write(content, case):
        if isinstance(case, dict):
            rest = {key: value for key, value in case.items() if key != "id"}
            content = json.dumps({"id": seal(rest), **rest}).encode()
        path.write_bytes(content)

    attack(document, write, lambda: open_bundle(bundle.root))


def test_card_json(painted_card, tmp_path, attack):
    (tmp_path / "weights.safetensors").write_bytes(b"")
    attack(
        painted_card().to_json(),
        lambda content, _: (tmp_path / "card.json").write_bytes(content),
        lambda: Checkpoint.open(tmp_path),
    )


def test_manifest_of_results(data, tmp_path, painted_bundle, attack):
    bundle = painted_bundle(tmp_path / "bundle")
    out = data / "images/train/out"
    predict = ("predict", bundle.root, data / "images", "-o", out)
    _run(*predict)
    manifest = out / "results.json"
    document = json.loads(manifest.read_text())
    manifest.write_bytes(b"{")
    _run(*predict, "--overwrite")
    attack(
        document,
        lambda content, _: manifest.write_bytes(content),
        lambda: _run("check", data),
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dataset.yaml", b"a: &a [x]\nb: [" + b"*a, " * 9999 + b"*a]"),
        ("dataset.yaml", b"version: 1" + b":59" * 200_000),
        ("splits.json", b"[" * 1_000_000),
        ("classes.txt", b"9" * 100_000 + b" a\n"),
        ("classes.txt", b"\xff\xfe0 a"),
    ],
)
def test_a_process_ends_with_one_line_soon_and_in_little_memory(data, name, content):
    (data / name).write_bytes(content)
    limit = 3 << 30
    done = subprocess.run(
        [sys.executable, "-m", "maskwright", "convert", data, data.parent / "o", "--to", "voc"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert len(done.stderr) < 1000
    assert Path(name).name in done.stderr
