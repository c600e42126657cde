"""From queries to one map of class scores: MaskFormer (arXiv:2107.06278), section 3.4."""

import torch
from torch import Tensor

from .resize import enlarged
from .set_loss import Queries

FLOOR = 1e-6
"""Added to scores before the logarithm: no query need claim a pixel."""


def class_logits(queries: Queries, factor: int) -> Tensor:
    """Logits (B, K, H, W) at `factor` times the size of the masks.

    A class scores the sum over queries of its probability times that of the mask. Their
    logarithm is what is returned: the largest is the paper's choice, and its softmax is the
    class's share of the scores, which a temperature sharpens or softens as any other.
    """
    prob_BQK = queries.class_BQk.float().softmax(-1)[..., :-1]
    mask_BQHW = enlarged(queries.mask_BQhw.float(), factor).sigmoid()
    score_BKHW = torch.einsum("bqk,bqhw->bkhw", prob_BQK, mask_BQHW)
    return (score_BKHW + FLOOR).log().to(queries.mask_BQhw.dtype)
