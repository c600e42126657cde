"""Predictor: an Engine with the card that says how to feed it and what its numbers mean."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core import parts
from ..core.bundle import MANIFEST, is_bundle, open_bundle
from ..core.card import ModelCard
from ..core.codefile import CodeFile
from ..core.errors import BundleError, DataError
from ..core.prediction import Decision, Prediction
from .dense_crf import DenseCRF, refined
from .engine import Engine
from .resolution import decide, to_network

ENGINES = "maskwright.inference.engines"
CARD = "card.json"

Image = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Predictor:
    """A model ready to be shown images.

    `model_id` is the Bundle's id, or of a checkpoint the hash of its card and weights.
    `refine`, where there is one, refines the scores of every image at its own size.
    """

    engine: Engine
    card: ModelCard
    model_id: str
    refine: DenseCRF | None = None

    def predict(self, image_HWC: Image, *, where: str) -> Prediction:
        """Class map and confidence at the image's own size.

        Args:
            image_HWC: As `data.pixels.images.read_image` gives it.
            where: File name or key, for the error message.

        Raises:
            DataError: Another number of channels or bits than the model takes, or more pixels
                than the memory holds; with `refine`, an image neither grey nor RGB.
            BundleError: The model's scores are not finite.
        """
        logits_Khw = self.logits(image_HWC, where=where)
        decision = self.decide(logits_Khw, image_HWC.shape[:2], where=where)
        return Prediction(
            labels_HW=decision.labels_HW,
            confidence_HW=decision.confidence_HW,
            model_id=self.model_id,
        )

    def logits(self, image_HWC: Image, *, where: str) -> NDArray[np.float32]:
        """What the network says of one image, logits_Khw at the network's resolution.

        Not divided by the card's temperature; `resolution.planes` brings them to the image's
        size. With `refine` they are the logarithms of its marginals at the image's size, to
        whose making the temperature belongs. Raises what `predict` raises, except that they
        may be no finite numbers.
        """
        spec = self.card.input
        spec.check(image_HWC, where=where)
        with _enough_memory(image_HWC.shape[:2], where):
            logits_Khw: NDArray[np.float32] = self.engine(to_network(image_HWC, spec)[None])[0]
            if self.refine is None:
                return logits_Khw
            temperature = self.card.temperature
            return refined(
                logits_Khw, image_HWC, self.refine, temperature=temperature, where=where
            )

    def decide(
        self, logits_Khw: NDArray[np.float32], size_HW: tuple[int, int], *, where: str
    ) -> Decision:
        """The Decision that `predict` makes of what `logits` gives.

        At the card's temperature; with `refine` at 1, since marginals have had it.
        """
        temperature = self.card.temperature if self.refine is None else 1.0
        with _enough_memory(size_HW, where):
            decision = decide(logits_Khw, size_HW, temperature=temperature)
        if not np.isfinite(decision.confidence_HW).all():
            raise BundleError(
                f"{where}: model {self.model_id} gives scores that are no finite numbers; "
                f"its weights are broken, train it again"
            )
        return decision


def open_model(path: Path | str, *, refine: DenseCRF | None = None) -> Predictor:
    """Open a Bundle (runs on ONNX Runtime) or a run folder or checkpoint (runs on torch).

    Args:
        path: Of the folder.
        refine: What refines every prediction; nothing unless asked for.

    Raises:
        BundleError: Not a model, or a damaged one.
        MissingDependencyError: A run needs torch, which is not installed.
    """
    path = Path(path)
    if _is_run_of_own_code(path):
        path /= "bundle"  # whose graph runs without the code
    if is_bundle(path):
        bundle = open_bundle(path)
        engine = parts.load(ENGINES, "onnxruntime")
        folder = bundle.file(engine.FILE).parent
        return Predictor(
            engine.build(folder, bundle.card), bundle.card, bundle.model_id, refine
        )
    for folder in (path / "best", path):
        if (folder / CARD).is_file():
            return _open_checkpoint(folder, refine)
    raise BundleError(f"{path}: {_what_it_is(path)}")


def read_card(folder: Path) -> ModelCard:
    """The card of a checkpoint folder.

    Raises:
        BundleError: It is missing or damaged.
    """
    path = folder / CARD
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(
            f"{path}: the model card cannot be read ({error}); train the model again"
        ) from error
    return ModelCard.from_json(document, where=str(path))


@contextmanager
def _enough_memory(size_HW: tuple[int, int], where: str) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        height, width = size_HW
        raise DataError(
            f"{where}: {height} x {width} px (H, W) need more memory than there is; "
            f"cut the image into tiles or make it smaller"
        ) from error


def _open_checkpoint(folder: Path, refine: DenseCRF | None) -> Predictor:
    card = read_card(folder)
    engine = parts.load(ENGINES, "torch")
    if not (folder / engine.FILE).is_file():
        raise BundleError(f"{folder / engine.FILE}: missing; train the model again")
    model_id = _identity(folder, engine.FILE)
    return Predictor(engine.build(folder, card), card, model_id, refine)


def _is_run_of_own_code(path: Path) -> bool:
    """Whether this is a finished run of a network that came from a user's file."""
    if not (is_bundle(path / "bundle") and (path / "best" / CARD).is_file()):
        return False
    return CodeFile.parse(str(read_card(path / "best").arch.get("name"))) is not None


def _identity(folder: Path, weights: str) -> str:
    digest = hashlib.sha256((folder / CARD).read_bytes())
    with (folder / weights).open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _what_it_is(path: Path) -> str:
    if not path.exists():
        return "no such folder; give a bundle or a run"
    if not path.is_dir():
        return "a file, expected the folder of a bundle or a run"
    if (path / "recipe.yaml").is_file():
        return "this run has no checkpoint yet; let it train for at least one epoch"
    return f"not a model: neither a bundle ({MANIFEST}) nor a run (best/{CARD}) is here"
