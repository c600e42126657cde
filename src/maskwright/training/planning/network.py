"""Decisions on the network: architecture, encoder, the encoder's weights, and widths."""

from maskwright.core.errors import ConfigError
from maskwright.nn.build import load_arch
from maskwright.nn.encoders import fits_file, has_weights_offline, require_weights
from maskwright.nn.packaged import PACKAGED
from maskwright.nn.protocols import OWN

from ..recipe import Settings
from . import few_images
from .plan import SLIM, Plan
from .rates import decide_output_stride
from .situation import Situation

USUAL_ARCH = "fpn"
"""benchmarks/architectures.md says which figure would change this choice."""

ENCODERS = {"cpu": "mobilenet_v2", "cuda": "resnet50"}
KNOWN_ENCODERS = ("mobilenet_v2", "resnet18", "resnet34", "resnet50")
PACKAGED_ENCODER = f"tu-{next(iter(PACKAGED))}"
"""The encoder whose weights the extra `weights` installs."""


def decide_network(plan: Plan, situation: Situation) -> None:
    """Decide the architecture, its encoder, the weights of that, and the widths."""
    plan.decide("model.arch", USUAL_ARCH, "best on thin and small things in the same time")
    decide_output_stride(plan)
    encoders = load_arch(str(plan.get("model.arch"))).ENCODERS
    if encoders is not None and encoders[0] == OWN:
        plan.decide("model.encoder", OWN, "the architecture is a network of its own")
        plan.decide("model.encoder_weights", "none", "there are none for it")
        return
    plan.decide("model.encoder", *_choose_encoder(plan, situation, encoders))
    plan.keep("model.encoder_weights", "far fewer images are needed than from random weights")
    on_cpu = situation.machine.device == "cpu"
    if plan.get("model.arch") == "fpn" and (on_cpu or situation.has_few_images):
        plan.decide("model.config", SLIM, _explain_slim(situation))


def find_substitute(settings: Settings, *, device: str, num_train: int) -> str:
    """Require weights of the encoder to be planned; return the encoder that replaces it, or "".

    Where the weights of the usual encoder cannot be downloaded and those of
    `PACKAGED_ENCODER` are installed, that encoder replaces it.

    Raises:
        ConfigError: No weights are available.
    """
    plan = Plan(settings)
    plan.decide("model.arch", USUAL_ARCH, "")
    weights = str(plan.get("model.encoder_weights"))
    encoders = load_arch(str(plan.get("model.arch"))).ENCODERS
    if "model.encoder" in settings:
        encoder = str(settings["model.encoder"])
    elif encoders is not None:
        encoder = encoders[0]
    else:
        encoder = usual_encoder(device, num_train)
    if encoder == OWN:
        return ""
    try:
        require_weights(encoder, weights)
    except ConfigError:
        is_free = encoders is None and "model.encoder" not in settings
        if is_free and weights == "imagenet" and has_weights_offline(PACKAGED_ENCODER):
            return PACKAGED_ENCODER
        raise
    return ""


def usual_encoder(device: str, num_train: int) -> str:
    """The encoder that is planned where its weights are available."""
    if device == "cuda" and few_images.is_few(num_train):
        return few_images.SMALLER_ENCODER
    return ENCODERS[device]


def _choose_encoder(
    plan: Plan, situation: Situation, encoders: tuple[str, ...] | None
) -> tuple[str, str]:
    """The encoder and the reason; `encoders` are all that the architecture takes, None: any."""
    device, weights = situation.machine.device, str(plan.get("model.encoder_weights"))
    if encoders is not None:
        return encoders[0], "the default encoder of the architecture"
    if weights not in {"imagenet", "none"} and "model.encoder" not in plan.settings:
        fitting = [e for e in KNOWN_ENCODERS if fits_file(e, weights)]
        if not fitting:
            raise ConfigError(
                f"encoder weights {weights}: expected those of {', '.join(KNOWN_ENCODERS)}; "
                f"name their encoder with --set model.encoder=NAME"
            )
        return fitting[0], "the encoder of the weights file"
    usual = usual_encoder(device, situation.num_train)
    if situation.substitute:
        return situation.substitute, (
            f"its weights are installed (extra 'weights'); those of {usual} cannot be "
            f"downloaded here"
        )
    if usual != ENCODERS[device]:
        few = few_images.explain_few(situation.num_train)
        return usual, f"{few}: smaller than {ENCODERS[device]}, not measured here"
    return usual, f"the best found for training on a {device}"


def _explain_slim(situation: Situation) -> str:
    reasons = []
    if situation.machine.device == "cpu":
        reasons.append("a third faster on a CPU")
    if situation.has_few_images:
        few = few_images.explain_few(situation.num_train)
        reasons.append(f"{few}, a smaller model overfits less")
    return f"half the usual widths: {'; '.join(reasons)}"
