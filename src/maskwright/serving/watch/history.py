"""History: the rows of a store as a log that a replay reads."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ...core.errors import DataError
from ...core.observation import ENCODER, FAMILIES, Observation
from ...monitoring.groups import Observed
from ...store.database import Database
from ...store.records import Record, RecordFilter, find_newest, list_bundles, read_records
from .judge import to_observation

_DAY_S = 86_400.0


class History(NamedTuple):
    """The images of one Bundle in their order, and how many came in a day."""

    log: Observed
    images_per_day: float


def read_history(database: Database) -> History:
    """Read all rows of the Bundle that answered last.

    Raises:
        DataError: There is no row, or rows have other numbers than the last one.
    """
    times: list[float] = []
    with database.read() as connection:
        bundles = list_bundles(connection)
        if not bundles:
            raise DataError(f"{database.name}: has no row of an image; name a server's store")
        chosen = RecordFilter(bundle=bundles[0][1])
        families = find_newest(connection, chosen).families
        names = [name for name in (*FAMILIES, ENCODER) if name in families]
        rows = _observe(read_records(connection, chosen), names, times)
        log = Observed.gather(rows, where=database.name)
    days = max((times[-1] - times[0]) / _DAY_S, 1e-9)
    return History(log, len(log) / days)


def _observe(
    records: Iterable[Record], names: Sequence[str], times: list[float]
) -> Iterator[Observation]:
    """The observations of records, whose times are added to `times`."""
    for record in records:
        times.append(record.at)
        yield to_observation(record, names)
