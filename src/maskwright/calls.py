"""The calls of a notebook: a path is accepted wherever a model, a dataset or an image is.

Each opens what it is given and calls the function of that stage. What a stage needs is imported
when it is called, so that a machine that predicts needs no torch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .core.duration import budget_seconds
from .core.errors import ConfigError
from .core.extras import explain_missing
from .core.image import Image
from .core.progress import Progress, silent
from .core.storage import find_scheme
from .data.dataset import Dataset, open_dataset, open_unpacked
from .inference.inputs import find_images
from .inference.prediction import Prediction
from .inference.predictor import Predictor, open_model

if TYPE_CHECKING:
    from .core.report import Report
    from .evaluation.diff.diff import Difference
    from .inference.summary import PredictionSummary
    from .inference.video.predict import StreamOptions, StreamSummary
    from .measurement.events.baseline import Baseline
    from .measurement.events.watcher import WatchOptions
    from .training.options import Callbacks, TrainOptions
    from .training.planning.plan import Plan
    from .training.recipe import Settings
    from .training.run import Run

Picture = Path | str | Image
Budget = str | float | None


def predict(
    model: Predictor | Path | str,
    inputs: Any,
    out: Path | str | None = None,
    **options: Any,
) -> "Prediction | list[Prediction] | PredictionSummary":
    """Predict images, in memory or into the folder `out`.

    Args:
        model: From `open_model`, or the path of a Bundle or a Run.
        inputs: An image file or an array H x W x C, or several; folders of images too. With
            `out`, addresses as well, such as s3://bucket/images.
        out: The folder to write, see `core.results`, or an address.
        options: With `out`: those of `inference.predict.predict`, such as `write`.

    Returns:
        The Prediction of one image, a list for several or for a folder; with `out` the summary
        of what was written.

    Raises:
        DataError: An input does not exist, or is not an image.
        BundleError: Not a model.
    """
    predictor = _open(model)
    if out is not None:
        from .inference.predict import predict as write
        from .inference.scatter import predict_in_shards

        listed = [inputs] if isinstance(inputs, Path | str) else list(inputs)
        if any(find_scheme(name) for name in (*listed, out)):
            return predict_in_shards(lambda **_: predictor, listed, out, **options)
        return write(predictor, listed, out, **options)
    if options:
        raise ConfigError(f"{', '.join(options)}: only where a folder `out` is written")
    if isinstance(inputs, np.ndarray):
        return predictor(inputs)
    if isinstance(inputs, Path | str):
        if not Path(inputs).is_dir():
            return predictor(inputs)
        inputs = [inputs]
    return [predictor(image) for image in _list_images(inputs)]


def video(
    model: Predictor | Path | str,
    source: Path | str,
    out: Path | str,
    options: "StreamOptions | None" = None,
    *,
    watch: "WatchOptions | None" = None,
    smooth: float = 0.0,
    keyframes: int = 1,
    fps: float | None = None,
    **more: Any,
) -> "StreamSummary":
    """Predict a video, a folder of images in order, a stream or a webcam into the folder `out`.

    Args:
        model: From `open_model`, or the path of a Bundle or a Run.
        source: A path or an address, see `inference.video.source`.
        out: The folder to write, see `core.results`.
        options: What is written, and how.
        watch: Rules and a baseline whose events are written too.
        smooth: The weight of the frames before, in [0, 1).
        keyframes: The network runs on every Nth frame, or earlier where the scene changes.
        fps: Frames per second of a folder of images.
        more: Those of `inference.video.predict.predict_stream`, such as `mode` and `say`.

    Raises:
        DataError: The source cannot be read, or a zone lies outside of its frames.
        ConfigError: An option or a rule is wrong.
        OutputError: `out` exists already, or it cannot be written.
        MissingDependencyError: PyAV is not installed.
    """
    from .inference.video.predict import DEFAULTS, predict_stream
    from .inference.video.source import open_source
    from .inference.video.temporal import choose_labeller
    from .measurement.events.watcher import WatchOptions, open_watcher
    from .pages.display import Display

    predictor = _open(model)
    watch, card = watch or WatchOptions(), predictor.card
    display = Display.from_input(card.input)
    observers = [open_watcher(watch, card.labels, display)] if watch.is_watching else []
    return predict_stream(
        predictor,
        open_source(str(source), fps=fps, say=more.get("say", lambda _: None)),
        out,
        options or DEFAULTS,
        labeller=choose_labeller(predictor, smooth=smooth, keyframes=keyframes),
        observers=observers,
        **more,
    )


def baseline(
    model: Predictor | Path | str,
    sources: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    smooth: float = 0.0,
    keyframes: int = 1,
    fps: float | None = None,
    duration_s: float | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda _: None,
) -> "Baseline":
    """Learn what a fixed camera usually sees, from footage without anything unusual.

    Args:
        model: From `open_model`, or the path of a Bundle or a Run.
        sources: One or several, as of `video`, all of one camera at one size.
        out: The file to write, for `WatchOptions.baseline`.
        smooth: As of `video`.
        keyframes: As of `video`.
        fps: As of `video`.
        duration_s: Frames of a source after this time are not read.
        progress: Called with every frame of a source whose length is known.
        say: Called with a line when a stream drops and when it is back.

    Raises:
        DataError: A source cannot be read, or its frames are of another size.
        OutputError: `out` cannot be written.
        MissingDependencyError: PyAV is not installed.
    """
    from .inference.video.predict import label_frames
    from .inference.video.source import open_source
    from .inference.video.temporal import choose_labeller
    from .measurement.events.baseline import BaselineLearner

    predictor = model if isinstance(model, Predictor) else open_model(model)
    learner = BaselineLearner(predictor.card.labels)
    for name in [sources] if isinstance(sources, Path | str) else sources:
        source = open_source(str(name), fps=fps, say=say)
        labeller = choose_labeller(predictor, smooth=smooth, keyframes=keyframes)
        learner.begin_video()
        for one in label_frames(source, labeller, duration_s=duration_s, progress=progress):
            learner.add(one)
        for failed in source.failed:
            say(failed.error)
    learned = learner.finish()
    learned.save(Path(out))
    return learned


def evaluate(
    model: Predictor | Path | str,
    data: Dataset | Path | str,
    *,
    split: str = "test",
    **options: Any,
) -> "Report":
    """Score a model on one split of a dataset, or on all of an open Dataset.

    Args:
        model: From `open_model`, the path of a Bundle or a Run, or the address of a served one.
        data: The path of a dataset, or an open Dataset.
        split: The split to score on, where `data` is a path.
        options: Those of `evaluation.evaluate.evaluate`, such as `detail` and `group`.

    Raises:
        DataError: There is no such split, an image has no labels, or the classes differ.
        BundleError: Not a model.
    """
    from .evaluation.evaluate import evaluate as score

    if isinstance(data, Path | str):
        data = open_dataset(data).subset(split)
    return score(_open(model), data, **options)


def diff(a: Dataset | Path | str, b: Dataset | Path | str, **options: Any) -> "Difference":
    """Compare two versions of a dataset, given by their paths or open.

    Raises:
        DataError: Not a dataset, or an image or its labels cannot be read.
    """
    from .evaluation.diff.diff import diff as compare

    with _open_unless_open(a) as old, _open_unless_open(b) as new:
        return compare(old, new, **options)


def plan(
    data: Path | str,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    budget: Budget = None,
    fold: int | None = None,
    settings: Mapping[str, object] | None = None,
    init: Path | str | None = None,
    **options: Any,
) -> "Plan":
    """Measure a dataset and this machine, and plan a recipe.

    Args:
        data: The path of a dataset.
        epochs: Length of the training, in place of `schedule.epochs`.
        steps: Length of the training in optimizer steps, in place of `epochs`.
        budget: Time for the whole run, as "40m" or in seconds.
        fold: The fold of validation, where the dataset has folds.
        settings: Recipe values by dotted key.
        init: The whole network to start from, in place of `model.init`.
        options: Those of `training.run.plan`, such as `accept_licence`.

    Raises:
        ConfigError: A setting is wrong, or the budget is too short.
        DataError: The dataset is not fit for training.
        MissingDependencyError: torch is not installed.
    """
    with _explain_missing_extra():
        from .training.run import plan as make

        chosen = _settings(settings or {}, epochs=epochs, steps=steps, fold=fold, init=init)
    return make(data, settings=chosen, budget_s=_seconds(budget), **options)


def train(
    data: Path | str,
    out: Path | str,
    options: "TrainOptions | None" = None,
    callbacks: "Callbacks | None" = None,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    budget: Budget = None,
    fold: int | None = None,
    recipe: Path | str | None = None,
    settings: Mapping[str, object] | None = None,
    init: Path | str | None = None,
    accept_licence: bool = False,
    resume: bool = False,
) -> "Run":
    """Train a model on `data` and leave a run with a Bundle in `out`.

    Args:
        data: The path of a dataset.
        out: A new folder for the run.
        options: All options; those below, where given, replace the ones in it.
        callbacks: Log lines, progress bars, status after each step.
        epochs: Length of the training, in place of `schedule.epochs`.
        steps: Length of the training in optimizer steps, in place of `epochs`.
        budget: Time for the whole run, as "40m" or in seconds.
        fold: The fold of validation, where the dataset has folds.
        recipe: The file to train by; a recipe is planned unless given.
        settings: Recipe values by dotted key.
        init: The whole network to start from, in place of `model.init`.
        accept_licence: The licence of the weights to start from is accepted.
        resume: Continue the run in `out`.

    Raises:
        ConfigError: There is a run in `out` already, or the recipe is wrong.
        DataError: The dataset is not fit for training.
        OutputError: Another process trains in `out`, or it cannot be written.
        TrainingError: Training had to stop.
        MissingDependencyError: torch is not installed.
    """
    with _explain_missing_extra():
        from .training.options import TrainOptions
        from .training.run import train as run
    options = options or TrainOptions()
    given = {**options.settings, **(settings or {})}
    options = replace(
        options,
        settings=_settings(given, epochs=epochs, steps=steps, fold=fold, init=init),
        recipe=options.recipe if recipe is None else Path(recipe),
        budget_s=options.budget_s if budget is None else _seconds(budget),
        resume=resume or options.resume,
        accept_licence=accept_licence or options.accept_licence,
    )
    return run(data, out, options, callbacks)


def _settings(
    settings: Mapping[str, object],
    *,
    epochs: int | None,
    steps: int | None,
    fold: int | None,
    init: Path | str | None,
) -> "Settings":
    from .training.options import split_steps

    if steps is not None and epochs is not None:
        raise ConfigError(
            f"epochs={epochs} and steps={steps} both give the length; leave out one"
        )
    if steps is not None and steps < 1:
        raise ConfigError(f"steps={steps}: give 1 or more")
    of_epochs = {} if epochs is None else {"schedule.epochs": epochs}
    of_steps = {} if steps is None else split_steps(steps)
    of_fold = {} if fold is None else {"data.val_split": f"fold{fold}"}
    of_init = {} if init is None else {"model.init": str(init)}
    return {**settings, **of_epochs, **of_steps, **of_fold, **of_init}


def _seconds(budget: Budget) -> float | None:
    return budget_seconds(budget) if isinstance(budget, str) else budget


def _open(model: Predictor | Path | str) -> Predictor:
    """The model at a path, or at the address of a server."""
    if isinstance(model, Predictor):
        return model
    from .serving.client import is_server, open_remote

    return open_remote(str(model)) if is_server(model) else open_model(model)


def _list_images(inputs: Sequence[Picture]) -> Iterator[Any]:
    """Arrays as they are, files as they are named, and the paths of images in folders."""
    for item in inputs:
        if isinstance(item, Path | str) and Path(item).is_dir():
            yield from (Path(image.path) for image in find_images([item]).images.values())
        else:
            yield item


@contextmanager
def _open_unless_open(data: Dataset | Path | str) -> Iterator[Dataset]:
    if isinstance(data, Path | str):
        with open_unpacked(data) as dataset:
            yield dataset
    else:
        yield data


@contextmanager
def _explain_missing_extra() -> Iterator[None]:
    """Turn the absence of a package of an extra into an error with the pip command."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise explain_missing(error) from error
