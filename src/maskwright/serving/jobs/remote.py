"""Jobs as a client sees them: submit a file or a folder, wait, and download the results."""

import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import urlencode

from ...core.errors import ConfigError, DataError, OutputError
from ...core.results import MANIFEST, NEW, WriteMode, fill_folder
from ...core.versioned import Document
from ...data.entries.walk import is_system_name
from ...data.reading.archive import unpack

_PAUSE_S = 1.0


Ask = Callable[..., tuple[Mapping[str, str], bytes]]
"""`Client.ask` of the server: headers and body of an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """A job of a server: queued, running, finished, failed or cancelled.

    `done` of `total` images or frames are predicted; `total` is 0 until it is known. Of those,
    `num_failed` could not be predicted: `results.json` lists them.
    """

    id: str
    state: str
    name: str
    model: str
    done: int
    total: int
    num_failed: int
    error: str | None
    has_ended: bool

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Read what a server says."""
        progress: Mapping[str, Any] = document["progress"]
        return cls(
            id=document["id"],
            state=document["state"],
            name=document["name"],
            model=document["model"],
            done=progress["done"],
            total=progress["total"],
            num_failed=progress["failed"],
            error=document["error"],
            has_ended=document["ended"],
        )


def submit(
    ask: Ask, source: Path, model: str | None, options: Mapping[str, object]
) -> JobStatus:
    """Send an image, a video, a ZIP file or a folder of images; returns the queued job.

    Raises:
        ConfigError: As `Client.ask`.
        DataError: There is no such file, or the server refuses it.
    """
    with _open_source(source) as (file, name):
        asked = {k: v for k, v in options.items() if v is not None} | {"name": name}
        query = urlencode(asked if model is None else {**asked, "model": model})
        _, body = ask(f"v1/jobs?{query}", file, where=str(source), method="POST")
    return JobStatus.from_json(json.loads(body))


def find(ask: Ask, job_id: str) -> JobStatus:
    """A job as it is now."""
    _, body = ask(f"v1/jobs/{job_id}", where=f"job {job_id}")
    return JobStatus.from_json(json.loads(body))


def wait(
    ask: Ask,
    job_id: str,
    timeout_s: float | None,
    show: Callable[[JobStatus], None],
) -> JobStatus:
    """Wait until a job has ended; `show` is called with each state on the way.

    Raises:
        DataError: It failed or was cancelled, or has not ended after `timeout_s`.
    """
    ends_s = None if timeout_s is None else time.monotonic() + timeout_s
    last = None
    while True:
        job = find(ask, job_id)
        if job != last:
            show(job)
            last = job
        if job.has_ended:
            break
        if ends_s is not None and time.monotonic() > ends_s:
            raise DataError(
                f"{job.name}: job {job_id} is {job.state} after {timeout_s:g} s, {job.done} of "
                f"{job.total} are done; wait longer"
            )
        time.sleep(_PAUSE_S)
    if job.state != "finished":
        raise DataError(f"{job.name}: job {job_id} {job.state}: {job.error or 'by a client'}")
    return job


def download(ask: Ask, job_id: str, out: Path, mode: WriteMode = NEW) -> Path:
    """Write the results of a finished job to the new folder `out`, and return it.

    Raises:
        ConfigError: As `Client.ask`; the job has no results.
        OutputError: As `core.results.fill_folder`.
    """
    with fill_folder(out, "download", mode) as partial:
        archive = partial.folder / ".download.zip"
        with archive.open("wb") as file:
            ask(f"v1/jobs/{job_id}/result", where=f"job {job_id}", to=file)
        unpack(archive, partial.folder)
        archive.unlink()
        if not (partial.folder / MANIFEST).is_file():
            raise OutputError(f"{out}: job {job_id} has no {MANIFEST}; download it again")
    return out


def cancel(ask: Ask, job_id: str) -> None:
    """Stop a job, or remove the results of one that has ended."""
    ask(f"v1/jobs/{job_id}", where=f"job {job_id}", method="DELETE")


@contextmanager
def _open_source(source: Path) -> Iterator[tuple[IO[bytes], str]]:
    """An open file and the name under which it is sent; a folder becomes a ZIP file."""
    if source.is_dir():
        with tempfile.TemporaryFile() as file:
            _pack(source, file)
            yield file, f"{source.resolve().name}.zip"
        return
    try:
        opened = source.open("rb")
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror}") from error
    with opened as file:
        yield file, source.name


def _pack(folder: Path, to: IO[bytes]) -> None:
    """Write the files of a folder to a ZIP file, without compressing them again."""
    found = sorted(
        path for path in folder.rglob("*") if path.is_file() and not is_system_name(path.name)
    )
    if not found:
        raise ConfigError(f"{folder}: has no files; name a folder of images")
    with zipfile.ZipFile(to, "w", zipfile.ZIP_STORED) as archive:
        for path in found:
            with (
                path.open("rb") as source,
                archive.open(
                    zipfile.ZipInfo(path.relative_to(folder).as_posix()), "w", force_zip64=True
                ) as member,
            ):
                shutil.copyfileobj(source, member, 1 << 20)
    to.seek(0)
