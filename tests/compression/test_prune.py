"""prune: channels go by importance, and what is left is trained, exported and resumed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.compression.pruning.choice import ChannelChoice
from maskwright.compression.pruning.importance import measure_magnitude, measure_taylor
from maskwright.compression.pruning.latency import Latency
from maskwright.compression.pruning.prune import PruneOptions, prune_model
from maskwright.core import InputSpec
from maskwright.core.bundle import WEIGHTS, open_bundle
from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.checkpoint import Checkpoint, write_card
from maskwright.core.errors import ConfigError, DataError
from maskwright.data.dataset import open_dataset
from maskwright.data.synth.streets import write_street_scenes
from maskwright.inference.predictor import open_model
from maskwright.nn.build import build_model, load_model
from maskwright.nn.channels import map_channels
from maskwright.training.checkpoint import write_tensors
from maskwright.training.options import Callbacks, TrainOptions
from maskwright.training.run import train_weights

OLD = Path(__file__).parents[1] / "fixtures" / "written_by_0_1"
QUICK = {
    "data.crop_px": [64, 64],
    "data.batch_size": 2,
    "optim.precision": "fp32",
    "schedule.epochs": 1,
}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "data"
    return write_street_scenes(folder, num_images=8, size_HW=(64, 64), seed=1)


@pytest.fixture(scope="module")
def checkpoint(scenes, tmp_path_factory):
    """The checkpoint of a network that was not trained."""
    config = {"pyramid_channels": 16, "decoder_channels": 32}
    card = ModelCard(
        labels=open_dataset(scenes).spec,
        input=InputSpec(channels=3, mean=(0.5,) * 3, std=(0.2,) * 3),
        arch=ArchSpec(name="fpn", encoder="test_resnet", config=config),
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoint")
    write_card(folder, card)
    write_tensors(folder / WEIGHTS, build_model(card).state_dict())
    return folder


@pytest.fixture(scope="module")
def card(checkpoint):
    return Checkpoint.open(checkpoint).card


def count_ops(card):
    return map_channels(build_model(card).network, card.input.channels).total_ops


@pytest.mark.slow
def test_a_pruned_run_is_built_from_its_card_and_goes_on(checkpoint, scenes, tmp_path):
    out = tmp_path / "small"
    line = ["prune", checkpoint, scenes, "--target-flops", "0.5", "--rounds", "2", "-o", out]
    line += [arg for key, value in QUICK.items() for arg in ("--set", f"{key}={value}")]
    done = CliRunner().invoke(app, [*map(str, line), "--json"])
    assert done.exit_code == 0, done.stderr
    lines = done.stderr.splitlines()
    assert sum(text.startswith("pruned to ") for text in lines) == 2
    bundle = open_bundle(Path(json.loads(done.stdout)["bundle"]))
    widths = bundle.card.arch.widths
    assert all(min(pair) >= 0 and max(pair) % 8 == 0 for pair in widths.values())
    whole = count_ops(replace(bundle.card, arch=replace(bundle.card.arch, widths={})))
    assert 0.4 * whole < count_ops(bundle.card) <= 0.5 * whole
    assert bundle.card.provenance["init"]["pruned"]["share_of_multiplications"] <= 0.5
    (graph,) = bundle.graphs
    assert graph.parity.largest_logit_difference < 1e-3
    x_BCHW = np.random.default_rng(0).standard_normal((1, 3, 50, 70)).astype(np.float32)
    logits = [
        open_model(bundle.root, engine=e).engine(x_BCHW) for e in ("torch", "onnxruntime")
    ]
    np.testing.assert_allclose(*logits, atol=1e-3)
    options = TrainOptions(settings={**QUICK, "model.init": str(out)})
    train_weights(scenes, tmp_path / "more", options, Callbacks())
    assert Checkpoint.open(tmp_path / "more" / "best").card.arch.widths == widths


def test_a_channel_that_nothing_depends_on_is_the_least_important(checkpoint, card):
    model = load_model(card, checkpoint / WEIGHTS)
    found = map_channels(model.network, 3)
    index, path = next(
        (index, path)
        for index, one in enumerate(found.channels)
        for (path, side), _ in one.places
        if side == "out" and len(one.places) == 3
    )
    (at,) = found.channels[index].places[0][1]
    with torch.no_grad():
        for (path, side), _ in found.channels[index].places:
            layer = model.network.get_submodule(path)
            if side == "out":
                layer.weight[at] = 0
                if layer.bias is not None:
                    layer.bias[at] = 0
    x_BCHW, labels_BHW = torch.rand(1, 3, 64, 64), torch.zeros(1, 64, 64, dtype=torch.long)
    for scores in (
        measure_taylor(model, model.network, found, [(x_BCHW, labels_BHW)]),
        measure_magnitude(model.network, found),
    ):
        assert scores[index] == 0 == scores.min()
        assert scores.max() > 0


def test_what_cannot_be_pruned_is_refused_with_the_reason(checkpoint, scenes, tmp_path):
    half = PruneOptions(target_flops=0.5)
    with pytest.raises(ConfigError, match="give one of --target-flops SHARE and --target-ms"):
        PruneOptions()
    with pytest.raises(ConfigError, match=r"--target-flops 2: expected the share .* below 1"):
        PruneOptions(target_flops=2)
    out = tmp_path / "out"
    with pytest.raises(DataError, match=r"has the classes .*; prune on data with the classes"):
        prune_model(checkpoint, OLD / "street", out, half)
    with pytest.raises(ConfigError, match=r"100% are the least .* at least 8 channels; choose"):
        prune_model(OLD / "run", OLD / "street", out, half)
    with pytest.raises(ConfigError, match="is no Bundle, run or checkpoint"):
        prune_model(scenes, scenes, out, half)
    assert not out.exists()


def test_a_share_for_a_time_is_found_between_too_slow_and_too_fast():
    class Clock(Latency):
        def measure(self, card, model):
            return 100 * card

    lines = []
    share = Clock().find_share(lambda share: (share, None), 50, lines.append)
    assert 0.45 < share <= 0.5
    assert lines[0] == "the whole network takes 100.0 ms on onnxruntime"
    with pytest.raises(ConfigError, match=r"takes 100\.0 ms on onnxruntime already"):
        Clock().find_share(lambda share: (share, None), 100, lines.append)
    with pytest.raises(ConfigError, match="of the multiplications still take more"):
        Clock().find_share(lambda share: (share, None), 1, lines.append)

    def narrow(share):
        if share < 0.3:
            raise ConfigError("30% are the least")
        return share, None

    with pytest.raises(
        ConfigError, match=r"--target-ms 20: 3[0-9]% of the multiplications sti"
    ):
        Clock().find_share(narrow, 20, lines.append)
    assert 0.3 <= Clock().find_share(narrow, 35, lines.append) <= 0.35


def test_work_is_reached_by_the_channels_with_the_smallest_scores(card):
    found = map_channels(build_model(card).network, 3)
    scores = np.random.default_rng(0).random(len(found.channels))
    kept = ChannelChoice(found, scores).reach(0.6, name="a")
    count = ChannelChoice(found, scores).count_ops
    assert 0.4 * found.total_ops < count(kept) <= 0.6 * found.total_ops
    assert count({}) == found.total_ops
