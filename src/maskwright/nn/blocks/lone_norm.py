"""Networks of libraries made to train on a batch of one."""

from torch import nn

from .conv import Norm


def bear_lone_values(network: nn.Module) -> None:
    """Put a `Norm` in the place of every plain BatchNorm2d; numbers and names stay."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm2d:
                setattr(parent, name, _bearing(child))


def _bearing(norm: nn.BatchNorm2d) -> Norm:
    found = Norm(
        norm.num_features,
        eps=norm.eps,
        momentum=norm.momentum,
        affine=norm.affine,
        track_running_stats=norm.track_running_stats,
    )
    found.load_state_dict(norm.state_dict())
    return found.train(norm.training)
