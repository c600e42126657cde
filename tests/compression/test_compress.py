"""compress: networks, engines and precisions are scored and timed, and one is chosen."""

import itertools
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.compression.compress.candidates import (
    COSTS,
    Candidate,
    Wish,
    choose,
    find_front,
)
from maskwright.compression.compress.output import draw_candidates, list_lines
from maskwright.compression.compress.search import compress_model
from maskwright.compression.compress.ways import (
    Origin,
    Way,
    count_affordable,
    describe_ways,
    explain_left_out,
    list_ways,
)
from maskwright.core.bundle import open_bundle
from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.core.results import WriteMode
from maskwright.export.bundle import export_model
from maskwright.export.foreign.bundle import import_onnx
from maskwright.inference.predictor import open_model
from maskwright.pages.scatter import Dot, draw_scatter_file
from maskwright.training.options import Callbacks, TrainOptions

from ..foreign_graphs import make_graph, write_dataset, write_files

OLD = Path(__file__).parents[1] / "fixtures" / "written_by_0_1"


def make(engine, precision, ms, drop_points, **others):
    given = {
        "engine": engine,
        "precision": precision,
        "file": "model.onnx",
        "ms": ms,
        "times_reference": 100 / ms,
        "memory_mb": None,
        "size_mb": 1.0,
        "miou": 0.6 - drop_points / 100,
        "drop_points": drop_points,
        "equal_pixel_share": 0.99,
    }
    return Candidate(**given | others)


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


def test_each_cost_has_a_front_of_its_own():
    light = replace(INT8, memory_mb=30.0, size_mb=3.0)
    small = replace(FAST, memory_mb=40.0, size_mb=2.0)
    ms, memory, size = COSTS
    assert find_front((light, small), ms) == [small, light]
    assert find_front((light, small, HALF), memory) == [light]  # HALF was not measured
    assert find_front((light, small), size) == [small, light]


def test_of_many_dots_those_of_the_front_the_chosen_one_and_torch_have_names():
    many = [make("onnxruntime", "fp32", 200 + n, 5, network=f"small-{n}") for n in range(9)]
    picture = draw_candidates((*ALL, *many), INT8, Wish(target_ms=22))
    assert re.findall(r">([a-z]\S+ \w+(?: \w+)?)</text>", picture) == [
        "onnxruntime fp32",
        "torch fp32",
        "openvino bf16",
        "onnxruntime int8",
        "openvino int8",
    ]
    assert picture.count('class="dot"') == len(ALL) + len(many)
    assert "small-3 onnxruntime fp32" in draw_candidates(many[:4], many[0], Wish(22))


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


def test_a_name_lies_on_no_line_to_the_next_dot():
    dots = [Dot(name=name, x=x, y=50.0, is_on_line=True) for name, x in (("a", 10), ("b", 90))]
    picture = draw_scatter_file("t", dots, ("ms", "mIoU"))
    (line_y,) = set(re.findall(r"[\d.]+,([\d.]+)", picture.split('class="line"')[1][:40]))
    name_y = re.search(r'y="([\d.]+)">a</text>', picture)[1]
    assert float(name_y) - float(line_y) >= 14  # letters are 12 px high
    plain = draw_scatter_file("t", [replace(dots[0], is_on_line=False)], ("ms", "mIoU"))
    assert 'y="198.0">a</text>' in plain  # 4 px below the centre of its dot


def test_ways_are_left_out_until_each_has_a_minute_to_train():
    assert count_affordable(600, 4, 90) == 4
    assert count_affordable(599, 4, 90) == 3
    assert count_affordable(149, 4, 90) == 0


@pytest.fixture
def origin():
    return make_origin({"model.encoder": "a", "optim.lr": 0.1})


def make_origin(settings):
    options = TrainOptions(settings=settings, budget_s=1000.0, started_s=1.0)
    card = open_bundle(OLD / "run" / "bundle").card
    return Origin(model="net", card=card, data="d", options=options, callbacks=Callbacks())


def test_settings_of_a_model_are_those_of_the_student(origin, tmp_path):
    assert [way.name for way in list_ways(origin, tmp_path)] == [
        "pruned-70",
        "pruned-50",
        "student",
        "pruned-35",
    ]
    pruned = origin.make_options(60, is_student=False)
    assert (pruned.settings, pruned.budget_s, pruned.started_s) == ({"optim.lr": 0.1}, 60, None)
    assert origin.make_options(60, is_student=True).settings == {
        "model.encoder": "a",
        "optim.lr": 0.1,
        "model.arch": "fastscnn",
        "distil.teachers": ["net"],
        "input.scale_ratio": origin.card.input.scale_ratio,
    }


@pytest.mark.parametrize(
    ("settings", "budget_s", "text"),
    [
        ({"model.arch": "unet"}, None, r"model.arch: set for networks .* give --budget too"),
        ({"input.scale_ratio": 0.5}, 60, r"compares the times of networks on images of the sc"),
        ({"data.val_split": "fold1"}, 60, r"scores on val \(--fold\); leave it out"),
        ({"schedule.epochs": 1}, 60, "--budget"),
    ],
)
def test_settings_without_sense_are_refused(settings, budget_s, text, tmp_path):
    training = TrainOptions(settings=settings, budget_s=budget_s)
    with pytest.raises(ConfigError, match=text):
        compress_model(OLD / "run", OLD / "street", tmp_path / "o", Wish(1), training=training)
    assert not any(tmp_path.iterdir())


