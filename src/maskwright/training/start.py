"""Start a run, or resume it: choose its recipe, make its Job, and check its data."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from maskwright.core import parts
from maskwright.core.atomic import explain_write_errors, write_json
from maskwright.core.card import STATE_KEY, ModelCard
from maskwright.core.checkpoint import LAST
from maskwright.core.errors import ConfigError, DataError, shorten
from maskwright.core.jsonfile import read_json
from maskwright.core.lock import hold_lock
from maskwright.core.temporary import remove_leftovers
from maskwright.core.versioned import Document, Schema
from maskwright.core.yamlfile import name_line
from maskwright.inference.views import PROVENANCE as FLIPS_KEY
from maskwright.nn.build import choose_revision, load_arch, require_encoder
from maskwright.nn.encoders import library_name
from maskwright.nn.loss import build_loss
from maskwright.nn.protocols import OWN

from . import own_code
from .data import TrainingData
from .job import Job
from .model_options import NONE
from .options import TrainOptions
from .origin import Origin
from .planning.network import USUAL_ARCH
from .planning.plan import Plan
from .recipe import Recipe, Settings, override, parse_recipe, read_recipe
from .samples.unlabelled import Unlabelled
from .teachers import find_teachers, make_provenance, require_input

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
KINDS = {"train": "training", "val": "validation", "unlabelled": "unlabelled"}
"""The images that a run began with, and their adjective."""


def choose_recipe(run: Path, options: TrainOptions) -> Recipe | None:
    """Read the recipe that `options` name, None where one is to be planned.

    Raises:
        ConfigError: The folder already has a run, or has none to resume; options exclude each
            other; a key or a value is wrong.
    """
    if options.resume:
        return _read_resumed(run, options)
    require_no_run(run)
    if options.recipe is None:
        require_settings(options.settings, options.budget_s)
        return None
    if options.budget_s is not None:
        raise ConfigError("--budget plans a recipe and --recipe is one; give one of the two")
    recipe = override(read_recipe(options.recipe), options.settings)
    is_changed = any(key.startswith(("model.", "loss.")) for key in options.settings)
    require_parts(recipe, file=None if is_changed else options.recipe)
    return recipe


def require_settings(settings: Settings, budget_s: float | None) -> None:
    """Require keys and values that a recipe can have, before any data is read.

    Raises:
        ConfigError: A key or a value is wrong, or the settings exclude the budget.
    """
    plan = Plan(settings)
    given = plan.given
    if not given.model.follows_init:
        plan.decide("model.arch", USUAL_ARCH, "")
        given = override(given, {"model.arch": plan.get("model.arch")})
    require_parts(given, has_encoder="model.encoder" in settings)
    if budget_s is not None and "schedule.epochs" in settings:
        raise ConfigError(
            "--budget chooses the length, and --epochs or --steps gives it; leave out one"
        )


def require_parts(
    recipe: Recipe, *, has_encoder: bool = True, file: Path | None = None
) -> None:
    """Require an architecture, an encoder and losses that exist, with settings that they have.

    An architecture that is still to be read from `model.init` is checked when that is opened.
    `file` is the one that the recipe was read from, if any.

    Raises:
        ConfigError: One does not exist, or a teacher does not; the message names the nearest
            one, and the line in `file`.
    """
    model = recipe.model
    with name_line(file, ("distil",)):
        find_teachers(recipe.distil)
    if not model.follows_init:
        with name_line(file, ("model", "arch")):
            part = load_arch(model.arch)
        if recipe.distil.teachers and not part.USES_PIXEL_LOSS:
            raise ConfigError(
                f"distil.teachers: {model.arch} learns by a loss of its own, which has no "
                f"shares of pixels to learn from a teacher; choose a student with another "
                f"model.arch"
            )
        with name_line(file, ("model", "config")):
            parts.configure(part, model.config, where=f"model.config of {model.arch}")
    if has_encoder and model.init == NONE:
        with name_line(file, ("model", "encoder")):
            require_encoder(model.arch, model.encoder, "none")
            if model.encoder != OWN:
                library_name(model.encoder)
    with name_line(file, ("loss",)):
        build_loss(recipe.loss.sum, recipe.loss.config, None)


def has_checkpoint(run: Path) -> bool:
    """Whether a run has a checkpoint, from which it can be resumed."""
    return (run / LAST).exists()


def make_job(run: Path, recipe: Recipe, data: TrainingData, origin: Origin) -> Job:
    """Make the Job of a recipe on a dataset, with the card of its checkpoints.

    Raises:
        ConfigError: A teacher is not there, or does not fit the dataset and the recipe.
        DataError: The folder of images without labels does not fit.
    """
    teachers = find_teachers(recipe.distil)
    require_input(teachers, recipe)
    unlabelled = _open_unlabelled(recipe, data)
    card = ModelCard(
        labels=data.dataset.spec,
        input=recipe.input.spec,
        arch=choose_revision(recipe.model.graph, recipe.model.revision or None),
        provenance={
            "dataset": data.dataset.fingerprint,
            "train": {"fingerprint": data.train.fingerprint, "images": len(data.train)},
            "val": {"fingerprint": data.val.fingerprint, "images": len(data.val)},
            "domain": {
                "dataset": Path(data.dataset.source).name,
                "median_size_HW": data.facts.median_size_HW,
                "scale_ratio": recipe.input.scale_ratio,
            },
            FLIPS_KEY: _list_flips(recipe),
            "seed": recipe.seed,
            "versions": {name: version(name) for name in ("maskwright", "torch", "numpy")},
        }
        | ({STATE_KEY: data.dataset.state} if data.dataset.state else {})
        | own_code.make_provenance(recipe)
        | dict(make_provenance(teachers, unlabelled))
        | dict(origin.provenance),
    )
    return Job(
        run=run,
        recipe=recipe,
        card=card,
        train=data.train,
        val=data.val,
        counts_NC=data.facts.counts_NC,
        transfer=origin.transfer,
        unlabelled=unlabelled,
    )


def _open_unlabelled(recipe: Recipe, data: TrainingData) -> Unlabelled | None:
    """The images without labels of a recipe; None where it names no folder."""
    if not recipe.distil.unlabelled:
        return None
    if data.train[0].votes_AHW is not None:
        raise ConfigError(
            "distil.unlabelled: the images have the labels of several annotators, and a "
            "teacher is one; leave out the images without labels"
        )
    return Unlabelled.open(recipe.distil.unlabelled, recipe.input.spec, data.val)


def _list_flips(recipe: Recipe) -> list[str]:
    """The flips that training uses, which test-time augmentation may use then."""
    shares = {"lr": recipe.augment.flip_lr, "ud": recipe.augment.flip_vertical}
    return [name for name, share in shares.items() if share > 0]


@contextmanager
def lock_run(run: Path, options: TrainOptions, log: Callable[[str], None]) -> Iterator[None]:
    """Make and lock the folder of a run; remove what killed processes left in it.

    A folder that was made here and is left empty is removed at the end.

    Raises:
        OutputError: Another process trains there, or the folder cannot be made.
        ConfigError: Another process has begun a run there meanwhile.
    """
    made = [folder for folder in (run, *run.parents) if not folder.exists()]
    try:
        with explain_write_errors(run):
            run.mkdir(parents=True, exist_ok=True)
            with hold_lock(run) as lock:
                if lock.ended is not None:
                    log(f"{run}: left by {lock.ended}, which has ended")
                if not options.resume:
                    require_no_run(run)
                remove_leftovers(run)
                yield
    finally:
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


@contextmanager
def discard_refused(run: Path, written: Sequence[Path]) -> Iterator[None]:
    """Remove the files `written` of a new run that is refused or interrupted at its start."""
    try:
        yield
    except BaseException:
        if not has_checkpoint(run):
            for path in written:
                path.unlink(missing_ok=True)
        raise


def require_same_data(job: Job, log: Callable[[str], None], *, write: bool) -> None:
    """Require the data that the run began with; a new run records its data, if `write`.

    A run of version 0.1 recorded the sizes of files, not what the labels are: it is compared
    by those, `log` says so, and from then on by all.

    Raises:
        DataError: A resumed run finds other images, masks, classes or raw values.
    """
    current = {split: job.card.provenance[split] for split in ("train", "val")}
    if job.unlabelled is not None:
        current["unlabelled"] = {
            "fingerprint": job.unlabelled.fingerprint,
            "images": len(job.unlabelled),
        }
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


def require_no_run(run: Path) -> None:
    """Require that a folder has no run; raises ConfigError."""
    if has_checkpoint(run):
        raise ConfigError(
            f"{run}: there is a run already; continue it with --resume or choose another "
            f"folder with -o"
        )


def _require_equal(run: Path, begun: Document, current: Document) -> None:
    for split, kind in KINDS.items():
        old, new = begun.get(split), current.get(split)
        if old and new and old != new:
            raise DataError(
                f"{run}: this run began with {old['images']} {kind} images "
                f"({old['fingerprint']}), now there are {new['images']} "
                f"({new['fingerprint']}); an image, a mask, a class or a raw value was "
                f"changed: restore the data or start a new run"
            )


def _read_resumed(run: Path, options: TrainOptions) -> Recipe:
    if options.settings or options.recipe or options.budget_s is not None:
        raise ConfigError(
            "--resume continues with the run's own recipe; leave out --recipe, --set, "
            "--budget, --epochs and the like"
        )
    if not has_checkpoint(run):
        raise ConfigError(f"{run}: no checkpoint to resume; start the run without --resume")
    recipe = read_recipe(run / RECIPE)
    own_code.admit_copy(recipe, run, options.trust)
    return recipe
