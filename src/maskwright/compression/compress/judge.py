"""Judge the engines that run a Bundle: times beside those of the network given, and scores."""

from dataclasses import replace

from maskwright.core.bundle import WEIGHTS, Bundle
from maskwright.core.card import ModelCard
from maskwright.core.graph import BF16_TOLERANCE, Graph, Quality
from maskwright.export.quality import QualityTest
from maskwright.inference.bench.bench import (
    TORCH,
    Bench,
    EngineTime,
    bench_model,
    find_reference,
)
from maskwright.inference.engine import FP32, EngineOptions
from maskwright.inference.parity import verify
from maskwright.inference.predictor import open_model

from .candidates import WHOLE, Candidate
from .networks import Setting, open_test


class Judge:
    """Judges Bundles beside `whole`, that of the network given, of which `test` has run."""

    def __init__(self, whole: Bundle, test: QualityTest, setting: Setting) -> None:
        self._whole, self._test, self._setting = whole, test, setting

    @property
    def card(self) -> ModelCard:
        """Of the network given."""
        return self._whole.card

    @property
    def model_id(self) -> str:
        """Of the network given."""
        return self._whole.model_id

    @property
    def reference(self) -> str:
        """The engine of the network given with which times are compared."""
        return find_reference(self._whole)

    @property
    def quality(self) -> Quality:
        """What the network given scores, as a Quality of itself."""
        measured = next(one.quality for one in self._whole.graphs if one.quality is not None)
        return replace(
            measured,
            equal_pixel_share=1.0,
            graph_miou=measured.network_miou,
            graph_boundary_f1=measured.network_boundary_f1,
        )

    def judge(self, network: str, bundle: Bundle) -> tuple[list[Candidate], Bench]:
        """Time and score each engine and precision of a Bundle; torch for `whole` alone.

        Raises:
            BundleError: No engine runs it.
        """
        setting, is_whole = self._setting, network == WHOLE
        bench = bench_model(
            bundle.root,
            engines=setting.timed.engines,
            size_HW=setting.timed.size_HW,
            threads=(setting.timed.threads,),
            reference=None if is_whole else self._whole.root,
            progress=setting.progress,
        )
        known = {}
        if is_whole:
            known = {(g.engine, g.precision): g.quality for g in bundle.graphs}
            known[bench.reference, FP32] = self.quality
        found = []
        for one in bench.engines:
            quality = known.get((one.engine, one.precision))
            quality = quality or _score(self._test, bundle, one.engine, one.precision)
            found.append(_make_candidate(network, bundle, one, quality))
        return found, bench

    def make_graph(self, bundle: Bundle, chosen: Candidate) -> Graph:
        """The chosen graph, on the chosen engine, compared with the network in `bundle`.

        An engine with which the Bundle did not compare it is compared now.
        """
        graph = find_graph(bundle, chosen.precision)
        if (graph.engine, graph.precision) == (chosen.engine, chosen.precision):
            return graph
        options = EngineOptions(precision=chosen.precision)
        opened = open_model(bundle.root, engine=chosen.engine, options=options)
        is_whole = chosen.network == WHOLE
        test = self._test if is_whole else open_test(bundle.root, self._setting)
        return replace(
            graph,
            engine=chosen.engine,
            precision=chosen.precision,
            parity=verify(bundle, opened.engine) if bundle.parity_inputs else None,
            tolerance=BF16_TOLERANCE if chosen.precision == "bf16" else graph.tolerance,
            bytes_per_px=0.0,
            quality=_score(test, bundle, chosen.engine, chosen.precision),
        )


def find_graph(bundle: Bundle, precision: str) -> Graph:
    """The ONNX graph in a precision, or in fp32, which engines cast."""
    graphs = {g.precision: g for g in bundle.graphs if g.file.endswith(".onnx")}
    return graphs.get(precision, graphs[FP32])


def _score(test: QualityTest, bundle: Bundle, engine: str, precision: str) -> Quality:
    options = EngineOptions(precision=precision)
    opened = open_model(bundle.root, engine=engine, options=options)
    return test.score(opened.engine, what=f"{engine} {precision}", card=bundle.card)


def _make_candidate(
    network: str, bundle: Bundle, time: EngineTime, quality: Quality
) -> Candidate:
    is_torch = time.engine == TORCH
    file = WEIGHTS if is_torch else find_graph(bundle, time.precision).file
    return Candidate(
        network=network,
        engine=time.engine,
        precision=time.precision,
        file=file,
        ms=time.ms_p50,
        times_reference=time.times_reference,
        memory_mb=time.peak_memory_mb,
        size_mb=round(bundle.file(file).stat().st_size / 1e6, 2),
        miou=quality.graph_miou,
        drop_points=quality.drop_points,
        equal_pixel_share=quality.equal_pixel_share,
    )
