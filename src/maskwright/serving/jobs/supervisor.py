"""Supervise jobs: a queue in the database, a process for each, and results kept for a time.

A process that ends by itself is started again and continues; the third time, the job has
failed. Jobs of a server that was killed are queued again when the next one starts.
"""

import asyncio
import json
import secrets
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from ...core.errors import MaskwrightError, OutputError
from ...core.lock import hold_lock
from ...core.versioned import Document
from ...store.database import Connection, Database
from ...store.jobs import (
    CANCELLED,
    FAILED,
    FINISHED,
    OPEN_STATES,
    QUEUED,
    RUNNING,
    Job,
    add_job,
    change_job,
    count_jobs,
    find_job,
    list_jobs,
    remove_job,
    requeue_jobs,
    take_job,
)
from ..errors import ServingError, refuse_later
from .folder import count_bytes, remove_inputs
from .request import JobRequest

T = TypeVar("T")
DATABASE = "jobs.sqlite"
_PROGRAM = ("-m", f"{__package__}.process")
_MOST_ATTEMPTS = 3
_MOST_JOBS = 10_000
_LOOK_S = 2.0
"""How often disk and time of a running job are looked at."""

_SWEEP_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """Where jobs lie and how much they take.

    `quota_bytes` bounds all files of all jobs, `keep_s` is how long a job is kept after its
    end, `num_at_once` how many run at one time, and `most_s` the time of one process.
    """

    folder: Path
    quota_bytes: int = 20 << 30
    keep_s: float = 86_400.0
    num_at_once: int = 1
    most_s: float = 86_400.0


