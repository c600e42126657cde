import json
import re
import resource
import subprocess
import sys

import pytest
import typer

from maskwright.cli.main import app

VERBS = sorted(typer.main.get_command(app).commands)
HEAVY = {"torch", "torchvision", "timm", "cv2", "onnx", "onnxruntime", "accelerate", "scipy"}


def test_the_verbs_of_the_design_are_there():
    assert {"check", "split", "plan", "train", "evaluate", "predict", "demo"} <= set(VERBS)


def test_help_lists_every_verb_in_less_than_half_a_second(run_maskwright):
    took_s = []
    for _ in range(5):
        before_s = _children_s()
        done = run_maskwright("--help")
        took_s.append(_children_s() - before_s)
    assert done.returncode == 0
    assert all(re.search(rf"^  {verb} +\S", done.stdout, re.MULTILINE) for verb in VERBS)
    assert min(took_s) < 0.5


def _children_s():
    """CPU time of finished child processes: the clock is no judge on a busy machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_command_line_loads_nothing_heavy_before_a_verb_runs():
    code = "import sys, maskwright.cli.main; print(*{n.split('.')[0] for n in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_and_takes_json_and_quiet(verb):
    command = typer.main.get_command(app).commands[verb]
    assert command.help
    options = {o for p in command.params for o in p.opts}
    assert {"--json", "--quiet"} <= options
    unexplained = [p.name for p in command.params if not getattr(p, "help", None)]
    assert not unexplained


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["trian"], "did you mean 'train'"),
        (["check"], "Missing argument"),
        (["check", "data", "--jsn"], "no option --jsn; did you mean '--json'"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_wrong(run_maskwright, args, message):
    done = run_maskwright(*args)
    assert done.returncode == 2
    assert message in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("json_option", [(), ("--json",)])
def test_what_a_user_can_cause_exits_1_with_a_bare_message(
    run_maskwright, tmp_path, json_option
):
    done = run_maskwright("check", tmp_path / "nowhere", *json_option)
    assert done.returncode == 1
    assert str(tmp_path / "nowhere") in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_the_version_is_one_line(run_maskwright):
    done = run_maskwright("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"maskwright \d+\.\d+\.\d+\n", done.stdout)


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    from maskwright.data.synth.streets import write_street_scenes

    root = tmp_path_factory.mktemp("street") / "street"
    write_street_scenes(root, num_images=12, size_HW=(48, 64), seed=0)
    return root


def test_json_is_one_document_on_stdout_and_words_go_to_stderr(run_maskwright, street):
    done = run_maskwright("split", street, "--redraw", "--json")
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), dict)
    assert "images" in done.stderr


def test_quiet_says_nothing_when_all_is_well(run_maskwright, street):
    done = run_maskwright("split", street, "--redraw", "--quiet")
    assert done.returncode == 0, done.stderr
    assert not done.stdout
    assert not done.stderr
