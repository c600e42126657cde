"""Predictor: an Engine with the card that says how to feed it and what its numbers mean."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core import parts
from ..core.bundle import MANIFEST, Bundle, is_bundle
from ..core.card import ModelCard
from ..core.checkpoint import Checkpoint, find_checkpoint
from ..core.decision import Decision
from ..core.errors import BundleError, ConfigError
from ..core.image import Image, ValidMap
from ..core.kernels.kernel import kernel
from ..core.labels import IGNORE, LabelMap
from ..core.logits import Logits
from ..core.trust import require_digest
from ..core.verdict import Verdict
from ..data.pixels.images import read_data, to_ref
from ..pages.display import Display
from .choice import (
    ModelFile,
    build_engine,
    is_published,
    list_files,
    open_published,
    open_source,
)
from .engine import ENGINES, Engine, EngineOptions, EnginePart
from .ensemble import Combined, Ensemble
from .need import MemoryNeed, explain_memory
from .prediction import Prediction
from .refiner import Refinement, SourceImage, parse_chain
from .remembered import recall_engine
from .resolution import decide
from .strategy import Strategy, run_whole
from .tiledimage import run_in_tiles
from .tiling import Tiling
from .trial import require_trial
from .verdict import apply_rule

DEFAULTS = EngineOptions()
AUTOMATIC = Tiling()
_MAX_BATCH_PX = 1 << 22
"""Pixels of one batch: a batch of large images would need a multiple of the memory of one."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """A model that is ready to predict images.

    `model_id` is the hash of the card and weights of the checkpoint, also for its Bundle.
    The largest logit decides the classes of every image; then `refine` changes them, where it
    is given, and then the rule for verdicts of the card.
    `strategy` is how images go through the engine in one piece, `tiling` says which images are
    cut into tiles. `need` knows the memory that an image takes.
    `ensemble`, where given, takes the place of the engine: several models, views or passes.
    `notes` are lines for the user on a published model: its licence, and what it leaves out.
    """

    engine: Engine
    card: ModelCard
    model_id: str
    refine: Refinement | None = None
    strategy: Strategy = run_whole
    tiling: Tiling = AUTOMATIC
    ensemble: Ensemble | None = None
    need: MemoryNeed = field(default_factory=MemoryNeed, compare=False, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def gives_logits(self) -> bool:
        """Whether `logits` gives any: a server gives classes and confidence alone."""
        return True

    def predict(
        self,
        image_HWC: Image,
        valid_HW: ValidMap | None = None,
        *,
        spacing_mm_HW: tuple[float, float] | None = None,
        uncertainty: bool = False,
        probabilities: bool = False,
        where: str = "image",
    ) -> Prediction:
        """Class map and confidence at the image's own size.

        Args:
            image_HWC: As `data.pixels.images.read_image` gives it.
            valid_HW: Which pixels hold data; all unless given. The others are IGNORE in the
                class map, with confidence 0.
            spacing_mm_HW: Size of a pixel, for refiners with areas in mm2.
            uncertainty: Measure the entropy too, and of an ensemble the mutual information:
                those of the network, before refiners.
            probabilities: Keep the Decision, which has the shares of all classes.
            where: File name or key, for the error message.

        Raises:
            DataError: Another number of channels or bits than the model takes, or more pixels
                than the memory holds; an image that a refiner does not take.
            BundleError: The model's logits are NaN or infinite.
        """
        combined, logits = self._combine(image_HWC, valid_HW, where)
        image_HWC = self.card.input.prepare(image_HWC, valid_HW, where=where)
        decision = self.decide(
            logits, image_HWC, valid_HW, spacing_mm_HW=spacing_mm_HW, where=where
        )
        prediction = self._prediction(decision, image_HWC)
        if probabilities:
            prediction = replace(prediction, decision=decision)
        if not uncertainty:
            return prediction
        return self._add_uncertainty(prediction, logits, combined)

    def __call__(self, image: Image | Path | str) -> Prediction:
        """`predict` of one image, or of an image file.

        Raises:
            DataError: As `predict`; the file is not an image, or holds several.
        """
        if isinstance(image, Path | str):
            ref = replace(to_ref(image), num_slices=self.card.input.slices)
            return self.predict(*read_data(ref), where=str(image))
        return self.predict(image)

    def predict_many(self, images: Iterable[Image]) -> Iterator[Prediction]:
        """Yield the prediction of each image, in order; equal sizes in a row share a batch.

        Labels and confidences are those of `predict`, up to the rounding of the engine: none
        was measured on a CPU, and tests allow 1e-4 in the confidence. Errors are those of
        `predict` and name the image by its index.
        """
        if self.ensemble is not None:
            for index, image_HWC in enumerate(images):
                yield self.predict(image_HWC, where=f"image {index}")
            return
        for first, batch in self._batches(images):
            where = f"image {first}" if len(batch) == 1 else f"images {first} and following"
            pairs = zip(batch, self._run(batch, where=where), strict=True)
            for index, (image_HWC, logits) in enumerate(pairs, start=first):
                decision = self.decide(logits, image_HWC, where=f"image {index}")
                yield self._prediction(decision, image_HWC)

    def logits(
        self, image_HWC: Image, valid_HW: ValidMap | None = None, *, where: str = "image"
    ) -> Logits:
        """The network's logits of one image, at the resolution of the network.

        Those of an ensemble, at the size of the image, follow from its shares.
        Where `valid_HW` is False, the network sees its neutral value. Not divided by the card's
        temperature; `resolution.planes` brings them to the image's size. Raises what `predict`
        raises, except that logits may be NaN or infinite.
        """
        return self._combine(image_HWC, valid_HW, where)[1]

    def label(
        self, image_HWC: Image, valid_HW: ValidMap | None = None, *, where: str = "image"
    ) -> LabelMap:
        """The labels of `predict` without confidence, which is faster; raises the same."""
        logits = self.logits(image_HWC, valid_HW, where=where)
        return self.label_logits(logits, image_HWC, valid_HW, where)

    def label_logits(
        self, logits: Logits, image_HWC: Image, valid_HW: ValidMap | None, where: str
    ) -> LabelMap:
        """The labels of `label` from the logits of the image."""
        if self.refine is not None or self.card.decide is not None:
            return self.decide(logits, image_HWC, valid_HW, where=where).labels_HW
        self._require_finite(logits.values_Khw, where)
        with explain_memory(logits.size_HW, where):
            labels_HW = kernel().upsample_argmax(logits)
        if valid_HW is not None:
            labels_HW[~valid_HW] = IGNORE
        return labels_HW

    def _combine(
        self, image_HWC: Image, valid_HW: ValidMap | None, where: str
    ) -> tuple[Combined | None, Logits]:
        """What the ensemble gives for an image, None without one, and the logits."""
        if self.ensemble is None:
            image_HWC = self.card.input.prepare(image_HWC, valid_HW, where=where)
            return None, self._run([image_HWC], where=where)[0]
        with explain_memory(image_HWC.shape[:2], where):
            combined = self.ensemble.combine(image_HWC, valid_HW, where=where)
            return combined, combined.to_logits(self.card.temperature)

    def _add_uncertainty(
        self,
        prediction: Prediction,
        logits: Logits,
        combined: Combined | None,
    ) -> Prediction:
        """The prediction with its maps of uncertainty; 0 where there is no data."""
        if combined is None:
            decision = decide(logits, temperature=self.card.temperature)
            combined = Combined.of_decision(decision)
        valid_HW, information_HW = prediction.labels_HW != IGNORE, combined.information_HW
        return replace(
            prediction,
            entropy_HW=combined.entropy_HW * valid_HW,
            mutual_information_HW=None if information_HW is None else information_HW * valid_HW,
        )

    def _run(self, images_BHWC: Sequence[Image], *, where: str) -> list[Logits]:
        """The logits of images of equal size, if they fit in the free memory."""
        size_HW, spec = images_BHWC[0].shape[:2], self.card.input
        plan = self.tiling.plan(self.engine, self.card, size_HW)
        with explain_memory(size_HW, where):
            if plan is not None:
                return run_in_tiles(plan, self.engine, self.card, images_BHWC)
            engine = self.need.choose_engine(self.engine, spec, size_HW, where=where)
            return self.strategy(engine, self.card, images_BHWC, where=where)

    def decide(
        self,
        logits: Logits,
        image_HWC: Image,
        valid_HW: ValidMap | None = None,
        *,
        spacing_mm_HW: tuple[float, float] | None = None,
        where: str = "image",
    ) -> Decision:
        """The Decision that `predict` makes from the logits of an image and the image.

        The largest logit decides, then the refiners in order, then the rule for verdicts.

        Raises:
            BundleError: The logits are NaN or infinite.
            DataError: As `predict`.
        """
        with explain_memory(logits.size_HW, where):
            decision = decide(logits, temperature=self.card.temperature)
            self._require_finite(decision.confidence_HW, where)
            if valid_HW is not None:  # before refiners and rule, which find nothing there then
                decision = decision.leave_out(valid_HW)
            if self.refine is not None:
                shown_HWC = self.card.input.select_slice(image_HWC)
                decision = self.refine(decision, SourceImage(shown_HWC, spacing_mm_HW, where))
        if self.card.decide is not None:
            decision = apply_rule(decision, self.card.decide, self.card.labels)
            if valid_HW is not None:
                decision = decision.leave_out(valid_HW)
        return replace(decision, features_D=logits.features_D)

    def _require_finite(self, values: NDArray[np.float32], where: str) -> None:
        if not np.isfinite(values).all():
            raise BundleError(
                f"{where}: model {self.model_id} produced NaN or infinite logits; the weights "
                f"are damaged: train again"
            )

    def _prediction(self, decision: Decision, image_HWC: Image) -> Prediction:
        names, verdict = self.card.labels.names, None
        if decision.reported is not None:
            verdict = Verdict(tuple(names[index] for index in decision.reported))
        return Prediction(
            labels_HW=decision.labels_HW,
            confidence_HW=decision.confidence_HW,
            model_id=self.model_id,
            verdict=verdict,
            labels=self.card.labels,
            image_HWC=self.card.input.select_slice(image_HWC),
            display=Display.from_input(self.card.input),
            features_D=decision.features_D,
        )

    def _batches(self, images: Iterable[Image]) -> Iterator[tuple[int, Sequence[Image]]]:
        """Index of the first image, and images of equal size in a row, as many as fit."""
        batch: list[Image] = []
        first = 0
        for index, given_HWC in enumerate(images):
            image_HWC = self.card.input.prepare(given_HWC, where=f"image {index}")
            num_px = max(1, image_HWC.shape[0] * image_HWC.shape[1])
            full = len(batch) == max(1, min(self.engine.max_batch, _MAX_BATCH_PX // num_px))
            if batch and (full or image_HWC.shape != batch[0].shape):
                yield first, batch
                batch, first = [], index
            batch.append(image_HWC)
        if batch:
            yield first, batch


def open_model(
    path: Path | str,
    *,
    engine: str | None = None,
    options: EngineOptions = DEFAULTS,
    refine: str | None = None,
    tiling: Tiling = AUTOMATIC,
    trust: str | None = None,
    accept_licence: bool = False,
) -> Predictor:
    """Open a Bundle, a run folder, a checkpoint, or a model that others published.

    A published model is `hub:OWNER/NAME[@REVISION]`, or the folder or file of its weights; it
    runs on torch. A Bundle runs on the engine that `inference.bench.fastest` has chosen here,
    else on ONNX Runtime, and a checkpoint on torch, unless an engine of higher priority is
    installed that can run it. Without torch, a finished run is opened as its Bundle.

    Args:
        path: Of the folder or file, or the name on the hub.
        engine: Name of the engine that runs the model; the best one available unless given.
        options: Threads, device and precision.
        refine: Refiners that every image goes through, in place of those of the Bundle: a name
            with settings, `crf` or `crf:theta_alpha=30`, a YAML file of a chain, or `none`.
        tiling: Which images are cut into tiles; its bytes per pixel are those of the Bundle.
        trust: SHA-256 of a graph from elsewhere that runs without a trial, see `trial`.
        accept_licence: The user accepts the licence of a published model.

    Raises:
        BundleError: Not a model, a damaged one, one that the engine cannot run, or a graph
            that reads files which are not in the Bundle or that fails its trial.
        ConfigError: An unknown engine, refiner, setting or option; other refiners for a model
            with a rule for verdicts; a published model that cannot be opened, or whose licence
            has to be accepted.
        MissingDependencyError: A package of the engine is not installed.
    """
    require_digest(trust)
    chain = None if refine is None else parse_chain(refine)
    if is_published(path):
        opened = open_published(str(path), engine, options, accept_licence=accept_licence)
        model = Predictor(opened.engine, opened.card, opened.model_id, notes=opened.notes)
        chosen = None if chain is None else Refinement.from_chain(chain, model.card.labels)
        return replace(model, refine=chosen, tiling=tiling)
    path = Path(path)
    if _is_run_of_own_code(path) or (engine != "torch" and _is_run_without_torch(path)):
        path /= "bundle"  # whose graph runs without the code, and without torch
    source = open_source(path)
    bundle = source if isinstance(source, Bundle) else None
    card = source.card
    if refine is not None:
        _require_no_rule(card, path)
        card = replace(card, refine=chain)
    if bundle is not None:
        engine = engine or recall_engine(bundle, options)
    files, admit = list_files(source), partial(_admit, bundle, trust)
    built = build_engine(files, card, where=path, name=engine, options=options, admit=admit)
    tiling = tiling.take_measured(bundle.graphs if bundle else (), built)
    chain = card.refine
    refinement = None if chain is None else Refinement.from_chain(chain, card.labels)
    return Predictor(built, card, source.model_id, refinement, tiling=tiling)


def open_graph(bundle: Bundle, file: str, engine: str) -> Engine:
    """Build the engine of a file of a Bundle, which need not be one of its listed graphs.

    Raises:
        BundleError: The file is not there or damaged, reads others, or fails its trial.
    """
    part, graph = parts.load(ENGINES, engine, like=EnginePart), bundle.file(file)
    _admit(bundle, None, engine, part, ModelFile(graph, engine=engine))
    return part.build(graph, bundle.card, EngineOptions())


def _admit(
    bundle: Bundle | None, trust: str | None, name: str, part: EnginePart, file: ModelFile
) -> None:
    """Refuse a graph that reads files outside its Bundle, or that has to be tried first."""
    if bundle is not None and file.engine is not None:
        _require_listed(bundle, file.path, part.list_external_files(file.path))
        require_trial(bundle, file.path.name, name, trust)


def _require_no_rule(card: ModelCard, path: Path) -> None:
    """Refuse other refiners for a model with a rule for verdicts."""
    if card.decide is not None:
        raise ConfigError(
            f"{path}: its thresholds for verdicts were chosen with "
            f"{card.refine or 'no refiner'}; leave out --refine, or use the model before "
            f"`maskwright decide`"
        )


def _require_listed(bundle: Bundle, graph: Path, external: Sequence[str]) -> None:
    """Refuse a graph that reads a file whose content the manifest does not state."""
    for name in external:
        if name not in bundle.files:
            raise BundleError(
                f"{graph}: reads its weights from {name!r}, which {MANIFEST} does not list; do "
                f"not use this bundle, or export the model again"
            )


def _is_run_of_own_code(path: Path) -> bool:
    """Whether this is a finished run of a network that came from a user's file."""
    if not is_bundle(path / "bundle"):
        return False
    folder = find_checkpoint(path)
    return folder is not None and Checkpoint.open(folder).card.arch.code is not None


def _is_run_without_torch(path: Path) -> bool:
    """Whether this is a finished run, and torch, which runs its weights, is not installed."""
    return is_bundle(path / "bundle") and find_spec("torch") is None
