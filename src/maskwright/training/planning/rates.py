"""Optimizer, learning rates, decay, clipping and loss: the authors' recipe, or measured values.

The authors' learning rate belongs to their optimizer, batch size and length of training. It is
scaled to the batch size (`nn.published_recipe`), and for AdamW to the length: the best rate
falls with the number of samples to the power 0.32 (Bjorck et al. 2025, arXiv:2409.19913), so a
shorter run takes a larger one. On CamVid in 138 steps of 8 crops, revision 1 of SegFormer on a
pretrained MobileNetV2 reached 34.3 % mIoU at the authors' rate, 45.0 % at the scaled one, with
the usual warm-up and clipping (one seed; a warm-up of one step and no clipping cost revision 2
2.7 points).

SGD moves weights by steps of the size of the rate: a short run ends before it has learnt, and a
rate that is raised diverges. Below a tenth of the authors' crops (a rule, not measured here),
networks with a loss of pixels take AdamW at a rate that works with batches of 4 and of 16
(benchmarks/lr.md), in a run of more crops than was tried less, by the same power of the ratio.
Networks with a loss of their own take the authors' recipe always: nothing else was measured.

Where the whole network starts from trained weights (`model.init`), the rate so found is for
more than is left to learn: a tenth of it is taken, for encoder and decoder alike. The authors
of PIDNet train at 1e-2 from ImageNet on Cityscapes and at 1e-3 from Cityscapes on CamVid (Xu et
al. 2023, arXiv:2206.02066, section 4.2).
"""

from maskwright.nn.build import load_arch
from maskwright.nn.published_recipe import PublishedRecipe

from ..recipe import Recipe
from .plan import Plan
from .rare_classes import count_rare_classes
from .situation import Situation

SMALLEST_SGD_SHARE = 0.1
"""Share of the authors' crops from which on their SGD is taken."""

HORIZON_POWER = 0.32
LARGEST_LR, LARGEST_RANDOM_LR = 5e-3, 2e-3
"""Of AdamW, by scaling to a short run: with a pretrained encoder, and with a random one."""

MEASURED_CROPS = 20_000
"""Crops of the longest runs in which the rate of all other networks was tried."""

FINE_TUNING_RATIO = 0.1
"""Of the rate for a network that starts from encoder weights, where all of it is trained."""


def decide_output_stride(plan: Plan) -> None:
    """Write the authors' stride of the coarsest features, where an architecture offers it."""
    published = load_arch(str(plan.get("model.arch"))).RECIPE
    if published is not None and published.output_stride is not None:
        stride = {"output_stride": published.output_stride}
        plan.decide("model.config", stride, published.source)


def decide_rates(plan: Plan, situation: Situation) -> None:
    """Decide what the optimizer does; the schedule is decided already."""
    published = load_arch(str(plan.get("model.arch"))).RECIPE
    if published is None:
        _decide_measured(plan, situation, "the authors' recipe is not known")
    elif reason := _explain_unfit(plan, situation, published):
        _decide_measured(plan, situation, reason)
    else:
        _decide_published(plan, situation, published)
    if situation.initial is not None:
        _lower_for_fine_tuning(plan)


def _lower_for_fine_tuning(plan: Plan) -> None:
    """Take a share of the rates decided so far, for a network that is trained already."""
    lr, usual = FINE_TUNING_RATIO * plan.get("optim.lr"), plan.reasons.get("optim.lr", "")
    why = (
        f"fine-tuning of all of {plan.get('model.init')}: a tenth of the rate from encoder "
        f"weights, as Xu et al. 2023, section 4.2"
    )
    plan.decide("optim.lr", float(f"{lr:.3g}"), f"{why}; that rate: {usual}")
    plan.decide("optim.encoder_lr_ratio", 1.0, "the decoder is pretrained as the encoder is")


def _explain_unfit(plan: Plan, situation: Situation, published: PublishedRecipe) -> str:
    """Why the authors' recipe is not taken; "" where it is."""
    optimizer = "adamw" if published.is_adaptive else "sgd"
    given = plan.settings.get("optim.name", optimizer)
    given_sgd = "optim.name" in plan.settings
    cited = f"{published.source}: {published.optimizer} {published.lr:g}"
    if given != optimizer:
        return f"{cited}, for another optimizer"
    num_samples = _count_samples(plan, situation)
    is_long = num_samples >= SMALLEST_SGD_SHARE * published.num_samples
    if published.is_adaptive or is_long or not published.loss or given_sgd:
        return ""
    return (
        f"{cited} is for {published.num_samples:,} crops, this run has {num_samples:,}, too "
        f"few for SGD"
    )


