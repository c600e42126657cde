"""bench_model: every engine of a model in a process of its own, in rounds that take turns."""

import csv
import json
from pathlib import Path

import pytest

from maskwright.core.bundle import GRAPH, write_bundle
from maskwright.core.errors import BundleError, ConfigError, OutputError, UnknownNameError
from maskwright.core.graph import Graph
from maskwright.inference.bench.bench import Bench, EngineTime, NotRun, bench_model
from maskwright.inference.bench.energy import EnergyMeter
from maskwright.inference.bench.output import list_lines, write_bench
from maskwright.inference.bench.worker import Job
from maskwright.inference.machine import Machine

MACHINE = Machine(
    platform="Linux",
    processor="a CPU",
    instructions=("avx2",),
    cores=2,
    load=0.5,
    versions={"python": "3.11"},
)


def _time(engine, ms_p50, times_reference, **how):
    return EngineTime(
        engine=engine,
        precision=how.get("precision", "fp32"),
        threads=how.get("threads", 2),
        ms_p50=ms_p50,
        ms_p95=2 * ms_p50,
        images_per_s=1000 / ms_p50,
        peak_memory_mb=None,
        joules_per_image=how.get("joules"),
        times_reference=times_reference,
        num_runs=15,
    )


BENCH = Bench(
    model="b",
    model_id="0" * 16,
    reference="torch",
    size_HW=(64, 96),
    batch=1,
    num_rounds=5,
    machine=MACHINE,
    engines=(
        _time("onnxruntime", 4.0, 2.5, precision="int8", joules=0.25),
        _time("torch", 10.0, 1.0),
    ),
    not_run=(NotRun(engine="openvino", precision="bf16", threads=2, reason="no bf16 here"),),
)


def test_engines_of_a_bundle_are_timed_and_those_that_do_not_run_it_say_why(untrained_bundle):
    found = bench_model(
        untrained_bundle.root,
        engines=["onnxruntime", "torch"],
        size_HW=(32, 48),
        num_rounds=2,
    )
    names = {(one.engine, one.precision) for one in found.engines}
    assert {("onnxruntime", "fp32"), ("torch", "fp32")} <= names
    assert found.model_id == untrained_bundle.model_id
    for one in found.engines:
        assert one.num_runs >= 2 * 3
        assert 0 < one.ms_p50 <= one.ms_p95
        assert one.images_per_s == pytest.approx(1000 / one.ms_p50, rel=0.02)
        assert one.times_reference > 0
    (torch,) = (
        one for one in found.engines if (one.engine, one.precision) == ("torch", "fp32")
    )
    assert torch.times_reference == 1
    reasons = {one.precision: one.reason for one in found.not_run}
    assert "precision 'fp16' needs device 'cuda'" in reasons["fp16"]
    assert json.loads(json.dumps(found.to_json()))["schema_version"] == 2


def test_a_bundle_without_weights_is_compared_with_its_graph_and_large_batches_are_named(
    painted_bundle, tmp_path
):
    whole = painted_bundle(tmp_path / "whole")
    graphs = [Graph(file=GRAPH, engine="onnxruntime")]
    bundle = write_bundle(
        tmp_path / "bare", whole.card, {GRAPH: whole.file(GRAPH)}, graphs=graphs
    )
    how = {"engines": ["onnxruntime"], "size_HW": (8, 8), "num_rounds": 1}
    (one,) = bench_model(bundle.root, **how).engines
    assert (one.engine, one.times_reference) == ("onnxruntime", 1)
    with pytest.raises(BundleError, match=r"no engine runs .* takes batches of 8, not of 9"):
        bench_model(bundle.root, batch=9, **how)
    with pytest.raises(BundleError, match="no engine runs this model: it has no file for any"):
        bench_model(bundle.root, engines=["torch"])


def test_wrong_numbers_engines_and_models_are_refused(untrained_bundle, tmp_path):
    with pytest.raises(ConfigError, match=r"threads \[0\].*expected numbers of 1 or more"):
        bench_model(untrained_bundle.root, threads=[0])
    with pytest.raises(UnknownNameError, match="onnxruntim"):
        bench_model(untrained_bundle.root, engines=["onnxruntim"])
    with pytest.raises(BundleError, match=r"neither a bundle \(bundle.json\) nor a run"):
        bench_model(tmp_path)


def test_table_and_folder_have_times_ratios_and_reasons(tmp_path):
    lines = list_lines(BENCH)
    assert lines[1].split() == [
        "onnxruntime",
        "int8",
        "2",
        "4.00",
        "8.00",
        "250.0",
        "–",
        "0.25",
        "2.50",
    ]
    assert lines[-2:] == [
        "batch 1 of 64 x 96, the network alone; a CPU (avx2), 2 cores, load 0.5",
        "not run: openvino bf16, threads 2: no bf16 here",
    ]
    write_bench(BENCH, tmp_path / "speed")
    with (tmp_path / "speed/bench.csv").open() as file:
        first, second = csv.DictReader(file)
    assert (first["engine"], first["ms_p50"], second["times_reference"]) == (
        "onnxruntime",
        "4.0",
        "1.0",
    )
    picture = (tmp_path / "speed/bench.svg").read_text()
    assert "onnxruntime int8, 2 threads" in picture
    assert "4.0 ms (2.5x)" in picture
    document = json.loads((tmp_path / "speed/bench.json").read_text())
    assert document["machine"]["processor"] == "a CPU"
    with pytest.raises(OutputError, match="exists"):
        write_bench(BENCH, tmp_path / "speed")


def test_energy_is_that_of_all_packages_also_where_a_counter_starts_again(tmp_path):
    def show(first_uj, second_uj):
        counts = {"intel-rapl:0": first_uj, "intel-rapl:0:0": 7, "intel-rapl:1": second_uj}
        for name, count in counts.items():
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "energy_uj").write_text(f"{count}\n")
            (tmp_path / name / "max_energy_range_uj").write_text("9999999\n")

    show(1_000_000, 9_500_000)
    meter = EnergyMeter.open(tmp_path)
    before_uj = meter.read_uj()
    assert before_uj == (1_000_000, 9_500_000)
    show(3_000_000, 500_000)
    assert meter.count_joules(before_uj) == pytest.approx(3.0)


def test_a_machine_without_counters_has_no_meter(tmp_path):
    assert EnergyMeter.open(tmp_path) is None
    (tmp_path / "intel-rapl:0").mkdir()
    assert EnergyMeter.open(tmp_path) is None


def test_a_job_is_read_as_it_was_written_and_this_machine_has_cores():
    job = Job(
        model=str(Path("b")),
        engine="torch",
        precision="fp32",
        threads=1,
        size_HW=(8, 9),
        batch=2,
    )
    assert Job.from_text(job.to_text()) == job
    assert Machine.detect().cores >= 1
