"""Truth by folder: PNG files of class indices, each named by the key of its image."""

from dataclasses import dataclass
from pathlib import Path

from ...core.errors import DataError
from ...store.database import Database
from ...store.records import find_records, set_score
from ..modelprocess.scoring import compare_with_truth
from .keeper import to_map


@dataclass(frozen=True, slots=True)
class AddedTruth:
    """The keys whose truth was added, and those of which no class map is kept."""

    added: tuple[str, ...]
    missing: tuple[str, ...]


def add_truth_folder(database: Database, kept: Path, folder: Path) -> AddedTruth:
    """Score the class maps of all keys in a folder; later truth takes the place of earlier.

    `KEY.png`, in subfolders where a key has `/`, holds class indices, 255 is not labelled.

    Raises:
        DataError: No PNG is there, or one is not the truth of its image; nothing is added.
        OutputError: The store cannot be written.
    """
    files = {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob("*.png"))
    }
    if not files:
        raise DataError(f"{folder}: no KEY.png with the truth of an image is here")
    scores: dict[int, list[list[int]]] = {}
    missing: list[str] = []
    with database.read() as connection:
        for key, truth in files.items():
            found = [
                (record, to_map(kept / record.image))
                for record in find_records(connection, key)
                if record.image and to_map(kept / record.image).is_file()
            ]
            if not found:
                missing.append(key)
                continue
            record, predicted = found[0]
            num = len(record.families["classes"])
            _, confusion = compare_with_truth(truth, predicted, num, where=str(truth))
            scores[record.n] = confusion.counts_CC.tolist()
    with database.write() as connection:
        for n, score in scores.items():
            set_score(connection, n, score)
    return AddedTruth(tuple(key for key in files if key not in missing), tuple(missing))
