"""Run the tutorials of the docs line by line, and draw their pictures.

    python benchmarks/tutorials.py docs/images      # tutorial-*.png

A tutorial is a page of docs/tutorials. Its indented lines are commands, and a ```text block
after one shows what the command prints. `docs/tutorials/draw_*.py` draw the data.
"""

import contextlib
import io
import re
import runpy
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from maskwright.cli.main import app
from maskwright.core.errors import MaskwrightError
from maskwright.core.spelling import speaks_command_line

TUTORIALS = Path(__file__).parents[1] / "docs/tutorials"
PICTURES = {
    "inspection": (
        *("parts/images/part11.png", "out/overlay/part11.png"),
        *("parts/images/part12.png", "out/overlay/part12.png"),
    ),
    "field": (
        *("phone/IMG_1.heic", "measurements/overlay/IMG_1.png"),
        *("phone/IMG_2.png", "measurements/overlay/IMG_2.png"),
    ),
    "cvat": (
        *("new/new_0.png", "drafts/overlay/new_0.png"),
        *("new/new_1.png", "drafts/overlay/new_1.png"),
    ),
}
"""The files of a picture, from left to right."""

HEIGHT_PX, GAP_PX = 192, 4


@dataclass(frozen=True, slots=True)
class Command:
    """A line of a tutorial, the exit status that its comment names, and the output shown."""

    line: str
    status: int
    shown: str


@dataclass(frozen=True, slots=True)
class Done:
    """A command that was run, its exit status, and what it printed."""

    command: Command
    status: int
    printed: str


def main(out: Path) -> None:
    """Run every tutorial in a folder of its own and draw a picture of its results."""
    for name, files in PICTURES.items():
        with tempfile.TemporaryDirectory() as folder:
            for done in run_tutorial(TUTORIALS / f"{name}.md", Path(folder)):
                print(f"{done.command.line}  # exit status {done.status}")
            picture = _draw_row([Image.open(Path(folder, file)) for file in files])
        path = out / f"tutorial-{name}.png"
        picture.quantize(255).save(path, optimize=True)
        print(path)


def read_commands(page: Path) -> list[Command]:
    """The commands of a tutorial, in their order."""
    blocks = re.findall(
        r"^((?: {4}\S.*\n)+)(?:\n```text\n((?:.*\n)*?)```)?", page.read_text(), re.M
    )
    commands = []
    for block, shown in blocks:
        *before, last = block.splitlines()
        commands += [_parse(line, "") for line in before]
        commands.append(_parse(last, shown))
    return commands


def run_tutorial(page: Path, folder: Path, *, until: str | None = None) -> Iterator[Done]:
    """Run the commands of a page in `folder`, one after the other, in this process.

    `until` is the verb before which the commands end.
    """
    _write_files(page, folder)
    speaks_command_line.set(True)
    with contextlib.chdir(folder):
        for command in read_commands(page):
            if until is not None and command.line.startswith(f"maskwright {until} "):
                return
            status, printed = run_line(command.line)
            yield Done(command, status, printed)


def run_line(line: str) -> tuple[int, str]:
    """Run a command in the current folder; return its exit status and what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = _run(*shlex.split(line))
    return status, printed.getvalue()


def _parse(line: str, shown: str) -> Command:
    words, _, comment = line.strip().partition("  # ")
    status = re.search(r"exit status (\d)", comment)
    return Command(words, int(status[1]) if status else 0, shown)


def _write_files(page: Path, folder: Path) -> None:
    """Copy the scripts that draw, and write the blocks that the page says to save."""
    for script in TUTORIALS.glob("draw_*.py"):
        shutil.copy(script, folder)
    for name, content in re.findall(
        r"`([\w.]+)`:\n\n```\w+\n((?:.*\n)*?)```", page.read_text()
    ):
        (folder / name).write_text(content)


def _run(program: str, *args: str) -> int:
    """Run a line of a shell that names maskwright, Python or cat; return its exit status."""
    if program == "python":
        runpy.run_path(args[0], run_name="__main__")
        return 0
    if program == "cat":
        print(Path(args[0]).read_text(), end="")
        return 0
    try:
        return app(list(args), prog_name=program, standalone_mode=False) or 0
    except MaskwrightError as error:
        print(error)
        return 1


def _draw_row(images: list[Image.Image]) -> Image.Image:
    """Images beside each other, all as high as the first ones are made."""
    tiles = [
        image.convert("RGB").resize(
            (round(image.width * HEIGHT_PX / image.height), HEIGHT_PX), Image.Resampling.NEAREST
        )
        for image in images
    ]
    width = sum(tile.width + GAP_PX for tile in tiles) - GAP_PX
    row = Image.new("RGB", (width, HEIGHT_PX), "white")
    left = 0
    for tile in tiles:
        row.paste(tile, (left, 0))
        left += tile.width + GAP_PX
    return row


if __name__ == "__main__":
    main(Path(sys.argv[1]))
