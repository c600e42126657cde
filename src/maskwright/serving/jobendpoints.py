"""`/v1/jobs`: what is too large for one request runs behind it, and its results are fetched."""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from ..core.errors import DataError
from ..core.versioned import Document
from ..data.reading.archive import count_unpacked
from ..store.jobs import FINISHED, OPEN_STATES, Job
from .access import ADMIN
from .errors import ServingError, refuse_later
from .jobs.folder import RESULTS, UPLOAD, count_bytes, find_result, list_results, stream_zip
from .jobs.request import FOLDER, JobRequest, find_kind, require_content, require_name
from .jobs.supervisor import Jobs
from .predicting import find_canary_key
from .receiving import receive_file, require_length
from .responses import answer_json
from .service import Service

_BEAT_S = 15.0
"""Between two lines of a stream of events, so that proxies keep it open."""

_STOP_S = 1.0


def require_jobs(service: Service) -> Jobs:
    """The jobs of a server.

    Raises:
        ServingError: 501, it takes none.
    """
    if service.jobs is None:
        raise ServingError(501, "this server takes no jobs; start it with --jobs FOLDER")
    return service.jobs


async def submit(service: Service, request: Request) -> Response:
    """Receive a file and queue a job for it: 202, and where its state is.

    Raises:
        ServingError: 400 for a wrong name, option or file, 411 without a length, 413, 429 or
            507 for too much, 415 for a form, 503 while the server stops.
    """
    jobs = require_jobs(service)
    if service.is_draining:
        raise refuse_later(503, "the server is stopping", 5)
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise ServingError(
            415,
            "send the file as the body: curl -X POST -T a.tif '.../v1/jobs?name=a.tif'",
        )
    name = require_name(request.query_params.get("name", ""))
    key = find_canary_key(request)
    model, number = (request.query_params.get(n) for n in ("model", "version"))
    version = service.models.choose(model, number, key)
    wanted = JobRequest.from_query(
        request.query_params, name, version.child.choice.resolve(), version.facts.bundle
    )
    num_bytes = require_length(request)
    with jobs.hold_bytes(num_bytes, await jobs.count_bytes()):
        job_id, folder = jobs.make_folder()
        try:
            (folder / UPLOAD).mkdir()
            file = folder / UPLOAD / name
            await receive_file(request, service.limits, file, num_bytes)
            await asyncio.to_thread(_require_fit, jobs, file, num_bytes)
            job = await jobs.add(job_id, service.access.name_client(request), wanted)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    response = answer_json(_describe(jobs, job), 202)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return response


def _require_fit(jobs: Jobs, file: Path, num_bytes: int) -> None:
    """Refuse a file of another kind than its name says, and a ZIP file that is hostile.

    Its members are checked, and none is unpacked.
    """
    with file.open("rb") as content:
        require_content(content.read(16), file.name)
    if find_kind(file.name) != FOLDER:
        return
    try:
        unpacked = count_unpacked(file)
    except DataError as error:
        raise DataError(str(error).replace(str(file), file.name)) from error
    jobs.require_room(unpacked - num_bytes, count_bytes(jobs.options.folder))


async def list_jobs(service: Service, request: Request) -> Response:
    """The jobs of this client, or with the scope admin all, the newest first."""
    jobs = require_jobs(service)
    found = [job for job in await jobs.list() if _may_see(service, request, job)]
    return answer_json({"jobs": [_describe(jobs, job) for job in reversed(found)]})


async def show_job(service: Service, request: Request) -> Response:
    """State and progress of a job."""
    job = await _find(service, request)
    return answer_json(_describe(require_jobs(service), job))


async def cancel_job(service: Service, request: Request) -> Response:
    """Stop a job, or remove the results of one that has ended."""
    jobs = require_jobs(service)
    left = await jobs.cancel(await _find(service, request))
    return Response(status_code=204) if left is None else answer_json(_describe(jobs, left))


async def stream_events(service: Service, request: Request) -> Response:
    """Server-sent events: the job whenever it changes, until it has ended."""
    job = await _find(service, request)
    events = _write_events(service, require_jobs(service), job.id)
    return StreamingResponse(events, media_type="text/event-stream")


async def _write_events(service: Service, jobs: Jobs, job_id: str) -> AsyncIterator[bytes]:
    sent_s = time.monotonic()
    async for job in jobs.watch(job_id, _STOP_S):
        if service.is_draining:
            yield b"retry: 5000\n\n"
            return
        if job is not None:
            yield f"event: job\ndata: {json.dumps(_describe(jobs, job))}\n\n".encode()
        elif time.monotonic() - sent_s > _BEAT_S:
            yield b": \n\n"
        else:
            continue
        sent_s = time.monotonic()


async def send_result(service: Service, request: Request) -> Response:
    """The results as a ZIP file."""
    job, folder = await _find_finished(service, request)
    stem = json.dumps(f"{Path(str(job.document['name'])).stem}.zip")
    disposition = f"attachment; filename={stem}" if stem.isascii() else "attachment"
    headers = {"Content-Disposition": disposition}
    return StreamingResponse(stream_zip(folder), headers=headers, media_type="application/zip")


async def list_files(service: Service, request: Request) -> Response:
    """The files of the results with their sizes."""
    _, folder = await _find_finished(service, request)
    root = folder / RESULTS
    found = await asyncio.to_thread(list_results, folder)
    files = [{"name": p.relative_to(root).as_posix(), "bytes": p.stat().st_size} for p in found]
    return answer_json({"files": files})


async def send_file(service: Service, request: Request) -> Response:
    """One file of the results; a range of its bytes may be asked for."""
    _, folder = await _find_finished(service, request)
    path = find_result(folder, request.path_params["file"])
    return FileResponse(path, headers={"Content-Disposition": "attachment"})


async def _find(service: Service, request: Request) -> Job:
    """A job of this client; those of others are not there for it."""
    job = await require_jobs(service).find(request.path_params["job"])
    if job is None or not _may_see(service, request, job):
        raise ServingError(404, "there is no such job; its time may be over")
    return job


async def _find_finished(service: Service, request: Request) -> tuple[Job, Path]:
    job = await _find(service, request)
    if job.state != FINISHED:
        reason = f": {job.error}" if job.error else ""
        raise ServingError(409, f"the job is {job.state}, it has no results{reason}")
    return job, require_jobs(service).find_folder(job.id)


def _may_see(service: Service, request: Request, job: Job) -> bool:
    own = job.owner == service.access.name_client(request)
    return own or service.access.has_scope(request, ADMIN)


def _describe(jobs: Jobs, job: Job) -> Document:
    """What a client is told of a job; times are in seconds since 1970."""
    place = f"/v1/jobs/{job.id}"
    wanted = JobRequest.from_json(job.document)
    return {
        "id": job.id,
        "state": job.state,
        "ended": job.state not in OPEN_STATES,
        "name": wanted.name,
        "model": wanted.choice.name,
        "bundle": wanted.bundle,
        "progress": {"done": job.done, "total": job.total, "failed": job.num_failed},
        "error": job.error or None,
        "created_s": job.created,
        "ended_s": job.ended,
        "kept_until_s": None if job.ended is None else job.ended + jobs.options.keep_s,
        "events": f"{place}/events",
        "result": f"{place}/result" if job.state == FINISHED else None,
    }
