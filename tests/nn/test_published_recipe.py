import pytest

from maskwright.core import parts
from maskwright.core.errors import ConfigError
from maskwright.nn.build import load_arch
from maskwright.nn.loss import build_loss
from maskwright.nn.protocols import ARCHS
from maskwright.nn.published_recipe import PublishedRecipe

UNKNOWN = {"manet", "unetplusplus"}
"""Their papers give no rate with a batch size, and there is no code of the authors."""

GIVEN = {"source": "A et al. 2020", "optimizer": "sgd", "lr": 0.01}
GIVEN |= {"batch_size": 16, "num_steps": 1000}


@pytest.mark.parametrize("name", parts.names(ARCHS))
def test_every_architecture_has_the_recipe_of_its_authors_with_the_year(name):
    recipe = load_arch(name).RECIPE
    if name in UNKNOWN:
        assert recipe is None
        return
    assert any(text in recipe.source for text in ("20", "torchvision"))
    if recipe.loss:
        build_loss(recipe.loss, {}, None)
    if recipe.output_stride is not None:
        assert load_arch(name).Config().output_stride == recipe.output_stride


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("segformer", {"lr": 6e-4, "encoder_lr_ratio": 0.1, "batch_size": 16}),
        ("mask2former", {"lr": 1e-4, "clip_norm": 0.01, "weight_decay": 0.05}),
        ("eomt", {"lr": 1e-4, "layer_decay": 0.8, "optimizer": "adamw", "clip_norm": 0.01}),
        ("segnet", {"lr": 0.001, "batch_size": 4, "num_steps": 40_000}),
        ("segnet_basic", {"lr": 0.1, "batch_size": 12, "num_steps": 10_000}),
        ("pidnet_s", {"lr": 0.01, "optimizer": "sgd", "batch_size": 12, "loss": "ohem"}),
        ("deeplabv3plus", {"lr": 7e-3, "output_stride": 16, "num_steps": 30_000}),
        ("bisenetv2", {"lr": 0.05, "batch_size": 16, "weight_decay": 5e-4}),
    ],
)
def test_recipes_have_the_numbers_of_the_sources(name, values):
    recipe = load_arch(name).RECIPE
    assert {key: getattr(recipe, key) for key in values} == values


def test_sgd_is_scaled_by_the_batch_and_adaptive_optimizers_by_its_root():
    assert PublishedRecipe(**GIVEN).scale_lr(4) == 0.0025
    assert PublishedRecipe(**GIVEN | {"optimizer": "adam"}).scale_lr(4) == 0.005
    assert PublishedRecipe(**GIVEN).scale_lr(16) == 0.01
    assert PublishedRecipe(**GIVEN).num_samples == 16_000


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("source", "", "source is '', expected a paper or a file"),
        ("lr", 0.0, "lr is 0.0, expected a number between 0 and 1"),
        ("layer_decay", 1.5, "layer_decay is 1.5, expected a number up to 1, above 0"),
        ("warmup_ratio", 1500, "warmup_ratio is 1500, expected a share of the run"),
        ("batch_size", 0, "batch_size is 0, expected 1 or more"),
    ],
)
def test_a_number_out_of_its_range_is_named(key, value, expected):
    with pytest.raises(ConfigError, match=f"published recipe: {expected}"):
        PublishedRecipe(**GIVEN | {key: value})
