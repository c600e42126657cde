"""TensorRT, https://docs.nvidia.com/deeplearning/tensorrt: ONNX, and scripts for its machine.

An engine of TensorRT holds for one GPU and one version, so it is built where it runs. TensorRT
takes the precision of each layer from the graph. The scripts beside it build an engine with
`trtexec`, serve the graph with Triton, and compare the graph with the trained network, run by
TensorRT through ONNX Runtime, on the images that the Bundle keeps.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from ...core.card import ModelCard
from ...core.graph import LOGITS, Tolerance
from ..onnxgraph import IMAGE, HalfPrecision, write_onnx
from ..triton import Tensor, write_config

FILE = "tensorrt.onnx"
ENGINE = "tensorrt"
RUNS_HERE = False
TOLERANCES = {
    "fp32": Tolerance(logit_ratio=2e-2, equal_pixel_share=0.995),  # TF32 on GPUs that have it
    "fp16": Tolerance(logit_ratio=5e-2, equal_pixel_share=0.99),
}
PROVIDER = "TensorrtExecutionProvider"
_SIZES = {"min": (1, 64), "opt": (1, 512), "max": (4, 2048)}
"""Batch, and height and width, of the optimisation profile."""

_BUILD = """\
#!/bin/sh
# Build an engine for the GPU of this machine; needs trtexec of TensorRT 10 or newer.
# Change the sizes, batch x channels x height x width, to those of your images.
set -eu
cd "$(dirname "$0")"
trtexec --onnx={file} --saveEngine={plan} \\
  {shapes}
"""
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
    network: nn.Module,
    card: ModelCard,
    path: Path,
    precision: str,
    *,
    size_HW: tuple[int, int] | None = None,  # noqa: ARG001
) -> tuple[str, ...]:
    """The contract of `export.target.Target`; logits alone, as the file for Triton says."""
    whole = HalfPrecision(network) if precision == "fp16" else network
    return write_onnx(whole, card, path, with_features=False)


def list_scripts(file: str, card: ModelCard, precision: str) -> Mapping[str, str]:
    """The contract of `export.target.Target`: to build, to compare and to serve."""
    stem, channels = Path(file).stem, card.input.channels
    shapes = " \\\n  ".join(
        f"--{name}Shapes=image:{batch}x{channels}x{side}x{side}"
        for name, (batch, side) in _SIZES.items()
    )
    script, tolerance = f"verify_{stem}.py", TOLERANCES[precision]
    return {
        f"build_{stem}.sh": _BUILD.format(file=file, plan=f"{stem}.plan", shapes=shapes),
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
            Tensor(IMAGE, "float32", (channels, -1, -1)),
            Tensor(LOGITS, "float32", (len(card.labels), -1, -1)),
            on_tensorrt=True,
        ),
    }