class Jobs:
    """The jobs of one server.

    `program` is what Python runs, with the folder of a job and what it is to do as arguments.
    `count_end` is called with the model and the state of each job that ends.
    """

    def __init__(
        self,
        options: JobOptions,
        *,
        program: Sequence[str] = _PROGRAM,
        count_end: Callable[[str, str], None] = lambda _model, _state: None,
    ) -> None:
        self.options = options
        self._program = program
        self._count_end = count_end
        self._stack = ExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._progress: dict[str, tuple[int, int]] = {}
        self._reasons: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._held_bytes = 0

    def open(self) -> None:
        """Lock the folder, open its database, and queue again what was running.

        Raises:
            OutputError: Another server uses the folder, or it cannot be written.
        """
        folder = self.options.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot keep jobs here: {error.strerror}") from error
        self._stack.enter_context(hold_lock(folder))
        self._database = Database.open(folder / DATABASE)
        self._stack.callback(self._database.close)
        with self._database.write() as connection:
            requeue_jobs(connection)
            known = {job.id for job in list_jobs(connection)}
        for path in folder.iterdir():
            if path.is_dir() and path.name not in known:  # an upload that was cut off
                shutil.rmtree(path, ignore_errors=True)

    def begin(self) -> None:
        """Start to work, in the present event loop."""
        work = [self._work() for _ in range(self.options.num_at_once)]
        self._tasks = [asyncio.ensure_future(one) for one in (*work, self._sweep())]

    async def stop(self) -> None:
        """End the processes; their jobs are queued for the next server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._stack.close()

    def require_room(self, num_bytes: int, used: int) -> None:
        """Refuse what does not fit beside the bytes that are used and held.

        Raises:
            ServingError: 413 where it can never fit, 507 where it does not fit now.
        """
        quota = self.options.quota_bytes
        if num_bytes > quota:
            raise ServingError(
                413,
                f"{num_bytes >> 20} MiB, and all jobs together have {quota >> 20} MiB; start "
                f"the server with a larger --job-quota",
            )
        if used + self._held_bytes + num_bytes > quota:
            raise ServingError(
                507,
                f"all jobs together have {quota >> 20} MiB on the disk of the server; delete "
                f"jobs that you no longer need, or come again later",
                {"Retry-After": "60"},
            )

    @contextmanager
    def hold_bytes(self, num_bytes: int, used: int) -> Iterator[None]:
        """Keep room for a file that is being received; raises as `require_room`."""
        self.require_room(num_bytes, used)
        self._held_bytes += num_bytes
        try:
            yield
        finally:
            self._held_bytes -= num_bytes

    async def count_bytes(self) -> int:
        """The bytes of all files of all jobs."""
        return await asyncio.to_thread(count_bytes, self.options.folder)

    def make_folder(self) -> tuple[str, Path]:
        """The id of a new job, and its folder, which is empty."""
        job_id = secrets.token_hex(16)
        folder = self.find_folder(job_id)
        folder.mkdir()
        return job_id, folder

    def find_folder(self, job_id: str) -> Path:
        """The folder of a job."""
        return self.options.folder / job_id

    async def add(self, job_id: str, owner: str, request: JobRequest) -> Job:
        """Queue a job whose folder has its file.

        Raises:
            ServingError: 429, too many jobs are kept.
        """
        job = Job(
            id=job_id,
            owner=owner,
            state=QUEUED,
            document=request.to_json(),
            created=time.time(),
        )

        def add(connection: Connection) -> None:
            if sum(count_jobs(connection).values()) >= _MOST_JOBS:
                raise refuse_later(429, f"{_MOST_JOBS:,} jobs are kept; delete some", 60)
            add_job(connection, job)

        await self._write(add)
        self._notify()
        return job

    async def find(self, job_id: str) -> Job | None:
        """A job as it is now."""
        job = await self._read(partial(find_job, job_id=job_id))
        return None if job is None else self._add_progress(job)

    async def list(self) -> list[Job]:
        """All jobs, the oldest first."""
        return [self._add_progress(job) for job in await self._read(list_jobs)]

    def _add_progress(self, job: Job) -> Job:
        done, total = self._progress.get(job.id, (job.done, job.total))
        return replace(job, done=done, total=total)

    async def watch(self, job_id: str, wait_s: float) -> AsyncIterator[Job | None]:
        """Yield a job at once and after each change, None after `wait_s` without one."""
        last = None
        while True:
            changed = self._changed
            job = await self.find(job_id)
            if job is None:
                return
            if job != last:
                yield job
                last = job
                if job.state not in OPEN_STATES:
                    return
            try:
                await asyncio.wait_for(changed.wait(), wait_s)
            except TimeoutError:
                yield None

    async def cancel(self, job: Job) -> Job | None:
        """Stop a job and remove its files; one that has ended is forgotten, and gives None."""
        values = {"state": CANCELLED, "ended": time.time()}
        for state in OPEN_STATES:
            if await self._change(job, state, values):
                await self._kill(job.id)
                await self._remove_folder(job.id)
                self._end(job, CANCELLED)
                return await self.find(job.id)
        await self._write(partial(remove_job, job_id=job.id))
        await self._remove_folder(job.id)
        return None

    async def count_states(self) -> dict[str, int]:
        """How many jobs are in each state."""
        return await self._read(count_jobs)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        def read() -> T:
            with self._database.read() as connection:
                return work(connection)

        return await asyncio.to_thread(read)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        def write() -> T:
            with self._database.write() as connection:
                return work(connection)

        return await asyncio.to_thread(write)

    async def _change(self, job: Job, before: str, values: Mapping[str, object]) -> bool:
        change = partial(change_job, job_id=job.id, before=before, values=values)
        return await self._write_surely(change)

    async def _write_surely(self, work: Callable[[Connection], T]) -> T:
        """Write, again and again where the disk is full: a job must not lose its end."""
        while True:
            try:
                return await self._write(work)
            except OutputError as error:
                sys.stderr.write(f"{error}\n")
                await asyncio.sleep(_LOOK_S)

    def _notify(self) -> None:
        self._wake.set()
        self._changed.set()
        self._changed = asyncio.Event()

    def _end(self, job: Job, state: str) -> None:
        self._count_end(JobRequest.from_json(job.document).choice.name, state)
        self._notify()

    async def _remove_folder(self, job_id: str) -> None:
        await asyncio.to_thread(shutil.rmtree, self.find_folder(job_id), ignore_errors=True)

    async def _kill(self, job_id: str) -> None:
        process = self._processes.get(job_id)
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _work(self) -> None:
        while True:
            self._wake.clear()
            job = await self._write_surely(take_job)
            if job is None:
                await self._wake.wait()
                continue
            self._notify()
            await self._run(job)

    async def _run(self, job: Job) -> None:
        """Run the process of a job and note how it ended."""
        said = await self._talk(job)
        done, total = self._progress.pop(job.id, (job.done, job.total))
        values: dict[str, object] = {"done": done, "total": total, "ended": time.time()}
        reason = self._reasons.pop(job.id, said.get("error"))
        attempts = job.attempts + 1
        if reason is not None:
            values |= {"state": FAILED, "error": str(reason)}
        elif "failed" in said:
            values |= {"state": FINISHED, "num_failed": said["failed"]}
        elif attempts < _MOST_ATTEMPTS:
            values |= {"state": QUEUED, "attempts": attempts, "ended": None}
        else:
            error = f"the process of the job ended by itself {attempts} times; see the log"
            values |= {"state": FAILED, "attempts": attempts, "error": error}
        if not await self._change(job, RUNNING, values):
            return  # it was cancelled
        if values["state"] == QUEUED:
            self._notify()
            return
        if values["state"] == FAILED:
            await self._remove_folder(job.id)
        else:
            await asyncio.to_thread(remove_inputs, self.find_folder(job.id))
        self._end(job, str(values["state"]))

    async def _talk(self, job: Job) -> Document:
        """Read what the process of a job says; returns its last line, {} without one."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._program,
                str(self.find_folder(job.id).resolve()),
                json.dumps(job.document),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            return {"error": f"its process cannot be started: {error.strerror}"}
        self._processes[job.id] = process
        guard = asyncio.ensure_future(self._guard(job.id))
        said: Document = {}
        try:
            while process.stdout is not None and (line := await process.stdout.readline()):
                with suppress(ValueError):  # cut off, as it was killed
                    said = json.loads(line)
                if "done" in said:
                    self._progress[job.id] = said["done"], said["total"]
                    self._notify()
            await process.wait()
        finally:
            guard.cancel()
            await self._kill(job.id)
            del self._processes[job.id]
        return said

    async def _guard(self, job_id: str) -> None:
        """Kill the process of a job that takes too much disk or time."""
        began_s = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_S)
            if await self.count_bytes() > self.options.quota_bytes:
                self._reasons[job_id] = "its results do not fit into the --job-quota"
            elif time.monotonic() - began_s > self.options.most_s:
                self._reasons[job_id] = f"it took more than {self.options.most_s / 3600:g} h"
            else:
                continue
            await self._kill(job_id)

    async def _sweep(self) -> None:
        """Forget jobs whose time is over."""
        while True:
            with suppress(MaskwrightError):
                for job in await self.list():
                    if job.ended is not None and job.ended + self.options.keep_s < time.time():
                        await self._write(partial(remove_job, job_id=job.id))
                        await self._remove_folder(job.id)
            await asyncio.sleep(_SWEEP_S)
