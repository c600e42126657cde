"""Out-of-fold prediction: each image of a dataset by the run that did not see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.bundle import find_bundle
from ..core.card import ModelCard
from ..core.errors import BundleError, DataError
from ..core.verdict import describe_difference
from ..core.yamlfile import read_yaml
from ..data.dataset import FolderDataset, open_dataset
from ..data.opening.splitfile import list_folds
from ..data.pixels.imageref import ImageRef
from .engine import Engine, EngineOptions
from .predictor import AUTOMATIC, DEFAULTS, Predictor, open_model
from .refiner import Refinement
from .tiling import Tiling

_RECIPE = "recipe.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldPredictors:
    """One Predictor for each fold of a dataset, its images, and the fold of each key."""

    predictors: Mapping[str, Predictor]
    images: Mapping[str, ImageRef]
    fold_of: Mapping[str, str]

    @property
    def card(self) -> ModelCard:
        """The card of the first fold; the labels of all folds are equal."""
        return next(iter(self.predictors.values())).card

    @property
    def model_id(self) -> str:
        """The ids of the models, in the order of the folds, joined by `+`."""
        return "+".join(predictor.model_id for predictor in self.predictors.values())

    @property
    def refine(self) -> Refinement | None:
        """The refiner, which is that of all folds."""
        return next(iter(self.predictors.values())).refine

    @property
    def tiling(self) -> Tiling:
        """Which images are cut into tiles, as for the first fold."""
        return next(iter(self.predictors.values())).tiling

    @property
    def engine(self) -> Engine:
        """The engine of the first fold."""
        return next(iter(self.predictors.values())).engine

    def choose(self, key: str) -> Predictor:
        """The Predictor of the run that validated on the image, and so did not train on it."""
        return self.predictors[self.fold_of[key]]


def open_folds(
    runs: Path | str,
    data: Path | str,
    *,
    engine: str | None = None,
    options: EngineOptions = DEFAULTS,
    refine: str | None = None,
    tiling: Tiling = AUTOMATIC,
    trust: str | None = None,
) -> FoldPredictors:
    """Open the runs in the folder `runs`, one for each fold of `data`.

    Raises:
        BundleError: No run of a fold is there, one is missing, or two are of one fold.
        DataError: The dataset has no folds, or a run was trained on other folds or classes.
    """
    dataset = open_dataset(data)
    folds = list_folds(dataset.splits)
    if not folds:
        raise DataError(
            f"{dataset.source}: has no folds; draw them with `maskwright split --folds 5` and "
            f"train a run on each"
        )
    run_of = _find_runs(Path(runs))
    missing = [fold for fold in folds if fold not in run_of]
    if missing:
        raise BundleError(
            f"{runs}: no run that validated on {', '.join(missing)}; train it with --fold "
            f"{missing[0].removeprefix('fold')}, into a folder in {runs}"
        )
    predictors = {}
    for fold in folds:
        run = run_of[fold]
        model = find_bundle(run) or run
        predictors[fold] = open_model(
            model, engine=engine, options=options, refine=refine, tiling=tiling, trust=trust
        )
        _require_fold(predictors[fold], dataset, fold, run)
    _require_one_rule(predictors)
    dataset = dataset.with_input(next(iter(predictors.values())).card.input)
    entries = [entry for entry in dataset.entries if entry.split in predictors]
    return FoldPredictors(
        predictors=predictors,
        images={entry.key: entry.image for entry in entries},
        fold_of={entry.key: entry.split for entry in entries},
    )


def _require_one_rule(predictors: Mapping[str, Predictor]) -> None:
    """Require that all folds have one rule for verdicts, or none has."""
    rules = {fold: model.card.decide for fold, model in predictors.items()}
    (first, one), *others = rules.items()
    for fold, other in others:
        if difference := describe_difference(one, other, (first, fold)):
            raise BundleError(f"{difference} Choose them once for all folds, or for none.")


def _find_runs(folder: Path) -> dict[str, Path]:
    """The run of each fold, among the folders in `folder`."""
    run_of: dict[str, Path] = {}
    for recipe in sorted(folder.glob(f"*/{_RECIPE}")):
        document = read_yaml(recipe)
        data = document.get("data") if isinstance(document, dict) else None
        fold = str(data.get("val_split", "val")) if isinstance(data, dict) else "val"
        other = run_of.setdefault(fold, recipe.parent)
        if other != recipe.parent and list_folds([fold]):
            raise BundleError(
                f"{recipe.parent} and {other}: both validated on {fold}; move one of them away"
            )
    return run_of


def _require_fold(predictor: Predictor, dataset: FolderDataset, fold: str, run: Path) -> None:
    """Require that a run validated on the images that are in the fold today."""
    if predictor.card.labels.fingerprint != dataset.spec.fingerprint:
        raise DataError(f"{run}: was trained on other classes than {dataset.source} has")
    of_val = predictor.card.provenance.get("val")
    known = of_val.get("fingerprint") if isinstance(of_val, dict) else None
    if known != dataset.subset(fold).fingerprint:
        raise DataError(
            f"{run}: validated on other images or labels than {fold} of {dataset.source} holds "
            f"now, so it may have seen some of them; train it again with --fold "
            f"{fold.removeprefix('fold')}"
        )
