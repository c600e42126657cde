"""What stops a folder from being opened before any pixel is read."""

from ..core.errors import DataError
from .locate import Found
from .scan import Entry


def refuse_gaps(found: Found) -> None:
    """Refuse images without masks, where others of their split have some, and doubled keys.

    Raises:
        DataError: Naming the first file, how many there are, and the fix.
    """
    entries = found.scan.entries
    labelled = {entry.split for entry in entries if entry.labels is not None}
    gaps = [e for e in entries if e.labels is None and e.split in labelled]
    if gaps or not labelled:
        gaps = gaps or list(entries)
        more = f" and {len(gaps) - 1} other images have" if len(gaps) > 1 else " has"
        raise DataError(
            f"{gaps[0].image}{more} no mask; add the masks under the same names, "
            f"or move the images out of {found.root}"
        )
    first: dict[str, Entry] = {}
    for entry in entries:
        twin = first.setdefault(entry.key, entry)
        if twin is not entry:
            raise DataError(
                f"{entry.image}: the key {entry.key!r} is also that of {twin.image}; keys are "
                f"unique over all splits: rename one, or remove it if it is the same image"
            )
