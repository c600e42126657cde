"""Folders of results: new and old are never mixed, and an interrupted run can be resumed."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maskwright.core.errors import DataError, OutputError
from maskwright.core.lock import hold_lock
from maskwright.core.results import (
    MANIFEST,
    NEW,
    FailedInput,
    WriteMode,
    is_in_partial,
    is_results,
    open_results,
    read_manifest,
    require_no_results,
)

OVERWRITE, RESUME = WriteMode(overwrite=True), WriteMode(resume=True)


def write(out, text="new", mode=NEW, **more):
    with open_results(out, "predict", mode, **more) as results:
        (results.folder / "maps").mkdir(exist_ok=True)
        (results.folder / "maps/a.txt").write_text(text)


def interrupt(out, keys, head, mode=NEW):
    """Note some inputs as done, then stop as Ctrl-C does; the keys that were done before."""
    before = []
    with pytest.raises(KeyboardInterrupt):
        note_and_stop(out, keys, before, mode, head)
    return before


def note_and_stop(out, keys, before, mode, head):
    with open_results(out, "predict", mode, head=head) as results:
        before += [line["key"] for line in results.journal.lines()]
        for key in keys:
            (results.folder / key).touch()
            results.journal.add({"key": key})
        raise KeyboardInterrupt


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_folder_appears_at_once_with_its_manifest(tmp_path):
    out = tmp_path / "deep/out"
    with open_results(out, "predict") as results:
        (results.folder / "maps").mkdir()
        (results.folder / "maps/a.png").touch()
        (results.folder / "coverage.csv").touch()
        results.num_read = 2
        results.failed.append(FailedInput("b.jpg", "b.jpg: damaged"))
        assert not out.exists()
        assert results.folder == tmp_path / "deep/out.partial"
    assert files(tmp_path) == [
        f"deep/out/{n}" for n in ("coverage.csv", "maps/a.png", MANIFEST)
    ]
    document = json.loads((out / MANIFEST).read_text())
    assert document["schema_version"] == 1
    assert document["files"] == {"coverage.csv": 1, "maps": 1}
    failed = [{"input": "b.jpg", "error": "b.jpg: damaged"}]
    inputs = {"read": 2, "passed_over": [], "failed": failed, "remarks": []}
    assert document["inputs"] == inputs
    manifest = read_manifest(out)
    assert manifest.verb == "predict"
    assert manifest.to_json() == document


def test_a_folder_inside_one_that_is_being_filled_may_be_removed_with_it(tmp_path):
    with open_results(tmp_path / "demo", "demo") as results:
        assert is_in_partial(results.folder / "run")
        assert not is_in_partial(tmp_path / "run")
    assert not is_in_partial(tmp_path / "demo/run")


def test_a_used_folder_is_refused_and_named_with_the_fix(tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    with pytest.raises(
        OutputError, match=r"out: exists already; add --overwrite to replace it"
    ):
        write(out)
    assert (out / "maps/a.txt").read_text() == "old"
    assert not (tmp_path / "out.partial").exists()


def test_overwrite_replaces_all_old_results(tmp_path):
    out = tmp_path / "out"
    write(out)
    (out / "of-the-first.txt").touch()
    write(out, "second", OVERWRITE)
    assert (out / "maps/a.txt").read_text() == "second"
    assert files(tmp_path) == ["out/maps/a.txt", f"out/{MANIFEST}"]


def test_overwrite_does_not_touch_what_is_not_results(tmp_path):
    (tmp_path / "out/report.json").mkdir(parents=True)
    for mode in (NEW, OVERWRITE):
        with pytest.raises(
            OutputError, match=r"holds files that predict did not write \(there"
        ):
            write(tmp_path / "out", mode=mode)
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "report.json"]


def test_an_empty_folder_is_as_good_as_none_and_a_file_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    write(tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="there is a file where a folder is needed"):
        write(tmp_path / "file")


def test_an_error_leaves_the_old_results_and_nothing_new(tmp_path):
    write(tmp_path / "out", "old")
    for out, mode in ((tmp_path / "out", OVERWRITE), (tmp_path / "deep/new", NEW)):
        with pytest.raises(KeyboardInterrupt):
            note_and_stop(out, ["half"], [], mode, None)
    assert files(tmp_path) == ["out/maps/a.txt", f"out/{MANIFEST}"]
    assert not (tmp_path / "deep").exists()


KILLED_IN_MID_MOVE = """
import os, sys
from pathlib import Path
from maskwright.core.results import WriteMode, open_results
rename, calls = Path.rename, []
def rename_once(path, target):
    if calls:
        os.kill(os.getpid(), 9)
    calls.append(path)
    return rename(path, target)
with open_results(Path(sys.argv[1]), "predict", WriteMode(overwrite=True)) as results:
    (results.folder / "new").touch()
    Path.rename = rename_once
