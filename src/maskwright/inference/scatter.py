"""Predict in shards: from stores and into stores, in this process or by many workers.

The images are those of `predict`, in the same order, and so are the files. Shards may end in
any order; their manifests are put together when all are there. In a store, `results.json` is
written last: a folder without it is not complete. Nothing can be renamed there, so that
`overwrite` removes what a run has left before the next one begins.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Unpack

from ..core.errors import ConfigError, DataError, OutputError
from ..core.journal import matches_head
from ..core.jsonfile import parse_json
from ..core.progress import Progress, silent
from ..core.results import MANIFEST, NEW, FailedInput, Results, WriteMode, open_results
from ..core.storage import Store, find_scheme, to_path
from ..core.threads import map_in_order
from ..core.versioned import Document
from .finish import finish_results, require_any
from .outputs import MOSAIC, ImageOutputs
from .predict import identify_run, make_destination, require_uncertainty
from .predictor import Predictor
from .shardplan import plan_shards
from .shards import SHARDS, Job, OpenModel, Shard, ShardWorker
from .summary import PredictionSummary
from .wanted import PredictOptions, Wanted

_HEAD = f"{SHARDS}/head.json"

_READERS = 8

RunShards = Callable[[Job, Sequence[Shard]], Iterator[int]]
"""Runs shards and yields the index of each that is done, in any order."""


def run_here(job: Job, shards: Sequence[Shard]) -> Iterator[int]:
    """Run shards in this process, one after the other."""
    worker = ShardWorker(job)
    yield from map(worker.run, shards)


def predict_in_shards(
    open_model: OpenModel,
    inputs: Sequence[Path | str],
    out: Path | str,
    *,
    mode: WriteMode = NEW,
    progress: Progress = silent,
    run: RunShards | None = None,
    **options: Unpack[PredictOptions],
) -> PredictionSummary:
    """Predict images on this machine or in stores, and write the outputs to `out`.

    Args:
        open_model: Opens the model, here and in each worker.
        inputs: As `predict`, or addresses of images and folders; not both.
        out: As `predict`, or an address.
        mode: As `predict`.
        progress: Called with every input, when its shard is done.
        run: Where shards run; in this process unless given.
        options: As `predict`. Formats of labelling tools need images and results on this
            machine, as polygons do; a mosaic needs `predict`. Each worker reads the file of
            `aoi` from its path.

    Raises:
        ConfigError: As `predict`; a kind that cannot be written in shards, or an address that
            cannot be opened.
        DataError: An input does not exist, a store refuses to list it, or no image at all could
            be predicted.
        BundleError: The model's logits are NaN or infinite.
        OutputError: As `predict`, or a store refuses.
        MissingDependencyError: A package of the extra `scale` is not installed.
    """
    wanted = Wanted(**options)
    _require_possible(wanted, inputs, out)
    model = open_model()
    require_uncertainty(model, wanted.write)
    head = identify_run(model, wanted, wanted.open_area()) | {"shards": True}
    if run is None:
        open_model, run = (lambda **_: model), run_here
    work = _Work(model, open_model, run, inputs, out, wanted, mode, progress)
    if find_scheme(out) is not None:
        with _open_stored(Store(str(out)), mode, head) as (results, store):
            return work.fill(results, store)
    with open_results(to_path(out), "predict", mode, head=head) as results:
        (results.folder / SHARDS).mkdir(exist_ok=True)
        summary = work.fill(results, Store(str(results.folder)))
        shutil.rmtree(results.folder / SHARDS)
    return summary


@dataclass(frozen=True, slots=True)
class _Work:
    """A prediction in shards; `run` runs them with models of `open_model`."""

    model: Predictor
    open_model: OpenModel
    run: RunShards
    inputs: Sequence[Path | str]
    out: Path | str
    wanted: Wanted
    mode: WriteMode
    progress: Progress

    def fill(self, results: Results, store: Store) -> PredictionSummary:
        """Run the shards that are left and put their manifests together."""
        model, wanted = self.model, self.wanted
        found, shards = plan_shards(
            model, self.inputs, wanted.glob, level=wanted.level, without=store.address
        )
        results.pass_over(found.passed_over)
        to = make_destination(model, results.folder, found, wanted.write)
        ImageOutputs.open(wanted.kinds, to)  # writes what all shards share
        results.tiling = model.tiling.to_json()
        todo = _find_left(store, shards) if self.mode.resume else shards
        job = Job(
            open_model=self.open_model,
            kinds=wanted.kinds,
            out=store.address,
            aoi=wanted.aoi,
            level=wanted.level,
        )
        for index in _show(self.run(job, todo), todo, self.progress):
            results.journal.add({"shard": index})
        _collect(store, shards, results)
        require_any(results)
        return finish_results(
            model, results, found, to, wanted, out=to_path(self.out), progress=self.progress
        )


def _require_possible(wanted: Wanted, inputs: Sequence[Path | str], out: Path | str) -> None:
    """Refuse what cannot be done in shards, or not with stores."""
    if MOSAIC in wanted.write:
        raise ConfigError(
            f"{MOSAIC}: needs all images in one process and on this machine; leave it out, or "
            f"predict without --workers from a folder"
        )
    are_stored = [find_scheme(name) is not None for name in inputs]
    if any(are_stored) and not all(are_stored):
        raise ConfigError("paths and addresses cannot be mixed in one run; run twice")
    if wanted.from_maps and (any(are_stored) or find_scheme(out) is not None):
        raise ConfigError(
            f"{', '.join(wanted.from_maps)}: labels of a tool are written from a folder into a "
            f"folder; write classes, and use `convert` on a copy of them"
        )
    if find_scheme(out) is not None:
        Store(str(out)).require_writable()


def _find_left(store: Store, shards: Sequence[Shard]) -> list[Shard]:
    """Shards without a manifest, those whose sources have changed, and those with failures.

    Raises:
        OutputError: The inputs have other names now.
    """
    left = []
    for shard, manifest in _read_manifests(store, shards):
        if manifest is None:
            left.append(shard)
            continue
        sources = manifest["sources"]
        if [s[0] for s in sources] != [s[0] for s in shard.describe()]:
            raise OutputError(
                f"{store.address}: has results of other inputs, such as {sources[0][0]}; give "
                f"the same inputs, or start again with --overwrite"
            )
        if sources != shard.describe() or manifest["failed"]:
            left.append(shard)
    return left


def _collect(store: Store, shards: Sequence[Shard], results: Results) -> None:
    """Put the manifests together, in the order of the shards."""
    lines, stored = [], []
    for shard, manifest in _read_manifests(store, shards):
        if manifest is None:
            raise OutputError(f"{store.name(shard.name)}: is not there; add --resume")
        lines += manifest["lines"]
        stored += manifest["files"]
        results.failed += [FailedInput(**one) for one in manifest["failed"]]
    results.journal.replace_lines(lines)
    results.stored = stored


def _read_manifests(
    store: Store, shards: Sequence[Shard]
) -> Iterator[tuple[Shard, Document | None]]:
    """Yield each shard with its manifest, None where there is none that is whole."""
    names = {file.name for file in Store(store.name(SHARDS)).list_files()}

    def read(shard: Shard) -> tuple[Shard, Document | None]:
        if PurePosixPath(shard.name).name not in names:
            return shard, None
        try:
            content = parse_json(store.read(shard.name), where=store.name(shard.name))
        except DataError:
            return shard, None
        return shard, content if isinstance(content, dict) else None

    return map_in_order(read, shards, num_threads=_READERS)


def _show(done: Iterable[int], shards: Sequence[Shard], progress: Progress) -> Iterator[int]:
    """Yield the index of each shard that is done, while the progress counts its inputs."""
    sources = {shard.index: shard.sources for shard in shards}
    finished: list[int] = []

    def expand() -> Iterator[str]:
        for index in done:
            finished.append(index)
            yield from (name for name, _, _ in sources[index])

    total = sum(map(len, sources.values()))
    for _ in progress(expand(), total=total, what="predicting"):
        while finished:
            yield finished.pop()


@contextmanager
def _open_stored(
    store: Store, mode: WriteMode, head: Mapping[str, object]
) -> Iterator[tuple[Results, Store]]:
    """Yield Results in a scratch folder, which is copied to the store when the block ends."""
    _begin_stored(store, mode, head)
    with TemporaryDirectory(prefix="maskwright-") as name:
        folder = Path(name) / "out"
        with open_results(folder, "predict", head=head) as results:
            yield results, store
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        for path in sorted(paths, key=lambda path: path == folder / MANIFEST):  # the last one
            store.put(path, path.relative_to(folder).as_posix())
    store.remove(f"{SHARDS}/{file.name}" for file in Store(store.name(SHARDS)).list_files())


def _begin_stored(store: Store, mode: WriteMode, head: Mapping[str, object]) -> None:
    """The rule of `core.results` for a store.

    Raises:
        OutputError: There are results or other files, or nothing to resume.
    """
    names = [file.name for file in store.list_files()]
    is_begun = _HEAD in names
    if mode.overwrite and (is_begun or MANIFEST in names):
        store.remove(sorted(names, key=lambda name: name != MANIFEST))
    elif MANIFEST in names:
        raise OutputError(
            f"{store.address}: exists already; add --overwrite to replace it, or choose "
            f"another address"
        )
    elif mode.resume:
        if not is_begun:
            raise OutputError(
                f"{store.address}: no interrupted predict to resume; leave out --resume"
            )
        if not matches_head(parse_json(store.read(_HEAD), where=store.name(_HEAD)), head):
            raise OutputError(
                f"{store.address}: was begun with other options than this predict; repeat the "
                f"first command with --resume, or start again with --overwrite"
            )
    elif is_begun:
        raise OutputError(
            f"{store.address}: an interrupted predict left results here; continue it with "
            f"--resume, or start again with --overwrite"
        )
    elif names:
        raise OutputError(
            f"{store.address}: holds files that predict did not write (there is no "
            f"{MANIFEST}); choose another address"
        )
    store.write(_HEAD, json.dumps(head).encode())
