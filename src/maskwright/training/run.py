"""`train`: from a dataset to a run folder that ends with a Bundle.

    runs/a/  recipe.yaml  run.json  log.csv  tensorboard/  checkpoints/  best  last
             report/ (report.json, report.html)  bundle/

The folder is disposable once its bundle is taken out.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskwright.core.atomic import explained, write_json, write_text
from maskwright.core.bundle import REPORT, Bundle, open_bundle
from maskwright.core.card import ModelCard
from maskwright.core.errors import ConfigError, DataError
from maskwright.core.progress import Progress, silent
from maskwright.core.report import Report
from maskwright.data.dataset import Dataset, open_dataset
from maskwright.data.facts import Facts, measure_facts
from maskwright.evaluation.evaluate import evaluate
from maskwright.evaluation.report.page import write_report
from maskwright.export.bundle import export_bundle
from maskwright.inference.predictor import open_model
from maskwright.nn.build import load_arch
from maskwright.nn.encoders import require_weights
from maskwright.nn.protocols import OWN

from . import own_code
from .calibrate import calibrate
from .loop import Job, fit, make_accelerator
from .machine import Machine, processes
from .options import Callbacks, TrainOptions
from .planning.plan import Plan, Situation, make_plan
from .recipe import Recipe, override, read_recipe, to_yaml
from .samples.loader import Crops
from .splits import choose_splits, select_labelled

RECIPE = "recipe.yaml"
RUN = "run.json"
PARITY_IMAGES = 8
FINISH_S_PER_IMAGE = 0.5
FINISH_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run: its folder, its Bundle and the Report of its best weights on val."""

    root: Path
    bundle: Bundle
    report: Report


def plan(
    data: Path | str,
    *,
    settings: Mapping[str, Any] | None = None,
    budget_s: float | None = None,
    progress: Progress = silent,
) -> Plan:
    """Read the facts of a dataset and of this machine and decide a recipe.

    Raises:
        ConfigError: A setting is wrong, encoder weights cannot be had, the budget is too short.
        DataError: The dataset is not fit for training.
    """
    settings = own_code.admit_settings(settings or {})
    _require_encoder(settings)
    return _plan(_Data.read(data, settings, progress), settings, budget_s)


def train(
    data: Path | str,
    out: Path | str,
    options: TrainOptions | None = None,
    callbacks: Callbacks | None = None,
) -> Run:
    """Train a model on `data` and leave a run with a Bundle in `out`.

    Raises:
        ConfigError: `out` holds a run already, or the recipe is wrong.
        DataError: The dataset is not fit for training.
        TrainingError: Training had to stop.
    """
    started_s = time.monotonic()
    out, options, callbacks = Path(out), options or TrainOptions(), callbacks or Callbacks()
    code, settings = own_code.admit_options(options.recipe, options.settings)
    options = replace(options, settings=settings)
    recipe = _asked_recipe(out, options)
    held = _Data.read(data, _split_settings(recipe, options), callbacks.progress)
    for note in held.dataset.notes:
        callbacks.log(note)
    if processes().is_main_process and not options.resume:
        if recipe is None:
            left_s = _left_s(options.budget_s, started_s, len(held.val))
            recipe_yaml = _plan(held, options.settings, left_s).to_yaml()
        else:
            recipe_yaml = to_yaml(recipe, {})
        (out / RUN).unlink(missing_ok=True)  # of a start that left no checkpoint
        own_code.keep_copy(code, out)
        write_text(out / RECIPE, recipe_yaml)
    processes().wait_for_everyone()
    recipe = read_recipe(out / RECIPE)
    own_code.require_fit(recipe, out, len(held.dataset.spec))
    callbacks.log(f"recipe: {out / RECIPE}")
    job = Job(
        run=out,
        recipe=recipe,
        card=_card(recipe, held),
        train=held.train,
        val=held.val,
        counts_NC=held.facts.counts_NC,
    )
    _require_same_data(job)
    fit(job, make_accelerator(recipe), callbacks.on_step, resume=options.resume)
    return _finish(job, callbacks)


@dataclass(frozen=True, slots=True)
class _Data:
    """A dataset, its two sides, and the facts of the training side."""

    dataset: Dataset
    names: tuple[str, str]
    train: Dataset
    val: Dataset
    facts: Facts

    @classmethod
    def read(cls, data: Path | str, settings: Mapping[str, Any], progress: Progress) -> "_Data":
        dataset = open_dataset(data, progress=progress)
        names = choose_splits(dataset, settings)
        train_set, val_set = (select_labelled(dataset, name) for name in names)
        return cls(dataset, names, train_set, val_set, measure_facts(train_set, progress))


