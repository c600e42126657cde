"""Checkpoint or Bundle -> Bundle with another graph, after its parity is tested."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core import parts
from ..core.bundle import (
    PARITY,
    REPORT,
    WEIGHTS,
    Bundle,
    add_files,
    fill_bundle,
    is_bundle,
    open_bundle,
)
from ..core.card import ModelCard
from ..core.checkpoint import Checkpoint, find_checkpoint
from ..core.errors import ConfigError
from ..core.graph import Graph, Parity
from ..core.image import Image
from ..core.inputspec import InputSpec
from ..core.progress import Progress, silent
from ..core.results import NEW, WriteMode
from ..core.trust import hash_file, remember
from ..data.dataset import Dataset, open_dataset
from ..inference.engine import ENGINES, Engine, EngineOptions, EnginePart
from ..inference.engines.torch import TorchEngine
from ..inference.resolution import to_network
from ..nn.build import load_model
from .parity import Planes, compare, keep_inputs, verify
from .target import TARGETS, Target, choose_precision, name_file

DEFAULT_TARGETS = ("onnx",)
PARITY_IMAGES = 8


def export_model(
    model: Path | str,
    out: Path | str,
    *,
    to: str = DEFAULT_TARGETS[0],
    data: Path | str | Dataset | None = None,
    allow_outside: bool = False,
    precision: str | None = None,
    keep_parity_images: bool = True,
    mode: WriteMode = NEW,
    progress: Progress = silent,
) -> Bundle:
    """Write the Bundle `out`: the model with one more graph.

    Args:
        model: A Bundle, a run or a checkpoint.
        out: See `core.results`; may be `model`.
        to: A part of `export.targets`.
        data: A dataset, whose validation images (all, if it has no split) the parity is tested
            on. Without it the images that the Bundle `model` keeps are used.
        allow_outside: Whether paths in the dataset.yaml of `data` may lead out of its folder.
        precision: Of the graph; the target's default for None.
        keep_parity_images: Keep crops of a few of the images in the Bundle.
        mode: Overwrite replaces a Bundle.
        progress: Of opening `data`, writing the graph and testing it.

    Raises:
        BundleError: The model is damaged, or the graph disagrees with the network.
        ConfigError: The network cannot be exported, or there are no images.
        DataError: `data` is not a dataset, or its images do not fit the model.
        MissingDependencyError: The target needs a package that is not installed.
    """
    source = _Source.open(Path(model))
    images: Iterable[Image] = ()
    if data is not None:
        images = _read_images(data, progress, allow_outside=allow_outside)
    elif source.bundle is None or source.bundle.parity_inputs is None:
        raise ConfigError(f"{model}: keeps no parity images; give DATA to test the graph on")
    options = _ExportOptions(
        targets=((to, precision),), keep_parity_images=keep_parity_images, mode=mode
    )
    return _export(source, images, Path(out), options, progress)


def export_bundle(
    checkpoint: Path,
    images: Iterable[Image],
    out: Path,
    *,
    report: Path | None = None,
    targets: Sequence[str] = DEFAULT_TARGETS,
    keep_parity_images: bool = True,
    mode: WriteMode = NEW,
    progress: Progress = silent,
) -> Bundle:
    """Write the Bundle `out`: weights, a graph for each target, the report if there is one.

    Args:
        checkpoint: The folder of a checkpoint.
        images: A few real ones, image_HWC of the kind the model takes; each graph must agree
            with the network on all of them.
        out: See `core.results`.
        report: A report.json to carry along.
        targets: Parts of `export.targets`.
        keep_parity_images: Keep crops of a few of the images in the Bundle.
        mode: Overwrite replaces a Bundle.
        progress: Of writing each graph and testing it.

    Raises:
        BundleError: The checkpoint is damaged, or a graph disagrees with the network.
        ConfigError: The network cannot be exported, or there are no images.
    """
    source = _Source.open(checkpoint)
    if report is not None:
        source.files[REPORT] = report
    options = _ExportOptions(
        targets=tuple((name, None) for name in targets),
        keep_parity_images=keep_parity_images,
        mode=mode,
    )
    return _export(source, images, out, options, progress)


def choose_images(dataset: Dataset) -> list[Image]:
    """Images to test parity on, evenly spread over a dataset."""
    indices = np.unique(np.linspace(0, len(dataset) - 1, PARITY_IMAGES).round().astype(int))
    return [dataset.image(int(index)) for index in indices]


def _read_images(
    data: Path | str | Dataset, progress: Progress, *, allow_outside: bool
) -> Iterator[Image]:
    """Open the data when the first image is asked for, after `out` was found to be free."""
    if isinstance(data, Path | str):
        data = open_dataset(data, allow_outside=allow_outside, progress=progress)
    yield from choose_images(data.subset("val") if "val" in data.splits else data)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """The model that is exported; `files` and `graphs` go into the new Bundle."""

    card: ModelCard
    model_id: str
    weights: Path
    files: dict[str, Path]
    graphs: tuple[Graph, ...] = ()
    bundle: Bundle | None = None

    @classmethod
    def open(cls, path: Path) -> "_Source":
        if is_bundle(path):
            bundle = open_bundle(path)
            return cls(
                card=bundle.card,
                model_id=bundle.model_id,
                weights=bundle.file(WEIGHTS),
                files={name: bundle.file(name) for name in bundle.files},
                graphs=bundle.graphs,
                bundle=bundle,
            )
        checkpoint = Checkpoint.open(find_checkpoint(path) or path)
        weights = checkpoint.weights
        return cls(
            card=checkpoint.card,
            model_id=checkpoint.model_id,
            weights=weights,
            files={WEIGHTS: weights},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExportOptions:
    """`targets` are names of targets, each with a precision or None for its default."""

    targets: tuple[tuple[str, str | None], ...]
    keep_parity_images: bool
    mode: WriteMode


def _export(
    source: _Source,
    images: Iterable[Image],
    out: Path,
    options: _ExportOptions,
    progress: Progress,
) -> Bundle:
    with fill_bundle(out, options.mode) as folder:
        inputs_CHW = list(_make_inputs(images, source.card.input))
        files, graphs = dict(source.files), {graph.file: graph for graph in source.graphs}
        network = TorchEngine(load_model(source.card, source.weights).eval())
        for name, precision in options.targets:
            writer = _Writer(name, parts.load(TARGETS, name, like=Target), folder, progress)
            graph = writer.write(source, network, inputs_CHW, precision)
            graphs.pop(graph.file, None)  # the new one goes last
            graphs[graph.file] = graph
            files[graph.file] = folder / graph.file
        if not options.keep_parity_images:
            files.pop(PARITY, None)
        elif inputs_CHW:
            files[PARITY] = folder / PARITY
            keep_inputs(network, inputs_CHW, files[PARITY])
        listed = list(graphs.values())
        add_files(folder, source.card, files, graphs=listed, model_id=source.model_id)
    return open_bundle(out)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes graphs of one target into a folder."""

    name: str
    target: Target
    folder: Path
    progress: Progress

    def write(
        self,
        source: _Source,
        network: TorchEngine,
        inputs_CHW: Sequence[Planes],
        precision: str | None,
    ) -> Graph:
        """Write one graph, and test its parity on the inputs, else on those of the Bundle."""
        lacks = self.target.missing()
        if lacks is not None:
            raise lacks
        precision = choose_precision(self.target, precision)
        path = self.folder / name_file(self.target, precision)
        what = f"writing {path.name}"
        for _ in self.progress(range(1), total=1, what=what):
            outputs = self.target.write(network.network, source.card, path, precision)
        engine = _run(self.target, path, source.card)
        parity = _test(source, network, engine, inputs_CHW, self.progress)
        remember("graph", hash_file(path))
        tolerance = self.target.TOLERANCES[precision]
        parity.require_agreement(
            tolerance,
            graph="the exported graph",
            fix="nothing was written, use the run itself",
        )
        return Graph(
            file=path.name,
            engine=self.target.ENGINE,
            precision=precision,
            outputs=outputs,
            tolerance=tolerance,
            parity=parity,
        )


def _run(target: Target, path: Path, card: ModelCard) -> Engine:
    part = parts.load(ENGINES, target.ENGINE, like=EnginePart)
    return part.build(path, card, EngineOptions())


def _test(
    source: _Source,
    network: Engine,
    graph: Engine,
    inputs_CHW: Sequence[Planes],
    progress: Progress,
) -> Parity:
    if inputs_CHW or source.bundle is None:
        tested = progress(inputs_CHW, total=len(inputs_CHW), what="comparing with the network")
        return compare(network, graph, tested)
    return verify(source.bundle, graph)


def _make_inputs(images: Iterable[Image], spec: InputSpec) -> Iterator[Planes]:
    for index, image_HWC in enumerate(images):
        prepared_HWC = spec.prepare(image_HWC, where=f"image {index} for parity")
        yield to_network(prepared_HWC, spec)
