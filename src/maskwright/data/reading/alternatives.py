"""Labels that lie there in several forms (masks of ids, polygons ...): which form is read."""

from collections.abc import Sequence

from ...core.errors import DataError
from ..pixels.imageref import ImageRef

Forms = dict[str, ImageRef]
"""Files of one image by their form; polygons are a file too."""


def choose_form(labelled: Sequence[Forms], order: Sequence[str]) -> str:
    """The first form of `order` in which every one of the images has its labels.

    Raises:
        DataError: There is none; names the first image without the most common form.
    """
    counts = {form: sum(form in files for files in labelled) for form in order}
    most = max(order, key=lambda form: counts[form])
    if counts[most] == len(labelled):
        return next(form for form in order if counts[form] == len(labelled))
    odd = next(files for files in labelled if most not in files)
    listed = ", ".join(f"{form} of {count}" for form, count in counts.items() if count)
    listed = listed or "none of these"
    raise DataError(
        f"{next(iter(odd.values()))}: there is no {most} of this image; of {len(labelled)} "
        f"labelled images there are {listed}: make one of these for all, or remove the others"
    )
