import json
import time

import pytest

from maskwright.cli.console import Console


def test_words_go_to_stdout_unless_json_owns_it(capsys):
    Console().say("hello")
    Console(as_json=True).say("aside")
    Console(quiet=True).say("never")
    out, err = capsys.readouterr()
    assert (out, err) == ("hello\n", "aside\n")


def test_a_result_is_printed_only_as_json_and_even_when_quiet(capsys):
    Console().result({"miou": 1})
    Console(as_json=True, quiet=True).result({"miou": 0.5, "iou": [None]})
    assert json.loads(capsys.readouterr().out) == {"miou": 0.5, "iou": [None]}


def test_a_result_with_nan_is_refused_because_json_has_none():
    with pytest.raises(ValueError, match="not JSON compliant"):
        Console(as_json=True).result({"miou": float("nan")})


@pytest.mark.parametrize("console", [Console(), Console(quiet=True), Console(as_json=True)])
def test_progress_yields_every_item_once_in_order(console, capsys):
    assert list(console.progress(range(100), total=100, what="counting")) == list(range(100))
    assert capsys.readouterr() == ("", "")


def test_one_long_step_is_yielded_and_prints_nothing_where_there_is_no_terminal(capsys):
    assert list(Console().progress(["step"], total=1, what="writing")) == ["step"]
    assert capsys.readouterr().out == ""


def test_progress_that_lasts_past_two_seconds_loses_no_item(capsys):
    def slow():
        for i in range(5):
            time.sleep(2.1 if i == 1 else 0)
            yield i

    assert list(Console().progress(slow(), total=5, what="waiting")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().out == ""


def test_control_characters_of_names_reach_no_terminal(capsys):
    Console().say("a\x1b]0;title\x07.png")
    assert capsys.readouterr().out == "a\\x1b]0;title\\x07.png\n"
