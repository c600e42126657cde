"""Compare a network with its reference: both filled by the names of their tensors.

A fixture `tests/fixtures/networks/NAME.json` holds numbers of the reference network alone:

* `source`: the repository and commit, or the package and version, of the reference code;
* `how`: how the network was built and what it was given;
* `outputs`: by name the `shape` of an output and its `values` at `sample_positions`.

It was written outside the repository by `fill_by_name(reference)`, `noise("image", shape)` as
the input, and `sample` of each output. A test fills ours with `fill_by_name(ours, names)`,
where `names` turns our names of tensors into the reference's.
"""

import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

FIXTURES = Path(__file__).parents[1] / "fixtures/networks"
NUM_VALUES = 200
CLOSE_RATIO = 3e-5
"""Permitted difference, as a share of the largest value: float32 sums in another order.

The sums of the deepest networks differ by 5e-6 from those in float64.
"""


def noise(name: str, shape: tuple[int, ...]) -> Tensor:
    """Numbers in [-1, 1) that depend on `name` and `shape` alone."""
    numbers = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).random(shape)
    return torch.from_numpy(2 * numbers - 1).float()


def fill_by_name(module: nn.Module, names: Mapping[str, str] | None = None) -> nn.Module:
    """Fill all tensors of `module` by their names; return it in eval mode.

    Kernels keep the variance of their input (He et al. 2015); scales and variances lie around
    1, shifts and means around 0.

    Args:
        module: Ours or the reference.
        names: Regular expressions and their replacements, applied in this order to each name of
            the state dict; the result is the reference's name. None: `module` is the reference.
    """
    for own_name, value in module.state_dict().items():
        name = own_name
        for pattern, replacement in (names or {}).items():
            name = re.sub(pattern, replacement, name)
        if value.is_floating_point():
            value.copy_(_tensor(name, tuple(value.shape)))
    return module.eval()


def _tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    numbers = noise(name, shape)
    if len(shape) > 1:
        return numbers * (6 / np.prod(shape[1:])) ** 0.5
    around = 1 if name.endswith(("weight", "running_var", "gamma")) else 0
    return around + numbers * 0.3


def sample_positions(num_elements: int) -> Tensor:
    """At most `NUM_VALUES` indices of a flattened output, the same for outputs of one size."""
    order = np.random.Generator(np.random.PCG64(0)).random(num_elements).argsort(kind="stable")
    return torch.from_numpy(np.sort(order[:NUM_VALUES]))


def sample(output: Tensor) -> dict[str, list[float]]:
    """An output as the fixture keeps it."""
    values = output.detach().flatten()[sample_positions(output.numel())]
    return {"shape": list(output.shape), "values": [float(f"{v:.7g}") for v in values]}


def load_fixture(name: str) -> dict:
    """The fixture of one reference network; see the module docstring."""
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


def assert_equals_fixture(outputs: Mapping[str, Tensor], name: str) -> None:
    """Check that outputs, by name, are all those of the fixture and have its numbers."""
    expected = load_fixture(name)["outputs"]
    assert set(outputs) == set(expected)
    for key, output in outputs.items():
        found, wanted = sample(output), expected[key]
        assert found["shape"] == wanted["shape"], key
        values = torch.tensor(wanted["values"])
        atol = CLOSE_RATIO * values.abs().max().item()
        torch.testing.assert_close(torch.tensor(found["values"]), values, atol=atol, rtol=0)
