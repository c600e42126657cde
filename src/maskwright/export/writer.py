"""Write the graph of one target, and admit it only if it agrees with the network."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Self

import numpy as np

from ..core import parts
from ..core.bundle import Bundle
from ..core.card import ModelCard
from ..core.errors import BundleError, ConfigError
from ..core.graph import FEATURES, LABELS, Graph, Parity, Quality, Tolerance
from ..core.image import Image
from ..core.inputspec import InputSpec
from ..core.progress import Progress
from ..core.trust import hash_file, remember
from ..inference.engine import ENGINES, FP32, Engine, EngineOptions, EnginePart
from ..inference.parity import Planes, compare, count_crops, read_kept, verify
from ..inference.resolution import to_network
from ..inference.seams import measure_graph
from .fixedsize import choose_size, fit
from .inside import ARGMAX, add_parts, compare_inside, write_triton
from .network import Network
from .quality import QualityTest
from .quantize.qat import QatOptions
from .quantize.qdq import FloatGraph
from .quantize.search import Calibration, Int8Search
from .target import TARGETS, Target, choose_precision, name_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a graph is compared with: the network, on images or on those that `bundle` keeps.

    `prepared` are image_HWC as `InputSpec.prepare` gives them; `quality` scores the graph where
    there are labelled images, `calibrate` gives the images that int8 takes its ranges from,
    `max_drop_points` is the mIoU that int8 may lose, and `qat` says how long it is trained
    where it loses more. `log` gets what is tried.
    """

    network: Network
    prepared: Sequence[Image]
    bundle: Bundle | None
    quality: QualityTest | None
    calibrate: Callable[[], Calibration] | None
    max_drop_points: float
    qat: QatOptions | None
    progress: Progress
    log: Callable[[str], None]

    @property
    def card(self) -> ModelCard:
        """Of the network."""
        return self.network.card

    def make_inputs(self) -> list[Planes]:
        """The images as the network takes them; of its size, where that is one alone."""
        inputs_CHW = [to_network(image_HWC, self.card.input) for image_HWC in self.prepared]
        size_HW = self.network.engine.size_HW
        return inputs_CHW if size_HW is None else [fit(x_CHW, size_HW) for x_CHW in inputs_CHW]

    def find_inputs(self) -> list[Planes]:
        """The images as the network takes them, or the inputs that the Bundle keeps."""
        kept = None if self.bundle is None else self.bundle.parity_inputs
        if self.prepared or kept is None:
            return self.make_inputs()
        return [x_CHW for x_CHW, _ in read_kept(kept)]

    def compare(self, graph: Engine) -> Parity:
        """The difference of the logits, on the images or on those that the Bundle keeps.

        For a graph of one size they are brought to it.
        """
        network = self.network.engine
        num_crops = count_crops(network, graph)
        if graph.size_HW is not None:
            fitted_CHW = [fit(x_CHW, graph.size_HW) for x_CHW in self.find_inputs()]
            return compare(network, graph, fitted_CHW, num_crops=num_crops)
        inputs_CHW = self.make_inputs()
        if inputs_CHW or self.bundle is None:
            what = "comparing with the network"
            shown = self.progress(inputs_CHW, total=len(inputs_CHW), what=what)
            return compare(network, graph, shown, num_crops=num_crops)
        return verify(self.bundle, graph)


def prepare_images(images: Iterable[Image], spec: InputSpec) -> Iterator[Image]:
    """Images as the input specification takes them; raises DataError for others."""
    for index, image_HWC in enumerate(images):
        yield spec.prepare(image_HWC, where=f"image {index} for parity")


