"""PredictionSummary: what a prediction run found in all its images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..core.labels import LabelSpec
from ..core.results import FailedInput, Results
from ..core.versioned import Document
from ..data.conversion.account import Account
from .folds import FoldPredictors
from .predictor import Predictor
from .refiner import Refinement


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PredictionSummary:
    """Pixels per class over all images of one prediction run, shape (C,).

    `failed` are the images without a prediction, `passed_over` the folders among the inputs
    that hold results of an earlier run. `remarks` are on images that were converted, or that
    are unlike those the model learnt from. `accounts` say what each format of annotations lost.
    `verdicts` are the numbers of images that are ok, show a defect, and could not be read;
    empty where the model has no rule for verdicts.
    """

    labels: LabelSpec
    num_images: int
    pixels_C: NDArray[np.int64]
    refine: Refinement | None = None
    failed: Sequence[FailedInput] = ()
    passed_over: Sequence[Path] = ()
    remarks: Sequence[str] = ()
    accounts: Mapping[str, Account] = field(default_factory=dict)
    verdicts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_results(
        cls,
        results: Results,
        pixels_C: NDArray[np.int64],
        model: Predictor | FoldPredictors,
        accounts: Mapping[str, Account],
        verdicts: Mapping[str, int],
    ) -> Self:
        """The summary of results that are written."""
        return cls(
            labels=model.card.labels,
            num_images=results.num_read,
            pixels_C=pixels_C,
            refine=model.refine,
            failed=results.failed,
            passed_over=results.passed_over,
            remarks=results.remarks,
            accounts=accounts,
            verdicts=verdicts,
        )

    def to_json(self) -> Document:
        """The number of images, `pixels` and `percent` per class, and what else there is.

        `annotations` has the account of each format, `refine` the refiners, `verdicts` the
        number of images by verdict.
        """
        total = max(1, int(self.pixels_C.sum()))
        accounts = {name: account.to_json() for name, account in self.accounts.items()}
        optional: dict[str, object] = {"annotations": accounts} if accounts else {}
        optional |= {} if self.refine is None else {"refine": self.refine.to_json()}
        optional |= {"verdicts": dict(self.verdicts)} if self.verdicts else {}
        return {
            "num_images": self.num_images,
            "classes": [
                {"name": name, "pixels": count, "percent": 100 * count / total}
                for name, count in zip(self.labels.names, self.pixels_C.tolist(), strict=True)
            ],
            "failed": [one.to_json() for one in self.failed],
            "passed_over": [str(folder) for folder in self.passed_over],
            "remarks": list(self.remarks),
        } | optional
