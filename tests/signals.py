"""Signals of the processes that tests start."""

import signal

INTERRUPTED = (130, -signal.SIGINT)
"""Exit statuses of an interrupted command.

Where the signal falls into a text that Python compiles, as in making a dataclass, Python ends
its process by SIGINT at the end, whatever status was asked for; a shell shows 130 for both.
"""


def listen_to_signals() -> None:
    """Undo that SIGINT and SIGHUP are ignored, as in a process begun by `nohup` or `&`.

    A child process inherits what is ignored; maskwright then ignores it too.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