@dataclass(frozen=True, slots=True)
class GraphWriter:
    """Writes graphs of one target into a folder.

    A graph is written once more with the parts `inside`, see `export.inside`. Of a target whose
    graphs have one size, it is `size_HW`, else that of `fixedsize.choose_size`.
    """

    target: Target
    folder: Path
    inside: tuple[str, ...] = ()
    size_HW: tuple[int, int] | None = None

    @classmethod
    def open(
        cls,
        name: str,
        folder: Path,
        *,
        unverified: bool,
        inside: tuple[str, ...] = (),
        size_HW: tuple[int, int] | None = None,
    ) -> Self:
        """Load the target; with `unverified`, also one whose graphs cannot run here.

        Raises:
            UnknownNameError: There is no such target.
            MissingDependencyError: It needs a package that is not installed.
            ConfigError: Its graphs cannot be run here, and `unverified` is not given; or parts
                inside are asked of another target than onnx, or a size of one whose graphs
                take any.
        """
        if inside and name != "onnx":
            raise ConfigError(
                f"--inside {','.join(inside)}: is written by --to onnx alone, got --to {name}; "
                f"the configuration beside that graph serves it with Triton, also on TensorRT"
            )
        target = parts.load(TARGETS, name, like=Target)
        if size_HW is not None and not target.HAS_FIXED_SIZE:
            raise ConfigError(
                f"--size {size_HW[0]}x{size_HW[1]}: graphs of --to {name} take images of any "
                f"size; leave --size out"
            )
        lacks = target.missing()
        if lacks is not None:
            raise lacks
        if not target.RUNS_HERE and not unverified:
            raise ConfigError(
                f"target {name!r}: its graph cannot be run on this machine, so it cannot be "
                f"compared with the network; write it with --unverified, and run the script "
                f"that is written beside it on the machine that has {target.ENGINE}"
            )
        return cls(target, folder, inside, size_HW)

    def write(
        self, trial: Trial, precision: str | None
    ) -> Iterator[tuple[Graph, tuple[str, ...]]]:
        """Write and yield each graph, with the names of the other files that belong to it.

        Raises:
            BundleError: The graph disagrees with the network.
            ConfigError: The network cannot be written in this format and precision.
        """
        graph, beside = self._write_logits(trial, precision)
        yield graph, beside
        if self.inside:
            yield self._write_inside(trial, graph)

    def _write_logits(
        self, trial: Trial, precision: str | None
    ) -> tuple[Graph, tuple[str, ...]]:
        precision = choose_precision(self.target, precision)
        path = self.folder / name_file(self.target, precision)
        if precision == "int8":
            return self._write_int8(trial, path)
        size_HW = None
        if self.target.HAS_FIXED_SIZE:
            size_HW = choose_size(self.size_HW, trial.make_inputs())
            trial.log(f"{path.name}: for images of {size_HW[0]}x{size_HW[1]}")
        for _ in trial.progress(range(1), total=1, what=f"writing {path.name}"):
            outputs = self.target.write(trial.network, path, precision, size_HW=size_HW)
        scripts = self._write_scripts(path, trial.network, precision)
        tolerance = trial.network.adapt_tolerance(self.target.TOLERANCES[precision])
        if not self.target.RUNS_HERE:
            graph = Graph(
                file=path.name,
                engine=self.target.ENGINE,
                precision=precision,
                outputs=outputs,
                tolerance=tolerance,
            )
            return graph, scripts
        part = parts.load(ENGINES, self.target.ENGINE, like=EnginePart)
        beside = (*part.list_external_files(path), *scripts)
        for name in (path.name, *beside):
            remember("graph", hash_file(self.folder / name))
        return self._test(trial, path, precision, outputs), beside

    def _write_int8(self, trial: Trial, path: Path) -> tuple[Graph, tuple[str, ...]]:
        """Search for a graph of int8 that keeps the score, and write the path of the search."""
        if trial.quality is None or trial.calibrate is None:
            lacking = "validation" if trial.quality is None else "training"
            raise ConfigError(
                "precision 'int8' needs DATA with labels: training images to calibrate on, and "
                "a validation split on which the graph must keep its score; there are no "
                f"{lacking} images all of which have labels: give DATA, or label them"
            )
        part = parts.load(ENGINES, self.target.ENGINE, like=EnginePart)
        options = EngineOptions(precision="int8")
        search = Int8Search(
            card=trial.card,
            quality=trial.quality,
            run=lambda file: part.build(file, trial.card, options),
            max_drop_points=trial.max_drop_points,
            network=trial.network.engine,
            qat=trial.qat,
            progress=trial.progress,
            log=trial.log,
        )
        with TemporaryDirectory() as name:
            folder = Path(name)
            outputs = trial.network.write_onnx(folder / "float.onnx", FP32, with_features=False)
            graph = FloatGraph.prepare(folder / "float.onnx", folder / "prepared.onnx")
            found = search.search(graph, trial.calibrate(), folder / path.name)
            copyfile(folder / path.name, path)
        remember("graph", hash_file(path))
        texts = {f"{path.stem}.json": found.to_text(), f"{path.stem}.svg": found.draw()}
        for name, text in texts.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        quality = found.steps[-1].quality
        return self._test(trial, path, "int8", outputs, quality=quality), tuple(texts)

    def _test(
        self,
        trial: Trial,
        path: Path,
        precision: str,
        outputs: tuple[str, ...],
        *,
        quality: Quality | None = None,
    ) -> Graph:
        """Compare the graph that lies at `path` with the network, and measure it.

        `quality` is taken where it was measured before.

        Raises:
            BundleError: The graph disagrees with the network.
        """
        tolerance = trial.network.adapt_tolerance(self.target.TOLERANCES[precision])
        part = parts.load(ENGINES, self.target.ENGINE, like=EnginePart)
        engine = part.build(path, trial.card, EngineOptions(precision=precision))
        parity = trial.compare(engine)
        try:
            parity.require_agreement(
                tolerance,
                graph="the exported graph",
                fix="nothing was written",
            )
        except BundleError as error:
            raise BundleError(f"{error}{self._name_layer(trial, path)}") from error
        _require_features(trial, engine, outputs, tolerance)
        for mode in (FP32, *part.CASTS):
            if precision != mode and precision in (FP32, *part.CASTS):
                _log_mode(trial, part, path, mode)
        graph = Graph(
            file=path.name,
            engine=self.target.ENGINE,
            precision=precision,
            outputs=outputs,
            tolerance=tolerance,
            parity=parity,
            quality=quality or (trial.quality.score(engine) if trial.quality else None),
        )
        return measure_graph(graph, engine, trial.card, trial.prepared)

    def _write_inside(self, trial: Trial, graph: Graph) -> tuple[Graph, tuple[str, ...]]:
        """Write `graph` again with parts of prediction inside, and its configuration.

        Raises:
            BundleError: What it gives disagrees with the network.
        """
        inside = self.inside
        path = self.folder / f"{Path(graph.file).stem}.inside.onnx"
        add_parts(self.folder / graph.file, trial.card, inside, path)
        remember("graph", hash_file(path))
        network, inputs_CHW = trial.network.engine, trial.find_inputs()
        parity = compare_inside(path, trial.card, inside, network, inputs_CHW)
        parity.require_agreement(
            replace(graph.tolerance, logit_ratio=1.0),
            graph=f"the graph with {', '.join(inside)} inside",
            fix="nothing was written, use --to onnx without --inside",
        )
        outputs = (LABELS,) if ARGMAX in inside else graph.outputs
        config = path.with_suffix(".pbtxt")
        config.write_text(
            write_triton(path.name, trial.card, inside, network), encoding="utf-8"
        )
        written = replace(graph, file=path.name, outputs=outputs, parity=parity, inside=inside)
        return written, (config.name,)

    def _name_layer(self, trial: Trial, path: Path) -> str:
        """The end of the message on a graph that disagrees: where it begins to."""
        inputs_CHW = trial.make_inputs()
        if not inputs_CHW:
            return ""
        return trial.network.find_first_difference(path, inputs_CHW[0])

    def _write_scripts(self, path: Path, network: Network, precision: str) -> tuple[str, ...]:
        scripts: Mapping[str, str] = self.target.list_scripts(path.name, network, precision)
        for name, text in scripts.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        return tuple(scripts)


