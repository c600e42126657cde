"""Bundle: the only thing that crosses from training to the rest.

A folder with `bundle.json` (card, parity, file hashes, id) and the files it lists:
`weights.safetensors`, graphs such as `model.onnx`, and `report.json`. It opens without torch.
The id is the SHA-256 of the manifest, which holds the SHA-256 of every file: a flipped byte
anywhere changes one of them and the Bundle refuses to open.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .atomic import new_folder
from .card import ModelCard
from .errors import BundleError, OutputError

SCHEMA_VERSION = 1
MANIFEST = "bundle.json"
GRAPH = "model.onnx"
WEIGHTS = "weights.safetensors"
REPORT = "report.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """An opened, verified Bundle. `model_id` is 16 hex digits; `files` lists what it holds."""

    root: Path
    model_id: str
    card: ModelCard
    parity: dict[str, Any]
    files: tuple[str, ...]

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


def is_bundle(path: Path) -> bool:
    """Whether `path` is a folder with a bundle manifest."""
    return (path / MANIFEST).is_file()


def open_bundle(path: Path) -> Bundle:
    """Open and verify a Bundle.

    Raises:
        BundleError: No manifest, another schema version, a missing file or a wrong hash.
    """
    path = Path(path)
    if not is_bundle(path):
        raise BundleError(f"{path}: no {MANIFEST} here, so this is not a bundle")
    manifest = _read_manifest(path / MANIFEST)
    for name, entry in manifest["files"].items():
        _verify(path, name, entry)
    return Bundle(
        root=path,
        model_id=manifest["id"],
        card=ModelCard.from_json(manifest["card"], where=str(path / MANIFEST)),
        parity=dict(manifest["parity"]),
        files=tuple(manifest["files"]),
    )


def write_bundle(
    path: Path, card: ModelCard, files: Mapping[str, Path], *, parity: dict[str, Any]
) -> Bundle:
    """Write a Bundle whole or not at all; `files` maps names to the files to copy in.

    Raises:
        OutputError: `path` cannot be written, or holds something that is not a Bundle.
    """
    if path.is_dir() and any(path.iterdir()) and not is_bundle(path):
        raise OutputError(
            f"{path}: this folder holds other files and would be replaced; "
            f"choose a new or empty folder"
        )
    with new_folder(path) as staging:
        for name, source in files.items():
            shutil.copyfile(source, staging / name)
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "card": card.to_json(),
            "parity": parity,
            "files": {name: _describe(staging / name) for name in files},
        }
        document = {"id": _identity(manifest)} | manifest
        text = json.dumps(document, indent=1, allow_nan=False)
        (staging / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return open_bundle(path)


def _read_manifest(path: Path) -> dict[str, Any]:
    damaged = BundleError(
        f"{path}: the manifest is damaged; copy the bundle again or export it again"
    )
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        version = manifest["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged from error
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{path}: bundle schema {version!r}, this version reads {SCHEMA_VERSION}; "
            f"open it with the maskwright that wrote it and export again"
        )
    claimed = manifest.pop("id", None)
    if claimed != _identity(manifest):
        raise damaged
    return {"id": claimed} | manifest


def _verify(root: Path, name: str, entry: dict[str, Any]) -> None:
    path = root / name
    if Path(name).name != name or path.is_symlink():
        raise BundleError(f"{root}: {name!r} leads outside the bundle; do not use it")
    if not path.is_file():
        raise BundleError(f"{path}: listed in {MANIFEST} but missing; copy the bundle again")
    found = _describe(path)
    if found != entry:
        raise BundleError(
            f"{path}: contents changed since the bundle was written "
            f"(sha256 {found['sha256'][:12]}, expected {str(entry.get('sha256'))[:12]}); "
            f"copy the bundle again or export it again"
        )


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "bytes": path.stat().st_size}


def _identity(manifest: dict[str, Any]) -> str:
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
