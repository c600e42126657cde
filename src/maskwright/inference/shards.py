"""Predict a part of many images and write the results where they belong: a shard.

A shard is what a worker takes at once. Its manifest, `.shards/000012.json` in the folder of
results, is written last: `sources` (name, size, version), `lines` (as in the journal),
`failed`, and `files` that were copied to a store. A shard without one is predicted again.

Files behind an address are copied to a scratch folder of the worker, where images are read and
results are written, and these are copied to the address of the results. So no image and no map
passes through another process. Each file stands alone there: neither bands in several files nor
volumes are put together.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ..core.atomic import explain_write_errors
from ..core.errors import DataError
from ..core.results import FailedInput
from ..core.storage import Store, StoredFile, find_scheme, join_address
from ..core.threads import map_in_order
from ..core.versioned import Document
from ..data.classes.dataset_yaml import FILE_NAME
from ..data.pixels.imageref import ImageRef
from .area import AreaOfInterest
from .engine import EngineOptions
from .imagework import ImageWork, make_serial
from .inputs import FoundImages
from .outputs import ImageOutputs
from .predict import choose_levels, find_inputs, make_destination
from .predictor import DEFAULTS, Predictor

SHARDS = ".shards"
_TRANSFERS = 8
"""Files that are copied at once: a store answers slowly, but many at a time."""

OpenModel = Callable[..., Predictor]
"""Opens the model; takes `options`, see `open_ensemble`."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Some of the inputs: images on this machine, or files of stores with their address.

    `sources` say what they are now: name, size, version.
    """

    index: int
    sources: tuple[tuple[str, int, str], ...]
    images: tuple[tuple[str, ImageRef], ...] = ()
    files: tuple[tuple[str, StoredFile], ...] = ()

    @property
    def roots(self) -> list[str]:
        """The addresses below which the files lie."""
        return list(dict.fromkeys(root for root, _ in self.files))

    @property
    def name(self) -> str:
        """Of its manifest, below the folder of results."""
        return f"{SHARDS}/{self.index:06}.json"

    def describe(self) -> list[list[object]]:
        """The sources as the manifest has them."""
        return [list(source) for source in self.sources]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a worker has to know, once: it can be sent to another process.

    `kinds` are those of files per image, `out` is the folder or the address of the results.
    Relative paths begin at `start_in`.
    """

    open_model: OpenModel
    kinds: tuple[str, ...]
    out: str
    aoi: Path | None = None
    level: str | None = None
    options: EngineOptions = DEFAULTS
    num_threads: int | None = None
    start_in: Path = field(default_factory=Path.cwd)

    def begin(self, options: EngineOptions, *, num_threads: int) -> Callable[[Shard], int]:
        """Open the model in the process of a worker; the result runs a shard."""
        return ShardWorker(replace(self, options=options, num_threads=num_threads)).run

    def give_up(self, shard: Shard, *, num_deaths: int) -> int:
        """List the images of a shard, which ended so many workers, as failed."""
        reason = (
            f"not predicted: {num_deaths} workers in a row ended while they had it or its "
            f"neighbours, most often for lack of memory; predict it alone, or use fewer workers"
        )
        failed = [FailedInput(name, f"{name}: {reason}") for name, _, _ in shard.sources]
        note_shard(Store(self.out), shard, failed=failed)
        return shard.index


