"""Jobs: work that clients of a server asked for, in the order in which they asked."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from . import tables

QUEUED, RUNNING, FINISHED, FAILED, CANCELLED = (
    "queued",
    "running",
    "finished",
    "failed",
    "cancelled",
)
STATES = (QUEUED, RUNNING, FINISHED, FAILED, CANCELLED)
OPEN_STATES = (QUEUED, RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job; times are in seconds since 1970.

    `document` says what is to be done. `done` of `total` images or frames are predicted, and
    `num_failed` of them could not be. `attempts` counts the processes that ended by themselves.
    """

    id: str
    owner: str
    state: str
    document: Mapping[str, Any]
    created: float
    ended: float | None = None
    attempts: int = 0
    done: int = 0
    total: int = 0
    num_failed: int = 0
    error: str = ""


def add_job(connection: Connection, job: Job) -> None:
    """Add a job to the end of the queue."""
    last = connection.execute(select(func.max(tables.job.c.n))).scalar_one()
    document = json.dumps(job.document, sort_keys=True)
    values = asdict(job) | {"n": (last or 0) + 1, "document": document}
    connection.execute(insert(tables.job).values(**values))


def find_job(connection: Connection, job_id: str) -> Job | None:
    """One job by its id."""
    row = connection.execute(select(tables.job).where(tables.job.c.id == job_id)).one_or_none()
    return None if row is None else _to_job(row)


def list_jobs(connection: Connection) -> list[Job]:
    """All jobs, the oldest first."""
    rows = connection.execute(select(tables.job).order_by(tables.job.c.n))
    return [_to_job(row) for row in rows]


def count_jobs(connection: Connection) -> dict[str, int]:
    """The number of jobs in each state that some are in."""
    table = tables.job
    query = select(table.c.state, func.count().label("number")).group_by(table.c.state)
    return {row.state: row.number for row in connection.execute(query)}


def take_job(connection: Connection) -> Job | None:
    """Set the oldest queued job to running and return it; None where there is none."""
    table = tables.job
    query = select(table.c.id).where(table.c.state == QUEUED).order_by(table.c.n).limit(1)
    job_id = connection.execute(query).scalar_one_or_none()
    if job_id is None:
        return None
    change_job(connection, job_id, QUEUED, {"state": RUNNING})
    return find_job(connection, job_id)


def change_job(
    connection: Connection, job_id: str, before: str, values: Mapping[str, object]
) -> bool:
    """Set columns of a job whose state is `before`; False where it is not."""
    table = tables.job
    where = (table.c.id == job_id) & (table.c.state == before)
    return bool(connection.execute(update(table).where(where).values(dict(values))).rowcount)


def requeue_jobs(connection: Connection) -> None:
    """Queue the jobs again that were running when their server ended."""
    table = tables.job
    connection.execute(update(table).where(table.c.state == RUNNING).values(state=QUEUED))


def remove_job(connection: Connection, job_id: str) -> None:
    """Forget a job."""
    connection.execute(delete(tables.job).where(tables.job.c.id == job_id))


def _to_job(row: Row[Any]) -> Job:
    values = dict(row._mapping)
    values.pop("n")
    return Job(**{**values, "document": json.loads(values["document"])})
