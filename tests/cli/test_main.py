import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from maskwright.cli import main as main_module
from maskwright.cli.main import app

VERB = """
import sys
from maskwright.cli.main import app, main

@app.command()
def verb():
    {body}

sys.argv = ["maskwright", "verb"]
main()
"""


@pytest.fixture
def run_verb():
    """Run a command with this body through `main`; exit code, stdout and stderr."""

    def run(body):
        done = subprocess.run(
            [sys.executable, "-c", VERB.format(body=body)],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_command_that_ends_well_exits_0(run_verb):
    assert run_verb("print('done')") == (0, "done\n", "")


def test_what_a_user_can_cause_is_printed_bare_and_exits_1(run_verb):
    body = "from maskwright.core.errors import DataError; raise DataError('a.png: empty')"
    assert run_verb(body) == (1, "", "a.png: empty\n")


def test_an_interrupt_exits_130_with_one_line(run_verb):
    assert run_verb("raise KeyboardInterrupt") == (130, "", "Interrupted.\n")


def test_a_bug_shows_its_traceback(run_verb):
    code, _, err = run_verb("raise ZeroDivisionError('oops')")
    assert code == 1
    assert "Traceback" in err
    assert "ZeroDivisionError: oops" in err


def test_a_missing_package_of_an_extra_gives_the_pip_command(run_verb):
    body = "raise ModuleNotFoundError('No module', name='segmentation_models_pytorch.decoders')"
    code, _, err = run_verb(body)
    assert code == 1
    assert err == (
        "segmentation_models_pytorch is not installed; run: pip install 'maskwright[train]'\n"
    )


def test_a_package_imported_by_another_name_gives_the_pip_command_too(run_verb):
    code, _, err = run_verb("raise ModuleNotFoundError('No module', name='skimage.measure')")
    assert code == 1
    assert err == "skimage is not installed; run: pip install 'maskwright[measure]'\n"


def test_any_other_missing_module_is_a_bug(run_verb):
    code, _, err = run_verb("import maskwright.nowhere")
    assert code == 1
    assert "ModuleNotFoundError: No module named 'maskwright.nowhere'" in err


def test_a_file_name_that_is_not_utf8_can_be_printed(run_verb):
    code, out, err = run_verb("print('a\\udcff.png')")
    assert (code, out, err) == (0, "a\\udcff.png\n", "")


def _verbs():
    names = (command.callback.__name__ for command in app.registered_commands)
    return [name.replace("_", "-") for name in names]


def test_the_help_of_every_verb_fits_its_line():
    listing = CliRunner().invoke(app, ["--help"], terminal_width=80).output
    lines = [line for line in listing.partition("Data:\n")[2].splitlines() if line.strip()]
    verbs = [line for line in lines if line.startswith("  ")]
    assert [line.split()[0] for line in verbs] == _verbs()
    panels = [line for line in lines if line not in verbs]
    assert panels == ["Models:", "Class maps:", "This program:"]
    assert not [line for line in lines if line.endswith("...")]


@pytest.mark.parametrize("verb", _verbs())
def test_every_verb_is_a_file_of_its_name_and_takes_json_and_quiet(verb):
    assert (Path(main_module.__file__).parent / f"{verb.replace('-', '_')}.py").is_file()
    text = CliRunner().invoke(app, [verb, "--help"], terminal_width=200).output
    assert {"--json", "--quiet"} <= set(re.findall(r"--[a-z-]+", text))
    assert "list[" not in text


def test_an_option_of_several_verbs_has_one_text():
    texts = {}
    for verb in typer.main.get_command(app).commands.values():
        for option in verb.params:
            texts.setdefault(option.opts[-1], []).append((option.help, option.metavar))
    best = "Engine that runs MODEL (default: best one installed)."
    assert set(texts["--engine"]) == {(best, "NAME")}
    several = {name for name in texts if name.startswith("--") and len(set(texts[name])) > 1}
    of_one_verb = {
        "--batch",
        "--images",
        "--keep",
        "--model",
        "--webhook",
        "--seed",
        "--classes",
        "--device",
        "--split",
        "--mapping",
        "--write",
        "--precision",
        "--rounds",
        "--rules",
        "--spec",
        "--store",
        "--threads",
        "--verify",
    }  # means another thing, or has another default, in each
    assert several == {"--out", "--resume", "--to"} | of_one_verb


def test_help_imports_no_heavy_package():
    code = (
        "import sys; from maskwright.cli.main import app;"
        "app(['--help'], standalone_mode=False);"
        "print(*sorted({n.partition('.')[0] for n in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "maskwright" in loaded
    heavy = {
        "torch",
        "torchvision",
        "cv2",
        "scipy",
        "skimage",
        "onnxruntime",
        "PIL",
        "pydantic",
    }
    assert not heavy & loaded
