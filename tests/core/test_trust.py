"""Trust is by the SHA-256 of a file and its kind; what is not listed is foreign."""

import hashlib

import pytest

from maskwright.core.errors import ConfigError
from maskwright.core.trust import hash_file, is_trusted, remember, require_digest

DIGEST = "a" * 64


def test_a_file_is_trusted_once_it_is_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert not is_trusted("code", DIGEST)
    for _ in range(2):
        remember("code", DIGEST)
    assert is_trusted("code", DIGEST)
    assert not is_trusted("graph", DIGEST)  # one file could be both
    assert (tmp_path / "maskwright/trusted.txt").read_text() == f"code {DIGEST}\n"


def test_a_named_digest_is_trusted_for_that_file_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert is_trusted("graph", DIGEST, DIGEST)
    assert not is_trusted("graph", "b" * 64, DIGEST)


def test_without_a_state_folder_everything_is_foreign(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    remember("code", DIGEST)
    assert not is_trusted("code", DIGEST)


def test_the_digest_is_that_of_sha256sum(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert hash_file(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize("text", ["", "abc", "A" * 64, DIGEST + "\n"])
def test_a_wrong_digest_is_refused(text):
    with pytest.raises(ConfigError, match="expected a SHA-256, 64 digits"):
        require_digest(text)
    require_digest(None)
    require_digest(DIGEST)
