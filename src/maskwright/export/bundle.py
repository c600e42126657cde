"""Checkpoint or Bundle -> Bundle with another graph, after its parity is tested."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..core.bundle import BASELINE, PARITY, REPORT, Bundle, add_files, fill_bundle, open_bundle
from ..core.errors import ConfigError
from ..core.image import Image
from ..core.inputspec import InputSpec
from ..core.progress import Progress, silent
from ..core.results import NEW, WriteMode
from ..data.dataset import Dataset, open_dataset
from ..inference.parity import Planes, keep_inputs
from ..inference.resolution import to_network
from .fixedsize import fit
from .inside import require_possible
from .network import Network
from .quality import QualityTest, choose_split
from .quantize.calibration import choose_calibration
from .quantize.qat import QatOptions
from .quantize.search import MAX_DROP_POINTS, Calibration
from .source import Source
from .writer import GraphWriter, Trial, prepare_images

DEFAULT_TARGETS = ("onnx",)
PARITY_IMAGES = 8


def _say_nothing(_line: str) -> None:
    pass


def export_model(
    model: Path | str,
    out: Path | str,
    *,
    to: str = DEFAULT_TARGETS[0],
    data: Path | str | Dataset | None = None,
    allow_outside: bool = False,
    precision: str | None = None,
    unverified: bool = False,
    max_drop_points: float = MAX_DROP_POINTS,
    qat_s: float | None = None,
    inside: Sequence[str] = (),
    size_HW: tuple[int, int] | None = None,
    keep_parity_images: bool = True,
    accept_licence: bool = False,
    mode: WriteMode = NEW,
    progress: Progress = silent,
    log: Callable[[str], None] = _say_nothing,
) -> Bundle:
    """Write the Bundle `out`: the model with one more graph.

    Args:
        model: A Bundle, a run, a checkpoint, or a published model: name, folder or file.
        out: See `core.results`; may be `model`.
        to: A part of `export.targets`.
        data: To test parity and score on; None: the images that the Bundle keeps.
        allow_outside: Whether paths in the dataset.yaml of `data` may lead out of its folder.
        precision: Of the graph; the target's default for None.
        unverified: Also write a graph that cannot run here, with a script that compares it.
        max_drop_points: The mIoU, in points of 0..100, that a graph of int8 may lose.
        qat_s: Seconds of quantisation-aware training where a graph of int8 loses more.
        inside: Parts of `export.inside` with which the graph is written once more.
        size_HW: Of the image of a graph of one size; None: as `fixedsize.choose_size`.
        keep_parity_images: Keep crops of a few of the images in the Bundle.
        accept_licence: The user accepts the licence of a published model.
        mode: Overwrite replaces a Bundle.
        progress: Of opening `data`, writing the graph and testing it.
        log: Gets lines on a published model, and what the search for int8 tries.

    Raises:
        BundleError: The model is damaged, or the graph disagrees with the network.
        ConfigError: The model cannot be read or exported, run here, or its licence is missing.
        DataError: `data` is not a dataset, or its images do not fit the model.
        MissingDependencyError: The target needs a package that is not installed.
    """
    source = _open_source(model, data, accept_licence=accept_licence, log=log)
    require_possible(source.card.input, inside)
    read = partial(_read_images, data, source.card.input, progress, allow_outside=allow_outside)
    options = _ExportOptions(
        targets=((to, precision),),
        keep_parity_images=keep_parity_images,
        unverified=unverified,
        max_drop_points=max_drop_points,
        qat=None if qat_s is None else QatOptions(seconds=qat_s),
        inside=tuple(inside),
        size_HW=size_HW,
        mode=mode,
        log=log,
    )
    return _export(source, read, Path(out), options, progress)


def export_scored(
    model: Path | str,
    out: Path,
    data: Dataset,
    test: QualityTest,
    *,
    precision: str,
    max_drop_points: float,
    qat_s: float | None,
    keep_parity_images: bool,
    progress: Progress,
    log: Callable[[str], None],
) -> Bundle:
    """Write the Bundle `out`, which may be `model`, with an ONNX graph more.

    As `export_model`, for a network of which `test` knows what it scores on `data`.
    """
    source = Source.open(model, accept_licence=False)
    read = partial(_read_images, data, source.card.input, progress, allow_outside=False)
    options = _ExportOptions(
        targets=((DEFAULT_TARGETS[0], precision),),
        keep_parity_images=keep_parity_images,
        max_drop_points=max_drop_points,
        qat=None if qat_s is None else QatOptions(seconds=qat_s),
        test=test,
        mode=WriteMode(overwrite=True),
        log=log,
    )
    return _export(source, read, out, options, progress)


def export_bundle(
    checkpoint: Path,
    images: Iterable[Image],
    out: Path,
    *,
    report: Path | None = None,
    baseline: Path | None = None,
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
        baseline: The observations of the validation images to carry along.
        targets: Parts of `export.targets`.
        keep_parity_images: Keep crops of a few of the images in the Bundle.
        mode: Overwrite replaces a Bundle.
        progress: Of writing each graph and testing it.

    Raises:
        BundleError: The checkpoint is damaged, or a graph disagrees with the network.
        ConfigError: The network cannot be exported, or there are no images.
    """
    source = Source.of_checkpoint(checkpoint)
    if report is not None:
        source.files[REPORT] = report
    if baseline is not None:
        source.files[BASELINE] = baseline
    options = _ExportOptions(
        targets=tuple((name, None) for name in targets),
        keep_parity_images=keep_parity_images,
        mode=mode,
    )
    return _export(source, partial(_Images, images), out, options, progress)


