"""How the verbs open the model that they run."""

from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict, Unpack

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.progress import Progress
    from ..inference.engine import EngineOptions
    from ..inference.folds import FoldPredictors
    from ..inference.predictor import Predictor
    from ..inference.tiling import Tiling
    from .console import Console


Threads = Annotated[
    int | None,
    typer.Option(metavar="N", help="Threads of the engine (default: all cores).", min=1),
]
RunDevice = Annotated[
    str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:1.")
]
Providers = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Execution providers of ONNX Runtime, such as TensorrtExecutionProvider.",
    ),
]


class How(TypedDict):
    """How images are predicted, see `open_ensemble`."""

    tiling: "Tiling"
    tta: str | None
    dropout: int


def choose_how(
    tile: str, overlap: int | None, max_memory: str, tta: str | None, dropout: int
) -> How:
    """How images are predicted, of the options of a verb.

    Raises:
        ConfigError: A size or an amount of memory that cannot be read.
    """
    from ..inference.tiling import Tiling

    tiling = Tiling.from_text(tile, overlap=overlap, max_memory=max_memory)
    return {"tiling": tiling, "tta": tta, "dropout": dropout}


class Work(TypedDict):
    """How many images are to come, see `open_ensemble`."""

    num_images: int
    progress: "Progress"


class LabelStream(TypedDict):
    """How the frames of a stream are labelled, see `calls.video`."""

    smooth: float
    keyframes: int
    fps: float | None


@dataclass(frozen=True, slots=True)
class RunsOn:
    """The part of the machine that an engine runs on, see `EngineOptions`."""

    threads: int | None = None
    device: str = "auto"
    providers: str | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """The options of a verb by which a model is opened, see `open_model`."""

    engine: str | None
    precision: str | None
    refine: str | None
    trust: str | None
    _: KW_ONLY
    accept_licence: bool
    on: RunsOn = RunsOn()

    def open(
        self,
        model: str,
        work: Work | None = None,
        **how: Unpack[How],
    ) -> "Predictor":
        """Open one model, or several joined by a plus; raises as `open_ensemble`."""
        from ..serving.client import is_server

        open_model = self.defer(model, **how)
        return open_model() if work is None or is_server(model) else open_model(**work)

    def open_for_frames(self, model: str, console: "Console") -> "Predictor":
        """Open a model for the frames of a stream, and say what its user must know."""
        from ..inference.bench.fastest import MANY_IMAGES
        from ..inference.tiling import Tiling

        predictor = self.open(
            model,
            {"num_images": MANY_IMAGES, "progress": console.progress},
            tiling=Tiling(),
            tta=None,
            dropout=0,
        )
        console.say_all(predictor.notes)
        return predictor

    def defer(self, model: str, **how: Unpack[How]) -> "Callable[..., Predictor]":
        """A call of `open_ensemble`, which other processes can make too.

        The model of a server, `http://HOST:PORT/NAME`, is opened by `open_remote`.
        """
        from ..serving.client import is_server

        if is_server(model):
            self._require_plain(how)
            return partial(_open_served, model)
        from ..inference.opening import open_ensemble

        return partial(
            open_ensemble,
            model,
            **how,
            engine=self.engine,
            options=self.options,
            refine=self.refine,
            trust=self.trust,
            accept_licence=self.accept_licence,
        )

    @property
    def options(self) -> "EngineOptions":
        """Those of the engine."""
        from ..inference.engine import EngineOptions, read_precision

        providers = self.on.providers
        return EngineOptions(
            threads=self.on.threads,
            device=self.on.device,
            providers=() if providers is None else tuple(providers.split(",")),
            precision=read_precision(self.precision),
        )

    def _require_plain(self, how: How) -> None:
        """Refuse options that the server has chosen."""
        from ..core.errors import ConfigError
        from ..inference.tiling import Tiling

        chosen = (self.engine, self.precision, self.refine, self.trust)
        options = (*chosen, how["tta"], how["dropout"] or None)
        is_plain = self.on == RunsOn() and how["tiling"] == Tiling()
        if any(option is not None for option in options) or not is_plain:
            raise ConfigError(
                "a server has chosen engine, device, tiles and refiners; leave these out"
            )

    def open_folds(
        self, runs: str, data: Path | str, *, tiling: "Tiling", tta: str | None, dropout: int
    ) -> "FoldPredictors":
        """Open the runs of all folds of a dataset.

        Raises:
            ConfigError: Views or passes, which a run of a fold has not.
            BundleError, DataError: As `inference.folds.open_folds`.
        """
        from ..core.errors import ConfigError
        from ..inference.folds import open_folds

        if tta or dropout:
            raise ConfigError(
                "--out-of-fold predicts each image by one model as it is; leave out --tta and "
                "--dropout"
            )
        return open_folds(
            runs,
            data,
            engine=self.engine,
            options=self.options,
            refine=self.refine,
            tiling=tiling,
            trust=self.trust,
        )


def _open_served(model: str, *, options: "EngineOptions | None" = None) -> "Predictor":  # noqa: ARG001
    """The model at an address; `options` of a worker are those that the server has chosen."""
    from ..serving.client import open_remote

    return open_remote(model)
