"""Say in a chapter that two computations agree."""

import numpy as np
import torch

__all__ = ["within"]


def within(difference: torch.Tensor | np.ndarray, tolerance: float) -> str:
    """Say that a difference is zero within a tolerance; rounding itself is never printed.

    Raises:
        AssertionError: It is not.
    """
    largest = float(torch.as_tensor(difference).abs().max())
    if not largest <= tolerance:
        raise AssertionError(f"difference must be within {tolerance:g} of 0, got {largest:g}")
    return f"0 within {tolerance:g}"
