"""Kinds of findings: each has one owner, words and a fix."""

from typing import Literal

import pytest

from maskwright.data.check.findings import KINDS, require_texts


def test_every_kind_has_one_owner_and_a_text():
    known = Literal["missing-mask"], Literal["specks"]
    with pytest.raises(
        ValueError, match=r"^kinds of findings .*unlabelled-split.* without an o"
    ):
        require_texts(*known)
    with pytest.raises(ValueError, match="kinds of findings lost-mask without a text; absent"):
        require_texts(Literal["lost-mask"], known[1])
    with pytest.raises(ValueError, match="; specks of two owners; see maskwright"):
        require_texts(*known, known[1])


def test_no_fix_points_at_another_line():
    assert not [code for code, kind in KINDS.items() if "above" in kind.fix]


def test_every_kind_of_finding_has_words_and_a_fix():
    for code, kind in KINDS.items():
        assert kind.what
        assert kind.fix
        assert code == code.lower()