def choose_images(dataset: Dataset) -> list[Image]:
    """Images to test parity on, evenly spread over a dataset."""
    indices = np.unique(np.linspace(0, len(dataset) - 1, PARITY_IMAGES).round().astype(int))
    return [dataset.image(int(index)) for index in indices]


def _open_source(
    model: Path | str,
    data: Path | str | Dataset | None,
    *,
    accept_licence: bool,
    log: Callable[[str], None],
) -> Source:
    """Open the model, log its notes, and require images on which a graph is tested."""
    source = Source.open(model, accept_licence=accept_licence)
    for note in source.notes:
        log(note)
    kept = None if source.bundle is None else source.bundle.parity_inputs
    if data is None and kept is None:
        raise ConfigError(f"{model}: keeps no parity images; give DATA to test the graph on")
    return source


def _read_images(
    data: Path | str | Dataset | None,
    spec: InputSpec,
    progress: Progress,
    *,
    allow_outside: bool,
) -> "_Images":
    """Open the data, after `out` was found to be free; no images for None."""
    if data is None:
        return _Images(())
    if isinstance(data, Path | str):
        data = open_dataset(data, allow_outside=allow_outside, progress=progress)
    data = data.with_input(spec)
    judged, split = choose_split(data)
    learnt = data.subset("train") if "train" in data.splits else data
    return _Images(choose_images(judged), judged, split, learnt)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExportOptions:
    """`targets` are names of targets, each with a precision or None for its default."""

    targets: tuple[tuple[str, str | None], ...]
    keep_parity_images: bool
    unverified: bool = False
    max_drop_points: float = MAX_DROP_POINTS
    qat: QatOptions | None = None
    test: QualityTest | None = None
    inside: tuple[str, ...] = ()
    size_HW: tuple[int, int] | None = None
    mode: WriteMode
    log: Callable[[str], None] = _say_nothing


def _export(
    source: Source,
    read: Callable[[], "_Images"],
    out: Path,
    options: _ExportOptions,
    progress: Progress,
) -> Bundle:
    with fill_bundle(out, options.mode) as folder:
        open_writer = partial(
            GraphWriter.open,
            folder=folder,
            unverified=options.unverified,
            inside=options.inside,
            size_HW=options.size_HW,
        )
        writers = [(open_writer(name), precision) for name, precision in options.targets]
        images = read()
        prepared = list(prepare_images(images.shown, source.card.input))
        network = source.load()
        source.write_weights(network, folder)
        trial = Trial(
            network=network,
            prepared=prepared,
            bundle=source.bundle,
            quality=images.make_test(network, options, progress),
            calibrate=images.make_calibration(network, progress),
            max_drop_points=options.max_drop_points,
            qat=options.qat,
            progress=progress,
            log=options.log,
        )
        files, graphs = dict(source.files), {graph.file: graph for graph in source.graphs}
        for writer, precision in writers:
            for graph, beside in writer.write(trial, precision):
                graphs.pop(graph.file, None)  # the new one goes last
                graphs[graph.file] = graph
                files |= {name: folder / name for name in (graph.file, *beside)}
        if not options.keep_parity_images:
            files.pop(PARITY, None)
        elif prepared and keep_inputs(network.engine, trial.make_inputs(), folder / PARITY):
            files[PARITY] = folder / PARITY
        listed = list(graphs.values())
        add_files(folder, source.card, files, graphs=listed, model_id=source.model_id)
    return open_bundle(out)


@dataclass(frozen=True, slots=True)
class _Images:
    """Images to test parity on, those of a split to score on, those of training, if any."""

    shown: Iterable[Image]
    dataset: Dataset | None = None
    split: str = ""
    learnt: Dataset | None = None

    def make_calibration(
        self, network: Network, progress: Progress
    ) -> Callable[[], Calibration] | None:
        """A call that reads images of training; None where not all of them have labels."""
        data = self.learnt
        if data is None or not all(data.has_labels(index) for index in range(len(data))):
            return None

        spec, size_HW = network.card.input, network.engine.size_HW

        def prepare(index: int) -> Planes:
            image_HWC = spec.prepare(data.image(index), where=data.describe(index))
            x_CHW = to_network(image_HWC, spec)
            return x_CHW if size_HW is None else fit(x_CHW, size_HW)

        def draw(rng: np.random.Generator) -> Planes:
            return prepare(int(rng.integers(len(data))))

        def read() -> Calibration:
            chosen = choose_calibration(data, progress)
            return Calibration(
                inputs_CHW=[prepare(index) for index in chosen.indices],
                keys=tuple(data.keys[index] for index in chosen.indices),
                missing=chosen.missing,
                draw=draw,
            )

        return read

    def make_test(
        self, network: Network, options: _ExportOptions, progress: Progress
    ) -> QualityTest | None:
        """The scores of the network; None where not all images have labels of its classes.

        Raises:
            DataError: A graph of int8, which is judged by its scores, and other classes.
        """
        data = self.dataset
        if options.test is not None:
            return options.test
        if data is None or not all(data.has_labels(index) for index in range(len(data))):
            return None
        needed = any(precision == "int8" for _, precision in options.targets)
        card = network.card
        if data.spec.names != card.labels.names and not needed:
            options.log(
                f"{data.source}: has other classes than the model, so nothing is scored"
            )
            return None
        return QualityTest(network.engine, card, data, self.split, progress)