def _decide_measured(plan: Plan, situation: Situation, reason: str) -> None:
    """Take the values that were found to work with AdamW; a longer run takes a lower rate."""
    tried, num_crops = "works with batches of 4 to 16", _count_samples(plan, situation)
    if num_crops <= MEASURED_CROPS:
        plan.keep("optim.lr", f"{tried}; {reason}")
    else:
        lr = plan.get("optim.lr") * (MEASURED_CROPS / num_crops) ** HORIZON_POWER
        scaled = f"scaled from {MEASURED_CROPS:,} crops to {num_crops:,}"
        plan.decide("optim.lr", float(f"{lr:.3g}"), f"{tried}, {scaled}; {reason}")
    if plan.is_pretrained:
        plan.keep("optim.encoder_lr_ratio", "the encoder is pretrained")
    else:
        plan.decide("optim.encoder_lr_ratio", 1.0, "the encoder starts from random weights")


def _decide_published(plan: Plan, situation: Situation, published: PublishedRecipe) -> None:
    source = published.source
    plan.decide("optim.name", "adamw" if published.is_adaptive else "sgd", source)
    plan.decide("optim.momentum", published.momentum, source)
    _decide_published_lr(plan, situation, published)
    if published.optimizer in {"adamw", "sgd"}:
        plan.decide("optim.weight_decay", published.weight_decay, source)
    else:
        plan.keep("optim.weight_decay", f"the decay of {published.optimizer} is another one")
    _decide_start(plan, situation, published)
    if published.schedule == "step":
        plan.keep("optim.schedule", "the steps of the authors belong to their data")
    else:
        plan.decide("optim.schedule", published.schedule, source)
    _decide_encoder(plan, published)
    _decide_loss(plan, situation, published)


def _decide_published_lr(plan: Plan, situation: Situation, published: PublishedRecipe) -> None:
    batch, num_samples = _count_batch(plan), _count_samples(plan, situation)
    lr, shorter = published.scale_lr(batch), published.num_samples / num_samples
    scaled = f"scaled from batch {published.batch_size} to {batch}"
    if _raises_lr(plan, situation, published):
        largest = LARGEST_LR if plan.is_pretrained else LARGEST_RANDOM_LR
        lr = max(lr, min(largest, lr * shorter**HORIZON_POWER))
        scaled += f" and from {published.num_samples:,} crops to {num_samples:,}"
    reason = f"{published.optimizer} {published.lr:g}: {published.source}, {scaled}"
    plan.decide("optim.lr", float(f"{lr:.3g}"), reason)


def _decide_start(plan: Plan, situation: Situation, published: PublishedRecipe) -> None:
    """Decide what tames the first steps: warm-up, clipping.

    A share of a short run may be a single step, at a rate that was raised: there, both are no
    less than the defaults.
    """
    source, raised = published.source, _raises_lr(plan, situation, published)
    usual = f"{source} has less, for a lower rate and more steps"
    if raised and published.warmup_ratio < Recipe().optim.warmup_ratio:
        plan.keep("optim.warmup_ratio", usual)
    else:
        plan.decide("optim.warmup_ratio", round(published.warmup_ratio, 4), source)
    if published.clip_norm:
        plan.decide("optim.clip_norm", published.clip_norm, source)
    elif raised:
        plan.keep("optim.clip_norm", f"{source} does not clip, at a lower rate")
    else:
        plan.decide("optim.clip_norm", 0.0, f"{source} does not clip")


def _raises_lr(plan: Plan, situation: Situation, published: PublishedRecipe) -> bool:
    """Whether the rate is raised for a run that is shorter than the authors'."""
    return published.is_adaptive and _count_samples(plan, situation) < published.num_samples


def _decide_encoder(plan: Plan, published: PublishedRecipe) -> None:
    """A pretrained encoder learns as the authors' does, a random one as fast as the decoder."""
    if not plan.is_pretrained:
        plan.decide("optim.encoder_lr_ratio", 1.0, "the encoder starts from random weights")
        return
    source = published.source
    plan.decide("optim.encoder_lr_ratio", published.encoder_lr_ratio, source)
    plan.decide("optim.layer_decay", published.layer_decay, source)
    if published.freezes_encoder:
        epochs = plan.get("schedule.epochs")
        plan.decide("optim.freeze_epochs", epochs, f"{source}: the encoder is not trained")


def _decide_loss(plan: Plan, situation: Situation, published: PublishedRecipe) -> None:
    """Take the authors' loss, unless a class is rare: then the measured remedy stays."""
    if not published.loss:
        reason = f"without effect: {plan.get('model.arch')} has its own loss"
        plan.decide("loss.sum", plan.get("loss.sum"), reason)
    elif not count_rare_classes(situation.facts):
        plan.decide("loss.sum", published.loss, published.source)


def _count_batch(plan: Plan) -> int:
    """Images per optimizer step."""
    return int(plan.get("data.batch_size") * plan.get("optim.accumulate"))


def _count_samples(plan: Plan, situation: Situation) -> int:
    """Crops of the whole run."""
    return int(plan.get("schedule.epochs")) * situation.num_train
