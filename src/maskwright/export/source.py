"""The model that is exported: a checkpoint, a Bundle, or one that others published."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from safetensors.torch import save as serialize

from ..core.bundle import WEIGHTS, Bundle, is_bundle, open_bundle
from ..core.card import ModelCard
from ..core.checkpoint import Checkpoint, find_checkpoint
from ..core.graph import Graph
from ..inference.choice import is_published
from ..inference.published import open_published
from ..nn.build import load_model
from .foreign.network import GraphNetwork
from .network import Network
from .torchnetwork import TorchNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The model that is exported; `files` and `graphs` go into the new Bundle.

    `load` gives the network. A published model has no file of weights of ours: that is written
    from the network.
    """

    card: ModelCard
    model_id: str
    load: Callable[[], Network]
    files: dict[str, Path]
    graphs: tuple[Graph, ...] = ()
    bundle: Bundle | None = None
    notes: tuple[str, ...] = ()
    is_published: bool = False

    @classmethod
    def open(cls, model: Path | str, *, accept_licence: bool) -> "Source":
        """Open any model; raises as `export_model`."""
        if is_published(model):
            return cls.of_published(str(model), accept_licence=accept_licence)
        path = Path(model)
        if not is_bundle(path):
            return cls.of_checkpoint(find_checkpoint(path) or path)
        bundle = open_bundle(path)
        return cls(
            card=bundle.card,
            model_id=bundle.model_id,
            load=partial(_load_bundle, bundle),
            files={name: bundle.file(name) for name in bundle.files},
            graphs=bundle.graphs,
            bundle=bundle,
        )

    @classmethod
    def of_checkpoint(cls, folder: Path) -> "Source":
        """Open the folder of a checkpoint."""
        found = Checkpoint.open(folder)
        return cls(
            card=found.card,
            model_id=found.model_id,
            load=partial(_load_weights, found.card, found.weights),
            files={WEIGHTS: found.weights},
        )

    @classmethod
    def of_published(cls, source: str, *, accept_licence: bool) -> "Source":
        """Open a published model by its name on the hub, or its folder or file."""
        found = open_published(source, accept_licence=accept_licence)
        card, network = found.stop_at_head()
        return cls(
            card=card,
            model_id=found.model_id,
            load=lambda: TorchNetwork(network.eval(), card),
            files={},
            notes=found.notes,
            is_published=True,
        )

    def write_weights(self, network: Network, folder: Path) -> None:
        """Write the file of weights of a published model into `folder`."""
        if self.is_published:
            path = folder / WEIGHTS
            module = network.require_module(WEIGHTS)
            tensors = {k: v.contiguous() for k, v in module.state_dict().items()}
            path.write_bytes(serialize(tensors))
            self.files[WEIGHTS] = path


def _load_weights(card: ModelCard, weights: Path) -> TorchNetwork:
    return TorchNetwork(load_model(card, weights).eval(), card)


def _load_bundle(bundle: Bundle) -> Network:
    """The network of the weights, or of the graph of a Bundle that was imported."""
    if bundle.has_weights:
        return _load_weights(bundle.card, bundle.weights)
    return GraphNetwork.open(bundle)
