"""Dice and volume of each patient, averaged over patients: every patient weighs the same.

Where the images are the slices of whole volumes. A patient is a group of images; Dice is over
all voxels of the patient, volumes are per scan. A patient without a class, in truth and in
prediction, is left out of the averages of that class.
"""

import numpy as np

from ...core.scores import mean_present, ratio
from ..counts import Counts, Scores
from ..family import ScoreDetail, ScoredImage, ScoreText
from ..volume import NAMES

TITLE = "Patients"
ORDER = 12
WEIGHTS = ("patient_num",)
NOTE = "Every patient weighs the same; intervals are over patients."
TEXTS = {
    "mean_patient_dice": ScoreText("Mean Dice of patients", "average over classes"),
    "patient_dice": ScoreText("Dice of patients", "over all voxels of each patient"),
    "patient_truth_ml": ScoreText("Volume (ml)", "of the truth, per scan", ""),
    "patient_predicted_ml": ScoreText("Predicted volume (ml)", "per scan", ""),
    "patient_error_ml": ScoreText(
        "Volume error (ml)", "predicted minus true volume", "", has_interval=False
    ),
    "patient_abs_error_ml": ScoreText("Absolute volume error (ml)", "per scan", ""),
    "patients": ScoreText("Patients", "with the class in truth or prediction", "n"),
}


def is_on(detail: ScoreDetail) -> bool:
    """Where the images are the slices of whole volumes."""
    return bool(detail.volumes)


def count(image: ScoredImage, detail: ScoreDetail) -> Counts:
    """Zeros, (C,): patients are counted when all of their slices are there."""
    num_classes = len(image.confusion.counts_CC)
    return {name: np.zeros(num_classes) for name in NAMES}


def scores(counts: Counts, detail: ScoreDetail) -> Scores:
    """Averages over patients of each class, (..., C)."""
    num = counts["patient_num"]
    dice = ratio(counts["patient_dice_sum"], num)
    return Scores(
        overall={"mean_patient_dice": mean_present(dice)},
        classes={
            "patient_dice": dice,
            "patient_truth_ml": ratio(counts["patient_truth_sum"], num),
            "patient_predicted_ml": ratio(counts["patient_predicted_sum"], num),
            "patient_error_ml": ratio(counts["patient_error_sum"], num),
            "patient_abs_error_ml": ratio(counts["patient_abs_error_sum"], num),
            "patients": num * 1.0,
        },
    )