def copy_run(out, _seconds):
    shutil.copytree(OLD / "run", out)


def refuse(_out, _seconds):
    raise ConfigError("the budget is too short")


def stop(_out, _seconds):
    raise KeyboardInterrupt


def compress_by(ways, out, log, *, resume=False):
    return compress_model(
        OLD / "run",
        OLD / "street",
        out,
        Wish(target_ms=1e4, max_drop_points=5),
        training=TrainOptions(budget_s=1e5),
        engines=["onnxruntime"],
        size_HW=(64, 96),
        mode=WriteMode(resume=resume),
        callbacks=Callbacks(log=log.append),
        find_ways=lambda *_: ways,
    )


@pytest.mark.slow
def test_networks_that_are_done_are_kept_when_it_is_stopped(tmp_path):
    out, twin = tmp_path / "small", Way("twin", "a copy", None, copy_run)
    with pytest.raises(KeyboardInterrupt) as stopped:
        compress_by([twin, Way("last", "nothing", "twin", stop)], out, [])
    assert "1 line" in stopped.value.__notes__[0] or "--resume" in stopped.value.__notes__[0]
    assert not out.exists()
    log = []
    ways = [
        twin,
        Way("last", "a copy of a copy", "twin", refuse),
        Way("never", "a third", "last", copy_run),
    ]
    found = compress_by(ways, out, log, resume=True)
    assert not any("writing the graph" in line for line in log)
    assert found.networks.keys() == {"whole", "twin"}
    assert {one.network for one in found.candidates} == {"whole", "twin"}
    alike = [one for one in found.candidates if one.precision == "fp32"]
    assert [one.drop_points for one in alike] == [pytest.approx(0, abs=0.01)] * 2
    assert found.notes[-2:] == (
        "not tried: last: the budget is too short",
        "not tried: never: it starts from last, which was not made",
    )
    assert sorted(path.name for path in (out / "networks").iterdir()) == ["twin", "whole"]
    page = (out / "index.html").read_text()
    assert "twin: a copy, trained for" in page
    assert open_bundle(out / "bundle").graphs[0].quality.split == "val"


def test_the_command_writes_a_page_and_the_bundle_that_was_chosen(tmp_path):
    out = tmp_path / "small"
    line = ["compress", OLD / "run", OLD / "street", "--engines", "onnxruntime"]
    line += ["--size", "64x96", "--threads", "1", "-o", out, "--json"]
    done = CliRunner().invoke(app, [*map(str, line), "--target-ms", "10000"])
    assert done.exit_code == 0, done.exception
    found = json.loads(done.stdout)
    names = {(one["engine"], one["precision"]) for one in found["candidates"]}
    assert names == {("onnxruntime", name) for name in ("fp32", "fp16", "int8")}
    assert found["is_met"]
    assert sorted(path.name for path in out.iterdir()) == [
        "bundle",
        "compress.json",
        "front.svg",
        "front_memory.svg",
        "front_size.svg",
        "index.html",
        "networks",
    ]
    assert found["notes"][-1].endswith("--budget 1h tries it")
    (graph,) = open_bundle(out / "bundle").graphs
    chosen = found["chosen"]
    assert (graph.engine, graph.precision) == (chosen["engine"], chosen["precision"])
    assert graph.quality.graph_miou == pytest.approx(chosen["miou"])
    assert open_model(out / "bundle").engine.precision == chosen["precision"]
    page = (out / "index.html").read_text()
    assert "10000 ms with at most 1 points lost" in page
    assert "data:image/svg+xml;base64," in page


@pytest.mark.slow
def test_an_imported_graph_is_compared_with_itself_on_onnx_runtime(tmp_path):
    """The chosen Bundle keeps the graph, of which others can be made again."""
    data = write_dataset(tmp_path / "data")
    root = import_onnx(**write_files(tmp_path, make_graph())).bundle.root
    found = compress_model(
        root,
        data,
        tmp_path / "small",
        Wish(target_ms=1e4, max_drop_points=1),
        engines=["onnxruntime"],
        size_HW=(64, 96),
    )
    ratios = {one.precision: one.times_reference for one in found.candidates}
    assert (found.reference, ratios["fp32"]) == ("onnxruntime", 1)
    assert ratios.keys() == {"fp32", "fp16", "int8"}
    assert [one.drop_points for one in found.candidates] == [0, 0, 0]
    assert found.notes[-1].startswith("not tried, as it takes time to train: a student (fastsc")
    lines = list_lines(found)
    assert "x onnxruntime" in lines[0]
    chosen = open_bundle(tmp_path / "small/bundle")
    assert len(chosen.graphs) == 1
    assert {"model.onnx", "parity.npz"} <= set(chosen.files)
    again = export_model(chosen.root, tmp_path / "again", data=data, precision="fp16")
    assert again.graphs[-1].quality.drop_points == 0


def test_of_an_imported_graph_a_student_is_made_and_no_channels_are_removed(origin, tmp_path):
    card = replace(origin.card, arch=ArchSpec(name="foreign", encoder="none"))
    ways = list_ways(replace(origin, card=card), tmp_path)
    assert [(way.name, way.after) for way in ways] == [("student", None)]
    (reason,) = explain_left_out(card)
    assert reason.startswith("not tried: channels removed to 70%, 50%, 35% of the")
    assert explain_left_out(origin.card) == ()
    assert "channels" in describe_ways(origin.card)
    assert "channels" not in describe_ways(card)
