"""The foreign graph as it is: opened safely, and run as an engine through its layouts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import BundleError, ConfigError, first_line
from ...inference.engine import Engine
from ...inference.onnxfile import list_external_files
from ..nodechain import list_nodes
from .layout import InputLayout, OutputLayout

OPSET = 13
"""Older graphs are converted to it: its operators have the form that the rewriting uses."""

_MAX_BYTES = 2 << 30
_KNOWN = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
_TYPES = {
    f"tensor({name})": dtype
    for name, dtype in {
        "float": "float32",
        "float16": "float16",
        "double": "float64",
        "uint8": "uint8",
        "int8": "int8",
        "uint16": "uint16",
        "int16": "int16",
        "int32": "int32",
        "int64": "int64",
        "bool": "bool",
    }.items()
}


@dataclass(frozen=True, slots=True)
class Value:
    """An input or output of a graph; an axis of `shape` is None where its size is free."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def format_shape(self) -> str:
        """The shape for messages: `1x3x?x?`."""
        return "x".join("?" if n is None else str(n) for n in self.shape) or "scalar"


@dataclass(frozen=True, slots=True)
class Original:
    """An opened graph that ONNX Runtime runs."""

    file: Path
    session: Any
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    @classmethod
    def open(cls, file: Path) -> "Original":
        """Start a session of the graph.

        Raises:
            BundleError: ONNX Runtime cannot run it.
        """
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 4  # its errors are raised, not printed
        try:
            session = onnxruntime.InferenceSession(
                file, settings, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise BundleError(
                f"{file}: ONNX Runtime {onnxruntime.__version__} cannot run this graph "
                f"({first_line(error)}); export it again from where it was made"
            ) from error
        return cls(
            file,
            session,
            tuple(_read_value(entry) for entry in session.get_inputs()),
            tuple(_read_value(entry) for entry in session.get_outputs()),
        )

    def run(self, x: NDArray[np.generic]) -> Mapping[str, NDArray[np.generic]]:
        """Every output of the graph, by name, for its only input.

        Raises:
            BundleError: The graph fails on an input of this shape.
        """
        names = [value.name for value in self.outputs]
        try:
            arrays = self.session.run(names, {self.inputs[0].name: x})
        except Exception as error:
            raise BundleError(
                f"{self.file}: the graph fails on an input of {x.shape} {x.dtype}: "
                f"{first_line(error)}"
            ) from error
        return {n: np.asarray(a) for n, a in zip(names, arrays, strict=True)}


class ForeignNetwork(Engine):
    """The original graph behind the contract of Engine, image by image, in NumPy."""

    name = "foreign"

    def __init__(self, original: Original, taken: InputLayout, given: OutputLayout) -> None:
        self.original, self.taken, self.given = original, taken, given
        self.size_HW = taken.size_HW

    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """The contract of Engine."""
        rows = []
        for x_CHW in image_BCHW:
            values = self.original.run(self.taken.arrange(x_CHW[None]))[self.given.name]
            rows.append(self.given.read_logits(values))
        logits_BKhw = np.concatenate(rows)
        if self.given.stride == 1:
            logits_BKhw = logits_BKhw[:, :, : image_BCHW.shape[2], : image_BCHW.shape[3]]
        return np.ascontiguousarray(logits_BKhw)


def load_graph(file: Path) -> Any:
    """Read the model with its external data, after what it reads is found to be its own.

    Raises:
        BundleError: Not an ONNX graph, external data outside of its folder or missing,
            operators that ONNX Runtime does not have, or more than 2 GiB.
        ConfigError: No such file, or an old graph that cannot be converted.
    """
    import onnx

    if not file.is_file():
        raise ConfigError(f"{file}: no such file; give an ONNX file")
    external = list_external_files(file)
    require_own_files(file, external)
    size = sum(path.stat().st_size for path in (file, *(file.parent / n for n in external)))
    if size >= _MAX_BYTES:
        raise BundleError(f"{file}: {size:,} bytes with its data; less than 2 GiB are read")
    try:
        model = onnx.load(file)
    except Exception as error:
        raise BundleError(f"{file}: not an ONNX graph ({first_line(error)})") from error
    _require_known_operators(file, model)
    return model


def require_own_files(file: Path, external: Sequence[str]) -> None:
    """Require that external data lies in the folder of the graph; raises BundleError."""
    folder = file.parent.resolve()
    for name in external:
        path = PurePosixPath(name.replace("\\", "/"))
        inside = (file.parent / path).resolve().is_relative_to(folder)
        if path.is_absolute() or ".." in path.parts or not inside:
            raise BundleError(
                f"{file}: reads its weights from {name!r}, outside of its folder; do not use "
                f"it, or save it with its data beside it"
            )
        if not (file.parent / path).is_file():
            raise BundleError(
                f"{file}: reads its weights from {name!r}, which is not beside it; copy that "
                f"file too"
            )


def update_opset(file: Path, model: Any) -> Any:
    """The model in opset 13 or later; raises ConfigError where it cannot be converted."""
    from onnx import version_converter

    version = find_opset(model)
    if version >= OPSET:
        return model
    try:
        return version_converter.convert_version(model, OPSET)
    except Exception as error:
        raise ConfigError(
            f"{file}: has opset {version} and cannot be converted to {OPSET} "
            f"({first_line(error)}); export it again with opset {OPSET} or later"
        ) from error


def find_opset(model: Any) -> int:
    """The version of the operators of ONNX that the model uses."""
    return next((int(e.version) for e in model.opset_import if e.domain in {"", "ai.onnx"}), 1)


def _require_known_operators(file: Path, model: Any) -> None:
    known = _KNOWN | {function.domain for function in model.functions}
    foreign = Counter(
        f"{node.domain}::{node.op_type}"
        for node in list_nodes(model.graph)
        if node.domain not in known
    )
    if foreign:
        listed = ", ".join(f"{name} ({num})" for name, num in sorted(foreign.items()))
        raise BundleError(
            f"{file}: custom operators, which ONNX Runtime does not have: {listed}; export it "
            f"with operators of ONNX alone"
        )


def _read_value(entry: Any) -> Value:
    shape = tuple(n if isinstance(n, int) and n > 0 else None for n in entry.shape)
    return Value(entry.name, _TYPES.get(entry.type, entry.type), shape)
