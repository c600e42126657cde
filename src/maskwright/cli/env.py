"""`maskwright env`: what a report on a bug needs to know about this machine."""

from .console import Console
from .options import AsJson, Quiet


def env(*, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Show versions, extras, devices, threads and free memory."""
    from ..training.environment import describe_environment, list_lines

    console = Console(as_json=as_json, quiet=quiet)
    found = describe_environment()
    for line in list_lines(found):
        console.say(line)
    console.result(found)
