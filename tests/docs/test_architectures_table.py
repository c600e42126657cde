import argparse
import json
from pathlib import Path

import architectures
import architectures_page
import pytest
from architectures_cases import CASES, PLANNED, TEN

ROOT = Path(architectures.__file__).parents[1]
CONFUSION = [[3, 1], [0, 4]]
SPEED = {"train_images_per_s": 9.5, "train_peak_mb": 900, "predict_images_per_s": 20.1}
SPEED |= {"predict_peak_mb": 800, "machine": "a CPU", "load_before": 0.1}


def run(case="fpn/mobilenet_v2", steps=920, seed=0, confusion=CONFUSION, **more):
    optim = {"optim": {"name": "adamw", "lr": 2e-3}, "loss": "ce+dice"}
    line = {
        "case": case,
        "steps": steps,
        "seed": seed,
        "recipe": PLANNED,
        "classes": ["a", "b"],
    }
    return line | optim | {"confusion": confusion} | more


def cells(row):
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_docs_show_the_table_of_architectures_that_the_benchmark_wrote():
    text = architectures.DOCS.read_text()
    shown = text.partition(architectures.BEGIN)[2].partition(architectures.END)[0]
    written = (ROOT / "benchmarks/architectures.md").read_text()
    assert shown.strip() == architectures.first_table(written)
    assert len(shown.strip().splitlines()) >= 2 + 8  # two lines of head


def test_the_page_is_that_of_the_results_in_the_repository():
    lines = architectures.read_lines(ROOT / "benchmarks/architectures.jsonl")
    assert architectures_page.page(lines) == (ROOT / "benchmarks/architectures.md").read_text()


def test_a_row_has_the_mean_and_the_range_of_its_seeds_and_speed_where_it_was_measured():
    worse = run(seed=1, confusion=[[2, 2], [0, 4]])
    text = architectures_page.page([run(), worse, {"case": "fcn/mobilenet_v2", **SPEED}])
    row = architectures.first_table(text).splitlines()[2]
    head = ["fpn", "mobilenet_v2", "ImageNet", "67.9% (58.3% to 77.5%)", "2"]
    assert cells(row) == [*head, "AdamW 0.002, ce+dice", "", "", "", ""]
    measured = architectures_page.page([run(), {"case": "fpn/mobilenet_v2", **SPEED}])
    assert cells(architectures.first_table(measured).splitlines()[2])[-4:] == [
        "9.5",
        "900",
        "20.1",
        "800",
    ]


def test_the_longest_planned_budget_comes_first_and_budgets_are_never_mixed():
    old = run(case="fcn/mobilenet_v2", steps=138, recipe="one for all")
    text = architectures_page.page([old, run(steps=138), run(case="unet/mobilenet_v2")])
    heads = [line for line in text.splitlines() if line.startswith("## ")]
    assert heads == [
        "## 920 steps, each by its plan",
        "## 138 steps, each by its plan",
        "## 138 steps, before",
    ]
    assert "unet" in architectures.first_table(text)
    assert "fcn" not in architectures.first_table(text)


def test_a_line_that_was_half_written_is_run_again(tmp_path):
    file = tmp_path / "architectures.jsonl"
    architectures.append_line(file, run())
    file.write_text(file.read_text() + '{"case": "fc')
    assert architectures.read_lines(file) == [run()]
    assert json.loads(file.read_text().splitlines()[0]) == run()


def test_steps_are_whole_epochs():
    steps = [architectures._whole_epochs(argparse.Namespace(steps=n)) for n in (1, 138, 1000)]
    assert steps == [46, 138, 1012]


def test_the_table_has_ten_architectures():
    assert len({case.arch for case in TEN}) == 10
    assert {case.key for case in TEN} <= set(CASES)


@pytest.mark.parametrize("key", CASES)
def test_only_the_encoder_whose_weights_there_are_starts_from_them(key):
    settings = CASES[key].settings("some/file.pth")
    expected = "some/file.pth" if settings["model.encoder"] == "mobilenet_v2" else "none"
    assert settings["model.encoder_weights"] == expected
