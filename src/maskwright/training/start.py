"""Start a run, or resume it: choose its recipe, make its Job, and check its data."""

from importlib.metadata import version
from pathlib import Path

from maskwright.core.atomic import explain_write_errors, write_json
from maskwright.core.card import ModelCard
from maskwright.core.checkpoint import LAST
from maskwright.core.errors import ConfigError, DataError
from maskwright.core.jsonfile import read_json
from maskwright.nn.build import load_arch, newest
from maskwright.nn.encoders import require_weights
from maskwright.nn.protocols import OWN

from . import own_code
from .data import TrainingData
from .job import Job
from .options import TrainOptions
from .recipe import Recipe, Settings, override, read_recipe

RECIPE = "recipe.yaml"
DATA = "run.json"


def choose_recipe(run: Path, options: TrainOptions) -> Recipe | None:
    """Read the recipe that `options` name, None where one is to be planned; make the folder.

    Raises:
        ConfigError: The folder already has a run, or has none to resume; options exclude each
            other; encoder weights are not available.
    """
    if options.resume:
        return _read_resumed(run, options)
    if (run / LAST).exists():
        raise ConfigError(
            f"{run}: there is a run already; continue it with --resume or choose another "
            f"folder with -o"
        )
    with explain_write_errors(run):
        run.mkdir(parents=True, exist_ok=True)
    if options.recipe is None:
        require_encoder_weights(options.settings)
        return None
    if options.budget_s is not None:
        raise ConfigError("--budget plans a recipe and --recipe is one; give one of the two")
    recipe = override(read_recipe(options.recipe), options.settings)
    if recipe.model.encoder != OWN:
        require_weights(recipe.model.encoder, recipe.model.encoder_weights)
    return recipe


def require_encoder_weights(settings: Settings) -> None:
    """Require weights that are available for the encoder to be planned.

    Raises:
        ConfigError: They are not, or a setting of the model is wrong.
    """
    of_model = {key: value for key, value in settings.items() if key.startswith("model.")}
    model = override(Recipe(), of_model).model
    encoders = load_arch(model.arch).ENCODERS
    if encoders is not None and "model.encoder" not in settings:
        model = model.model_copy(update={"encoder": encoders[0]})
    if model.encoder != OWN:
        require_weights(model.encoder, model.encoder_weights)


def make_job(run: Path, recipe: Recipe, data: TrainingData) -> Job:
    """Make the Job of a recipe on a dataset, with the card of its checkpoints."""
    card = ModelCard(
        labels=data.dataset.spec,
        input=recipe.input.spec,
        arch=newest(recipe.model.graph),
        provenance={
            "dataset": data.dataset.fingerprint,
            "train": {"fingerprint": data.train.fingerprint, "images": len(data.train)},
            "val": {"fingerprint": data.val.fingerprint, "images": len(data.val)},
            "seed": recipe.seed,
            "versions": {name: version(name) for name in ("maskwright", "torch", "numpy")},
        }
        | own_code.make_provenance(recipe),
    )
    return Job(
        run=run,
        recipe=recipe,
        card=card,
        train=data.train,
        val=data.val,
        counts_NC=data.facts.counts_NC,
    )


def require_same_data(job: Job, *, write: bool) -> None:
    """Require the data that the run began with; a new run records its data, if `write`.

    Raises:
        DataError: A resumed run finds other images than it began with.
    """
    current = {split: job.card.provenance[split] for split in ("train", "val")}
    path = job.run / DATA
    if not path.exists():
        if write:
            write_json(path, current)
        return
    begun = read_json(path)
    if begun != current:
        raise DataError(
            f"{job.run}: this run began with {begun['train']['images']} training images "
            f"({begun['train']['fingerprint']}), now there are {current['train']['images']} "
            f"({current['train']['fingerprint']}); restore the data or start a new run"
        )


def _read_resumed(run: Path, options: TrainOptions) -> Recipe:
    if options.settings or options.recipe or options.budget_s is not None:
        raise ConfigError(
            "--resume continues with the run's own recipe; leave out --recipe, --set and "
            "--budget"
        )
    if not (run / LAST).exists():
        raise ConfigError(f"{run}: no checkpoint to resume; start the run without --resume")
    return read_recipe(run / RECIPE)
