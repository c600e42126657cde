import pytest

from maskwright.training.machine import Machine
from maskwright.training.planning.rules import make_plan
from maskwright.training.recipe import Recipe

from ..situations import situation

NUM_TRAIN = 50


def planned(arch, num_crops, *, weights="imagenet", shares=(0.6, 0.4), **settings):
    """The plan of a run of `num_crops` crops, in batches of 16 without other settings."""
    fixed = {
        "model.arch": arch,
        "model.encoder_weights": weights,
        "schedule.epochs": num_crops // NUM_TRAIN,
        "optim.precision": "fp32",
        "data.batch_size": 16,
    }
    return make_plan(situation(class_share_C=shares), fixed | settings)


def test_a_run_of_the_authors_length_and_batch_takes_their_recipe_and_cites_it():
    plan = planned("segformer", 2_560_000)
    optim, reasons = plan.recipe.optim, plan.reasons
    assert (optim.name, optim.lr, optim.encoder_lr_ratio) == ("adamw", 6e-4, 0.1)
    assert (optim.weight_decay, optim.warmup_ratio, optim.schedule) == (0.01, 0.0094, "linear")
    assert (optim.clip_norm, plan.recipe.loss.sum) == (0.0, "ce")
    assert reasons["optim.lr"] == (
        "adamw 0.0006: Xie et al. 2021, section 4.1, scaled from batch 16 to 16"
    )
    assert reasons["optim.clip_norm"] == "Xie et al. 2021, section 4.1 does not clip"


def test_a_smaller_batch_lowers_and_a_shorter_run_raises_the_rate_of_adamw():
    plan = planned("segformer", 25_600, **{"data.batch_size": 4})
    # sqrt(4 / 16) = 0.5 and 100 ** 0.32 = 4.365
    assert plan.recipe.optim.lr == pytest.approx(6e-4 * 0.5 * 4.365, rel=2e-3)
    assert "from batch 16 to 4 and from 2,560,000 crops to 25,600" in plan.reasons["optim.lr"]
    longer = planned("segformer", 5_120_000, **{"data.batch_size": 4})
    assert longer.recipe.optim.lr == 3e-4


def test_a_raised_rate_has_the_usual_warm_up_and_clipping_at_least():
    short, whole = planned("segformer", 8_000), planned("mask2former", 2_560_000)
    usual = Recipe().optim
    assert short.recipe.optim.warmup_ratio == usual.warmup_ratio
    assert short.recipe.optim.clip_norm == usual.clip_norm
    assert short.reasons["optim.clip_norm"] == (
        "Xie et al. 2021, section 4.1 does not clip, at a lower rate"
    )
    assert planned("mask2former", 8_000).recipe.optim.clip_norm == 0.01
    assert (whole.recipe.optim.warmup_ratio, whole.recipe.optim.lr) == (0.0, 1e-4)


def test_a_run_longer_than_those_measured_takes_a_lower_rate_on_every_device():
    longer = planned("fpn", 80_000)
    assert longer.recipe.optim.lr == pytest.approx(2e-3 / 4**0.32, rel=5e-3)
    assert longer.reasons["optim.lr"].startswith(
        "works with batches of 4 to 16, scaled from 20,000 crops to 80,000; "
    )
    assert planned("fpn", 80_000, **{"optim.lr": 1e-3}).recipe.optim.lr == 1e-3
    gpu = Machine("cuda", "GPU", 16, 80 << 30)
    settings = {"model.arch": "fpn", "optim.precision": "bf16", "schedule.epochs": 160}
    assert make_plan(situation(gpu), settings).recipe.optim.lr == 2e-3


def test_a_short_run_keeps_what_was_measured_and_says_for_how_many_crops_the_authors_rate_is():
    plan = planned("fpn", 8_000)
    optim, usual = plan.recipe.optim, Recipe().optim
    assert (optim.name, optim.lr, optim.encoder_lr_ratio) == ("adamw", 2e-3, 0.5)
    assert (optim.clip_norm, optim.weight_decay) == (usual.clip_norm, usual.weight_decay)
    assert plan.recipe.loss.sum == "ce+dice"
    cited = "Kirillov et al. 2019, section 4.1: sgd 0.01 is for 2,080,000 crops, this run has"
    assert f"{cited} 8,000" in plan.reasons["optim.lr"]


def test_a_run_of_a_tenth_of_the_authors_crops_takes_their_sgd_scaled_to_the_batch():
    optim = planned("fpn", 208_000).recipe.optim
    assert (optim.name, optim.lr, optim.momentum) == ("sgd", 0.005, 0.9)
    assert optim.weight_decay == 1e-4
    assert planned("fpn", 207_950).recipe.optim.name == "adamw"


def test_the_optimizer_that_the_user_sets_decides_which_recipe_is_taken():
    sgd = planned("pidnet_s", 8_000, weights="none", **{"optim.name": "sgd"}).recipe.optim
    assert (sgd.lr, sgd.weight_decay) == (0.0133, 5e-4)
    adamw = planned("fpn", 208_000, **{"optim.name": "adamw"})
    assert adamw.recipe.optim.lr == pytest.approx(2e-3 / 10.4**0.32, rel=5e-3)
    assert "sgd 0.01, for another optimizer" in adamw.reasons["optim.lr"]


@pytest.mark.parametrize("arch", ["mask2former", "maskformer"])
def test_networks_with_their_own_loss_take_the_authors_recipe_in_a_short_run_too(arch):
    plan = planned(arch, 8_000)
    optim = plan.recipe.optim
    # 1e-4 * 320 ** 0.32
    assert (optim.lr, optim.encoder_lr_ratio) == (pytest.approx(6.33e-4, rel=1e-2), 0.1)
    assert optim.clip_norm == 0.01
    assert plan.reasons["loss.sum"] == f"without effect: {arch} has its own loss"


def test_no_scaling_exceeds_the_largest_rate_that_was_measured():
    assert planned("segformer", 500).recipe.optim.lr == 5e-3
    assert planned("segformer", 500, weights="none").recipe.optim.lr == 2e-3


def test_an_encoder_of_random_weights_learns_at_the_rate_of_the_decoder():
    random, trained = planned("eomt", 700_000, weights="none"), planned("eomt", 700_000)
    assert random.recipe.optim.layer_decay == random.recipe.optim.encoder_lr_ratio == 1.0
    assert trained.recipe.optim.layer_decay == 0.8
    assert trained.recipe.optim.lr == 1e-4


def test_the_encoder_of_dinov2_is_frozen_all_the_time_if_it_is_pretrained():
    trained, random = planned("dinov2", 8_000), planned("dinov2", 8_000, weights="none")
    assert trained.recipe.optim.freeze_epochs == trained.recipe.schedule.epochs == 160
    assert random.recipe.optim.freeze_epochs == 0


def test_the_loss_of_the_authors_gives_way_to_the_remedy_for_rare_classes():
    common = planned("pidnet_s", 1_440_000, weights="none")
    assert common.recipe.loss.sum == "ohem"
    rare = planned("pidnet_s", 1_440_000, weights="none", shares=(0.9, 0.099, 0.001))
    assert rare.recipe.loss.sum == "ce+dice"


def test_the_output_stride_of_the_authors_is_explicit_and_the_users_holds():
    plan = planned("deeplabv3plus", 8_000)
    assert plan.recipe.model.config == {"output_stride": 16}
    source = "Chen et al. 2018, section 4, and train.py of the authors"
    assert plan.reasons["model.config"] == source
    given = planned("deeplabv3plus", 8_000, **{"model.config.output_stride": 8})
    assert given.recipe.model.config == {"output_stride": 8}