def _require_features(
    trial: Trial, engine: Engine, outputs: tuple[str, ...], tolerance: Tolerance
) -> None:
    """Refuse a graph whose features are not those of the network, on the first image.

    Raises:
        BundleError: They differ by more than logits may.
    """
    inputs_CHW = trial.find_inputs()[:1]
    if FEATURES not in outputs or not inputs_CHW:
        return
    x_BCHW = np.ascontiguousarray(inputs_CHW[0][None])
    of_network, of_graph = (
        each.run(x_BCHW).features_BD for each in (trial.network.engine, engine)
    )
    if of_network is None or of_graph is None or of_network.shape != of_graph.shape:
        raise BundleError(
            f"the exported graph gives other features than the network: {_shape(of_graph)}, "
            f"expected {_shape(of_network)}; nothing was written"
        )
    difference = float(np.abs(of_graph - of_network).max())
    allowed = tolerance.logit_ratio * max(1.0, float(np.abs(of_network).max()))
    if not difference <= allowed:
        raise BundleError(
            f"the features of the exported graph differ from those of the network by up to "
            f"{difference:.3g} (allowed {allowed:.3g}); nothing was written"
        )


def _shape(features_BD: Planes | None) -> str:
    return "none" if features_BD is None else str(features_BD.shape)


def _log_mode(trial: Trial, part: EnginePart, path: Path, precision: str) -> None:
    """Compare the graph in another precision to which its engine casts it, where the CPU can.

    Programs without this package get the engine's own choice: OpenVINO takes bf16 by itself.
    """
    try:
        engine = part.build(path, trial.card, EngineOptions(precision=precision))
    except ConfigError as error:
        trial.log(f"{path.name}: not compared in {precision}: {error}")
        return
    parity = trial.compare(engine)
    trial.log(
        f"{path.name} computed in {precision}: largest difference of logits "
        f"{parity.largest_logit_difference:.3g}, {parity.equal_pixel_share:.2%} of the pixels "
        f"agree"
    )
