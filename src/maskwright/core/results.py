"""Folders of results: one rule for every verb that writes a folder.

    OUT.partial/   what is written so far, `.journal.jsonl`, `.lock`, `.begun/` (see `journal`)
    OUT/           the same folder, after one rename

A verb fills OUT.partial, which becomes OUT when everything is in it. OUT must not exist or must
be empty; `overwrite` replaces it where it holds results. A verb that works image by image notes
each in the journal, and `resume` continues what an interrupted run has left; other verbs begin
again. `results.json`, the manifest, marks a folder as results: a verb that searches a folder
for images passes over results in it. A Bundle and a converted dataset have manifests of their
own.
"""

import errno
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Self

from .atomic import explain_write_errors, write_json
from .errors import DataError, MaskwrightError, OutputError
from .files import count_endings
from .journal import BEGUN, Journal, describe_done, matches_head, read_head
from .journal import NAME as JOURNAL
from .jsonfile import read_json
from .lock import Lock, hold_lock
from .temporary import make_parents, make_temporary_folder, remove_leftovers
from .versioned import Document, Schema

MANIFEST = "results.json"
STUDIO_FILE, STUDIO_PLACE = "studio.sqlite", "studio-store.txt"
"""The database in a folder of the studio, or the name of one elsewhere; both mean results."""

SCHEMA = Schema(kind="manifest of results", version=1)
_SUFFIX = ".partial"
_LARGEST_MANIFEST = 1 << 26


@dataclass(frozen=True, slots=True)
class FailedInput:
    """An input that could not be read, and the message of the error."""

    input: str
    error: str

    def to_json(self) -> dict[str, str]:
        """An object of the two."""
        return {"input": self.input, "error": self.error}


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteMode:
    """How a verb treats a folder that exists.

    `overwrite` replaces results in it. `resume` continues the folder OUT.partial of an
    interrupted run.
    """

    overwrite: bool = False
    resume: bool = False


NEW = WriteMode()
"""Only a new or an empty folder is written."""


@dataclass(slots=True, kw_only=True)
class PartialFolder:
    """A folder that is being filled. `notes` are for people."""

    folder: Path
    journal: Journal
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Results:
    """Results that are being written into `folder`, and what their manifest will say.

    `num_read` counts the inputs that were read, and `remarks` are on them. `passed_over` are
    folders among the inputs that hold results, `failed` inputs that could not be read. `decide`
    is the rule for verdicts, `tiling` says which images were cut into tiles, `model` has id,
    engine and precision. `stored` are names of files that lie in a store already.
    """

    folder: Path
    journal: Journal
    notes: list[str]
    num_read: int = 0
    remarks: Sequence[str] = ()
    passed_over: Sequence[Path] = ()
    failed: list[FailedInput] = field(default_factory=list)
    decide: Document | None = None
    tiling: Document | None = None
    model: Document | None = None
    stored: Sequence[str] = ()

    def pass_over(self, folders: Iterable[Path]) -> None:
        """Note folders of results among the inputs, without the one that is being filled."""
        self.passed_over = [path for path in folders if path.resolve() != self.folder]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The manifest of a folder of results.

    `files` counts the files by the first part of their path, `endings` those of each folder by
    the ending of their names. `maskwright` is the version that wrote the results, `decide` the
    rule for verdicts, `tiling` which images were cut into tiles, `model` what predicted them.
    """

    verb: str
    maskwright: str
    num_read: int
    passed_over: tuple[str, ...]
    failed: tuple[FailedInput, ...]
    files: Mapping[str, int]
    endings: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    decide: Document | None = None
    tiling: Document | None = None
    model: Document | None = None

    def to_json(self) -> Document:
        """A JSON object; `from_json` undoes it."""
        return SCHEMA.stamp(
            {
                "verb": self.verb,
                "maskwright": self.maskwright,
                "inputs": {
                    "read": self.num_read,
                    "passed_over": list(self.passed_over),
                    "failed": [one.to_json() for one in self.failed],
                    "remarks": list(self.remarks),
                },
                "files": dict(self.files),
                "endings": {name: dict(e) for name, e in self.endings.items()},
                "decide": self.decide,
            }
            | ({} if self.tiling is None else {"tiling": self.tiling})
            | ({} if self.model is None else {"model": self.model})
        )

    @classmethod
    def from_json(cls, document: object, *, where: str) -> Self:
        """Read a manifest; raises DataError where it is none, or of an unknown version."""
        content = SCHEMA.read(document, where=where)
        try:
            inputs = content["inputs"]
            return cls(
                verb=str(content["verb"]),
                maskwright=str(content["maskwright"]),
                num_read=int(inputs["read"]),
                passed_over=tuple(map(str, inputs["passed_over"])),
                failed=tuple(FailedInput(**one) for one in inputs["failed"]),
                remarks=tuple(map(str, inputs.get("remarks", ()))),
                files={str(name): int(count) for name, count in content["files"].items()},
                endings={name: dict(e) for name, e in content.get("endings", {}).items()},
                decide=content.get("decide"),
                tiling=content.get("tiling"),
                model=content.get("model"),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SCHEMA.error(f"{where}: not a {SCHEMA.kind} ({error!r})") from error


def is_results(folder: Path) -> bool:
    """Whether `folder` holds results, or is being filled with them, or is the studio's."""
    own = (folder / name for name in (JOURNAL, STUDIO_FILE, STUDIO_PLACE))
    return any(file.is_file() for file in own) or _is_manifest(folder / MANIFEST)