"""


def test_a_kill_in_mid_move_mixes_nothing_and_loses_nothing(tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_MID_MOVE, str(out)], check=False)
    assert killed.returncode == -9
    assert not out.exists()
    with pytest.raises(OutputError, match="exists already; add --overwrite"):
        write(out)
    assert files(tmp_path) == ["out/new", f"out/{MANIFEST}"]


def test_a_failure_in_mid_move_leaves_the_old_results(tmp_path, monkeypatch):
    out, rename = tmp_path / "out", Path.rename
    write(out, "old")

    def fail(path, target):
        if path.name.endswith(".partial"):
            raise OSError(errno.ENOSPC, "full")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OutputError, match="the disk is full"):
        write(out, "new", OVERWRITE)
    assert (out / "maps/a.txt").read_text() == "old"


def test_a_mount_point_is_refused_with_the_fix(mounted):
    disk = mounted("size=1m")
    with pytest.raises(OutputError, match="mount point"):
        write(disk)


def test_full_disk_is_explained_and_leaves_nothing(mounted):
    disk = mounted("size=64k")
    with pytest.raises(OutputError, match="out: cannot write: the disk is full"):
        write(disk / "out", "x" * 200_000)
    assert list(disk.iterdir()) == []


def test_an_interrupted_run_is_resumed(tmp_path):
    out, head = tmp_path / "out", {"model": "m"}
    assert interrupt(out, ["a", "b"], head) == []
    with (tmp_path / "out.partial/.journal.jsonl").open("a") as file:
        file.write('{"key": "half a li')
    assert interrupt(out, ["c"], head, RESUME) == ["a", "b"]
    with open_results(out, "predict", RESUME, head=head) as results:
        assert [line["key"] for line in results.journal.lines()] == ["a", "b", "c"]
    assert files(out) == ["a", "b", "c", MANIFEST]


def test_an_interrupted_run_is_not_lost_by_forgetting_resume(tmp_path):
    out, head = tmp_path / "out", {"model": "m"}
    interrupt(out, ["a", "b"], head)
    with pytest.raises(
        OutputError, match=r"predict left 2 images here; continue it with --res"
    ):
        write(out, head=head)
    assert (tmp_path / "out.partial/b").exists()
    write(out, mode=OVERWRITE, head=head)
    assert files(tmp_path) == ["out/maps/a.txt", f"out/{MANIFEST}"]


def test_resume_of_something_else_or_of_nothing_is_refused(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(OutputError, match="no interrupted predict to resume"):
        write(out, mode=RESUME, head={"model": "m"})
    assert list(tmp_path.iterdir()) == []
    interrupt(out, ["a"], {"model": "m"})
    with pytest.raises(OutputError, match="begun with other options or inputs"):
        write(out, mode=RESUME, head={"model": "other"})


def test_a_verb_that_cannot_be_resumed_begins_again(tmp_path):
    partial = tmp_path / "out.partial"
    (partial / "maps").mkdir(parents=True)
    (partial / "maps/of-a-killed-run.txt").touch()
    write(tmp_path / "out")
    assert files(tmp_path) == ["out/maps/a.txt", f"out/{MANIFEST}"]


HOLD = """
import sys, time
from pathlib import Path
from maskwright.core.results import open_results
with open_results(Path(sys.argv[1]), "score") as results:
    (results.folder / "begun").touch()
    time.sleep(60)
"""


@pytest.fixture
def other_process(tmp_path):
    """A process that is writing `out`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "out")])
    while not (tmp_path / "out.partial/begun").exists():
        assert process.poll() is None
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_refused_while_the_first_lives(tmp_path, other_process):
    with pytest.raises(
        OutputError, match=rf"process {other_process.pid} on .* is writing here"
    ):
        write(tmp_path / "out")
    assert (tmp_path / "out.partial/begun").exists()


def test_the_lock_of_a_killed_process_is_taken_over_and_said_so(tmp_path, other_process):
    other_process.kill()
    other_process.wait()
    with open_results(tmp_path / "out", "score") as results:
        assert f"left by process {other_process.pid} on" in results.notes[0]
    assert files(tmp_path) == [f"out/{MANIFEST}"]


def test_a_lock_excludes_the_own_process_too(tmp_path):
    with (
        hold_lock(tmp_path),
        pytest.raises(OutputError, match=f"process {os.getpid()} on"),
        hold_lock(tmp_path),
    ):
        pass
    with hold_lock(tmp_path) as lock:
        assert lock.ended is None
    assert list(tmp_path.iterdir()) == []


def test_results_are_known_by_their_manifest_alone(tmp_path):
    write(tmp_path / "out")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / MANIFEST).write_text('{"accuracy": 0.9}')
    assert is_results(tmp_path / "out")
    assert not is_results(tmp_path / "theirs")
    require_no_results(tmp_path / "theirs")
    with pytest.raises(DataError, match="holds results of predict"):
        require_no_results(tmp_path / "out")
    with open_results(tmp_path / "half", "score") as results:
        assert is_results(results.folder)
