"""Decisions on the network: architecture, encoder, the encoder's weights, and widths."""

from dataclasses import dataclass

from maskwright.core.errors import ConfigError
from maskwright.nn.build import load_arch, require_encoder
from maskwright.nn.encoder_weights import EncoderCheckpoint, open_weights, require_weights
from maskwright.nn.encoders import has_weights_offline
from maskwright.nn.packaged import PACKAGED
from maskwright.nn.protocols import OWN

from ..initial import InitialNetwork
from ..model_options import NEWEST, NONE
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
    if situation.initial is not None:
        _follow(plan, situation.initial)
        return
    plan.decide("model.arch", USUAL_ARCH, "best on thin and small things in the same time")
    decide_output_stride(plan)
    encoders = load_arch(str(plan.get("model.arch"))).ENCODERS
    if encoders is not None and encoders[0] == OWN:
        plan.decide("model.encoder", OWN, "the architecture is a network of its own")
        plan.decide("model.encoder_weights", NONE, "there are none for it; see model.init")
        return
    if "model.encoder" not in plan.settings:
        plan.decide("model.encoder", *_choose_encoder(plan, situation, encoders))
    plan.keep("model.encoder_weights", "far fewer images are needed than from random weights")
    on_cpu = situation.machine.device == "cpu"
    if plan.get("model.arch") == "fpn" and (on_cpu or situation.has_few_images):
        plan.decide("model.config", SLIM, _explain_slim(situation))


def _follow(plan: Plan, initial: InitialNetwork) -> None:
    """Take the network that training starts from."""
    plan.reasons["model.init"] = initial.reason
    values = initial.follow(plan.given.model)
    reason = f"that of {initial.source}"
    for key in ("arch", "encoder", "norm", "revision"):
        if values[key] != NEWEST:
            plan.decide(f"model.{key}", values[key], reason)
    if values["widths"]:
        plan.decide("model.widths", values["widths"], reason)
    plan.decide_config(values["config"], reason)
    plan.decide("model.encoder_weights", NONE, "model.init has those of the encoder too")


@dataclass(frozen=True, slots=True)
class AvailableWeights:
    """Encoder weights that were found: a checkpoint if they are one, see `find_weights`."""

    checkpoint: EncoderCheckpoint | None = None
    substitute: str = ""


def find_weights(
    settings: Settings, *, device: str, num_train: int, accept_licence: bool = False
) -> AvailableWeights:
    """Require weights of the encoder to be planned.

    Where the weights of the usual encoder cannot be downloaded and those of
    `PACKAGED_ENCODER` are installed, that encoder is the substitute.

    Raises:
        ConfigError: No weights are available, or their licence has to be accepted.
    """
    plan = Plan(settings)
    plan.decide("model.arch", USUAL_ARCH, "")
    weights = str(plan.get("model.encoder_weights"))
    encoders = load_arch(str(plan.get("model.arch"))).ENCODERS
    is_free = "model.encoder" not in settings
    if not is_free:
        encoder = str(settings["model.encoder"])
    elif encoders is not None:
        encoder = encoders[0]
    else:
        encoder = usual_encoder(device, num_train)
    if encoder == OWN:
        given = str(settings.get("model.encoder_weights", NONE))
        require_encoder(str(plan.get("model.arch")), encoder, given)
        return AvailableWeights()
    if is_free and weights not in {"imagenet", NONE}:  # they name their encoder, or fit one
        return AvailableWeights(open_weights(weights, accept_licence=accept_licence))
    try:
        found = require_weights(encoder, weights, accept_licence=accept_licence)
    except ConfigError:
        is_usual = encoders is None and is_free and weights == "imagenet"
        if is_usual and has_weights_offline(PACKAGED_ENCODER):
            return AvailableWeights(substitute=PACKAGED_ENCODER)
        raise
    return AvailableWeights(found)


def usual_encoder(device: str, num_train: int) -> str:
    """The encoder that is planned where its weights are available."""
    if device == "cuda" and few_images.is_few(num_train):
        return few_images.SMALLER_ENCODER
    return ENCODERS[device]


def _choose_encoder(
    plan: Plan, situation: Situation, encoders: tuple[str, ...] | None
) -> tuple[str, str]:
    """The encoder and the reason; `encoders` are all that the architecture takes, None: any."""
    device, weights = situation.machine.planned_as, str(plan.get("model.encoder_weights"))
    found = situation.checkpoint
    if found is not None:
        if found.encoder is not None:
            return found.encoder, f"the encoder of {weights}"
        if encoders is None:
            return _find_encoder(found), f"the encoder that {weights} fits"
    if encoders is not None:
        return encoders[0], "the default encoder of the architecture"
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


def _find_encoder(found: EncoderCheckpoint) -> str:
    """The first encoder that a checkpoint fits which states none."""
    fitting = (name for name in KNOWN_ENCODERS if found.fits(name))
    encoder = next(fitting, None)
    if encoder is None:
        raise ConfigError(
            f"encoder weights {found.source}: expected those of {', '.join(KNOWN_ENCODERS)}; "
            f"name their encoder with --set model.encoder=NAME"
        )
    return encoder


def _explain_slim(situation: Situation) -> str:
    reasons = []
    if situation.machine.device == "cpu":
        reasons.append("a third faster on a CPU")
    if situation.has_few_images:
        few = few_images.explain_few(situation.num_train)
        reasons.append(f"{few}, a smaller model overfits less")
    return f"half the usual widths: {'; '.join(reasons)}"
