"""An open model, and how one task becomes an outcome: decode, predict, encode."""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory, mkstemp

import numpy as np

from ...core.errors import (
    BundleError,
    ConfigError,
    DataError,
    MaskwrightError,
    MissingDependencyError,
)
from ...core.image import Image, ValidMap
from ...core.threads import Allowance
from ...data.pixels.imageref import ImageRef
from ...data.pixels.images import open_image
from ...inference.need import LARGE_PX
from ...inference.prediction import Prediction
from ...inference.predictor import Predictor
from ...inference.refiner import Refinement
from ...inference.tiling import Tiling
from ...measurement.mapjudge import Judgement, SiteJudges
from ...pages.display import Display
from ..exactfile import encode_exactly
from ..imagehead import read_head
from ..messages import RAW, SCORE, ModelFacts, Outcome, Task
from .answers import DESCRIBED, Answered, encode, needs_confidence
from .batcher import BatchedStrategy, Batcher, NotWantedError, SharedEngine
from .batches import BatchQueue, BatchSizes
from .observing import NOTHING, Sampled, note_prediction
from .runs import require_order
from .scoring import score_truth
from .warmup import WarmUp

_STATUS: Sequence[tuple[type[Exception], int]] = (
    (NotWantedError, 504),
    (MissingDependencyError, 501),
    (BundleError, 500),
    (MaskwrightError, 400),
)
_REFINE = re.compile(r"[a-z][a-z0-9_]*(:[A-Za-z0-9_=.,+-]*)?")
_MEMORY, _ROOM_BYTES = Path("/dev/shm"), 1 << 30  # noqa: S108 - mkstemp makes the names
_STEPS = 64
"""Settings of `tile` and `refine` that are kept ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Input:
    """The decoded image of a task; `image` is its file, None for bare pixels."""

    image_HWC: Image
    valid_HW: ValidMap | None
    spacing_mm_HW: tuple[float, float] | None
    image: ImageRef | None


class Session:
    """Predicts tasks, each in the thread that calls; the engine runs them in batches.

    Together, decoded images take no more pixels than one image may have that is not cut into
    tiles.
    """

    def __init__(
        self,
        model: Predictor,
        *,
        name: str,
        version: str,
        warm: Sequence[WarmUp],
        max_wait_s: float,
        judges: SiteJudges | None = None,
    ) -> None:
        self._model = replace(model, engine=SharedEngine(model.engine, threading.Lock()))
        self._names = {"name": name, "version": version}
        self._sizes = {w.size_HW: w.batch for w in warm}
        queue = BatchQueue(BatchSizes(self._sizes), max_wait_s=max_wait_s)
        self._batcher = Batcher(queue)
        self._precision = model.engine.precision
        self._judges = judges
        self._pixels = Allowance(LARGE_PX)
        self._variants: dict[tuple[str | None, str | None], Predictor] = {}

    @property
    def facts(self) -> ModelFacts:
        """What clients are told of the model."""
        card = self._model.card
        return ModelFacts(
            bundle=self._model.model_id,
            labels=card.labels.fingerprint,
            classes=tuple(card.labels.names),
            colors=tuple(tuple(c) for c in card.labels.palette[: len(card.labels)].tolist()),
            engine=self._model.engine.name,
            precision=self._precision,
            channels=card.input.channels,
            max_value=card.input.max_value,
            tiling=str(self._model.tiling.tile),
            refine=str(self._model.refine or "none"),
            has_verdicts=card.decide is not None,
            card=replace(card, provenance={}).to_json(),
            max_batch={f"{h}x{w}": batch for (h, w), batch in self._sizes.items()},
        )

    def look_again(self) -> None:
        """Drop what waits for the engine and was cancelled."""
        self._batcher.look_again()

    def rehearse(self, size_HW: tuple[int, int]) -> Outcome:
        """Run a black image through all steps, as a request does.

        The first image loads readers and compiles loops: no client is to wait for that.
        """
        spec = self._model.card.input
        image_HWC: Image = np.zeros((*size_HW, spec.channels), np.uint8)
        if spec.max_value > 255:
            image_HWC = image_HWC.astype(np.uint16)
        body = encode_exactly(image_HWC, None, where="image")
        head = read_head(body, where="image")
        task = Task(id=0, suffix="", num_px=0, name="", form=DESCRIBED[0], observe=True)
        task = task.of_image(head.suffix, head.num_px, "image")
        return self.run(task, body, lambda: False)

    def run(self, task: Task, body: bytes, is_cancelled: Callable[[], bool]) -> Outcome:
        """The outcome of a task; an error of the image or of an option is one too."""
        try:
            return self._run(task, body, is_cancelled)
        except OSError as error:  # readers give DataError
            text = f"the server cannot keep the image: {error.strerror}"
            return Outcome(id=task.id, status=500, error=text)
        except (MaskwrightError, MemoryError) as error:
            status = next((s for kind, s in _STATUS if isinstance(error, kind)), 503)
            text = str(error) or "out of memory; use smaller images, or tiles (tile=1024x1024)"
            return Outcome(id=task.id, status=status, error=text)

    def _run(self, task: Task, body: bytes, is_cancelled: Callable[[], bool]) -> Outcome:
        deadline_s = time.monotonic() + task.timeout_s
        if task.form == SCORE:
            with self._pixels.hold(task.num_px), TemporaryDirectory() as folder:
                return score_truth(task, body, Path(folder), self._model.card.labels)
        require_order(task.order)
        model = self._choose(task.tile, task.refine)
        strategy = BatchedStrategy(
            batcher=self._batcher, deadline_s=deadline_s, is_cancelled=is_cancelled
        )
        with self._pixels.hold(task.num_px), _write_file(task, body) as file:
            if is_cancelled() or time.monotonic() >= deadline_s:
                raise NotWantedError("the time of this request is over")
            began_s = time.monotonic()
            found = self._decode(task, body, file)
            size_HW = found.image_HWC.shape[:2]
            prediction, sampled = self._predict(replace(model, strategy=strategy), task, found)
            decided_s = time.monotonic()
            plan = model.tiling.plan(model.engine, model.card, size_HW)
            tiling = "whole" if plan is None else _describe(plan.to_json())
            judgement = self._judge_map(task, prediction)
            of = Answered(
                prediction=prediction,
                facts=self._describe(model, tiling),
                order=task.order,
                confidence=task.confidence,
                verdicts=None if judgement is None else judgement.verdicts or None,
                image=found.image,
            )
            media_type, content = encode(task.form, of)
            ended_s = time.monotonic()
            noted = NOTHING
            if sampled is not None:
                noted = note_prediction(prediction, sampled, model.card.input, task.map_above)
            observed_s = time.monotonic()
        ran = strategy.ran[0] if strategy.ran else None
        return Outcome(
            id=task.id,
            media_type=media_type,
            size_HW=size_HW,
            tiling=tiling,
            seconds=_list_seconds(began_s, strategy, decided_s, ended_s)
            | ({} if noted is NOTHING else {"observe": observed_s - ended_s}),
            batch=ran.num_images if ran else 0,
            release=ran.reason if ran else "",
            verdict=None if prediction.verdict is None else prediction.verdict.classes,
            families=noted.families,
            levels=noted.levels,
            figures={} if judgement is None else judgement.figures,
            class_map=noted.class_map,
            view=noted.view,
            body=content,
        )

    def _judge_map(self, task: Task, prediction: Prediction) -> Judgement | None:
        """What the rules say, where there are any and the answer or the row has it."""
        if self._judges is None or not (task.observe or task.form in DESCRIBED):
            return None
        return self._judges.find(task.source).judge(task.name, prediction.labels_HW)

    def _describe(self, model: Predictor, tiling: str) -> dict[str, object]:
        return {
            **self._names,
            "bundle": model.model_id,
            "engine": model.engine.name,
            "precision": self._precision,
            "tiling": tiling,
            "refine": str(model.refine or "none"),
        }

    def _choose(self, tile: str | None, refine: str | None) -> Predictor:
        """The model with the tiles and the refiners that a client asks for."""
        key = tile, refine
        if key not in self._variants:
            if len(self._variants) >= _STEPS:
                self._variants.clear()
            self._variants[key] = self._build(tile, refine)
        return self._variants[key]

    def _build(self, tile: str | None, refine: str | None) -> Predictor:
        model = self._model
        if tile is not None:
            asked = Tiling.from_text(tile, overlap=None, max_memory="4GB")
            model = replace(model, tiling=replace(model.tiling, tile=asked.tile))
        return model if refine is None else refine_by(model, refine)

    def _decode(self, task: Task, body: bytes, file: Path | None) -> _Input:
        """The image by the readers that `predict` has; bare pixels without a file."""
        if file is None:
            image_HWC = np.frombuffer(body, task.dtype).reshape(task.shape_HWC)
            return _Input(
                image_HWC=image_HWC.copy(), valid_HW=None, spacing_mm_HW=None, image=None
            )
        spec = self._model.card.input
        ref = ImageRef(file, num_slices=spec.slices, bands=spec.bands, alias=Path(task.name))
        opened = open_image(ref)
        if opened.num_pages > 1:
            raise DataError(f"{task.name}: holds {opened.num_pages} images; send one of them")
        spec.require_modality(opened.modality, where=task.name)
        image_HWC, valid_HW = opened.read_data()
        return _Input(
            image_HWC=image_HWC,
            valid_HW=valid_HW,
            spacing_mm_HW=opened.spacing_mm_HW,
            image=ref,
        )

    def _predict(
        self, model: Predictor, task: Task, found: _Input
    ) -> tuple[Prediction, Sampled | None]:
        """The prediction, and its shares at few pixels where the task is to be observed.

        The prediction has no confidence where nobody sees it: classes come faster.
        """
        spec = model.card.input
        asked = needs_confidence(task.form, asked=task.confidence)
        is_decided = task.observe and model.refine is not None
        if asked or is_decided or model.card.decide is not None:
            prediction = model.predict(
                found.image_HWC,
                found.valid_HW,
                spacing_mm_HW=found.spacing_mm_HW,
                probabilities=task.observe,
                where=task.name,
            )
            decision = prediction.decision
            return prediction, None if decision is None else Sampled.of_decision(decision)
        logits = model.logits(found.image_HWC, found.valid_HW, where=task.name)
        labels_HW = model.label_logits(logits, found.image_HWC, found.valid_HW, task.name)
        shown_HWC = spec.prepare(found.image_HWC, found.valid_HW, where=task.name)
        prediction = Prediction(
            labels_HW=labels_HW,
            confidence_HW=np.broadcast_to(np.float32(0), labels_HW.shape),
            model_id=model.model_id,
            labels=model.card.labels,
            image_HWC=spec.select_slice(shown_HWC),
            display=Display.from_input(spec),
            features_D=logits.features_D,
        )
        sampled = Sampled.of_logits(logits, model.card.temperature) if task.observe else None
        return prediction, sampled


@contextmanager
def _write_file(task: Task, body: bytes) -> Iterator[Path | None]:
    """The image of a task as a file, which readers need; None of bare pixels."""
    if task.suffix == RAW:
        yield None
        return
    descriptor, name = mkstemp(task.suffix, "maskwright-", _find_memory())
    os.close(descriptor)
    file = Path(name)
    try:
        file.write_bytes(body)
        yield file
    finally:
        file.unlink(missing_ok=True)


@cache
def _find_memory() -> Path | None:
    """The folder of Linux whose files are in memory, where it has room; None for the disk."""
    with suppress(OSError):
        if os.access(_MEMORY, os.W_OK) and disk_usage(_MEMORY).free >= _ROOM_BYTES:
            return _MEMORY
    return None


def refine_by(model: Predictor, refine: str) -> Predictor:
    """The model with the refiners that a client names, none of which is a file.

    Raises:
        ConfigError: An unknown name, or the model has thresholds for verdicts.
    """
    if model.card.decide is not None:
        raise ConfigError(
            "refine: the thresholds for verdicts of this model were chosen with its own "
            "refiners; leave out refine"
        )
    if not _REFINE.fullmatch(refine) or refine.endswith((".yaml", ".yml")):
        raise ConfigError(f"refine is {refine!r}; use a name such as crf, or none")
    return replace(model, refine=Refinement.from_text(refine, model.card.labels))


def _list_seconds(
    began_s: float, strategy: BatchedStrategy, decided_s: float, ended_s: float
) -> dict[str, float]:
    """The seconds of each stage; an image of tiles has no queue."""
    if not strategy.ran:
        return {"predict": decided_s - began_s, "encode": ended_s - decided_s}
    ran = strategy.ran[0]
    return {
        "decode": strategy.queued_s - began_s,
        "queue": ran.began_s - strategy.queued_s,
        "engine": ran.ended_s - ran.began_s,
        "decide": decided_s - ran.ended_s,
        "encode": ended_s - decided_s,
    }


def _describe(plan: dict[str, object]) -> str:
    """Tiles as text: `tiles of 1024x1024, overlap 128`."""
    tile = plan["tile"]
    sides = "x".join(map(str, tile)) if isinstance(tile, list) else str(tile)
    return f"tiles of {sides}, overlap {plan['overlap']}"


def describe_facts(session: Session) -> dict[str, object]:
    """The facts as the head of a message."""
    return {"facts": asdict(session.facts)}
