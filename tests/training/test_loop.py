import pytest
import torch

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.nn.build import new_model
from maskwright.training.loop import _explain_out_of_memory, _is_out_of_memory
from maskwright.training.recipe import Recipe, override
from maskwright.training.setup import make_accelerator, synchronize_batch_norm


def test_running_out_of_memory_is_recognised_from_a_real_failure():
    with pytest.raises(RuntimeError) as failure:
        torch.empty(1 << 50)
    assert _is_out_of_memory(failure.value)
    assert _is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not _is_out_of_memory(RuntimeError("shape mismatch"))


def test_the_advice_on_memory_keeps_the_training_the_same():
    recipe = override(Recipe(), {"data.batch_size": 8, "data.crop_px": [64, 96]})
    assert _explain_out_of_memory(recipe) == (
        "out of memory with data.batch_size=8 and data.crop_px=[64, 96]; "
        "try --set data.batch_size=4 --set optim.accumulate=2, which trains the same, "
        "or --set model.checkpointing=true, or smaller crops"
    )
    assert _explain_out_of_memory(override(recipe, {"model.checkpointing": True})).endswith(
        "which trains the same, or smaller crops"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_half_precision_that_the_device_lacks_is_refused():
    with pytest.raises(ConfigError, match="'fp16' needs device 'cuda', got 'cpu'; use bf16"):
        make_accelerator(override(Recipe(), {"optim.precision": "fp16"}))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_statistics_over_gpus_are_refused_where_there_is_none():
    with pytest.raises(ConfigError, match="'sync' needs device 'cuda', got 'cpu'; use batch"):
        make_accelerator(override(Recipe(), {"model.norm": "sync"}))


def test_statistics_over_gpus_keep_activations_and_names():
    model = new_model(ArchSpec(name="fpn", encoder="test_resnet"), 3, 2)
    names = list(model.state_dict())
    found = synchronize_batch_norm(model)
    kinds = {type(m).__name__ for m in found.modules() if "BatchNorm" in type(m).__name__}
    assert kinds <= {"SyncBatchNorm", "SyncBatchNormAct"}
    assert list(found.state_dict()) == names
