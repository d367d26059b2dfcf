"""Losses known before any training: of a model that knows nothing, and of a constant guess."""

from __future__ import annotations

import math

import numpy as np

from gradcheck.errors import InvalidArgument
from gradcheck.trees import Array


def uninformed_loss(classes: int) -> float:
    """Cross-entropy of a classifier that gives every class the same probability: ``log C``.

    What an untrained network with small logits starts from, whatever the labels. Logits of
    variance ``s**2`` start about ``s**2 / 2`` higher.

    >>> round(uninformed_loss(10), 4)
    2.3026
    """
    if classes < 2:
        raise InvalidArgument(f"got classes={classes}; expected at least 2")
    return math.log(classes)


def guessing_cross_entropy(labels: Array) -> float:
    """Least mean cross-entropy without looking at the inputs: the entropy of the label counts.

    Parameters
    ----------
    labels : integer array, shape (n,)

    Examples
    --------
    >>> round(guessing_cross_entropy(np.array([0, 0, 1, 1])), 4)
    0.6931
    """
    _, counts = np.unique(_some(labels), return_counts=True)
    shares = counts / counts.sum()
    return float(np.sum(shares * np.log(1 / shares)))


def guessing_squared_error(targets: Array) -> float:
    """Least mean squared error without looking at the inputs: the variance of the targets.

    Parameters
    ----------
    targets : array, shape (n,) or (n, k)
        The mean is over all entries.

    Examples
    --------
    >>> guessing_squared_error(np.array([1.0, 3.0]))
    1.0
    """
    targets = _some(targets).astype(np.float64)
    return float(np.mean((targets - targets.mean(axis=0)) ** 2))


def _some(targets: Array) -> Array:
    targets = np.asarray(targets)
    if targets.size == 0:
        raise InvalidArgument("got no examples; expected at least one")
    return targets
