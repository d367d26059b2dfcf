"""The logistic function and the logarithms around it, without overflow and without cancellation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def sigmoid(z: Array) -> Array:
    """``1 / (1 + exp(-z))``; the exponential taken is never above 1.

    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    small = _exp_of_minus_magnitude(z)
    probability: Array = np.where(z >= 0, 1, small) / (1 + small)
    return probability


def softplus(z: Array) -> Array:
    """``log(1 + exp(z))`` as ``max(z, 0) + log1p(exp(-|z|))``.

    >>> softplus(np.array([-1e4, 1e4]))
    array([    0., 10000.])
    """
    return np.where(z.real > 0, z, 0) + np.log1p(_exp_of_minus_magnitude(z))


def at_least_tiny(probability: Array) -> Array:
    """A probability, 0 replaced by the smallest positive normal number of its dtype.

    >>> at_least_tiny(np.array([0.0, 0.5])).tolist()
    [2.2250738585072014e-308, 0.5]
    """
    tiny = np.finfo(probability.dtype).tiny
    return np.where(probability.real < tiny, tiny, probability)


def log_complement(probability: Array) -> Array:
    """``log(1 - p)``, accurate for small p, and the logarithm of the smallest number at p = 1.

    >>> log_complement(np.array([1e-20, 1.0])).round(1).tolist()
    [-0.0, -708.4]
    """
    certain = probability.real >= 1
    below_one = np.where(certain, 0, probability)
    return np.where(certain, np.log(at_least_tiny(1 - probability)), np.log1p(-below_one))


def _exp_of_minus_magnitude(z: Array) -> Array:
    """``exp(-|z|)``, with the sign chosen by the real part; 0 where that is the nearest number."""
    with np.errstate(under="ignore"):
        return np.exp(np.where(z.real >= 0, -z, z))