def _asked_recipe(out: Path, options: TrainOptions) -> Recipe | None:
    """The recipe that the options names, settings applied; None when one is to be planned."""
    settings = options.settings
    if options.resume:
        if settings or options.recipe or options.budget_s is not None:
            raise ConfigError(
                "--resume goes on with the run's own recipe; drop the other options"
            )
        if not (out / "last").exists():
            raise ConfigError(f"{out}: no checkpoint to resume; start it without --resume")
        return read_recipe(out / RECIPE)
    if (out / "last").exists():
        raise ConfigError(
            f"{out}: holds a run already; go on with --resume or choose another folder with -o"
        )
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
    if options.recipe is None:
        _require_encoder(settings)
        return None
    if options.budget_s is not None:
        raise ConfigError("--budget makes a plan and --recipe is one; give one of them")
    recipe = override(read_recipe(options.recipe), settings)
    if recipe.model.encoder != OWN:
        require_weights(recipe.model.encoder, recipe.model.encoder_weights)
    return recipe


def _split_settings(recipe: Recipe | None, options: TrainOptions) -> Mapping[str, Any]:
    if recipe is None:
        return options.settings
    return {
        "data.train_split": recipe.data.train_split,
        "data.val_split": recipe.data.val_split,
    }


def _require_encoder(settings: Mapping[str, Any]) -> None:
    model = override(
        Recipe(), {k: v for k, v in settings.items() if k.startswith("model.")}
    ).model
    only = load_arch(model.arch).ENCODERS
    if only is not None and "model.encoder" not in settings:
        model = model.model_copy(update={"encoder": only[0]})
    if model.encoder != OWN:
        require_weights(model.encoder, model.encoder_weights)


def _plan(held: _Data, settings: Mapping[str, Any], budget_s: float | None) -> Plan:
    situation = Situation(
        facts=held.facts,
        num_classes=len(held.dataset.spec),
        num_val=len(held.val),
        sample_seconds=partial(_sample_seconds, held),
        splits=held.names,
        machine=Machine.here(),
    )
    return make_plan(situation, settings, budget_s=budget_s)


def _sample_seconds(held: _Data, recipe: Recipe) -> float:
    """Seconds to read and augment one sample, of eight."""
    crops = Crops(held.train.__getitem__, held.facts.counts_NC, recipe, num_samples=8)
    started_s = time.perf_counter()
    for n in range(len(crops)):
        crops[n]
    return (time.perf_counter() - started_s) / len(crops)


def _left_s(budget_s: float | None, started_s: float, num_val: int) -> float | None:
    """What of the budget is left for training itself."""
    if budget_s is None:
        return None
    finish_s = FINISH_S + FINISH_S_PER_IMAGE * num_val
    return budget_s - (time.monotonic() - started_s) - finish_s


def _card(recipe: Recipe, held: _Data) -> ModelCard:
    return ModelCard(
        labels=held.dataset.spec,
        input=recipe.input.spec,
        arch=recipe.model.graph,
        provenance={
            "dataset": held.dataset.fingerprint,
            "train": {"fingerprint": held.train.fingerprint, "images": len(held.train)},
            "val": {"fingerprint": held.val.fingerprint, "images": len(held.val)},
            "seed": recipe.seed,
            "versions": {name: version(name) for name in ("maskwright", "torch", "numpy")},
        }
        | own_code.provenance(recipe),
    )


def _require_same_data(job: Job) -> None:
    """A resumed run must see the data it began with; a new one notes what it sees."""
    mine = {k: job.card.provenance[k] for k in ("train", "val")}
    path = job.run / RUN
    if not path.exists():
        if processes().is_main_process:
            write_json(path, mine)
        return
    begun = json.loads(path.read_text(encoding="utf-8"))
    if begun != mine:
        raise DataError(
            f"{job.run}: this run began with {begun['train']['images']} training images "
            f"({begun['train']['fingerprint']}), now there are {mine['train']['images']} "
            f"({mine['train']['fingerprint']}); restore the data or start a new run"
        )


def _finish(job: Job, callbacks: Callbacks) -> Run:
    """Temperature of the best weights, their report on val, then the Bundle with both."""
    state = processes()
    if state.is_main_process:
        found = calibrate(job.run, job.val, seed=job.recipe.seed, progress=callbacks.progress)
        callbacks.log(str(found or "no validation pixel is labelled: the temperature stays 1"))
        callbacks.log("evaluating the best weights on the validation images")
        report = evaluate(open_model(job.run), job.val, progress=callbacks.progress)
        write_report(report, job.run / "report")
        callbacks.log("exporting to ONNX and comparing with torch")
        export_bundle(
            job.run / "best",
            _some_images(job.val),
            job.run / "bundle",
            report=job.run / "report" / "report.json",
        )
    state.wait_for_everyone()
    return open_run(job.run)


def _some_images(val: Dataset) -> list[NDArray[np.uint8] | NDArray[np.uint16]]:
    places = np.unique(np.linspace(0, len(val) - 1, PARITY_IMAGES).round().astype(int))
    return [val.image(int(i)) for i in places]


def open_run(root: Path) -> Run:
    """A finished run.

    Raises:
        BundleError: It has not ended with a Bundle, or that is damaged.
    """
    bundle = open_bundle(root / "bundle")
    path = bundle.file(REPORT)
    document = json.loads(path.read_text(encoding="utf-8"))
    return Run(root=root, bundle=bundle, report=Report.from_json(document, where=str(path)))
