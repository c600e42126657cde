"""Weights of before are built as the network that they were trained in.

`first_revisions.json` has the logits of revision 1 of each architecture, with tensors filled by
their names, computed before the newer revision existed.
"""

from dataclasses import replace

import pytest
import torch

from maskwright.core import parts
from maskwright.core.card import ArchSpec
from maskwright.nn.build import build_model, load_arch, newest
from maskwright.nn.protocols import ARCHS

from .reference import fill_by_name, load_fixture, noise, sample

SMALL_DPT = {"fusion_channels": 32}
FIRST = {
    "segformer": ("mit_b0", {}),
    "dpt": ("vit_tiny_patch16_224", SMALL_DPT),
    "dinov2": ("vit_small_patch14_dinov2", SMALL_DPT | {"head": "dpt"}),
    "dinov3": ("vit_small_patch16_dinov3", SMALL_DPT | {"head": "dpt"}),
    "pidnet_s": ("own", {"channels": 8}),
    "enet": ("own", {}),
    "fcdensenet103": ("own", {"down_layers": (1, 1, 1, 1, 1), "bottleneck_layers": 1}),
}


@pytest.fixture(scope="module")
def first_logits():
    return load_fixture("first_revisions")["outputs"]


@pytest.mark.parametrize("name", FIRST)
def test_weights_of_the_first_revision_give_its_logits(name, first_logits, painted_card):
    encoder, config = FIRST[name]
    arch = ArchSpec(name=name, encoder=encoder, config=config, revision=1)
    card = replace(painted_card(), arch=arch)
    network = fill_by_name(build_model(card).network)
    with torch.inference_mode():
        found = sample(network(noise("image", (1, 3, 64, 64))))
    expected = torch.tensor(first_logits[name]["values"])
    limit = 1e-4 * expected.abs().max().item()
    torch.testing.assert_close(torch.tensor(found["values"]), expected, atol=limit, rtol=0)
    assert newest(arch).revision == load_arch(name).REVISION > 1


def test_every_architecture_of_a_newer_revision_says_what_happens_to_older_weights():
    changed = [n for n in parts.names(ARCHS) if load_arch(n).REVISION > 1]
    assert set(FIRST) <= set(changed)
    for name in FIRST:
        assert set(load_arch(name).OLDER) == set(range(1, load_arch(name).REVISION))
