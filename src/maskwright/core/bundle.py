"""Bundle: the only thing that crosses from training to the rest.

A folder with `bundle.json` (card, graphs, file hashes, id) and the files it lists:
`weights.safetensors` (where a graph was imported, that is the network: `model.onnx`), graphs,
`report.json`, `parity.npz`, a few images with the logits expected of them,
`baseline.ndjson`, observations of the validation images, and `estimator.json`, what estimates
mIoU without labels. It opens without torch. `id` is the
SHA-256 of the manifest as it was written, which holds the SHA-256 of every file: a flipped byte
anywhere changes one of them and the Bundle refuses to open. `model` is the id of the checkpoint
that was exported: the report of a run and the Bundle of the run name one model.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .card import ModelCard
from .errors import BundleError, shorten
from .files import open_file
from .graph import Graph
from .jsonfile import read_json
from .results import NEW, WriteMode, fill_folder
from .typed import MALFORMED, require_types
from .versioned import KEY, Document, Schema

MANIFEST = "bundle.json"
GRAPH = "model.onnx"
WEIGHTS = "weights.safetensors"
REPORT = "report.json"
PARITY = "parity.npz"
BASELINE = "baseline.ndjson"
ESTIMATOR = "estimator.json"
MAX_BYTES = 64 << 30
"""Largest file of a Bundle."""


def _list_the_graph(document: Document) -> Document:
    """Version 1 had one graph for ONNX Runtime, and its parity beside the card."""
    content = dict(document)
    parity = content.pop("parity") or None
    listed = [Graph(file=GRAPH, engine="onnxruntime").to_json() | {"parity": parity}]
    return content | {"graphs": listed if GRAPH in content["files"] else []}


SCHEMA = Schema(kind="bundle", version=2, upgrades={1: _list_the_graph}, error=BundleError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """An opened, verified Bundle; `files` lists what it holds.

    `model_id` is 16 hex digits: the id of the checkpoint it was exported from, or in Bundles
    that do not name one the id of the Bundle. `sha256` has that of each file, by name.
    """

    root: Path
    model_id: str
    card: ModelCard
    graphs: tuple[Graph, ...]
    files: tuple[str, ...]
    sha256: Mapping[str, str]

    def file(self, name: str) -> Path:
        """Path of one listed file.

        Raises:
            BundleError: The Bundle does not hold it.
        """
        if name not in self.files:
            raise BundleError(
                f"{self.root}: this bundle has no {name}; it holds {', '.join(self.files)}"
            )
        return self.root / name

    @property
    def has_weights(self) -> bool:
        """Whether the network can be built; where not, it is the graph that was imported."""
        return WEIGHTS in self.files

    @property
    def weights(self) -> Path:
        """The file of weights.

        Raises:
            BundleError: The Bundle has graphs alone, as one that was imported.
        """
        if not self.has_weights:
            raise BundleError(
                f"{self.root}: this bundle was imported: it has a graph and no weights that "
                f"are trained further; train another network that learns from it by "
                f"`maskwright distil DATA --teacher {self.root}`, or give a run or bundle with "
                f"weights"
            )
        return self.file(WEIGHTS)

    @property
    def parity_inputs(self) -> Path | None:
        """The kept inputs with the logits expected of them; None where none are kept."""
        return self.root / PARITY if PARITY in self.files else None


def is_bundle(path: Path) -> bool:
    """Whether `path` is a folder with a bundle manifest."""
    return (path / MANIFEST).is_file()


def find_bundle(path: Path) -> Path | None:
    """The folder of a Bundle: `path`, or that of the finished run which it is; else None."""
    return next((each for each in (path, path / "bundle") if is_bundle(each)), None)


def find_baseline(path: Path) -> Path | None:
    """The baseline of a Bundle or of a run; None where `path` is neither.

    Raises:
        BundleError: The Bundle is damaged, or older than baselines.
    """
    root = find_bundle(path)
    if root is None:
        return None
    bundle = open_bundle(root)
    if BASELINE not in bundle.files:
        raise BundleError(
            f"{root}: this bundle has no {BASELINE}: it was not trained by this version, or "
            f"without labels for validation; predict the images of a time when all was well "
            f"with --write observations, and give that folder"
        )
    return bundle.file(BASELINE)


def open_bundle(path: Path) -> Bundle:
    """Open and verify a Bundle.

    Raises:
        BundleError: No manifest, another schema version, a missing file or a wrong hash.
    """
    path = Path(path)
    if not is_bundle(path):
        raise BundleError(f"{path}: no {MANIFEST} here, so this is not a bundle")
    manifest = _read_manifest(path / MANIFEST)
    for name, entry in _list_files(path, manifest).items():
        _verify(path, name, entry)
    return Bundle(
        root=path,
        model_id=str(manifest.get("model", manifest["id"])),
        card=ModelCard.from_json(manifest.get("card"), where=str(path / MANIFEST)),
        graphs=_read_graphs(path, manifest),
        files=tuple(manifest["files"]),
        sha256={name: entry["sha256"] for name, entry in manifest["files"].items()},
    )


def write_bundle(
    path: Path,
    card: ModelCard,
    files: Mapping[str, Path],
    *,
    graphs: Sequence[Graph],
    model_id: str | None = None,
    mode: WriteMode = NEW,
) -> Bundle:
    """Write a Bundle whole or not at all.

    Args:
        path: See `core.results`.
        card: Of the network.
        files: Names in the Bundle, to the files that are copied.
        graphs: Those of `files` that engines run, preferred first.
        model_id: Of the checkpoint that is exported.
        mode: Overwrite replaces a Bundle.

    Raises:
        OutputError: `path` exists and `mode` does not replace it, or it cannot be written.
    """
    with fill_bundle(path, mode) as folder:
        add_files(folder, card, files, graphs=graphs, model_id=model_id)
    return open_bundle(path)


@contextmanager
def fill_bundle(path: Path, mode: WriteMode = NEW) -> Iterator[Path]:
    """Yield a folder for `add_files`, which becomes the Bundle `path` when the block ends."""
    with fill_folder(path, "export", mode, marker=MANIFEST) as partial:
        yield partial.folder


def add_files(
    folder: Path,
    card: ModelCard,
    files: Mapping[str, Path],
    *,
    graphs: Sequence[Graph],
    model_id: str | None = None,
) -> None:
    """Copy the files that are not in `folder` already, and write the manifest."""
    for name, source in files.items():
        if source != folder / name:
            shutil.copyfile(source, folder / name)
    content = {
        "card": card.to_json(),
        "graphs": [graph.to_json() for graph in graphs],
        "files": {name: _describe(folder / name) for name in files},
    }
    manifest = SCHEMA.stamp(content | ({} if model_id is None else {"model": model_id}))
    document = {"id": _identity(manifest)} | manifest
    text = json.dumps(document, indent=1, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _read_manifest(path: Path) -> dict[str, Any]:
    damaged = BundleError(
        f"{path}: the manifest is damaged; copy the bundle again or export it again"
    )
    document = read_json(
        path, error=BundleError, fix="copy the bundle again or export it again"
    )
    if not isinstance(document, dict):
        raise damaged
    claimed = document.pop("id", None)
    if document.get(KEY) in range(SCHEMA.version + 1) and claimed != _identity(document):
        raise damaged
    try:
        return {"id": claimed} | SCHEMA.read(document, where=str(path))
    except MALFORMED as error:
        raise damaged from error


def _list_files(root: Path, manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The entry of each file by its name."""
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(e, dict) for e in files.values()):
        raise BundleError(
            f"{root / MANIFEST}: 'files' is not a table of files; export the model again"
        )
    return files


