"""Signals of the processes that tests start."""

import signal


def listen_to_signals() -> None:
    """Undo that SIGINT and SIGHUP are ignored, as in a process begun by `nohup` or `&`.

    A child process inherits what is ignored; maskwright then ignores it too.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
