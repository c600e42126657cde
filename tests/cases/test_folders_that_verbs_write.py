"""Folders that verbs write stay whole: kills, two processes at once, a path in the way."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from tests.signals import INTERRUPTED, listen_to_signals

from maskwright.core.journal import count_lines
from maskwright.core.results import WriteMode, open_results
from maskwright.data.check.audit import audit
from maskwright.data.conversion.convert import convert

NUM_IMAGES = 200


@pytest.fixture
def dataset(tmp_path):
    """Images whose masks are all of class a; 32 x 32."""
    root = tmp_path / "data"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for index in range(NUM_IMAGES):
        grey_HW3 = np.full((32, 32, 3), index, np.uint8)
        Image.fromarray(grey_HW3).save(root / f"images/{index:03}.png")
        write_mask(root, index, 0)
    (root / "classes.txt").write_text("0 a\n1 b\n")
    return root


def write_mask(root, index, value):
    """TIFF without compression: all masks have the same number of bytes."""
    Image.fromarray(np.full((32, 32), value, np.uint8)).save(root / f"masks/{index:03}.tif")


def start(*arguments):
    command = [sys.executable, "-m", "maskwright", *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_signals,
    )


def wait_for_lines(process, partial, num):
    while count_lines(partial) < num:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)


def freeze_after_lines(process, partial, num):
    """Stop a process in mid-work, so that a slow machine cannot miss the moment."""
    wait_for_lines(process, partial, num)
    process.send_signal(signal.SIGSTOP)
    assert count_lines(partial) < NUM_IMAGES


def test_masks_that_changed_after_a_kill_are_converted_again(dataset, tmp_path):
    out, partial = tmp_path / "out", tmp_path / "out.partial"
    process = start("convert", dataset, out, "--to", "mask_folder")
    freeze_after_lines(process, partial, 5)
    process.kill()
    process.communicate()
    for index in range(NUM_IMAGES):
        write_mask(dataset, index, 1)
    again = start("convert", dataset, out, "--to", "mask_folder")
    assert "continue it with --resume" in again.communicate()[1]
    assert again.returncode == 1
    account = convert(dataset, out, to="mask_folder", mode=WriteMode(resume=True))
    assert account.after == {"b": NUM_IMAGES * 32 * 32}
    masks = [np.array(Image.open(path)) for path in out.rglob("masks/**/*.png")]
    assert len(masks) == NUM_IMAGES
    assert all((mask_HW == 1).all() for mask_HW in masks)


def test_resume_does_not_convert_again_what_is_done(dataset, tmp_path):
    out, partial = tmp_path / "out", tmp_path / "out.partial"
    process = start("convert", dataset, out, "--to", "coco")
    freeze_after_lines(process, partial, 5)
    num_done = count_lines(partial)
    process.kill()
    process.communicate()
    seen = []

    def watch(items, *, total, what):
        for item in items:
            before = count_lines(partial) if what == "converting" else 0
            yield item
            seen.append((what, count_lines(partial) - before))

    convert(dataset, out, to="coco", mode=WriteMode(resume=True), progress=watch)
    assert sum(num for what, num in seen if what == "converting") == NUM_IMAGES - num_done


def test_two_conversions_to_one_target_end_in_one_line_and_leave_nothing(dataset, tmp_path):
    out = tmp_path / "out"
    first = start("convert", dataset, out, "--to", "coco", "-q")
    freeze_after_lines(first, tmp_path / "out.partial", 3)
    second = start("convert", dataset, out, "--to", "coco", "-q")
    _, message = second.communicate()
    assert second.returncode == 1
    assert len(message.splitlines()) == 1
    assert f"process {first.pid} on" in message
    assert "is writing here; wait until it has ended" in message
    first.send_signal(signal.SIGCONT)
    first.communicate()
    assert first.returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]
    assert not list(out.glob(".*"))


def test_score_onto_a_path_in_the_way_leaves_the_folder_as_it_was(dataset, tmp_path):
    (tmp_path / "out/report.json").mkdir(parents=True)
    masks = dataset / "masks"
    for more in ((), ("--overwrite",)):
        done = start("score", masks, masks, "-o", tmp_path / "out", "-q", *more)
        _, message = done.communicate()
        assert done.returncode == 1
        assert "out: exists already and holds files that score did not write" in message
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["report.json"]


def test_check_passes_over_results_in_the_data_and_counts_them(dataset):
    before = audit(dataset)
    with open_results(dataset / "images" / "predictions", "predict") as results:
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(results.folder / "x.png")
    after = audit(dataset)
    assert after.num_images == before.num_images == NUM_IMAGES
    (note,) = set(after.notes) - set(before.notes)
    assert note.startswith("1 folders of results in the data are passed over: ")


def test_predict_names_bad_images_and_exits_with_1(dataset, painted_bundle, tmp_path):
    model = painted_bundle(tmp_path / "model")
    (dataset / "images/bad.png").write_bytes(b"no image")
    process = start("predict", model.root, dataset / "images", "-o", tmp_path / "out")
    output, message = process.communicate()
    assert process.returncode == 1
    assert f"{NUM_IMAGES} images" in output
    assert "bad.png" in message.splitlines()[0]
    assert f"1 of {NUM_IMAGES + 1} images could not be predicted" in message
    assert len(list((tmp_path / "out/classes").glob("*.png"))) == NUM_IMAGES


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_leave_what_can_be_resumed_and_say_how(dataset, tmp_path, number):
    process = start("convert", dataset, tmp_path / "out", "--to", "coco")
    freeze_after_lines(process, tmp_path / "out.partial", 3)
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    _, message = process.communicate()
    assert process.returncode in INTERRUPTED
    assert "Interrupted." in message
    assert "images are done in" in message
    assert "continue with --resume" in message
    assert "Traceback" not in message
    assert not (tmp_path / "out.partial/.lock").exists()
