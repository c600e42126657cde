import asyncio

import pytest

from maskwright.core.errors import OutputError
from maskwright.serving.access import Access, Token, hash_token
from maskwright.serving.errors import ServingError
from maskwright.serving.jobs.request import JobRequest
from maskwright.serving.jobs.supervisor import JobOptions, Jobs
from maskwright.serving.modelprocess.process import ModelChoice

from .asgi import ask_async, make_app

REQUEST = JobRequest(
    name="a.png",
    kind="image",
    choice=ModelChoice(path="p", name="m", version="1"),
    bundle="b",
    write=("classes",),
)


async def _run(jobs, *, owner=""):
    """Run one job, and return it when it has ended."""
    jobs.open()
    jobs.begin()
    job_id, _ = jobs.make_folder()
    await jobs.add(job_id, owner, REQUEST)
    async for job in jobs.watch(job_id, 60):
        last = job
    await jobs.stop()
    return last


@pytest.fixture
def options(tmp_path):
    return JobOptions(folder=tmp_path / "jobs")


def test_a_job_whose_process_ends_by_itself_fails_at_the_third_time(options):
    counted = []
    program = "-c", "import sys; open(sys.argv[1] + '/ran', 'a').write('x'); sys.exit(9)"
    jobs = Jobs(options, program=program, count_end=lambda *ends: counted.append(ends))
    job = asyncio.run(_run(jobs))
    assert (job.state, job.attempts) == ("failed", 3)
    assert job.error == "the process of the job ended by itself 3 times; see the log"
    assert counted == [("m", "failed")]
    assert not jobs.find_folder(job.id).exists()


def test_a_job_that_fills_the_disk_is_ended(options):
    fill = "open(sys.argv[1] + '/x', 'wb').write(bytes(1 << 21))"
    program = "-c", f"import sys, time; {fill}; time.sleep(99)"
    small = JobOptions(folder=options.folder, quota_bytes=1 << 20)
    job = asyncio.run(_run(Jobs(small, program=program)))
    assert (job.state, job.error) == ("failed", "its results do not fit into the --job-quota")


def test_jobs_are_forgotten_when_their_time_is_over(options):
    program = "-c", "print('{\"failed\": 0}')"
    kept = asyncio.run(_run(Jobs(options, program=program)))
    assert kept.state == "finished"

    async def find_left(keep_s):
        jobs = Jobs(JobOptions(folder=options.folder, keep_s=keep_s))
        jobs.open()
        jobs.begin()
        await asyncio.sleep(0.2)
        left = await jobs.list()
        await jobs.stop()
        return left

    assert asyncio.run(find_left(3600)) == [kept]
    assert (options.folder / kept.id).exists()
    assert asyncio.run(find_left(0.0)) == []
    assert not (options.folder / kept.id).exists()


def test_jobs_are_those_of_a_token(options):
    scopes = {"a": ("predict",), "b": ("predict",), "c": ("predict", "admin")}
    jobs = Jobs(options)
    tokens = [Token(name, hash_token(name), allowed) for name, allowed in scopes.items()]
    app = make_app(Access("127.0.0.1", tokens=tokens), jobs=jobs)

    async def ask_as(name, method, path):
        return await ask_async(app, method, path, headers={"authorization": f"Bearer {name}"})

    async def run():
        jobs.open()
        job_id, _ = jobs.make_folder()
        await jobs.add(job_id, "a", REQUEST)
        place = f"/v1/jobs/{job_id}"
        for more in ("", "/events", "/result", "/files", "/files/a"):
            assert (await ask_as("b", "GET", place + more)).status == 404
        assert (await ask_as("b", "DELETE", place)).status == 404
        listed = [(await ask_as(name, "GET", "/v1/jobs")).json["jobs"] for name in scopes]
        assert [[job["id"] for job in found] for found in listed] == [[job_id], [], [job_id]]
        assert (await ask_as("x", "GET", place)).status == 401
        assert (await ask_as("a", "GET", f"{place}/result")).status == 409
        assert (await ask_as("a", "DELETE", place)).json["state"] == "cancelled"
        assert (await ask_as("a", "DELETE", place)).status == 204
        assert (await ask_as("a", "GET", place)).status == 404
        await jobs.stop()

    asyncio.run(run())


def test_a_folder_of_jobs_has_one_server(options):
    first = Jobs(options)
    first.open()
    with pytest.raises(OutputError, match="is writing here"):
        Jobs(options).open()
    asyncio.run(first.stop())


def test_what_is_being_received_takes_room(options):
    jobs = Jobs(JobOptions(folder=options.folder, quota_bytes=100))
    with jobs.hold_bytes(60, 0):
        with pytest.raises(ServingError, match="all jobs together have 0 MiB") as refused:
            jobs.require_room(30, 20)
        assert refused.value.status == 507
        jobs.require_room(30, 10)
    jobs.require_room(80, 20)
