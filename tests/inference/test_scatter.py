"""predict in shards: from and into stores, with the files and the rules of a folder."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import ConfigError, DataError, OutputError
from maskwright.core.results import WriteMode, read_manifest
from maskwright.inference import scatter, shardplan, shards
from maskwright.inference.opening import open_ensemble
from maskwright.inference.predict import predict
from maskwright.inference.scatter import predict_in_shards
from maskwright.inference.shards import ShardWorker

fsspec = pytest.importorskip("fsspec")
RESUME, OVERWRITE = WriteMode(resume=True), WriteMode(overwrite=True)


@pytest.fixture
def open_model(painted_bundle, tmp_path):
    return partial(open_ensemble, painted_bundle(tmp_path / "model/bundle").root)


@pytest.fixture
def photos(tmp_path):
    """Nine images in two folders, whose order by text and by path differ."""
    folder, rng = tmp_path / "photos", np.random.default_rng(0)
    for name in ("a/1", "a/2", "a-b/1", "b", "c", "d", "e", "f", "g"):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 4, (5, 6, 3)).astype(np.uint8)).save(path)
    return folder


@pytest.fixture
def store():
    """An empty store in memory, and a function that lists what is in it."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files
    files.store.clear()


def fill(store, folder, root):
    for path in folder.rglob("*.*"):
        store.pipe_file(f"/{root}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def in_folder(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def in_store(store, root):
    found = store.find(f"/{root}")
    return {path.removeprefix(f"/{root}/"): store.cat_file(path) for path in found}


def test_a_folder_in_shards_has_the_bytes_of_one_process(open_model, photos, tmp_path):
    whole = predict(open_model(), [photos], tmp_path / "whole")
    seen = []

    def watch(items, *, total, what):
        for item in items:
            seen.append((total, what))
            yield item

    out = tmp_path / "out"
    summary = predict_in_shards(open_model, [photos], out, progress=watch)
    assert in_folder(out) == in_folder(tmp_path / "whole")
    assert summary.to_json() == whole.to_json()
    assert seen == [(9, "predicting")] * 9


@pytest.mark.parametrize("write", [("classes", "cvat"), ("coverage",)])
def test_a_folder_in_shards_has_annotations_and_tables_too(open_model, photos, tmp_path, write):
    for name, run in (("one", partial(predict, open_model())), ("two", None)):
        if run is None:
            predict_in_shards(open_model, [photos], tmp_path / name, write=write)
        else:
            run([photos], tmp_path / name, write=write)
    one, two = in_folder(tmp_path / "one"), in_folder(tmp_path / "two")
    for name in ("cvat/conversion.json", "cvat/dataset.yaml"):  # they name their folder
        one.pop(name, None)
        two.pop(name, None)
    assert one == two


def test_a_store_is_read_and_written_with_the_bytes_of_a_folder(
    open_model, photos, tmp_path, store
):
    predict(open_model(), [photos], tmp_path / "whole")
    fill(store, photos, "bucket/images")
    predict_in_shards(open_model, ["memory://bucket/images"], "memory://bucket/out")
    assert in_store(store, "bucket/out") == in_folder(tmp_path / "whole")
    predict_in_shards(open_model, ["memory://bucket/images/"], tmp_path / "local")
    assert in_folder(tmp_path / "local") == in_folder(tmp_path / "whole")
    predict_in_shards(open_model, [photos], "memory://bucket/from-a-folder")
    assert in_store(store, "bucket/from-a-folder") == in_folder(tmp_path / "whole")
    predict_in_shards(open_model, ["memory://bucket/images/b.png"], tmp_path / "single")
    assert (tmp_path / "single/classes/b.png").is_file()


def test_results_in_a_store_are_not_predicted_again(open_model, photos, store):
    fill(store, photos, "bucket")
    first = predict_in_shards(open_model, ["memory://bucket"], "memory://bucket/out")
    second = predict_in_shards(open_model, ["memory://bucket"], "memory://bucket/again")
    assert second.pixels_C.tolist() == first.pixels_C.tolist()
    assert second.remarks == ["1 folder of earlier results passed over"]
    with pytest.raises(DataError, match=r"memory://bucket/out: holds results \(results.json\)"):
        predict_in_shards(open_model, ["memory://bucket/out"], "memory://bucket/third")


def test_a_store_follows_the_rules_of_a_folder(open_model, photos, store):
    address = "memory://bucket/out"
    run = partial(predict_in_shards, open_model, [photos], address)
    run()
    before = in_store(store, "bucket/out")
    with pytest.raises(OutputError, match="exists already; add --overwrite"):
        run()
    with pytest.raises(OutputError, match="exists already"):
        run(mode=RESUME)
    store.pipe_file("/bucket/out/classes/stale.png", b"")
    run(mode=OVERWRITE)
    assert in_store(store, "bucket/out") == before
    store.pipe_file("/bucket/notes/a.txt", b"")
    for mode in (WriteMode(), OVERWRITE):
        with pytest.raises(OutputError, match="holds files that predict did not write"):
            predict_in_shards(open_model, [photos], "memory://bucket/notes", mode=mode)
    with pytest.raises(OutputError, match="no interrupted predict to resume"):
        predict_in_shards(open_model, [photos], "memory://bucket/new", mode=RESUME)


class Interrupted(ShardWorker):
    """Is interrupted when the third shard begins, once."""

    calls = 0

    def run(self, shard):
        type(self).calls += 1
        if type(self).calls == 3:
            raise KeyboardInterrupt
        return super().run(shard)


@pytest.mark.parametrize("where", ["a folder", "a store"])
def test_an_interrupted_run_resumes_with_the_shards_that_are_left(
    open_model, photos, tmp_path, store, monkeypatch, where
):
    predict(open_model(), [photos], tmp_path / "whole")
    monkeypatch.setattr(scatter, "ShardWorker", Interrupted)
    monkeypatch.setattr(Interrupted, "calls", 0)
    out = tmp_path / "out" if where == "a folder" else "memory://bucket/out"
    run = partial(predict_in_shards, open_model, [photos], out)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert not (tmp_path / "out").exists()
    assert not store.exists("/bucket/out/results.json")
    with pytest.raises(OutputError, match=r"interrupted predict left .* --resume"):
        run()
    with pytest.raises(OutputError, match="begun with other options"):
        run(mode=RESUME, write=("classes",))
    run(mode=RESUME)
    assert Interrupted.calls == 3 + 7
    found = in_folder(out) if where == "a folder" else in_store(store, "bucket/out")
    assert found == in_folder(tmp_path / "whole")


def test_a_changed_image_is_predicted_again_and_other_inputs_are_refused(
    open_model, photos, tmp_path, store, monkeypatch
):
    monkeypatch.setattr(scatter, "ShardWorker", Interrupted)
    monkeypatch.setattr(Interrupted, "calls", 0)
    out = "memory://bucket/out"
    with pytest.raises(KeyboardInterrupt):
        predict_in_shards(open_model, [photos], out)
    Image.fromarray(np.full((5, 6, 3), 2, np.uint8)).save(photos / "a/1.png")
    (photos / "a/2.png").rename(photos / "a/3.png")
    with pytest.raises(OutputError, match=r"has results of other inputs, such as .*a/2.png"):
        predict_in_shards(open_model, [photos], out, mode=RESUME)
    (photos / "a/3.png").rename(photos / "a/2.png")
    predict_in_shards(open_model, [photos], out, mode=RESUME)
    predict(open_model(), [photos], tmp_path / "whole")
    assert in_store(store, "bucket/out") == in_folder(tmp_path / "whole")


class Refusing:
    """Makes the store in memory refuse some calls, as a bucket does."""

    def __init__(self, monkeypatch, store):
        self._patch, self._kind = monkeypatch.setattr, type(store)

    def refuse(self, call, part, error):
        """Let `call` raise for paths that contain `part`."""
        inner = getattr(self._kind, call)

        def refused(store, first, *rest, **options):
            path = rest[0] if call == "put_file" else first
            if part in path:
                raise error
            return inner(store, first, *rest, **options)

        self._patch(self._kind, call, refused)


def test_an_image_that_a_store_refuses_is_listed_by_its_address(
    open_model, photos, store, monkeypatch
):
    fill(store, photos, "bucket/images")
    whole = store.cat_file("/bucket/images/c.png")
    store.pipe_file("/bucket/images/c.png", whole[: len(whole) // 2])
    Refusing(monkeypatch, store).refuse("get_file", "b.png", PermissionError("Forbidden"))
    run = partial(predict_in_shards, open_model, ["memory://bucket/images"])
    summary = run("memory://bucket/out")
    assert summary.num_images == 7
    assert [one.input for one in summary.failed] == [
        "memory://bucket/images/b.png",
        "memory://bucket/images/c.png",
    ]
    denied, damaged = (one.error for one in summary.failed)
    assert denied == (
        "memory://bucket/images/b.png: cannot be read: permission denied (Forbidden); check "
        "the credentials and the rights on it"
    )
    assert damaged.startswith("memory://bucket/images/c.png: the image is cut short or damaged")
    manifest = json.loads(store.cat_file("/bucket/out/results.json"))
    assert [one["error"] for one in manifest["inputs"]["failed"]] == [denied, damaged]


def test_a_file_that_arrives_in_part_is_not_predicted(open_model, photos, store, monkeypatch):
    fill(store, photos, "bucket/images")
    inner = type(store).get_file

    def cut(store, path, target, **options):
        inner(store, path, target, **options)
        if path.endswith("d.png"):
            Path(target).write_bytes(Path(target).read_bytes()[:-3])

    monkeypatch.setattr(type(store), "get_file", cut)
    summary = predict_in_shards(open_model, ["memory://bucket/images"], "memory://bucket/out")
    (failed,) = summary.failed
    assert "memory://bucket/images/d.png: cut short: " in failed.error


@pytest.mark.parametrize("part", ["head.json", "classes/c.png", "000003.json", "results.json"])
def test_a_store_that_refuses_to_be_written_leaves_nothing_that_looks_whole(
    open_model, photos, store, monkeypatch, part
):
    with monkeypatch.context() as patch:
        for call in ("put_file", "pipe_file"):
            Refusing(patch, store).refuse(call, f"out/{part}", PermissionError("Forbidden"))
            Refusing(patch, store).refuse(
                call, f"out/.shards/{part}", PermissionError("Denied")
            )
        with pytest.raises(OutputError, match=r"memory://bucket/out/.*cannot be written: perm"):
            predict_in_shards(open_model, [photos], "memory://bucket/out")
    assert not store.exists("/bucket/out/results.json")
    resumes = part != "head.json"
    predict_in_shards(
        open_model, [photos], "memory://bucket/out", mode=WriteMode(resume=resumes)
    )
    assert store.exists("/bucket/out/results.json")


def test_a_disk_that_fills_ends_the_run_with_a_message(
    open_model, photos, tmp_path, store, monkeypatch
):
    def fail(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shards, "note_shard", fail)
    for out in (tmp_path / "out", "memory://bucket/out"):
        with pytest.raises(OutputError, match="the disk is full"):
            predict_in_shards(open_model, [photos], out)
    assert not (tmp_path / "out").exists()
    assert not store.exists("/bucket/out/results.json")


def test_what_cannot_be_done_with_stores_is_refused(open_model, photos, tmp_path, store):
    run = partial(predict_in_shards, open_model)
    fill(store, photos, "bucket/images")
    stored = "memory://bucket/images"
    with pytest.raises(ConfigError, match="mosaic: needs all images in one process"):
        run([photos], tmp_path / "out", write=("mosaic",))
    with pytest.raises(ConfigError, match="cvat: labels of a tool are written from a folder"):
        run([stored], tmp_path / "out", write=("cvat",))
    with pytest.raises(ConfigError, match="paths and addresses cannot be mixed"):
        run([photos, stored], tmp_path / "out")
    with pytest.raises(ConfigError, match="http is read only"):
        run([stored], "http://localhost/out")
    with pytest.raises(ConfigError, match=r"ftpx://x: .*use a path, or an address of s3"):
        run(["ftpx://x"], tmp_path / "out")
    with pytest.raises(DataError, match="memory://bucket/none: no such file or folder"):
        run(["memory://bucket/none"], tmp_path / "out")
    with pytest.raises(DataError, match=r"no image in this folder that fits '\*.jpg', 9 files"):
        run([stored], tmp_path / "out", glob="*.jpg")
    store.pipe_file("/bucket/images/a/1.jpg", b"")
    with pytest.raises(DataError, match="its outputs would be named 'a/1', as those of"):
        run([stored], tmp_path / "out")
    store.pipe_file("/bucket/images/a/1.nii.gz", b"")
    with pytest.raises(DataError, match="volumes, series and virtual rasters are read from a"):
        run([stored], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_address_of_a_file_of_this_machine_is_its_path(open_model, photos, tmp_path):
    predict_in_shards(open_model, [photos.as_uri()], (tmp_path / "out").as_uri())
    assert read_manifest(tmp_path / "out").num_read == 9


def test_many_files_make_shards_of_a_bounded_size(open_model, monkeypatch):
    model = open_model()
    images = {f"{n:05}": n for n in range(5000)}
    monkeypatch.setattr(shardplan, "_describe", lambda image: (str(image), 1, ""))
    for num, size in ((5, 1), (320, 10), (5000, 64)):
        found = replace(shardplan.FoundImages(), images=dict(list(images.items())[:num]))
        monkeypatch.setattr(shardplan, "find_inputs", lambda *_, found=found: found)
        _, made = shardplan.plan_shards(model, ["x"], None, without="y")
        assert max(len(one.images) for one in made) == size
        assert [image for one in made for _, image in one.images] == list(range(num))
