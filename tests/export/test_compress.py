"""compress: every engine and precision is scored and timed, and one is chosen."""

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.bundle import open_bundle
from maskwright.core.errors import ConfigError
from maskwright.export.compress.candidates import Candidate, Wish, choose, find_front
from maskwright.inference.predictor import open_model
from maskwright.pages.scatter import Dot, draw_scatter_file

OLD = Path(__file__).parents[1] / "fixtures" / "written_by_0_1"


def make(engine, precision, ms, drop_points):
    return Candidate(
        engine=engine,
        precision=precision,
        file="model.onnx",
        ms=ms,
        times_torch=100 / ms,
        memory_mb=None,
        size_mb=1.0,
        miou=0.6 - drop_points / 100,
        drop_points=drop_points,
        equal_pixel_share=0.99,
    )


TORCH = make("torch", "fp32", 100, 0)
FLOAT = make("onnxruntime", "fp32", 50, 0)
HALF = make("openvino", "bf16", 25, 0.1)
INT8 = make("onnxruntime", "int8", 20, 0.4)
FAST = make("openvino", "int8", 15, 0.9)
ALL = (TORCH, FLOAT, HALF, INT8, FAST)


@pytest.mark.parametrize(
    ("target_ms", "max_drop_points", "expected"),
    [
        (60, 1, FLOAT),
        (30, 1, HALF),
        (22, 1, INT8),
        (16, 1, FAST),
        (22, 0.2, HALF),  # too slow: the fastest that keeps the score
        (1, 1, FAST),
        (1, 0, FLOAT),
    ],
)
def test_the_best_score_in_time_is_chosen_and_never_torch(target_ms, max_drop_points, expected):
    wish = Wish(target_ms=target_ms, max_drop_points=max_drop_points)
    assert choose(ALL, wish) == choose(ALL[::-1], wish) == expected


@pytest.mark.parametrize("values", [(0, 1), (float("nan"), 1), (33, -1), (33, 101)])
def test_a_wish_without_sense_is_refused(values):
    with pytest.raises(ConfigError, match="expected a time above 0, and points of mIoU from 0"):
        Wish(*values)


def test_of_equal_scores_the_fastest_is_chosen():
    slow = replace(FLOAT, engine="openvino", ms=55)
    assert choose((slow, FLOAT), Wish(target_ms=60, max_drop_points=0)) == FLOAT


def test_the_front_leaves_out_what_another_beats_in_both():
    worse = make("torch", "bf16", 60, 0.5)
    assert find_front((*ALL, worse)) == [FAST, INT8, HALF, FLOAT]


def test_the_picture_names_every_dot_and_no_two_names_overlap():
    dots = [
        Dot(name=f"engine {i}", x=10, y=50, is_marked=i == 1, is_on_line=i < 2)
        for i in range(3)
    ]
    picture = draw_scatter_file("a & b", dots, ("ms", "mIoU"), limit_x=11)
    assert 'aria-label="a &amp; b"' in picture
    assert picture.count('class="ring"') == picture.count('class="line"') == 1
    lines = re.findall(r'<text x="[\d.]+" y="([\d.]+)">engine \d</text>', picture)
    heights = sorted(map(float, lines))
    assert len(heights) == 3
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 15


def test_the_command_writes_a_page_and_the_bundle_that_was_chosen(tmp_path):
    out = tmp_path / "small"
    line = ["compress", OLD / "run", OLD / "street", "--engines", "onnxruntime"]
    line += ["--size", "64x96", "--threads", "1", "-o", out, "--json"]
    done = CliRunner().invoke(app, [*map(str, line), "--target-ms", "10000"])
    assert done.exit_code == 0, done.exception
    found = json.loads(done.stdout)
    names = {(one["engine"], one["precision"]) for one in found["candidates"]}
    assert names == {("onnxruntime", "fp32"), ("onnxruntime", "int8")}
    assert found["is_met"]
    assert sorted(path.name for path in out.iterdir()) == [
        "bundle",
        "compress.json",
        "front.svg",
        "index.html",
    ]
    (graph,) = open_bundle(out / "bundle").graphs
    chosen = found["chosen"]
    assert (graph.engine, graph.precision) == (chosen["engine"], chosen["precision"])
    assert graph.quality.graph_miou == pytest.approx(chosen["miou"])
    assert open_model(out / "bundle").engine.precision == chosen["precision"]
    page = (out / "index.html").read_text()
    assert "10000 ms with at most 1 points lost" in page
    assert "data:image/svg+xml;base64," in page
