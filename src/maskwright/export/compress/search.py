"""One model -> graphs in every precision, on every engine: scored, timed, and one chosen."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from ...core.bundle import PARITY, REPORT, WEIGHTS, Bundle, write_bundle
from ...core.errors import BundleError, ConfigError, DataError
from ...core.graph import BF16_TOLERANCE, Graph, Quality
from ...core.progress import Progress, silent
from ...core.results import NEW, WriteMode, fill_folder
from ...data.dataset import open_dataset
from ...data.protocol import Dataset
from ...inference.bench.bench import SIZE_HW, Bench, EngineTime, bench_model
from ...inference.engine import FP32, EngineOptions
from ...inference.parity import verify
from ...inference.predictor import open_model
from ..bundle import export_model
from ..quality import QualityTest, choose_split
from .candidates import REFERENCE, Candidate, Wish, choose
from .output import DOCUMENT, Compression, write_files

BUNDLE = "bundle"


def compress_model(
    model: Path | str,
    data: Path | str,
    out: Path,
    wish: Wish,
    *,
    engines: Sequence[str] | None = None,
    size_HW: tuple[int, int] = SIZE_HW,
    threads: int = 1,
    mode: WriteMode = NEW,
    progress: Progress = silent,
    log: Callable[[str], None] = lambda _: None,
) -> Compression:
    """Write the folder `out`: page, JSON, picture, and the Bundle that was chosen.

    Args:
        model: A Bundle with weights, a run, or a checkpoint.
        data: A dataset with labels: int8 is calibrated on `train`, all are scored on `val`.
        out: See `core.results`.
        wish: The time of one image, and what may be lost.
        engines: Names of those that are compared; None for all.
        size_HW: Of the input of the network whose time is measured.
        threads: Of the engines.
        mode: Overwrite replaces the folder.
        progress: Of exporting, scoring and measuring.
        log: Gets lines on what is tried.

    Raises:
        BundleError: Not a model, or its ONNX graph disagrees with the network.
        ConfigError: The network cannot be exported.
        DataError: The data have no labels, or other classes than the model.
        OutputError: `out` exists, or cannot be written.
    """
    with (
        fill_folder(out, "compress", mode, marker=DOCUMENT) as partial,
        TemporaryDirectory(prefix="maskwright-") as name,
    ):
        dataset = open_dataset(data, progress=progress)
        bundle, notes = _Exports(model, dataset, Path(name), wish, progress, log).write()
        bench = bench_model(
            bundle.root, engines=engines, size_HW=size_HW, threads=(threads,), progress=progress
        )
        scores = _Scores.open(bundle, dataset, progress)
        candidates = tuple(scores.judge(one) for one in bench.engines)
        chosen = choose(candidates, wish)
        quality = scores.score(chosen.engine, chosen.precision)
        found = Compression(
            model=str(model),
            data=str(data),
            split=quality.split,
            num_images=quality.num_images,
            wish=wish,
            bench=bench,
            candidates=candidates,
            chosen=chosen,
            notes=(*notes, *_list_not_run(bench)),
        )
        _write_chosen(scores, chosen, partial.folder / BUNDLE)
        write_files(found, partial.folder)
    return found


@dataclass(frozen=True, slots=True)
class _Exports:
    """Writes the graphs of a model into one Bundle."""

    model: Path | str
    dataset: Dataset
    folder: Path
    wish: Wish
    progress: Progress
    log: Callable[[str], None]

    def write(self) -> tuple[Bundle, tuple[str, ...]]:
        """The Bundle with fp32 and, where it holds the score, int8; and what could not be."""
        self.log("writing the graph in fp32")
        plain = self._export(self.model, "plain", FP32)
        if plain.graphs[-1].quality is None:
            raise DataError(
                f"{self.dataset.source}: images without labels of the classes of the model; "
                f"compress scores every graph on labels"
            )
        self.log("searching for a graph in int8")
        try:
            return self._export(plain.root, "int8", "int8"), ()
        except (BundleError, ConfigError) as error:
            return plain, (f"no int8: {error}",)

    def _export(self, model: Path | str, name: str, precision: str) -> Bundle:
        return export_model(
            model,
            self.folder / name,
            data=self.dataset,
            precision=precision,
            max_drop_points=self.wish.max_drop_points,
            qat_s=self.wish.qat_s,
            progress=self.progress,
            log=self.log,
        )


@dataclass(frozen=True, slots=True)
class _Scores:
    """What engines score on the labelled images of a split, by engine and precision."""

    bundle: Bundle
    test: QualityTest
    found: dict[tuple[str, str], Quality] = field(default_factory=dict)

    @classmethod
    def open(cls, bundle: Bundle, dataset: Dataset, progress: Progress) -> Self:
        """Run the network on the validation split of `dataset`, else on all of it."""
        judged, split = choose_split(dataset.with_input(bundle.card.input))
        network = open_model(bundle.root, engine=REFERENCE).engine
        test = QualityTest(network, bundle.card, judged, split, progress)
        known = {(g.engine, g.precision): g.quality for g in bundle.graphs if g.quality}
        known[REFERENCE, FP32] = _judge_network(next(iter(known.values())))
        return cls(bundle, test, known)

    def find_graph(self, precision: str) -> Graph:
        """The graph in a precision, or in fp32, which engines cast."""
        graphs = {g.precision: g for g in self.bundle.graphs if g.file.endswith(".onnx")}
        return graphs.get(precision, graphs[FP32])

    def judge(self, time: EngineTime) -> Candidate:
        """The candidate of a measured engine."""
        quality = self.score(time.engine, time.precision)
        is_reference = time.engine == REFERENCE
        file = WEIGHTS if is_reference else self.find_graph(time.precision).file
        return Candidate(
            engine=time.engine,
            precision=time.precision,
            file=file,
            ms=time.ms_p50,
            times_torch=time.times_torch,
            memory_mb=time.peak_memory_mb,
            size_mb=round(self.bundle.file(file).stat().st_size / 1e6, 2),
            miou=quality.graph_miou,
            drop_points=quality.drop_points,
            equal_pixel_share=quality.equal_pixel_share,
        )

    def score(self, engine: str, precision: str) -> Quality:
        """The scores of the network and of an engine."""
        key = engine, precision
        if key not in self.found:
            options = EngineOptions(precision=precision)
            opened = open_model(self.bundle.root, engine=engine, options=options)
            self.found[key] = self.test.score(opened.engine, what=" ".join(key))
        return self.found[key]


def _judge_network(quality: Quality) -> Quality:
    """What the network itself scores, by the test of a graph beside it."""
    return replace(
        quality,
        equal_pixel_share=1.0,
        graph_miou=quality.network_miou,
        graph_boundary_f1=quality.network_boundary_f1,
    )


def _write_chosen(scores: _Scores, chosen: Candidate, path: Path) -> None:
    """Write the Bundle whose only graph is the chosen one, on the chosen engine."""
    bundle, graph = scores.bundle, scores.find_graph(chosen.precision)
    if (graph.engine, graph.precision) != (chosen.engine, chosen.precision):
        options = EngineOptions(precision=chosen.precision)
        opened = open_model(bundle.root, engine=chosen.engine, options=options)
        graph = replace(
            graph,
            engine=chosen.engine,
            precision=chosen.precision,
            parity=verify(bundle, opened.engine) if bundle.parity_inputs else None,
            tolerance=BF16_TOLERANCE if chosen.precision == "bf16" else graph.tolerance,
            bytes_per_px=0.0,
            quality=scores.score(chosen.engine, chosen.precision),
        )
    stem = Path(graph.file).stem
    kept = (WEIGHTS, PARITY, REPORT, graph.file, f"{stem}.json", f"{stem}.svg")
    files = {name: bundle.file(name) for name in kept if name in bundle.files}
    write_bundle(path, bundle.card, files, graphs=[graph], model_id=bundle.model_id)


def _list_not_run(bench: Bench) -> Iterator[str]:
    for one in bench.not_run:
        yield f"{one.engine} {one.precision} does not run here: {one.reason}"
