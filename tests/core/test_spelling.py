"""Messages name arguments where Python called, and options on the command line."""

import subprocess
import sys

import pytest

from maskwright.core.errors import ConfigError
from maskwright.core.spelling import speaks_command_line, to_python


@pytest.fixture(autouse=True)
def _in_python():
    token = speaks_command_line.set(False)
    yield
    speaks_command_line.reset(token)


@pytest.mark.parametrize(
    ("written", "in_python"),
    [
        ("add --overwrite to", "add mode=WriteMode(overwrite=True) to"),
        ("continue it with --resume or", "continue it with resume=True or"),
        ("use --budget 90s or more", "use budget='90s' or more"),
        ("with --val 0 or --test 0.", "with val=0 or test=0."),
        ("each alone with --group '.+'", "each alone with group='.+'"),
        ("the size of a pixel with --mm-per-px", "the size of a pixel with mm_per_px"),
        ("try --set data.batch_size=4 --set optim.accumulate=2, or",
         "try settings={'data.batch_size': 4, 'optim.accumulate': 2}, or"),
        ("(--set model.encoder_weights=none)", "(settings={'model.encoder_weights': 'none'})"),
        ("or with --from coco of", "or with form='coco' of"),
        ("use --device cpu, or see", "use device='cpu', or see"),
        ("--device: accelerate launch", "device: accelerate launch"),
        ("or `--polygons`", "or `polygons=True`"),
        ("leave out --recipe, --set and --budget", "leave out recipe, settings and budget"),
        ("run `maskwright split` again", "run `maskwright.split` again"),
        ("by `convmv -r --notest`", "by `convmv -r --notest`"),
        ("with `maskwright split --folds 5`", "with `maskwright split --folds 5`"),
        ("last, void--unlabeled, is one", "last, void--unlabeled, is one"),
    ],
)  # fmt: skip
def test_options_are_arguments_in_python(written, in_python):
    assert to_python(written) == in_python
    assert str(ConfigError(written)) == in_python


def test_the_command_line_spells_options_as_they_are_written():
    speaks_command_line.set(True)
    assert str(ConfigError("add --overwrite")) == "add --overwrite"
    done = subprocess.run(
        [sys.executable, "-m", "maskwright", "plan", "nowhere", "--budget", "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.startswith("--budget 'x': write numbers with d, h, m or s")
