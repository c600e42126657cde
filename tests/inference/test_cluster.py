"""predict on a Ray cluster of two workers, from and into a local S3."""

from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image
from tests.deadly import open_deadly

from maskwright.core.errors import ConfigError, DataError, OutputError
from maskwright.core.results import WriteMode, read_manifest
from maskwright.inference.cluster import RayWorkers
from maskwright.inference.opening import open_ensemble
from maskwright.inference.predict import predict
from maskwright.inference.scatter import predict_in_shards

s3fs = pytest.importorskip("s3fs")
pytest.importorskip("ray")
moto = pytest.importorskip("moto.server")

TWO = RayWorkers(num_workers=2)
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # Ray's own
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def endpoint(monkeypatch):
    """A function: S3 clients of this process and its children use this address."""

    def use(url):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem.clear_instance_cache()

    yield use
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def s3(endpoint):
    """A local S3 with one empty bucket."""
    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint(f"http://{host}:{port}")
    reset = Request(f"http://{host}:{port}/moto-api/reset", method="POST")
    urlopen(reset).close()  # its buckets belong to the process
    files = s3fs.S3FileSystem()
    files.mkdir("bucket")
    yield files
    server.stop()


@pytest.fixture
def bundle(painted_bundle, tmp_path):
    return painted_bundle(tmp_path / "model/bundle").root


@pytest.fixture
def photos(tmp_path):
    """Twelve images; the one called 05 is brighter than the others."""
    folder, rng = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for index in range(12):
        image = rng.integers(0, 3, (5, 6, 3))
        image[0, 0] = 3 if index == 5 else 0
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{index:02}.png")
    return folder


def in_folder(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def in_bucket(s3, root):
    return {path.removeprefix(f"{root}/"): s3.cat_file(path) for path in s3.find(root)}


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray_start")
def test_a_killed_worker_changes_nothing_in_a_bucket(bundle, photos, tmp_path, s3):
    predict(open_ensemble(bundle), [photos], tmp_path / "whole")
    for path in photos.iterdir():
        s3.put_file(str(path), f"bucket/images/{path.name}")
    killed = tmp_path / "killed"
    summary = predict_in_shards(
        open_deadly(bundle, after=killed), ["s3://bucket/images"], "s3://bucket/out", run=TWO
    )
    assert killed.exists()
    assert (summary.num_images, summary.failed) == (12, [])
    s3.invalidate_cache()
    assert in_bucket(s3, "bucket/out") == in_folder(tmp_path / "whole")


@pytest.mark.long
def test_an_image_that_kills_every_worker_is_listed_and_the_others_are_written(
    bundle, photos, tmp_path
):
    out = tmp_path / "out"
    summary = predict_in_shards(open_deadly(bundle, after=None), [photos], out, run=TWO)
    assert summary.num_images == 11
    (failed,) = summary.failed
    assert failed.input == str(photos / "05.png")
    assert "not predicted: 3 workers in a row ended while they had it" in failed.error
    predict(open_ensemble(bundle), [photos], tmp_path / "whole", glob="*[!5].png")
    expected = in_folder(tmp_path / "whole")
    expected.pop("results.json")
    found = in_folder(out)
    assert len(read_manifest(out).failed) == 1
    found.pop("results.json")
    assert found == expected


@pytest.mark.long
def test_a_bucket_is_predicted_in_one_process_and_resumed_by_a_cluster(
    bundle, photos, tmp_path, s3
):
    predict(open_ensemble(bundle), [photos], tmp_path / "whole")
    for path in photos.iterdir():
        s3.put_file(str(path), f"bucket/images/{path.name}")
    run = partial(
        predict_in_shards,
        partial(open_ensemble, bundle),
        ["s3://bucket/images"],
        "s3://bucket/out",
    )

    def stop(items, *, total, what):
        for index, item in enumerate(items):
            if index == 4:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        run(progress=stop)
    s3.invalidate_cache()
    assert not s3.exists("bucket/out/results.json")
    run(run=TWO, mode=WriteMode(resume=True))
    s3.invalidate_cache()
    assert in_bucket(s3, "bucket/out") == in_folder(tmp_path / "whole")


@pytest.mark.long
def test_the_error_of_a_worker_is_that_of_the_command(bundle, photos, tmp_path, s3):
    def open_elsewhere(options=None):
        if options is not None:
            raise ConfigError("the model is not at this path on this node")
        return open_ensemble(bundle)

    with pytest.raises(ConfigError, match="the model is not at this path"):
        predict_in_shards(open_elsewhere, [photos], tmp_path / "out", run=TWO)
    assert not (tmp_path / "out").exists()


def test_workers_are_ray_or_the_address_of_a_cluster():
    assert RayWorkers.parse("ray") == RayWorkers()
    assert RayWorkers.parse("ray:10.0.0.1:6379") == RayWorkers("10.0.0.1:6379")
    for text in ("dask", "ray:", "8"):
        with pytest.raises(ConfigError, match=f"workers is '{text}'; use ray, or ray:ADDRESS"):
            RayWorkers.parse(text)


def test_a_bucket_that_is_missing_says_so(bundle, photos, tmp_path, s3):
    run = partial(predict_in_shards, partial(open_ensemble, bundle))
    with pytest.raises(DataError, match="s3://none/images: no such file or folder"):
        run(["s3://none/images"], tmp_path / "out")
    with pytest.raises(OutputError, match=r"s3://none/out/.*: cannot be written: .*check the"):
        run([photos], "s3://none/out")


class Forbidding(BaseHTTPRequestHandler):
    """An S3 that refuses everything."""

    def do_GET(self):
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, *_):
        pass


def test_a_bucket_that_forbids_says_so(bundle, photos, tmp_path, endpoint):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Forbidding)
    Thread(target=server.serve_forever, daemon=True).start()
    endpoint(f"http://127.0.0.1:{server.server_port}")
    run = partial(predict_in_shards, partial(open_ensemble, bundle))
    try:
        with pytest.raises(
            DataError, match=r"s3://bucket/images: cannot be read: permission d"
        ):
            run(["s3://bucket/images"], tmp_path / "out")
        with pytest.raises(DataError, match=r"s3://bucket/out: cannot be read: permission den"):
            run([photos], "s3://bucket/out")
    finally:
        server.shutdown()
        server.server_close()
    assert not (tmp_path / "out").exists()
