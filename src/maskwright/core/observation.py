"""Observation: numbers of one predicted image, of which no pixel is kept.

A file of them has one JSON object per line. They say what a model saw and answered, for `drift`
and for what watches a service; nothing in them names a person but the key, which is a hash
where that of the dataset is.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .errors import DataError
from .files import explain_read_errors
from .versioned import Document, Schema

FILE_NAME = "observations.ndjson"
SCHEMA = Schema(kind="line of observations", version=1)
FAMILIES = ("image", "classes", "confidence", "shapes")
"""Groups of numbers that change for one reason: the light or the camera, what is in front of
it, how sure the model is, how its regions look."""

ENCODER = "encoder"
"""One family more, where a graph gives them: means of the features of its encoder."""

EXPECTED = "expected"
"""What a server adds, for estimates of accuracy and not for drift: of each class the share of
pixels that are expected to be right (`hit`), to be of the class (`truth`), and that are
predicted."""

TITLES = {
    "image": "light, colours and sharpness",
    "classes": "shares of classes",
    "confidence": "confidence",
    "shapes": "regions and borders",
    ENCODER: "features of the encoder",
}
"""What a family is called for people."""


ENTROPY = "entropy"
"""What a server adds too: mean and quantiles of the entropy of pixels, as a share of that of
classes that are all as likely. Drift is told by the confidence, which falls as it rises."""

OF_SERVER = (EXPECTED, ENTROPY)
"""Families that a server adds for its rows; drift does not compare them."""

Families = Mapping[str, Mapping[str, float]]
"""Numbers by name, in each family."""

Levels = Mapping[str, Sequence[float]]
"""Of each channel, the share of pixels in each of `NUM_LEVELS` equal parts of its range."""

NUM_LEVELS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Key and model of an image, and its numbers by name, in each family.

    `source` is the camera, site or folder that it came from. Images of one source are in order.
    """

    key: str
    model: str
    source: str
    families: Families

    def to_json(self) -> Document:
        """A line of the file."""
        return SCHEMA.stamp(
            {
                "key": self.key,
                "model": self.model,
                "source": self.source,
                "families": {name: dict(values) for name, values in self.families.items()},
            }
        )

    @classmethod
    def from_json(cls, document: object, *, where: str) -> Self:
        """Undo `to_json`.

        Raises:
            DataError: Not an observation, or one of a newer version.
        """
        try:
            line = SCHEMA.read(document, where=where)
            families = {
                name: {key: float(value) for key, value in line["families"][name].items()}
                for name in (*FAMILIES, *({ENCODER} & line["families"].keys()))
            }
            texts = {name: str(line[name]) for name in ("key", "model", "source")}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{where}: not an observation ({error!r})") from error
        return cls(**texts, families=families)


def measure_uncertainty(families: Families) -> float:
    """1 - the mean confidence of an image, in [0, 1]."""
    return 1 - families["confidence"]["mean"]


def format_observations(rows: Iterable[Observation]) -> str:
    """The text of a file of observations."""
    lines = (json.dumps(row.to_json(), allow_nan=False) for row in rows)
    return "".join(f"{line}\n" for line in lines)


def read_observations(path: Path) -> Iterator[Observation]:
    """Read a file of observations.

    Args:
        path: The file, or the folder of results that holds it.

    Raises:
        DataError: No such file, or a line that is no observation.
    """
    file = path / FILE_NAME if path.is_dir() else path
    if not file.exists():
        raise DataError(
            f"{file}: no such file; write one with `maskwright predict --write observations`"
        )
    with explain_read_errors(file), file.open("rb") as lines:
        yield from _parse_lines(lines, str(file))


def parse_observations(text: str, *, where: str) -> Iterator[Observation]:
    """Undo `format_observations`; raises DataError as `read_observations`."""
    yield from _parse_lines(text.splitlines(), where)


def _parse_lines(lines: Iterable[str | bytes], where: str) -> Iterator[Observation]:
    for number, text in enumerate(lines, start=1):
        line = f"{where}: line {number}"
        try:
            document = json.loads(text)
        except ValueError as error:
            raise DataError(
                f"{line}: not JSON ({error}); a file of observations that was cut off or "
                f"changed is written again by `maskwright predict --write observations`"
            ) from error
        yield Observation.from_json(document, where=line)
