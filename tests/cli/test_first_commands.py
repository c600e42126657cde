"""What users of other tools type first, and the answer that each command line must get."""

import re
import shlex

import pytest
import typer
from typer.testing import CliRunner

from maskwright.cli import foreign
from maskwright.cli.main import app
from maskwright.training.recipe import Recipe, override, parse_settings

VERBS = typer.main.get_command(app).commands

WORKS = {
    "--version": r"maskwright \d",
    "version": r"maskwright \d",
    "--help": "Data:.*check.*Models:.*train.*Class maps:.*score.*This program:.*demo",
    "-h": "Data:.*check",
    "help": "Data:.*check",
    "help train": "Usage: maskwright train .* DATA",
    "train -h": "Usage: maskwright train .* DATA",
    "predict --help": r"MODEL INPUTS\.\.\.\n",
}

ANSWERS = {
    # Ultralytics
    "train data=my-data model=unet epochs=50 imgsz=512": "maskwright train my-data --",
    "segment train data=my-data": "maskwright train my-data --out OUT",
    "segment predict model=runs/a source=photos": "maskwright predict runs/a photos",
    "val": "maskwright evaluate MODEL DATA --split val",
    "val model=runs/a data=my-data": "maskwright evaluate runs/a my-data --split val",
    "predict source=photos": "maskwright predict MODEL photos",
    "predict model=runs/a source=photos": "maskwright predict runs/a photos",
    "export format=onnx": "maskwright export MODEL --to onnx --out OUT",
    "train my-data --imgsz 512": "here it is --",
    "train my-data --weights yolo.pt": "--init yolo.pt",
    "train my-data --batch-size 4": "here it is --",
    "train my-data --project runs": "here it is --out runs",
    "predict --source photos": "here it is INPUTS, which has no name: photos",
    "predict --weights runs/a photos": "here it is MODEL, which has no name: runs/a",
    "predict --save_dir out": "here it is --out out",
    "benchmark model=runs/a": "maskwright bench runs/a",
    "detect": "maskwright predict MODEL photos -o out",
    "tune": "maskwright plan DATA",
    "train my-data --gpus 2": "here it is --device cuda",
    # nnU-Net
    "nnUNetv2_plan_and_preprocess -d 5": "maskwright plan DATA",
    "nnUNetv2_train 5 3d_fullres 0": "maskwright train DATA -o RUN",
    "nnUNetv2_predict -i in -o out -d 5": "maskwright predict MODEL photos -o out",
    "plan_and_preprocess": "maskwright plan DATA",
    "preprocess my-data": "maskwright plan DATA",
    "predict -i photos -o out": "here it is INPUTS, which has no name: photos",
    # segmentation-models-pytorch, Lightning, MMSegmentation, scikit-learn
    "fit": "maskwright train DATA -o RUN",
    "fit data=my-data": "maskwright train my-data -o RUN",
    "test": "maskwright evaluate MODEL DATA --split test",
    "eval": "maskwright evaluate MODEL DATA --split test",
    "infer": "maskwright predict MODEL photos -o out",
    "train my-data --lr 0.001": "--set optim.lr=0.001",
    "train my-data --encoder-name resnet34": "here it is --",
    "train my-data --config recipe.yaml": "here it is --recipe recipe.yaml",
    "split my-data --test-size 0.2": "here it is --test 0.2",
    "score --gt truth": "here it is TRUTH",
    # slips of the keyboard
    "trian my-data": "did you mean 'train'",
    "train my-data --bugdet 40m": "did you mean '--budget'",
    "predcit runs/a photos": "did you mean 'predict'",
    "data=my-data train": "a command comes first",
}


def _run(line):
    # in a wide terminal, so that no answer is wrapped
    return CliRunner().invoke(
        app, shlex.split(line), terminal_width=300, prog_name="maskwright"
    )


@pytest.mark.parametrize(("line", "shown"), WORKS.items())
def test_a_first_command_works(line, shown):
    result = _run(line)
    assert result.exit_code == 0
    assert re.search(shown, result.output, re.DOTALL)


@pytest.mark.parametrize(("line", "answer"), ANSWERS.items())
def test_a_first_command_of_another_tool_is_answered_with_the_right_one(line, answer):
    result = _run(line)
    assert result.exit_code == 2
    assert answer in result.stderr
    assert "Traceback" not in result.stderr


def test_the_answers_are_commands_and_options_that_exist():
    for command in foreign.VERBS.values():
        verb, *args = shlex.split(command)
        if verb != "env" or "env" in VERBS:
            VERBS[verb].make_context(verb, args)
    options = {o for verb in VERBS.values() for p in verb.params for o in (*p.opts, p.metavar)}
    for name, templates in foreign.OPTIONS.items():
        assert options & {template.partition(" ")[0] for template in templates}, name


def test_the_recipe_keys_that_answers_name_exist():
    pairs = [
        shlex.split(template)[1].format("VALUE")
        for templates in foreign.OPTIONS.values()
        for template in templates
        if template.startswith("--set")
    ]
    keys = {pair.partition("=")[0] for pair in pairs}
    assert "data.crop_px" in keys
    document = Recipe().model_dump()
    for key in keys:
        part, _, name = key.rpartition(".")
        assert name in (document[part] if part else document), key
    assert override(Recipe(), parse_settings(["data.crop_px=[512,512]"])).data.crop_px[0] == 512


def test_a_file_whose_name_holds_an_equals_sign_is_an_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "source=a.png").touch()
    VERBS["predict"].make_context("predict", ["model", "source=a.png"])


@pytest.mark.parametrize("verb", VERBS)
def test_the_example_in_the_help_of_a_verb_is_a_command_that_parses(verb):
    text = _run(f"{verb} --help").output
    example = re.search(r"Example: maskwright (.*)", text)
    assert example
    name, *args = shlex.split(example[1])
    assert name == verb
    VERBS[verb].make_context(verb, args)


@pytest.mark.parametrize("verb", VERBS)
def test_an_option_that_may_be_repeated_says_so(verb):
    for param in VERBS[verb].params:
        if param.param_type_name == "option" and param.multiple:
            assert "repeatable" in param.help


def test_completion_lists_the_verbs(monkeypatch):
    monkeypatch.setenv("_MASKWRIGHT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "maskwright pre")
    monkeypatch.setenv("COMP_CWORD", "1")
    result = CliRunner().invoke(app, [], prog_name="maskwright")
    assert "predict" in result.output
