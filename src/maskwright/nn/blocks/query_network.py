"""Networks that say masks and the class of each: what their training has in common."""

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from .deep_supervision import PixelLoss
from .set_loss import Queries, SetLoss


class PointLossConfig(BaseModel):
    """Weights of the set loss and its points: Mask2Former's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_weight: float = Field(2.0, ge=0)
    mask_weight: float = Field(5.0, ge=0)
    dice_weight: float = Field(5.0, ge=0)
    no_object_weight: float = Field(0.1, ge=0)
    num_points: int = Field(12544, gt=0)


class QueryNetwork(nn.Module):
    """In training its forward gives the queries of several layers, the last first."""

    def __init__(self, set_loss: SetLoss) -> None:
        super().__init__()
        self.set_loss = set_loss

    def loss(
        self,
        outputs: list[Queries],
        labels_BHW: Tensor,
        pixel_loss: PixelLoss,  # noqa: ARG002  the papers' loss is of masks
    ) -> Tensor:
        """The set loss of every layer, summed."""
        return self.set_loss(outputs, labels_BHW)
