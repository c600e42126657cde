"""The log of a server: one line of JSON per request, on stderr."""

import json
import sys
from collections.abc import Callable

Line = dict[str, object]
Log = Callable[[Line], None]


def write_log(line: Line) -> None:
    """Write one line."""
    sys.stderr.write(json.dumps(line) + "\n")


def ignore(_line: Line) -> None:
    """Keep no log of requests."""
