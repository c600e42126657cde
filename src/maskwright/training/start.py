"""Start a run, or resume it: choose its recipe, make its Job, and check its data."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from maskwright.core.atomic import explain_write_errors, write_json
from maskwright.core.card import ModelCard
from maskwright.core.checkpoint import LAST
from maskwright.core.errors import ConfigError, DataError, shorten
from maskwright.core.jsonfile import read_json
from maskwright.core.lock import hold_lock
from maskwright.core.temporary import remove_leftovers
from maskwright.core.versioned import Document, Schema
from maskwright.nn.build import load_arch, newest
from maskwright.nn.encoders import require_weights
from maskwright.nn.protocols import OWN

from . import own_code
from .data import TrainingData
from .job import Job
from .options import TrainOptions
from .recipe import Recipe, Settings, override, parse_recipe, read_recipe

RECIPE = "recipe.yaml"
DATA = "run.json"
_SPEED_ALONE = {"data.workers", "model.checkpointing"}
BY_SIZE, BY_CONTENT = "sizes of files", "content of labels"
DATA_SCHEMA = Schema(
    kind=DATA,
    version=2,
    unversioned=1,
    upgrades={1: lambda document: {**document, "compared": BY_SIZE}},
)
"""What a run began with; version 1 held fingerprints of the sizes of files."""


def choose_recipe(run: Path, options: TrainOptions) -> Recipe | None:
    """Read the recipe that `options` name, None where one is to be planned; make the folder.

    Raises:
        ConfigError: The folder already has a run, or has none to resume; options exclude each
            other; encoder weights are not available.
    """
    if options.resume:
        return _read_resumed(run, options)
    _require_no_run(run)
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


@contextmanager
def lock_run(run: Path, options: TrainOptions, log: Callable[[str], None]) -> Iterator[None]:
    """Lock the folder of a run; remove what killed processes left in it.

    Raises:
        OutputError: Another process trains there.
        ConfigError: Another process has begun a run there meanwhile.
    """
    with explain_write_errors(run), hold_lock(run) as lock:
        if lock.ended is not None:
            log(f"{run}: left by {lock.ended}, which has ended")
        if not options.resume:
            _require_no_run(run)
        remove_leftovers(run)
        yield


def require_same_data(job: Job, log: Callable[[str], None], *, write: bool) -> None:
    """Require the data that the run began with; a new run records its data, if `write`.

    A run of version 0.1 recorded the sizes of files, not what the labels are: it is compared
    by those, `log` says so, and from then on by all.

    Raises:
        DataError: A resumed run finds other images, masks, classes or raw values.
    """
    current = {split: job.card.provenance[split] for split in ("train", "val")}
    # labels may lie in more files than their hashes cover, so their pixels count too
    pixels = hashlib.sha256(job.counts_NC.tobytes()).hexdigest()[:16]
    current["train"] = {**current["train"], "pixels": pixels}
    path = job.run / DATA
    if path.exists():
        begun = DATA_SCHEMA.read(read_json(path), where=str(path))
        if begun["compared"] == BY_CONTENT:
            _require_equal(job.run, begun, current)
            return
        for split, images in (("train", job.train), ("val", job.val)):
            if begun[split]["fingerprint"] in images.old_fingerprints:
                begun[split] = current[split]
        _require_equal(job.run, begun, current)
        log(
            "the run began with an earlier version: that masks and raw values are unchanged "
            "since is not checked, only names, splits and sizes of files"
        )
    if write:
        write_json(path, DATA_SCHEMA.stamp({**current, "compared": BY_CONTENT}))


def require_same_recipe(job: Job, log: Callable[[str], None], *, write: bool) -> None:
    """Require the recipe that the run began with; a new run records its values, if `write`.

    Values that change the speed alone may be edited; `log` names them.

    Raises:
        ConfigError: Another value was edited.
    """
    now, path = _list_values(job.recipe), job.run / DATA
    document = read_json(path) if path.exists() else {}
    if "recipe" not in document:
        if write:
            write_json(path, document | {"recipe": now})
        return
    begun = _list_values(_parse_values(document["recipe"], where=str(path)))
    edits = {
        key: f"{key} {begun.get(key)} -> {now.get(key)}"
        for key in sorted({*begun, *now})
        if begun.get(key) != now.get(key)
    }
    refused = [text for key, text in edits.items() if key not in _SPEED_ALONE]
    if refused:
        raise ConfigError(
            f"{job.run / RECIPE}: was edited since the run began: "
            f"{shorten('; '.join(refused), 200)}; put the old values back, or start a new run "
            f"with this recipe (--recipe)"
        )
    for text in edits.values():
        log(f"{job.run / RECIPE}: edited since the run began: {text}")


def _list_values(recipe: Recipe) -> dict[str, object]:
    """Every value of a recipe by its dotted key, as JSON gives it back."""
    values: dict[str, object] = {}
    for section, value in recipe.to_json().items():
        items = value.items() if isinstance(value, dict) else ()
        values |= {f"{section}.{key}": item for key, item in items} or {section: value}
    return values


def _parse_values(values: Document, *, where: str) -> Recipe:
    """The recipe of `_list_values`, of this version of recipes or an older one."""
    document: Document = {}
    for name, value in values.items():
        section, dot, key = name.partition(".")
        if dot:
            document.setdefault(section, {})[key] = value
        else:
            document[section] = value
    return parse_recipe(document, where=where)


def _require_no_run(run: Path) -> None:
    if (run / LAST).exists():
        raise ConfigError(
            f"{run}: there is a run already; continue it with --resume or choose another "
            f"folder with -o"
        )


def _require_equal(run: Path, begun: Document, current: Document) -> None:
    for split, kind in (("train", "training"), ("val", "validation")):
        old, new = begun[split], current[split]
        if old != new:
            raise DataError(
                f"{run}: this run began with {old['images']} {kind} images "
                f"({old['fingerprint']}), now there are {new['images']} "
                f"({new['fingerprint']}); an image, a mask, a class or a raw value was "
                f"changed: restore the data or start a new run"
            )


def _read_resumed(run: Path, options: TrainOptions) -> Recipe:
    if options.settings or options.recipe or options.budget_s is not None:
        raise ConfigError(
            "--resume continues with the run's own recipe; leave out --recipe, --set and "
            "--budget"
        )
    if not (run / LAST).exists():
        raise ConfigError(f"{run}: no checkpoint to resume; start the run without --resume")
    recipe = read_recipe(run / RECIPE)
    own_code.admit_copy(recipe, run, options.trust)
    return recipe
