"""The engine that runs a Bundle fastest on this machine, measured once.

Engines that are installed, and that give the pixels of the network on the images that the
Bundle keeps, take turns on noise. What is measured is remembered (`inference.remembered`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ...core import parts
from ...core.bundle import GRAPH, is_bundle, open_bundle
from ...core.errors import BundleError
from ...core.graph import BF16_TOLERANCE, Graph, Tolerance
from ...core.progress import Progress, silent
from ...core.threads import count_cores
from ..engine import ENGINES, FP32, EngineOptions, EnginePart
from ..remembered import recall_engine, remember_engine
from .bench import SIZE_HW, bench_model, list_candidates

MANY_IMAGES = 100
"""From so many images on, a faster engine saves more time than measuring takes."""

_TOLERANCES = {
    FP32: Tolerance(equal_pixel_share=0.9999),
    "bf16": BF16_TOLERANCE,
}
"""By precision. A graph of int8 runs on the engine with which it was scored."""

_NUM_ROUNDS = 3
_LEAST_GAIN = 1.05
"""An engine that is faster by less takes no engine of higher priority's place."""


def measure_engine(
    model: Path | str,
    options: EngineOptions,
    *,
    trust: str | None = None,
    progress: Progress = silent,
) -> str | None:
    """Measure the engines of a Bundle, unless that was done before, and remember the fastest.

    Returns:
        What was found, for people; None where nothing was measured: another model than a
        Bundle, one without images to compare on, another precision than fp32 and bf16, a
        device or provider that is chosen, or a single engine.
    """
    root = Path(model)
    precision = options.precision or FP32
    is_chosen = options.device != "auto" or bool(options.providers)
    if is_chosen or precision not in _TOLERANCES or not is_bundle(root):
        return None
    bundle = open_bundle(root)
    if bundle.parity_inputs is None or recall_engine(bundle, options) is not None:
        return None
    engines = [
        name
        for name, _ in list_candidates(bundle, None, (precision,))
        if parts.load(ENGINES, name, like=EnginePart).missing() is None
    ]
    if len(engines) < 2:
        return None
    try:
        found = bench_model(
            root,
            engines=engines,
            size_HW=bundle.card.only_size_HW or bundle.card.input.network_size(SIZE_HW),
            threads=(options.threads or count_cores(),),
            num_rounds=_NUM_ROUNDS,
            precisions=(precision,),
            tolerance=choose_tolerance(bundle.graphs, precision),
            trust=trust,
            progress=progress,
        )
    except BundleError:  # none runs it: whoever opens the model says why
        return None
    times_ms = {one.engine: one.ms_p50 for one in found.engines}
    name = choose_fastest(times_ms)
    remember_engine(bundle, options, name, times_ms)
    listed = ", ".join(f"{one} {ms:.1f} ms" for one, ms in times_ms.items())
    return f"engine {name}, by measuring here: {listed} (--engine names another)"


def choose_tolerance(graphs: Sequence[Graph], precision: str) -> Tolerance:
    """What an engine may differ by; of a graph that gives labels pixels alone are compared."""
    tolerance = _TOLERANCES[precision]
    own = (graph.tolerance.logit_ratio for graph in graphs if graph.file == GRAPH)
    return replace(tolerance, logit_ratio=max([tolerance.logit_ratio, *own]))


def choose_fastest(times_ms: Mapping[str, float]) -> str:
    """The fastest engine, or one of higher priority that is nearly as fast."""
    longest_ms = _LEAST_GAIN * min(times_ms.values())
    near = [name for name, ms in times_ms.items() if ms <= longest_ms]
    return max(near, key=lambda name: parts.load(ENGINES, name, like=EnginePart).PRIORITY)
