"""A Bundle that was imported as a teacher: ONNX Runtime runs its graph on the processor."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from maskwright.core.bundle import GRAPH, Bundle
from maskwright.core.card import ModelCard
from maskwright.export.foreign.network import GraphNetwork
from maskwright.inference.engine import Engine
from maskwright.nn.pretrained.files import identify


@dataclass(frozen=True, slots=True)
class ImportedNetwork:
    """The network of a Bundle without weights, as `nn.trained.Trained` is of one with them."""

    bundle: Bundle

    @property
    def card(self) -> ModelCard:
        """Of the network."""
        return self.bundle.card

    def make_provenance(self) -> dict[str, object]:
        """The entry of a card on a network that learned from this one."""
        files = {GRAPH: identify(self.bundle.file(GRAPH))}
        return {"model": self.bundle.model_id, "files": files}

    def load(self) -> "GraphModule":
        """The network as a module; raises BundleError where the graph cannot be run."""
        return GraphModule(GraphNetwork.open(self.bundle).engine, self.card)


class GraphModule(nn.Module):
    """Gives the logits of an engine, at the size of the input; it has no weights to learn."""

    def __init__(self, engine: Engine, card: ModelCard) -> None:
        super().__init__()
        self.engine, self.stride = engine, card.logits.stride

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """logits_BKHW on the device of the input, without a gradient."""
        inputs = x_BCHW.detach().float().cpu().numpy()
        most = self.engine.max_batch
        parts = [self.engine(inputs[n : n + most]) for n in range(0, len(inputs), most)]
        logits_BKhw = torch.from_numpy(np.concatenate(parts)).to(x_BCHW.device)
        height, width = x_BCHW.shape[-2:]
        if self.stride > 1:
            logits_BKhw = interpolate(logits_BKhw, scale_factor=self.stride, mode="bilinear")
        return logits_BKhw[..., :height, :width]
