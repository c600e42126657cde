"""Core ML, https://apple.github.io/coremltools: an .mlpackage for Apple's devices, of one size.

Core ML runs on Apple's systems alone, so the graph is written with `unverified`: an archive
with the package, and a script that compares it with the trained network on a Mac. coremltools
is tested with torch 2.7 by its makers; what the exporter of a newer torch writes is brought to
operators that it reads.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import torch

from ...core.errors import ConfigError, MissingDependencyError, first_line
from ...core.graph import LOGITS, Tolerance
from ..fixedsize import DEFAULT_HW
from ..network import Network
from ..onnxgraph import IMAGE, silence_exporter

_PACKAGE = "model.mlpackage"
_NAMES = {"fp32": "FLOAT32", "fp16": "FLOAT16"}
"""Of the precisions in coremltools."""

_aten = torch.ops.aten
_SAME = {
    _aten.alias.default: _aten.clone.default,
    _aten.__and__.Tensor: _aten.logical_and.default,
    _aten.__or__.Tensor: _aten.logical_or.default,
}

FILE = "coreml.zip"
ENGINE = "coreml"
RUNS_HERE = False
HAS_FIXED_SIZE = True
TOLERANCES = {
    "fp32": Tolerance(),
    "fp16": Tolerance(logit_ratio=5e-2, equal_pixel_share=0.99),  # of the Neural Engine
}
_VERIFY = '''\
"""Compare {package}, run by Core ML, with the trained network: run it on a Mac.

    pip install maskwright coremltools
    python {script}

It ends with status 0 where they agree, and prints the largest
difference of a logit and the share of pixels with the same class.
"""

import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import coremltools

from maskwright.core.bundle import open_bundle
from maskwright.core.graph import Tolerance
from maskwright.export.fixedsize import fit
from maskwright.inference.parity import compare, read_kept
from maskwright.inference.predictor import open_model

folder = Path(__file__).parent
bundle = open_bundle(folder)
with TemporaryDirectory() as unpacked:
    with zipfile.ZipFile(bundle.file("{file}")) as archive:
        archive.extractall(unpacked)
    model = coremltools.models.MLModel(f"{{unpacked}}/{package}")
    height, width = model.get_spec().description.input[0].type.multiArrayType.shape[2:]
    kept = read_kept(bundle.parity_inputs)
    parity = compare(
        open_model(folder).engine,
        lambda x_BCHW: model.predict({{"image": x_BCHW}})["logits"],
        [fit(x_CHW, (height, width)) for x_CHW, _ in kept],
        num_crops=0,
    )
print(
    f"Core ML: largest difference of logits {{parity.largest_logit_difference:.2e}}, of "
    f"logits up to {{parity.largest_logit:.1f}}; {{parity.equal_pixel_share:.4%}} of pixels "
    f"have the same class, on {{parity.num_images}} images"
)
parity.require_agreement(
    Tolerance(logit_ratio={logit_ratio}, equal_pixel_share={equal_pixel_share}),
    graph="{package}",
    fix="do not use it on this machine",
)
'''


def missing() -> MissingDependencyError | None:
    """The contract of `export.target.Target`."""
    return None if find_spec("coremltools") else MissingDependencyError("coremltools", "coreml")


def write(
    network: Network,
    path: Path,
    precision: str,
    *,
    size_HW: tuple[int, int] | None = None,
) -> tuple[str, ...]:
    """The contract of `export.target.Target`; the graph maps `image` to `logits`."""
    module, card = network.require_module(FILE), network.card
    shape = 1, card.input.channels, *(size_HW or DEFAULT_HW)
    with silence_exporter(), _silence_coremltools(), torch.no_grad():
        import coremltools as ct

        try:
            program = torch.export.export(module.eval().cpu(), (torch.zeros(shape),))
            program = program.run_decompositions({})
            _adapt(program.graph_module)
            model = ct.convert(
                program,
                inputs=[ct.TensorType(name=IMAGE, shape=shape, dtype=np.float32)],
                outputs=[ct.TensorType(name=LOGITS, dtype=np.float32)],
                convert_to="mlprogram",
                minimum_deployment_target=ct.target.iOS16,
                compute_precision=getattr(ct.precision, _NAMES[precision]),
                skip_model_load=True,
            )
        except Exception as error:
            raise ConfigError(
                f"model {card.arch.name!r} with encoder {card.arch.encoder!r} cannot be "
                f"written by coremltools ({first_line(error)}); use --to onnx"
            ) from error
        del model.user_defined_metadata["com.github.apple.coremltools.conversion_date"]
        with TemporaryDirectory() as folder:
            model.save(f"{folder}/{_PACKAGE}")
            _pack(Path(folder), path)
    return (LOGITS,)


def list_scripts(file: str, _network: Network, precision: str) -> Mapping[str, str]:
    """The contract of `export.target.Target`: to compare it with the network on a Mac."""
    script, tolerance = f"verify_{Path(file).stem}.py", TOLERANCES[precision]
    text = _VERIFY.format(
        file=file,
        package=_PACKAGE,
        script=script,
        logit_ratio=tolerance.logit_ratio,
        equal_pixel_share=tolerance.equal_pixel_share,
    )
    return {script: text}


def _adapt(module: torch.fx.GraphModule) -> None:
    """Bring operators to those that coremltools 9.0 reads, with the same results.

    It knows neither `alias` nor `&` and `|`, and reads every argument of a pooling.
    """
    for node in module.graph.nodes:
        node.target = _SAME.get(node.target, node.target)
        if "pool" in str(node.target) and isinstance(node.target, torch._ops.OpOverload):
            rest = node.target._schema.arguments[len(node.args) :]
            node.args = (*node.args, *(argument.default_value for argument in rest))
    module.recompile()


def _pack(folder: Path, path: Path) -> None:
    """Write the files of a folder into an archive, the same bytes for the same model.

    The identifiers in Manifest.json, which are drawn at random, are those of the paths.
    """
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            content = file.read_bytes()
            if file.name == "Manifest.json":
                content = _name_entries(content)
            entry = ZipInfo(file.relative_to(folder).as_posix())  # dated 1980
            archive.writestr(entry, content, ZIP_DEFLATED)


def _name_entries(manifest: bytes) -> bytes:
    """Manifest.json with identifiers that are made of the paths of the entries."""
    document = json.loads(manifest)
    names = {
        name: str(uuid5(NAMESPACE_URL, entry["path"])).upper()
        for name, entry in document["itemInfoEntries"].items()
    }
    entries = {names[name]: entry for name, entry in document["itemInfoEntries"].items()}
    document["itemInfoEntries"] = dict(sorted(entries.items()))
    document["rootModelIdentifier"] = names[document["rootModelIdentifier"]]
    return json.dumps(document, indent=4).encode()


@contextmanager
def _silence_coremltools() -> Iterator[None]:
    """Without its remarks on versions and on parts of Apple's systems, and progress bars."""
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        logger.setLevel(level)