def is_in_partial(path: Path) -> bool:
    """Whether `path` lies in a folder that is being filled; an interrupt may remove it."""
    return any((parent / JOURNAL).is_file() for parent in path.resolve().parents)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest in `folder`; None where there is none that can be read."""
    path = folder / MANIFEST
    try:
        return Manifest.from_json(
            read_json(path, most_bytes=_LARGEST_MANIFEST), where=str(path)
        )
    except MaskwrightError:
        return None


@contextmanager
def open_results(
    out: Path,
    verb: str,
    mode: WriteMode = NEW,
    *,
    head: Mapping[str, object] | None = None,
    former: str | None = None,
) -> Iterator[Results]:
    """Yield the Results that become `out` when the block ends, with their manifest.

    Args:
        out: See `fill_folder`.
        verb: The verb that writes, for the manifest and for messages.
        mode: What to do with a folder that exists.
        head: What identifies the work, for a verb that can be resumed.
        former: The file by which results without a manifest are known, those of version 0.1.

    Raises:
        OutputError: As `fill_folder`.
    """
    with fill_folder(out, verb, mode, head=head, former=former) as partial:
        results = Results(folder=partial.folder, journal=partial.journal, notes=partial.notes)
        yield results
        shutil.rmtree(partial.folder / BEGUN, ignore_errors=True)
        folder = partial.folder
        counts = count_endings(folder, results.stored)
        manifest = Manifest(
            verb=verb,
            maskwright=version("maskwright"),
            num_read=results.num_read,
            passed_over=tuple(map(str, results.passed_over)),
            failed=tuple(results.failed),
            remarks=tuple(results.remarks),
            files={name: count.total() for name, count in counts.items()},
            endings={
                n: dict(c) for n, c in counts.items() if not (partial.folder / n).is_file()
            },
            decide=results.decide,
            tiling=results.tiling,
            model=results.model,
        )
        write_json(partial.folder / MANIFEST, manifest.to_json())


@contextmanager
def fill_folder(
    out: Path,
    verb: str,
    mode: WriteMode = NEW,
    *,
    marker: str = MANIFEST,
    head: Mapping[str, object] | None = None,
    former: str | None = None,
) -> Iterator[PartialFolder]:
    """Yield a folder that becomes `out` by one rename when the block ends.

    Where the block raises, `out` stays as it was. What was written so far is then removed,
    unless the verb can be resumed and has noted something in the journal.

    Args:
        out: Must not exist or be empty, unless `mode` says overwrite and it holds `marker`.
        verb: The verb that writes, for messages.
        mode: What to do with a folder that exists.
        marker: The file by which such a folder is known.
        head: What identifies the work, for a verb that can be resumed.
        former: Another such file, for folders of version 0.1.

    Raises:
        OutputError: `out` exists, another process writes it, there is nothing to resume or
            something else was begun, or `out` cannot be written.
    """
    real = out.resolve()
    partial = real.with_name(f"{real.name}{_SUFFIX}")
    markers = (marker,) if former is None else (marker, former)
    _require_free(out, real, verb, mode, markers)
    with explain_write_errors(out), make_parents(partial.parent):
        partial.mkdir(exist_ok=True)
        remove_leftovers(partial.parent)
        with hold_lock(partial) as lock:
            if _is_complete(partial, marker) and not real.exists() and not mode.overwrite:
                _move(partial, real, lock, out)  # the process was killed before it could
            _require_free(out, real, verb, mode, markers)
            try:
                journal, notes = _begin(partial, verb, mode, head, lock)
                yield PartialFolder(folder=partial, journal=journal, notes=notes)
            except BaseException as error:
                _keep_or_remove(partial, head, error)
                raise
            journal.end()
            _move(partial, real, lock, out)


def require_no_results(folder: Path) -> None:
    """Refuse a folder of results where a folder of inputs is expected.

    Raises:
        DataError: `folder` holds results of a verb.
    """
    manifest = read_manifest(folder)
    if manifest is not None:
        raise DataError(
            f"{folder}: holds results of {manifest.verb} ({MANIFEST}), not images; name the "
            f"folder in it that is meant"
        )


def _is_manifest(path: Path) -> bool:
    """A `results.json` of other tools, or of people, does not hide their images."""
    return path.is_file() and read_manifest(path.parent) is not None


def _require_free(
    out: Path, real: Path, verb: str, mode: WriteMode, markers: Sequence[str]
) -> None:
    if not real.exists():
        return
    if not real.is_dir():
        raise OutputError(
            f"{out}: there is a file where a folder is needed; choose another path"
        )
    if not any(real.iterdir()):
        return
    if not any((real / marker).is_file() for marker in markers):
        raise OutputError(
            f"{out}: exists already and holds files that {verb} did not write (there is no "
            f"{markers[0]}); choose another folder, or remove this one"
        )
    if not mode.overwrite:
        raise OutputError(
            f"{out}: exists already; add --overwrite to replace it, or choose another folder"
        )


def _begin(
    partial: Path,
    verb: str,
    mode: WriteMode,
    head: Mapping[str, object] | None,
    lock: Lock,
) -> tuple[Journal, list[str]]:
    """Continue the journal in `partial`, or empty the folder and begin a new one."""
    notes = [] if lock.ended is None else [f"{partial}: left by {lock.ended}, which has ended"]
    done = describe_done(partial)
    if mode.resume:
        if not done or head is None:
            raise OutputError(f"{partial}: no interrupted {verb} to resume; leave out --resume")
        if not matches_head(read_head(partial), head):
            raise OutputError(
                f"{partial}: was begun with other options or inputs than this {verb}; repeat "
                f"the first command with --resume, or start again with --overwrite"
            )
        return Journal(partial, head), notes
    if done and head is not None and not mode.overwrite:
        raise OutputError(
            f"{partial}: an interrupted {verb} left {done} here; continue it with --resume, "
            f"or start again with --overwrite"
        )
    _empty(partial, lock)
    return Journal(partial, head or {"verb": verb}), notes


def _keep_or_remove(
    partial: Path, head: Mapping[str, object] | None, error: BaseException
) -> None:
    if head is None or not (done := describe_done(partial)):
        shutil.rmtree(partial, ignore_errors=True)
    elif not isinstance(error, OutputError):
        error.add_note(f"{done} are done in {partial}; continue with --resume")


def _is_complete(partial: Path, marker: str) -> bool:
    """Whether a killed process had written everything into `partial`."""
    return (partial / marker).is_file() and not (partial / JOURNAL).exists()


def _move(partial: Path, real: Path, lock: Lock, out: Path) -> None:
    """Rename `partial` to `real`; what stands there is moved aside first and removed last."""
    try:
        if real.exists() and any(real.iterdir()):
            aside = make_temporary_folder(real.parent, real.name)
            real.rename(aside / real.name)
            try:
                partial.rename(real)
            except BaseException:
                (aside / real.name).rename(real)
                raise
            lock.follow(real)
            shutil.rmtree(aside)
        else:
            partial.rename(real)
            lock.follow(real)
    except OSError as error:
        if error.errno in {errno.EBUSY, errno.EXDEV}:
            raise OutputError(
                f"{out}: is a mount point, which cannot be replaced by a rename; choose a "
                f"folder inside it"
            ) from error
        raise


def _empty(partial: Path, lock: Lock) -> None:
    for path in partial.iterdir():
        if path == lock.file:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
