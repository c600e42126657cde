"""Parameters and multiply-adds are those that the papers or the authors publish.

What a source counts differs: `counted` says which tensors, and a row's comment why its
tolerance is wide. Nothing is computed: the networks have no memory.
"""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from maskwright.core.card import ArchSpec
from maskwright.nn.build import load_arch, new_model

from .published import ROWS, Published


def name_of(row):
    return f"{row.arch}-{row.encoder or 'own'}-{ROWS.index(row)}"


def network_of(row):
    """On the meta device: shapes without numbers."""
    encoder = row.encoder or (load_arch(row.arch).ENCODERS or ("resnet34",))[0]
    arch = {"name": row.arch, "encoder": encoder, "config": row.config}
    try:
        with torch.device("meta"):
            network = new_model(ArchSpec.from_json(arch), 3, row.num_classes)
    except RuntimeError:  # a library that computes with tensors while it builds
        network = new_model(ArchSpec.from_json(arch), 3, row.num_classes).to("meta")
    if row.depthwise_as_dense:
        make_dense(network)
    return network.eval().requires_grad_(False)


def make_dense(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups > 1:
            layer.groups = 1
            shape = (layer.out_channels, layer.in_channels, *layer.kernel_size)
            layer.weight = nn.Parameter(torch.empty(shape, device="meta"))


def num_counted(network: nn.Module, counted: str, without: tuple[str, ...] = ()) -> int:
    named = [(name.removeprefix("network."), p) for name, p in network.named_parameters()]
    tensors = [tensor for name, tensor in named if not name.startswith(without)]
    if counted == "kernels":
        tensors = [tensor for tensor in tensors if tensor.ndim > 1]
    elif counted == "parameters and statistics":
        tensors += [tensor for tensor in network.buffers() if tensor.ndim]
    return sum(tensor.numel() for tensor in tensors)


def num_macs(network: nn.Module, size_HW: tuple[int, int]) -> float:
    """Multiply-adds of convolutions and matrix products.

    AnySize pads to multiples of 32, a paper's network need not: the share of the area is taken.
    """
    padded_HW = [(n + 31) // 32 * 32 for n in size_HW]
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, *padded_HW, device="meta"))
    share = size_HW[0] * size_HW[1] / (padded_HW[0] * padded_HW[1])
    return counter.get_total_flops() / 2 * share


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_parameters_and_multiply_adds_are_as_many_as_published(row):
    network, said = network_of(row), f"{row.source}; {row.read_in}"
    if row.params_m is not None:
        found = num_counted(network, row.counted, row.without) / 1e6
        assert found == pytest.approx(row.params_m, rel=row.tolerance_ratio), said
    if row.gmac is not None:
        found = num_macs(network, row.size_HW) / 1e9
        assert found == pytest.approx(row.gmac, rel=row.tolerance_ratio), said


@pytest.mark.parametrize(
    ("backbone", "params_m", "gmac"), [("stdc1", 8.44, 0.813), ("stdc2", 12.47, 1.446)]
)
def test_the_backbone_of_stdc_has_the_papers_size(backbone, params_m, gmac):
    """Fan et al. 2021 (arXiv:2104.13188), table 4: with a classifier of 1000, at 224 x 224.

    The README of MichaelFan01/STDC-Seg names the two by their 813 and 1446 M multiply-adds; the
    parameters are not checked against a source. For the whole network the paper publishes
    neither. That classifier, which segmentation does not have: 1 x 1 and a dense layer of 1024,
    each normalised, and the scores.
    """
    row = Published(arch="stdc", source="", config={"backbone": backbone})
    network = network_of(row).network
    body = nn.Sequential(network.stem, *network.stages)
    classifier = 2 * (1024 * 1024 + 2 * 1024) + 1024 * 1000 + 1000
    found = num_counted(body, "parameters") + classifier
    assert found / 1e6 == pytest.approx(params_m, rel=0.001)
    macs = num_macs(body, (224, 224)) + 1024 * 1024 * (7 * 7 + 1) + 1024 * 1000
    assert macs / 1e9 == pytest.approx(gmac, rel=0.01)
