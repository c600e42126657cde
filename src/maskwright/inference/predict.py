"""Predict image files and write the results; memory holds as many images as there are cores.

An image that cannot be read or predicted is listed in the manifest, and the others are written.

Images do not share a batch here: measured on two CPU cores (U-Net on ResNet-18, 240 x 320 px),
a batch of 8 takes 0.75 times the processor time of its images one by one on ONNX Runtime and
1.2 times on torch, and images of a folder differ in size.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from ..core.progress import Progress, silent
from ..core.results import NEW, FailedInput, Results, WriteMode, open_results
from ..data.pixels.imageref import ImageRef
from ..data.pixels.images import open_image
from ..data.pixels.pyramid import choose_level
from ..pages.display import Display
from .area import AreaOfInterest
from .ensemble import Ensemble, require_members
from .finish import finish_results, require_any
from .folds import FoldPredictors
from .imagework import ImageWork, make_serial
from .inputs import FoundImages, find_images
from .mosaic import MosaicGrid
from .outputs import MOSAIC, Destination, ImageOutputs
from .predictor import Predictor
from .summary import PredictionSummary
from .volumes import INFORMATION
from .wanted import PredictOptions, Wanted


def predict(
    model: Predictor | FoldPredictors,
    inputs: Iterable[Path | str],
    out: Path | str,
    *,
    mode: WriteMode = NEW,
    progress: Progress = silent,
    **options: Unpack[PredictOptions],
) -> PredictionSummary:
    """Predict every image and write the outputs to the new folder `out`.

    Args:
        model: From `open_model`, or from `open_folds`, which brings its images along.
        inputs: Image files and folders of images, to the bottom; none with `open_folds`.
        out: See `core.results`.
        mode: What to do with a folder that exists.
        progress: Called with the key and the result of every image, in order.
        options: The keywords of `Wanted`.

    Raises:
        ConfigError: As `Wanted`, or `write` names what one model lacks.
        DataError: An input does not exist, or no image at all could be predicted.
        BundleError: The model's logits are NaN or infinite.
        OutputError: `out` exists and `mode` does not allow it, or it cannot be written.
    """
    wanted = Wanted(**options)
    require_uncertainty(model, wanted.write)
    area = wanted.open_area()
    head = identify_run(model, wanted, area)
    with open_results(Path(out), "predict", mode, head=head) as results:
        found = choose_levels(find_inputs(model, inputs, wanted.glob), wanted.level)
        results.pass_over(found.passed_over)
        to = replace(make_destination(model, results.folder, found, wanted.write), area=area)
        outputs = ImageOutputs.open(wanted.kinds, to)
        _predict_left(model, found.images, outputs, results, progress)
        return finish_results(
            model, results, found, to, wanted, out=Path(out), progress=progress
        )


def choose_levels(found: FoundImages, level: str | None) -> FoundImages:
    """The images at a level of their pyramids; as they are for None."""
    if level is None:
        return found
    images = {
        key: replace(image, level=choose_level(open_image(image), level))
        for key, image in found.images.items()
    }
    return replace(found, images=images)


def require_uncertainty(model: Predictor | FoldPredictors, write: Sequence[str]) -> None:
    """Refuse a kind of file that only several members can fill."""
    if INFORMATION in write:
        require_members(_find_ensemble(model))


def identify_run(
    model: Predictor | FoldPredictors, wanted: Wanted, area: AreaOfInterest | None
) -> dict[str, object]:
    """What must be the same where a prediction is resumed."""
    return {
        "verb": "predict",
        "model": model.model_id,
        **_name_engine(model),
        "refine": str(model.refine),
        "write": ",".join(wanted.write),
        "tiling": model.tiling.to_json(),
        "ensemble": str(_find_ensemble(model)),
        "aoi": None if area is None else area.digest,
        "vectorise": wanted.vectorise,
        "level": wanted.level,
    }


def _find_ensemble(model: Predictor | FoldPredictors) -> Ensemble | None:
    return model.ensemble if isinstance(model, Predictor) else None


def _predict_left(
    model: Predictor | FoldPredictors,
    images: Mapping[str, ImageRef],
    outputs: ImageOutputs,
    results: Results,
    progress: Progress,
) -> None:
    """Predict the images that the journal does not list; at least one is predicted then."""
    results.tiling = model.tiling.to_json()
    done = results.journal.find_done(lambda k: list(images[k].files) if k in images else None)
    left = {key: image for key, image in images.items() if key not in done}
    work = ImageWork.begin(model, outputs, serial=make_serial(model, len(left)))
    found_in_order = work.run(left.items())
    for _, found in progress(found_in_order, total=len(left), what="predicting"):
        if isinstance(found, FailedInput):
            results.failed.append(found)
        else:
            results.journal.add(found)
    require_any(results)


def find_inputs(
    model: Predictor | FoldPredictors, inputs: Iterable[Path | str], glob: str | None = None
) -> FoundImages:
    """The images among some inputs, as the model reads them; raises as `find_images`."""
    if isinstance(model, FoldPredictors):
        return FoundImages(dict(model.images))
    spec = model.card.input
    found = find_images(inputs, glob=glob, bands=spec.bands)
    images = {k: replace(image, num_slices=spec.slices) for k, image in found.images.items()}
    return FoundImages(images, found.passed_over)


def make_destination(
    model: Predictor | FoldPredictors, folder: Path, found: FoundImages, write: Sequence[str]
) -> Destination:
    """Where the outputs go, and where images lie in the mosaic, if one is written."""
    grid = MosaicGrid.from_images(found.images) if MOSAIC in write else None
    return Destination(
        folder=folder,
        labels=model.card.labels,
        display=Display.from_input(model.card.input),
        source=_source(model),
        grid=grid,
    )


def _name_engine(model: Predictor | FoldPredictors) -> dict[str, str]:
    return {"engine": model.engine.name, "precision": model.engine.precision}


def _source(model: Predictor | FoldPredictors) -> str | None:
    """The `source` in dataset.yaml, for maps that the largest logit alone did not decide."""
    rule = model.card.decide
    if rule is not None:
        return f"predicted by model {model.model_id}, decided by {rule}"
    if model.refine is None:
        return None
    return f"predicted by model {model.model_id}, refined by {model.refine}"