class ShardWorker:
    """Has opened the model, and predicts one shard after the other."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._model = job.open_model(options=job.options)
        self._serial: Predictor | None = None
        self._area = None if job.aoi is None else AreaOfInterest.open(job.aoi)
        self._store = Store(job.out)
        self._is_local = find_scheme(job.out) is None

    def run(self, shard: Shard) -> int:
        """Predict a shard and write its manifest; returns its index.

        Raises:
            DataError: Two images of a store have one key.
            BundleError: The model's logits are NaN or infinite.
            OutputError: Results cannot be written.
        """
        with (
            TemporaryDirectory(prefix="maskwright-") as name,
            explain_write_errors(Path(self._job.out if self._is_local else name)),
        ):
            self._run(shard, Path(name))
        return shard.index

    def _run(self, shard: Shard, scratch: Path) -> None:
        images, failed = dict(shard.images), list[FailedInput]()
        if shard.files:
            images, failed = self._fetch(shard, scratch / "in")
        folder = Path(self._job.out) if self._is_local else scratch / "out"
        folder.mkdir(exist_ok=True)
        lines = list[Document]()
        for found in self._predict(images, folder):
            if isinstance(found, FailedInput):
                failed.append(_show_addresses(found, shard, scratch / "in"))
            else:
                lines.append(found)
        files = [] if self._is_local else self._upload(folder)
        note_shard(self._store, shard, lines=lines, failed=failed, files=files)

    def _predict(
        self, images: Mapping[str, ImageRef], folder: Path
    ) -> Iterator[Document | FailedInput]:
        to = make_destination(self._model, folder, FoundImages(), self._job.kinds)
        outputs = ImageOutputs.open(self._job.kinds, replace(to, area=self._area))
        if self._serial is None and self._job.num_threads != 1:
            self._serial = make_serial(self._model, len(images))
        work = ImageWork.begin(
            self._model, outputs, num_threads=self._job.num_threads, serial=self._serial
        )
        for _, found in work.run(images.items()):
            yield found

    def _fetch(
        self, shard: Shard, folder: Path
    ) -> tuple[dict[str, ImageRef], list[FailedInput]]:
        """Copy the files of a shard; the images in them, and those that did not arrive."""
        stores = {root: Store(root) for root in shard.roots}

        def fetch(item: tuple[str, StoredFile]) -> FailedInput | None:
            root, file = item
            target = _find_scratch(shard, folder, root) / (file.name or Path(root).name)
            try:
                stores[root].fetch(file, target)
            except DataError as error:
                target.unlink(missing_ok=True)
                return FailedInput(stores[root].name(file.name), str(error))
            return None

        fetched = map_in_order(fetch, shard.files, num_threads=_TRANSFERS)
        failed = [one for one in fetched if one is not None]
        folders = [_find_scratch(shard, folder, root) for root in shard.roots]
        there = [one for one in folders if any(path.is_file() for path in one.rglob("*"))]
        found = find_inputs(self._model, there) if there else FoundImages()
        return choose_levels(found, self._job.level).images, failed

    def _upload(self, folder: Path) -> list[str]:
        """Copy what was written to the store; returns the names."""
        paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
        names = {
            path: path.relative_to(folder).as_posix()
            for path in paths
            if path.name != FILE_NAME
        }
        put = self._store.put
        for _ in map_in_order(lambda item: put(*item), names.items(), num_threads=_TRANSFERS):
            pass
        return list(names.values())


def note_shard(
    store: Store,
    shard: Shard,
    *,
    lines: Iterable[Document] = (),
    failed: Iterable[FailedInput] = (),
    files: Iterable[str] = (),
) -> None:
    """Write the manifest of a shard; raises OutputError where the store refuses."""
    manifest = {
        "sources": shard.describe(),
        "lines": list(lines),
        "failed": [one.to_json() for one in failed],
        "files": list(files),
    }
    store.write(shard.name, json.dumps(manifest, allow_nan=False).encode())


def _find_scratch(shard: Shard, folder: Path, root: str) -> Path:
    """Where the files of one address are copied to."""
    return folder / str(shard.roots.index(root))


def _show_addresses(found: FailedInput, shard: Shard, folder: Path) -> FailedInput:
    """The same with addresses in place of paths of the scratch folder."""
    texts = [found.input, found.error]
    for root, file in shard.files:
        scratch = _find_scratch(shard, folder, root)
        path = scratch / (file.name or Path(root).name)
        address = join_address(root, file.name)
        texts = [text.replace(str(path), address) for text in texts]
    return FailedInput(*texts)
