"""Parts of the rows, put together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlops_cli.training.base import Part


def together(parts: Sequence[Part]) -> Part:
    """The rows of all parts, in their order."""
    weights = [part.weight for part in parts if part.weight is not None]
    return Part(
        np.concatenate([part.matrix for part in parts]),
        np.concatenate([part.target for part in parts]),
        np.concatenate(weights) if weights else None,
    )