def _read_graphs(root: Path, manifest: Mapping[str, Any]) -> tuple[Graph, ...]:
    try:
        graphs = tuple(Graph.from_json(entry) for entry in manifest["graphs"])
        for graph in graphs:
            require_types(graph)
    except MALFORMED as error:
        raise BundleError(
            f"{root / MANIFEST}: 'graphs' is not a list of graphs "
            f"({shorten(repr(error), 200)}); export the model again"
        ) from error
    missing = [graph.file for graph in graphs if graph.file not in manifest["files"]]
    if missing:
        raise BundleError(f"{root}: the bundle has no {missing[0]}; export it again")
    return graphs


def _verify(root: Path, name: str, entry: dict[str, Any]) -> None:
    path = root / name
    if Path(name).name != name or "\0" in name or path.is_symlink():
        raise BundleError(f"{root}: {name!r} leads outside the bundle; do not use it")
    if not path.exists():
        raise BundleError(f"{path}: listed in {MANIFEST} but missing; copy the bundle again")
    actual = _describe(path)
    if actual != entry:
        raise BundleError(
            f"{path}: contents changed since the bundle was written "
            f"(sha256 {actual['sha256'][:12]}, expected {str(entry.get('sha256'))[:12]}); "
            f"copy the bundle again or export it again"
        )


def _describe(path: Path) -> dict[str, Any]:
    with open_file(path, most_bytes=MAX_BYTES, error=BundleError) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"sha256": digest, "bytes": file.tell()}


def _identity(manifest: Mapping[str, Any]) -> str:
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
