"""TensorRT, https://docs.nvidia.com/deeplearning/tensorrt: ONNX, and scripts for its machine.

An engine of TensorRT holds for one GPU and one version, so it is built where it runs. TensorRT
takes the precision of each layer from the graph. The scripts beside it build an engine with
`trtexec`, serve the graph with Triton, and compare the graph with the trained network, run by
TensorRT through ONNX Runtime, on the images that the Bundle keeps.
"""

from collections.abc import Mapping
from pathlib import Path

from ...core.graph import Tolerance
from ..network import Network
from ..onnxgraph import IMAGE
from ..triton import describe_image, describe_logits, write_config

FILE = "tensorrt.onnx"
ENGINE = "tensorrt"
RUNS_HERE = False
TOLERANCES = {
    "fp32": Tolerance(logit_ratio=2e-2, equal_pixel_share=0.995),  # TF32 on GPUs that have it
    "fp16": Tolerance(logit_ratio=5e-2, equal_pixel_share=0.99),
}
PROVIDER = "TensorrtExecutionProvider"
_SIZES = {"min": (1, 64), "opt": (1, 512), "max": (4, 2048)}
"""Batch, and height and width, of the optimisation profile of a graph of free sizes."""

_BUILD = """\
#!/bin/sh
# Build an engine for the GPU of this machine; needs trtexec of TensorRT 10 or newer.
{note}set -eu
cd "$(dirname "$0")"
trtexec --onnx={file} --saveEngine={plan}{shapes}
"""
_NOTE = "# Change the sizes, batch x channels x height x width, to those of your images.\n"
_VERIFY = '''\
"""Compare {file}, run by TensorRT, with the trained network: run it on the machine of the GPU.

    pip install maskwright onnxruntime-gpu tensorrt
    python {script}

It ends with status 0 where they agree, and prints the largest difference of a logit and the
share of pixels with the same class.
"""

import os
from pathlib import Path

from maskwright.core.bundle import open_bundle
from maskwright.core.graph import Tolerance
from maskwright.inference.parity import verify
from maskwright.inference.engine import EngineOptions
from maskwright.inference.engines.onnxruntime import build

PROVIDER = os.environ.get("PROVIDER", "{provider}")

bundle = open_bundle(Path(__file__).parent)
options = EngineOptions(providers=(PROVIDER,), precision="{precision}")
parity = verify(bundle, build(bundle.file("{file}"), bundle.card, options))
print(
    f"{{PROVIDER}}: largest difference of logits {{parity.largest_logit_difference:.2e}}, of "
    f"logits up to {{parity.largest_logit:.1f}}; {{parity.equal_pixel_share:.4%}} of pixels "
    f"have the same class, on {{parity.num_images}} images"
)
parity.require_agreement(
    Tolerance(logit_ratio={logit_ratio}, equal_pixel_share={equal_pixel_share}),
    graph="{file}",
    fix="do not use it on this machine",
)
'''


def write(
    network: Network,
    path: Path,
    precision: str,
    *,
    size_HW: tuple[int, int] | None = None,  # noqa: ARG001
) -> tuple[str, ...]:
    """The contract of `export.target.Target`; logits alone, as the file for Triton says."""
    return network.write_onnx(path, precision, with_features=False)


def list_scripts(file: str, network: Network, precision: str) -> Mapping[str, str]:
    """The contract of `export.target.Target`: to build, to compare and to serve."""
    stem, card = Path(file).stem, network.card
    shapes = _list_shapes(network)
    script, tolerance = f"verify_{stem}.py", network.adapt_tolerance(TOLERANCES[precision])
    return {
        f"build_{stem}.sh": _BUILD.format(
            file=file, plan=f"{stem}.plan", shapes=shapes, note=_NOTE if shapes else ""
        ),
        script: _VERIFY.format(
            file=file,
            script=script,
            provider=PROVIDER,
            precision=precision,
            logit_ratio=tolerance.logit_ratio,
            equal_pixel_share=tolerance.equal_pixel_share,
        ),
        f"{stem}.pbtxt": write_config(
            file,
            describe_image(card, network.engine),
            describe_logits(card, network.engine),
            takes_batches=network.engine.max_batch > 1,
            on_tensorrt=True,
        ),
    }


def _list_shapes(network: Network) -> str:
    """The optimisation profile for trtexec; a graph of one shape alone has none."""
    engine, channels = network.engine, network.card.input.channels
    if engine.size_HW is not None and engine.max_batch == 1:
        return ""
    lines = []
    for name, (batch, side) in _SIZES.items():
        height, width = engine.size_HW or (side, side)
        shape = f"{min(batch, engine.max_batch)}x{channels}x{height}x{width}"
        lines.append(f" \\\n  --{name}Shapes={IMAGE}:{shape}")
    return "".join(lines)
