"""Search keys by a regular expression in bounded time: a few characters may take for ever.

An expression with at most one repetition, which is not that of a bracket, takes a time that
grows with the square of a key's length at most. Any other is run in a process of its own, which
ends after `LIMIT_S`.
"""

import json
import re
import subprocess
import sys
from collections.abc import Sequence

from ...core.errors import ConfigError, shorten

LIMIT_S = 10
_REPEATS = re.compile(r"[*+{]")
_REPEATED_BRACKET = re.compile(r"\)[*+{]")
_SEARCH = """
import json, re, sys
pattern, keys = json.load(sys.stdin)
expression = re.compile(pattern)
found = (expression.search(key) for key in keys)
json.dump([match and match[1 if expression.groups else 0] for match in found], sys.stdout)
"""


def search_keys(keys: Sequence[str], pattern: str) -> list[str | None]:
    """The first bracket of the match in each key, or the whole match; None without a match.

    Raises:
        ConfigError: Not a regular expression, or one that takes longer than `LIMIT_S`.
    """
    try:
        expression = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(
            f"group {shorten(pattern)!r} is not a regular expression: {error}"
        ) from error
    if len(_REPEATS.findall(pattern)) > 1 or _REPEATED_BRACKET.search(pattern):
        return _search_in_process(keys, pattern)
    matches = (expression.search(key) for key in keys)
    return [match and match[1 if expression.groups else 0] for match in matches]


def _search_in_process(keys: Sequence[str], pattern: str) -> list[str | None]:
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _SEARCH],
            input=json.dumps([pattern, list(keys)]),
            capture_output=True,
            text=True,
            check=True,
            timeout=LIMIT_S,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise ConfigError(
            f"group {shorten(pattern)!r} takes over {LIMIT_S} s to match {len(keys):,} keys; "
            f"write an expression without repetitions inside repetitions, such as '^([^_]+)_'"
        ) from error
    found: list[str | None] = json.loads(done.stdout)
    return found
