"""Choose which form of the labels to read where files hold several (masks of ids, polygons)."""

from collections.abc import Sequence

from ...core.errors import DataError
from ..pixels.imageref import ImageRef

Forms = dict[str, ImageRef]
"""The files of one image, by form; a file of polygons is a form too."""


def choose_form(labelled: Sequence[Forms], order: Sequence[str]) -> str:
    """Choose the first form of `order` that every labelled image has.

    Raises:
        DataError: No form is complete; the message names the first image that lacks the most
            common form.
    """
    counts = {form: sum(form in files for files in labelled) for form in order}
    commonest = max(order, key=lambda form: counts[form])
    if counts[commonest] == len(labelled):
        return next(form for form in order if counts[form] == len(labelled))
    incomplete = next(files for files in labelled if commonest not in files)
    listed = ", ".join(f"{form} of {n}" for form, n in counts.items() if n) or "none"
    raise DataError(
        f"{next(iter(incomplete.values()))}: this image has no {commonest}; expected one form "
        f"for all {len(labelled)} labelled images, found {listed}; add the missing files, or "
        f"remove the images without them"
    )
