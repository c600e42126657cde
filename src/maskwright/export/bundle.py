"""Checkpoint or Bundle -> Bundle with another graph, after its parity is tested."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.torch import save as serialize

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
from ..inference.choice import is_published
from ..inference.engine import ENGINES, Engine, EngineOptions, EnginePart
from ..inference.engines.torch import TorchEngine
from ..inference.need import measure_bytes_per_px
from ..inference.published import open_published
from ..inference.resolution import to_network
from ..inference.seams import measure_reach, measure_tiling_effect
from ..nn.any_size import AnySize
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
    accept_licence: bool = False,
    mode: WriteMode = NEW,
    progress: Progress = silent,
    log: Callable[[str], None] | None = None,
) -> Bundle:
    """Write the Bundle `out`: the model with one more graph.

    Args:
        model: A Bundle, a run, a checkpoint, or a published model: its name on the hub, or the
            folder or file of its weights.
        out: See `core.results`; may be `model`.
        to: A part of `export.targets`.
        data: A dataset, whose validation images (all, if it has no split) the parity is tested
            on. Without it the images that the Bundle `model` keeps are used.
        allow_outside: Whether paths in the dataset.yaml of `data` may lead out of its folder.
        precision: Of the graph; the target's default for None.
        keep_parity_images: Keep crops of a few of the images in the Bundle.
        accept_licence: The user accepts the licence of a published model.
        mode: Overwrite replaces a Bundle.
        progress: Of opening `data`, writing the graph and testing it.
        log: Gets lines on a published model: its licence, and what is left out.

    Raises:
        BundleError: The model is damaged, or the graph disagrees with the network.
        ConfigError: The network cannot be exported, there are no images, or a published model
            cannot be read or its licence has to be accepted.
        DataError: `data` is not a dataset, or its images do not fit the model.
        MissingDependencyError: The target needs a package that is not installed.
    """
    source = _Source.open(model, accept_licence=accept_licence)
    if log is not None:
        for note in source.notes:
            log(note)
    images: Iterable[Image] = ()
    if data is not None:
        images = _read_images(data, source.card.input, progress, allow_outside=allow_outside)
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
    source = _Source.of_checkpoint(checkpoint)
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
    data: Path | str | Dataset, spec: InputSpec, progress: Progress, *, allow_outside: bool
) -> Iterator[Image]:
    """Open the data when the first image is asked for, after `out` was found to be free."""
    if isinstance(data, Path | str):
        data = open_dataset(data, allow_outside=allow_outside, progress=progress)
    data = data.with_input(spec)
    yield from choose_images(data.subset("val") if "val" in data.splits else data)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """The model that is exported; `files` and `graphs` go into the new Bundle.

    `load` gives the network in eval mode. A published model has no file of weights of ours:
    that is written from the network.
    """

    card: ModelCard
    model_id: str
    load: Callable[[], AnySize]
    files: dict[str, Path]
    graphs: tuple[Graph, ...] = ()
    bundle: Bundle | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def open(cls, model: Path | str, *, accept_licence: bool) -> "_Source":
        if is_published(model):
            return cls.of_published(str(model), accept_licence=accept_licence)
        path = Path(model)
        if not is_bundle(path):
            return cls.of_checkpoint(find_checkpoint(path) or path)
        bundle = open_bundle(path)
        return cls(
            card=bundle.card,
            model_id=bundle.model_id,
            load=partial(load_model, bundle.card, bundle.file(WEIGHTS)),
            files={name: bundle.file(name) for name in bundle.files},
            graphs=bundle.graphs,
            bundle=bundle,
        )

    @classmethod
    def of_checkpoint(cls, folder: Path) -> "_Source":
        found = Checkpoint.open(folder)
        return cls(
            card=found.card,
            model_id=found.model_id,
            load=partial(load_model, found.card, found.weights),
            files={WEIGHTS: found.weights},
        )

    @classmethod
    def of_published(cls, source: str, *, accept_licence: bool) -> "_Source":
        found = open_published(source, accept_licence=accept_licence)
        card, network = found.stop_at_head()
        return cls(
            card=card,
            model_id=found.model_id,
            load=lambda: network,
            files={},
            notes=found.notes,
        )

    def write_weights(self, network: AnySize, folder: Path) -> None:
        """Write the file of weights into `folder` where the model has none."""
        if WEIGHTS not in self.files:
            path = folder / WEIGHTS
            tensors = {k: v.contiguous() for k, v in network.state_dict().items()}
            path.write_bytes(serialize(tensors))
            self.files[WEIGHTS] = path


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
        prepared = list(_prepare(images, source.card.input))
        model = source.load().eval()
        source.write_weights(model, folder)
        network = TorchEngine(model)
        files, graphs = dict(source.files), {graph.file: graph for graph in source.graphs}
        for name, precision in options.targets:
            writer = _Writer(name, parts.load(TARGETS, name, like=Target), folder, progress)
            graph = writer.write(source, network, prepared, precision)
            graphs.pop(graph.file, None)  # the new one goes last
            graphs[graph.file] = graph
            files[graph.file] = folder / graph.file
        if not options.keep_parity_images:
            files.pop(PARITY, None)
        elif prepared:
            files[PARITY] = folder / PARITY
            keep_inputs(network, _make_inputs(prepared, source.card), files[PARITY])
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
        prepared: Sequence[Image],
        precision: str | None,
    ) -> Graph:
        """Write one graph, and test its parity on the images, else on those of the Bundle."""
        lacks = self.target.missing()
        if lacks is not None:
            raise lacks
        precision = choose_precision(self.target, precision)
        path = self.folder / name_file(self.target, precision)
        what = f"writing {path.name}"
        for _ in self.progress(range(1), total=1, what=what):
            outputs = self.target.write(network.network, source.card, path, precision)
        engine = _run(self.target, path, source.card)
        inputs_CHW = _make_inputs(prepared, source.card)
        parity = _test(source, network, engine, inputs_CHW, self.progress)
        remember("graph", hash_file(path))
        tolerance = self.target.TOLERANCES[precision]
        parity.require_agreement(
            tolerance,
            graph="the exported graph",
            fix="nothing was written, use the run itself",
        )
        reach_px = measure_reach(engine, source.card)
        return Graph(
            file=path.name,
            engine=self.target.ENGINE,
            precision=precision,
            outputs=outputs,
            tolerance=tolerance,
            parity=parity,
            bytes_per_px=round(measure_bytes_per_px(engine, source.card.input.channels), 1),
            reach_px=reach_px,
            tiling=measure_tiling_effect(engine, source.card, prepared, reach_px=reach_px),
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


def _prepare(images: Iterable[Image], spec: InputSpec) -> Iterator[Image]:
    for index, image_HWC in enumerate(images):
        yield spec.prepare(image_HWC, where=f"image {index} for parity")


def _make_inputs(prepared: Iterable[Image], card: ModelCard) -> list[Planes]:
    return [to_network(image_HWC, card.input) for image_HWC in prepared]
