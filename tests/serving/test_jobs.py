import io
import json
import os
import signal
import time
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import maskwright
from maskwright.calls import video
from maskwright.core.errors import ConfigError, DataError
from maskwright.core.results import read_manifest
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model
from maskwright.inference.video.predict import StreamOptions

NUM_FRAMES, NUM_IMAGES = 100, 40


def _zip(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return content.getvalue()


def _enlarge(image_HW3):
    return np.kron(image_HW3, np.ones((5, 5, 1), np.uint8))


def _write_video(path, frames):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "bgr0"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _post(server, body, **query):
    words = "&".join(f"{k}={v}" for k, v in query.items())
    return server.ask("POST", f"/v1/jobs?{words}", body)


def _wait(server, job_id, has_come=lambda job: job["ended"]):
    for _ in range(6000):
        job = server.ask("GET", f"/v1/jobs/{job_id}").json
        if has_come(job):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def _wait_for(server, job_id, least):
    """Wait until more than `least` are done of a job that runs."""
    job = _wait(server, job_id, lambda job: job["progress"]["done"] > least)
    assert job["state"] == "running"
    return job


def _children(pid):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == pid and b"jobs.process" in command:
            found.append(int(stat.parent.name))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def server(start_server, painted, small, folder):
    return start_server(
        *(f"painted={painted.root}", f"small={small.root}"), "--jobs", folder, "--job-quota", 1
    )


@pytest.fixture(scope="module")
def long_video(photographs, tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "long.mkv"
    _write_video(path, [_enlarge(photographs[0])] * NUM_FRAMES)
    return path.read_bytes()


@pytest.fixture(scope="module")
def pictures(photographs, png):
    return {f"photos/{'ab'[i]}.png": png(photo) for i, photo in enumerate(photographs)}


def test_a_job_gives_the_folder_that_predict_writes(server, small, pictures, folder, tmp_path):
    (tmp_path / "photos").mkdir()
    for name, body in pictures.items():
        (tmp_path / name).write_bytes(body)
    client = maskwright.Client(server.address)
    shown = []
    job = client.submit(tmp_path / "photos", "small", write="classes,coverage")
    assert (job.state, job.name, job.model) == ("queued", "photos.zip", "small")
    ended = client.wait(job.id, timeout_s=300, show=shown.append)
    assert (ended.state, ended.done, ended.total, ended.num_failed) == ("finished", 2, 2, 0)
    assert shown[-1] == ended
    found = client.download(job.id, tmp_path / "found")
    predict(open_model(small.root), [tmp_path / "photos"], tmp_path / "expected",
            write=("classes", "coverage"))  # fmt: skip
    expected = tmp_path / "expected"
    names = sorted(p.relative_to(expected) for p in expected.rglob("*") if p.is_file())
    assert sorted(p.relative_to(found) for p in found.rglob("*") if p.is_file()) == names
    assert Path("classes/a.png") in names
    for name in names:
        if name.name != "results.json":
            assert (found / name).read_bytes() == (expected / name).read_bytes(), name
    assert read_manifest(found).num_read == 2
    kept = folder / job.id
    assert [path.name for path in kept.iterdir()] == ["results"]
    one = server.ask("GET", f"/v1/jobs/{job.id}/files/classes/a.png")
    assert one.body == (expected / "classes/a.png").read_bytes()
    listed = server.ask("GET", f"/v1/jobs/{job.id}/files").json["files"]
    assert {file["name"] for file in listed} == {name.as_posix() for name in names}
    for path in ("..%2f..%2fjobs.sqlite", "classes", "none.png", "a%00b"):
        assert server.ask("GET", f"/v1/jobs/{job.id}/files/{path}").status == 404, path
    client.cancel(job.id)
    assert server.ask("GET", f"/v1/jobs/{job.id}").status == 404
    assert not kept.exists()


def test_events_tell_the_states_of_a_job_until_it_ends(server, stripes, png):
    answer = _post(server, png(stripes), name="a.png", model="painted", write="classes")
    assert answer.status == 202
    place = answer.headers["location"]
    assert place == f"/v1/jobs/{answer.json['id']}"
    events = server.ask("GET", f"{place}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    found = [
        json.loads(event.split("data: ")[1])
        for event in events.body.decode().split("\n\n")
        if event.startswith("event: job")
    ]
    assert found[-1]["state"] == "finished"
    assert found[-1]["progress"] == {"done": 1, "total": 1, "failed": 0}
    result = server.ask("GET", found[-1]["result"])
    with zipfile.ZipFile(io.BytesIO(result.body)) as archive:
        assert "classes/a.png" in archive.namelist()
        assert archive.testzip() is None
    metrics = server.ask("GET", "/metrics").body.decode()
    assert 'maskwright_jobs_ended_total{model="painted",state="finished"}' in metrics
    assert 'maskwright_jobs{state="finished"}' in metrics


@pytest.mark.parametrize(
    ("query", "body", "status", "message"),
    [
        ({}, b"x", 400, "name is ''; use the name of the file"),
        ({"name": "../a.png"}, b"x", 400, "use the name of the file"),
        ({"name": "a.txt"}, b"x", 400, "expected an image, a ZIP file of images, or a video"),
        ({"name": "a.png", "colour": "1"}, b"x", 400, "colour"),
        ({"name": "a.png", "smooth": "0.5"}, b"x", 400, "smooth"),
        ({"name": "a.mp4", "smooth": "1"}, b"x", 400, "smooth is 1"),
        ({"name": "a.mp4", "smooth": "x"}, b"x", 400, "smooth is 'x', expected a number"),
        ({"name": "a.png", "tile": "x"}, b"x", 400, "tile is 'x'"),
        ({"name": "a.png", "write": "x"}, b"x", 400, "'x'"),
        ({"name": "a.png", "model": "none"}, b"x", 404, "no model named 'none'"),
        ({"name": "a.zip"}, b"GIF89a", 400, "a.zip: expected a ZIP file, it begins with 47"),
        ({"name": "a.mp4"}, b"GIF89a", 400, "a.mp4: expected a video"),
        ({"name": "a.zip"}, b"PK\3\4 cut off", 400, "a.zip: the archive is damaged"),
        ({"name": "a.zip"}, _zip({"../a.png": b"x"}), 400, "would lie outside the folder"),
        ({"name": "a.zip"}, _zip({"/etc/a.png": b"x"}), 400, "would lie outside the folder"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_unpacked(
    server, folder, query, body, status, message
):
    answer = _post(server, body, **{"model": "painted"} | query)
    assert answer.status == status
    assert message in answer.json["error"]
    assert str(folder) not in answer.json["error"]
    jobs = {job["id"] for job in server.ask("GET", "/v1/jobs").json["jobs"]}
    assert {path.name for path in folder.iterdir() if path.is_dir()} <= jobs


def test_a_bomb_and_what_is_beyond_the_quota_are_refused(server):
    body = bytearray(_zip({"a.png": b"x"}))
    at = body.rindex(b"PK\1\2")
    body[at + 24 : at + 28] = (3 << 29).to_bytes(4, "little")  # states 1.5 GiB
    answer = _post(server, bytes(body), name="a.zip", model="painted")
    assert answer.status == 400
    assert "unpack to 1,610,612,736 or more" in answer.json["error"]
    answer = server.ask(
        "POST", "/v1/jobs?name=a.png&model=painted", b"", content_length=str(2 << 30)
    )
    assert answer.status == 413
    assert "2048 MiB, and all jobs together have 1024 MiB" in answer.json["error"]
    answer = server.ask(
        "POST", "/v1/jobs?name=a.png&model=painted", b"x", Content_Type="multipart/form-data"
    )
    assert answer.status == 415


def test_an_image_that_cannot_be_read_fails_its_job_alone(server, pictures, folder):
    answer = _post(server, b"\x89PNG\r\n", name="a.png", model="painted")
    job = _wait(server, answer.json["id"])
    assert job["state"] == "failed"
    assert "upload/a.png" in job["error"]
    assert str(folder) not in job["error"]
    refused = server.ask("GET", f"/v1/jobs/{job['id']}/result")
    assert refused.status == 409
    with pytest.raises(DataError, match=r"a\.png: job \w+ failed: upload/a\.png"):
        maskwright.Client(server.address).wait(job["id"])
    body = _zip({**pictures, "broken.png": b"\x89PNG\r\n"})
    job = _wait(server, _post(server, body, name="x.zip", model="painted").json["id"])
    assert (job["state"], job["progress"]["failed"]) == ("finished", 1)


def test_a_client_cannot_get_what_is_not_there(server, painted, start_server, tmp_path):
    client = maskwright.Client(server.address)
    with pytest.raises(ConfigError, match="there is no such job"):
        client.download("0" * 32, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(DataError, match=r"none\.tif: cannot be read"):
        client.submit(tmp_path / "none.tif", "painted")


def test_a_job_that_is_cancelled_stops_and_leaves_nothing(server, long_video, folder):
    answer = _post(server, long_video, name="long.mkv", model="small", write="coverage")
    waiting = _post(server, long_video, name="long.mkv", model="small").json["id"]
    job = _wait_for(server, answer.json["id"], 2)
    assert job["progress"]["total"] == NUM_FRAMES
    for job_id in (waiting, job["id"]):
        found = server.ask("DELETE", f"/v1/jobs/{job_id}").json
        assert (found["state"], found["ended"]) == ("cancelled", True)
        assert not (folder / job_id).exists()
    assert not _children(server.process.pid)
    with pytest.raises(DataError, match="cancelled: by a client"):
        maskwright.Client(server.address).wait(job["id"])


def test_a_video_gives_what_the_verb_writes(server, painted, stripes, tmp_path):
    _write_video(tmp_path / "short.mkv", [np.roll(stripes, i, axis=1) for i in range(5)])
    client = maskwright.Client(server.address)
    job = client.submit(tmp_path / "short.mkv", "painted", write="rle,coverage")
    ended = client.wait(job.id, timeout_s=300)
    assert (ended.done, ended.total) == (5, 5)
    found, expected = client.download(job.id, tmp_path / "found"), tmp_path / "expected"
    options = StreamOptions(write=("rle", "coverage"))
    video(painted.root, tmp_path / "short.mkv", expected, options)
    for name in ("rle.ndjson", "coverage.csv"):
        assert (found / name).read_bytes() == (expected / name).read_bytes()


def test_jobs_go_on_after_their_process_and_the_server_are_killed(
    start_server, small, photographs, png, tmp_path
):
    images = [_enlarge(photo) for photo in photographs]
    bodies = [png(image) for image in images]
    large = _zip({f"{i:03d}.png": bodies[i % 2] for i in range(NUM_IMAGES)})
    little = _zip({"000.png": bodies[0]})
    options = f"small={small.root}", "--jobs", tmp_path / "jobs"
    server = start_server(*options)
    posts = [_post(server, body, name="a.zip", write="classes") for body in (large, little)]
    first, second = (post.json["id"] for post in posts)
    done = 3
    for end in ("process", "server"):
        least = done
        _wait_for(server, first, least)
        (process,) = _children(server.process.pid)
        if end == "process":
            os.kill(process, signal.SIGKILL)
        else:
            server.kill()
        classes = tmp_path / "jobs" / first / "results.partial/classes"
        done = len(list(classes.glob("*.png")))
        assert least < done < NUM_IMAGES
    cut_off = tmp_path / "jobs" / ("0" * 32)
    (cut_off / "upload").mkdir(parents=True)
    server = start_server(*options)
    assert not cut_off.exists()
    for job_id in (first, second):
        job = _wait(server, job_id)
        assert (job["state"], job["error"]) == ("finished", None)
        num_images = NUM_IMAGES if job_id == first else 1
        assert job["progress"] == {"done": num_images, "total": num_images, "failed": 0}
    expected = [open_model(small.root).label(image) for image in images]
    answer = server.ask("GET", f"/v1/jobs/{first}/result")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        for i in range(NUM_IMAGES):
            found = np.asarray(Image.open(io.BytesIO(archive.read(f"classes/{i:03d}.png"))))
            assert (found == expected[i % 2]).all()
    assert server.stop() == 0
