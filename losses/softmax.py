"""Softmax and its logarithm, accurate for confident rows and for logits of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def log_softmax(logits: Array) -> Array:
    """``z - log Σ exp z`` along the last axis.

    The largest logit of a row is subtracted first, so its exponential is 1 and
    ``log Σ exp = log1p(Σ of the others)``: no overflow, and no loss of a small probability beside 1
    (Blanchard, Higham & Higham 2021, *IMA Journal of Numerical Analysis* 41, 2311-2330).

    >>> log_softmax(np.array([1e4, -1e4])).tolist()
    [0.0, -20000.0]
    """
    shifted, _, others = _relative_to_largest(logits)
    return shifted - np.log1p(others)


def softmax_and_complement(logits: Array) -> tuple[Array, Array]:
    """Softmax p along the last axis, and ``1 - p`` without cancellation.

    The largest probability of a row may be so near 1 that ``1 - p`` rounds to 0; its complement is
    summed from the other ones. The complement of any other is at least ½, and safe.

    >>> p, rest = softmax_and_complement(np.array([50.0, 0.0]))
    >>> float(1 - p[0]), round(float(rest[0] * 1e22), 3)
    (0.0, 1.929)
    """
    shifted, largest, others = _relative_to_largest(logits)
    with np.errstate(under="ignore"):
        p = np.exp(shifted) / (1 + others)
        complement = 1 - p
        np.put_along_axis(complement, largest, others / (1 + others), axis=-1)
    return p, complement


def _relative_to_largest(logits: Array) -> tuple[Array, Array, Array]:
    """Logits minus the largest of their row, where it is, and Σ exp of the others."""
    largest = np.argmax(logits.real, axis=-1, keepdims=True)
    shifted = logits - np.take_along_axis(logits, largest, axis=-1)
    with np.errstate(under="ignore"):
        exponentials = np.exp(shifted)
        np.put_along_axis(exponentials, largest, 0, axis=-1)
        return shifted, largest, exponentials.sum(axis=-1, keepdims=True)
