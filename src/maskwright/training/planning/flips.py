"""Decide the flips: off where a mirrored image would show classes of the wrong side.

Columns of photographs, and of axial and coronal slices of volumes, run from side to side, and
a mirrored image is one that could have been taken. Columns of sagittal slices run from the
front of the body to its back.
"""

from maskwright.data.classes.sides import find_sided_classes
from maskwright.pages.text import list_names

from .plan import Plan
from .situation import Situation

KEY = "augment.flip_lr"


def decide_flips(plan: Plan, situation: Situation) -> None:
    """Decide `augment.flip_lr`, and say which way the slices of volumes are flipped."""
    planes, sided = situation.facts.planes, find_sided_classes(situation.class_names)
    if "sagittal" in planes:
        reason = "columns of sagittal slices run from the front of the body to its back"
        plan.decide(KEY, 0.0, reason)
    elif sided:
        named = list_names(sided, most=4)
        reason = f"a mirrored image would exchange classes of the left and the right: {named}"
        plan.decide(KEY, 0.0, reason)
    elif planes:
        named = " and ".join(planes)
        plan.keep(KEY, f"columns of {named} slices run from the right of the body to its left")
    if planes:
        plan.keep("augment.flip_vertical", "rows run along the body, or from front to back")
