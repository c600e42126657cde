"""Gradient checkpointing keeps less for the backward pass and changes no number."""

import pickle
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from maskwright.core import parts
from maskwright.core.card import ArchSpec
from maskwright.nn.blocks.recompute import SelfCheckpointing, recompute_blocks
from maskwright.nn.build import new_model
from maskwright.nn.protocols import ARCHS

from ..small_archs import small_arch

K = 3
ENCODERS = ("resnet18", "densenet121", "mit_b0", "efficientnet-b0", "convnext_atto")


def step(model):
    """The loss of one backward pass."""
    torch.manual_seed(0)
    image, labels = torch.rand(2, 3, 64, 64), torch.randint(0, K, (2, 64, 64))
    loss = model.loss(model(image), labels, lambda logits, y: cross_entropy(logits, y % K))
    loss.backward()
    return loss


@pytest.mark.parametrize(
    "arch",
    [
        *(small_arch(name, "mobilenet_v2") for name in parts.names(ARCHS)),
        *(ArchSpec(name="unet", encoder=encoder) for encoder in ENCODERS),
    ],
    ids=lambda arch: f"{arch.name}-{arch.encoder}",
)
def test_checkpointing_changes_no_number(arch):
    torch.manual_seed(0)
    plain = new_model(arch, 3, K)
    checkpointed = deepcopy(plain)
    recompute_blocks(checkpointed.network)
    torch.testing.assert_close(step(plain), step(checkpointed))
    for (key, before), after in zip(
        plain.named_parameters(), checkpointed.parameters(), strict=True
    ):
        assert (before.grad is None) == (after.grad is None), key
        if before.grad is not None:
            scale = before.grad.abs().max().item()
            torch.testing.assert_close(
                before.grad, after.grad, rtol=1e-4, atol=1e-5 * scale + 1e-8, msg=key
            )
    for (key, before), after in zip(plain.named_buffers(), checkpointed.buffers(), strict=True):
        torch.testing.assert_close(before, after, msg=key)


def kept_bytes(network, x):
    """What the operations outside of blocks keep; of a block, the operation before it."""
    found = 0

    def count(tensor):
        nonlocal found
        found += tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        network(x)
    return found


@pytest.mark.parametrize(
    ("name", "encoder"),
    [("fcdensenet103", "own"), ("deeplabv3plus", "resnet50"), ("segnet", "vgg11_bn")],
)
def test_checkpointing_keeps_less_than_half_outside_of_blocks(name, encoder):
    arch = {"name": name, "encoder": encoder, "config": {}}
    x = torch.rand(2, 3, 64, 64)
    plain, checkpointed = (
        kept_bytes(new_model(ArchSpec.from_json(arch), 3, K, checkpointing=on), x)
        for on in (False, True)
    )
    assert checkpointed < plain / 2


def blocks():
    network = nn.Sequential(
        *(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)) for _ in range(2)),
        nn.ReLU(),
    )
    recompute_blocks(network)
    return network


def test_a_norm_counts_each_step_once_and_a_frozen_norm_none():
    network = blocks()
    network[1].eval()
    for _ in range(3):
        network(torch.rand(2, 3, 8, 8)).sum().backward()
    assert [int(network[i][1].num_batches_tracked) for i in range(2)] == [3, 0]
    assert [network[i][1].momentum for i in range(2)] == [0.1, 0.1]


@pytest.mark.parametrize("copy", [deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_is_a_network_of_its_own(copy):
    network, x = blocks(), torch.rand(2, 3, 8, 8)
    twin = copy(network)
    nn.init.zeros_(network[1][0].weight)
    expected = twin(x)
    twin(x).sum().backward()
    assert network[0][0].weight.grad is None
    assert twin[0][0].weight.grad is not None
    assert expected.std() > 0
    assert list(twin.state_dict()) == list(network.state_dict())


class Chain(SelfCheckpointing):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()))


def test_a_self_checkpointing_module_gets_the_flag_and_keeps_its_blocks():
    network = nn.Sequential(Chain(), Chain())
    recompute_blocks(network[:1])
    assert [chain.checkpointing for chain in network] == [True, False]
    assert "forward" not in vars(network[0].layers[0])
    assert next(iter(network.state_dict())) == "0.layers.0.0.weight"
