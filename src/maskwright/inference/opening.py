"""Open several models, views or passes of dropout as one Predictor; see `ensemble`."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ..core.errors import ConfigError
from ..core.progress import Progress, silent
from .bench.fastest import MANY_IMAGES, measure_engine
from .engine import EngineOptions
from .ensemble import Ensemble, Member
from .predictor import AUTOMATIC, DEFAULTS, Predictor, open_model
from .tiling import Tiling
from .views import PLAIN, View, parse_views

PLUS = "+"


def open_ensemble(
    models: Path | str,
    *,
    tta: str | None = None,
    dropout: int = 0,
    engine: str | None = None,
    options: EngineOptions = DEFAULTS,
    refine: str | None = None,
    tiling: Tiling = AUTOMATIC,
    trust: str | None = None,
    accept_licence: bool = False,
    num_images: int = 0,
    progress: Progress = silent,
) -> Predictor:
    """Open one model as `open_model` does, or several joined by a plus: `runs/a+runs/b`.

    Labels, temperature and refiners are those of the first model.

    Args:
        models: Of one or more models; a path that exists is one, even with a plus in its name.
        tta: Views of test-time augmentation, such as "flips,scales=0.75:1.25".
        dropout: Number of passes with active dropout, 2 or more; 0 for none. Needs the engine
            torch and a single model.
        engine: As in `open_model`, for all models.
        options: As in `open_model`, for all models.
        refine: As in `open_model`, for the ensemble.
        tiling: As in `open_model`, for each run; the mean is held for the whole image.
        trust: As in `open_model`.
        accept_licence: As in `open_model`.
        num_images: To come, if known: before many, the engines of a Bundle are measured.
        progress: Of this measurement.

    Raises:
        ConfigError: As `open_model`; the classes or refiners of the models differ, one of
            several has thresholds for verdicts, or dropout is not possible.
        BundleError: As `open_model`.
        MissingDependencyError: As `open_model`.
    """
    names, found = split_models(models), []
    if engine is None and num_images >= MANY_IMAGES:
        found = [measure_engine(n, options, trust=trust, progress=progress) for n in names]
    opened = [
        open_model(
            name,
            engine=engine,
            options=options,
            refine=refine,
            tiling=tiling,
            trust=trust,
            accept_licence=accept_licence,
        )
        for name in names
    ]
    first = replace(opened[0], notes=_join_notes(found, opened))
    _require_one_chain(opened)
    opened = _make_passes(opened, dropout) if dropout else opened
    members = tuple(Member(_view(model, parse_views(tta, model.card))) for model in opened)
    if len(members) == 1 and tta is None:
        return first
    return replace(first, ensemble=Ensemble(members), model_id=_join_ids(opened))


def split_models(models: Path | str) -> list[str]:
    """The names of models that are joined by a plus.

    Raises:
        ConfigError: One of the names is empty.
    """
    text = str(models)
    if Path(text).exists():
        return [text]
    names = text.split(PLUS)
    if not all(names):
        raise ConfigError(f"{text!r}: expected models joined by a plus, such as runs/a+runs/b")
    return names


def _join_ids(models: Iterable[Predictor]) -> str:
    return PLUS.join(dict.fromkeys(model.model_id for model in models))


def _join_notes(measured: Iterable[str | None], models: Iterable[Predictor]) -> tuple[str, ...]:
    """What was measured, and what the models say, each once."""
    notes = (*measured, *(note for model in models for note in model.notes))
    return tuple(note for note in dict.fromkeys(notes) if note is not None)


def _view(model: Predictor, views: tuple[View, ...]) -> tuple[tuple[View, Predictor], ...]:
    """Each view with the model at its scale; a member has no refiner of its own."""
    bare = replace(model, refine=None)
    return tuple(
        (view, bare if view == PLAIN else replace(bare, card=view.scale_card(model.card)))
        for view in views
    )


def _require_one_chain(models: list[Predictor]) -> None:
    first, *others = models
    if not others:
        return
    for other in others:
        if other.refine != first.refine and str(other.refine) != str(first.refine):
            raise ConfigError(
                f"models {first.model_id} and {other.model_id} have different refiners "
                f"({first.refine}; {other.refine}); choose them with --refine, or leave them "
                f"out with --refine none"
            )
    for model in models:
        if model.card.decide is not None:
            raise ConfigError(
                f"model {model.model_id} has thresholds for verdicts, which were not chosen "
                f"for an ensemble; use the models before `maskwright decide`"
            )


def _make_passes(models: list[Predictor], num: int) -> list[Predictor]:
    """The passes of one model with active dropout, each with a seed of its own."""
    if len(models) > 1 or num < 2:
        raise ConfigError(
            f"--dropout {num} of {len(models)} models; expected 2 passes or more of one model"
        )
    (model,) = models
    passes = []
    for seed in range(num):
        engine = model.engine.make_stochastic(seed)
        if engine is None:
            raise ConfigError(
                f"--dropout needs a network with layers of dropout on the engine torch; model "
                f"{model.model_id} runs on {model.engine.name!r} and has none there"
            )
        passes.append(replace(model, engine=engine))
    return passes
