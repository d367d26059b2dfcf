"""Categorical cross-entropy with one row of label probabilities per example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import as_distributions, as_predictions, as_probabilities
from .logistic import at_least_tiny
from .loss import Loss
from .softmax import log_softmax, softmax_and_complement

Array = NDArray[Any]


@dataclass(frozen=True)
class CategoricalCrossEntropy(Loss):
    """Surprise at label row y when the row p of class probabilities was predicted.

    Per example ``-Σₖ yₖ log pₖ`` (Bishop 2006, *Pattern Recognition and Machine Learning*,
    eq. 4.108), and ``d/dpₖ = -yₖ/pₖ``: the entries of p count as free here; that they sum to 1 is
    the business of whoever made them. The gradient of the cost over n rows is ``-yₖ/(n pₖ)``.

    *At p = 0.* Where y is 0 the term is exactly 0, its limit. Where y is positive the truth is
    infinity; 0 is read as the smallest positive normal number of the dtype (a loss of 708.4 y and
    a slope of -y/tiny in float64), because a computed 0 is a positive number that underflowed, and
    because an infinite gradient times the zero slope of a saturated softmax would be NaN.
    At p = 1 the loss is 0 and the slope -y.

    An example is a row: predictions and labels have shape ``(..., classes)``.

    >>> loss = CategoricalCrossEntropy()
    >>> float(loss.cost([[0.5, 0.5], [1.0, 0.0]], [[1, 0], [1, 0]]).round(4))
    0.3466
    >>> loss.gradient([[0.5, 0.5], [0.2, 0.8]], [[1, 0], [0, 1]])
    array([[-1.   , -0.   ], [-0.   , -0.625]])
    """

    name = "categorical_cross_entropy"
    labels = "one_hot"
    predictions = "probabilities"
    event_axes = 1

    def per_example(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        p = as_probabilities(predictions, event_axes=1)
        y = as_distributions(labels, p)
        surprise: Array = -(y * np.log(at_least_tiny(p))).sum(axis=-1)
        return surprise

    def slope(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        p = as_probabilities(predictions, event_axes=1)
        return -as_distributions(labels, p) / at_least_tiny(p)


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """Categorical cross-entropy of ``p = softmax(z)``, from the logits z.

    Per example ``-Σₖ yₖ log pₖ`` with ``log pₖ = zₖ - log Σⱼ exp zⱼ``. As
    ``d log pₖ/dzⱼ = [j = k] - pⱼ``, the slope is ``pⱼ Σₖ yₖ - yⱼ``, for label rows that sum to 1
    the well-known ``softmax(z) - y`` (Bishop 2006, eq. 4.109). It is computed as
    ``pⱼ (Σₖ yₖ - yⱼ) - yⱼ (1 - pⱼ)``, the same without the cancellation of ``p - y`` on a nearly
    right row, and with ``1 - pⱼ`` summed from the other classes.

    Logits of ±1e4 cost 0 when right and up to 2e4 when wrong, with slopes in [-1, 1]; all finite.

    An example is a row: predictions and labels have shape ``(..., classes)``.

    >>> loss = SoftmaxCrossEntropy()
    >>> float(loss.cost([[0.0, 0.0], [1e4, -1e4]], [[1, 0], [0, 1]]).round(4))
    10000.3466
    >>> loss.gradient([[0.0, 0.0], [1e4, -1e4]], [[1, 0], [0, 1]])
    array([[-0.25,  0.25], [ 0.5 , -0.5 ]])
    """

    name = "softmax_cross_entropy"
    labels = "one_hot"
    predictions = "logits"
    event_axes = 1

    def per_example(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        z = as_predictions(predictions, event_axes=1)
        y = as_distributions(labels, z)
        surprise: Array = -(y * log_softmax(z)).sum(axis=-1)
        return surprise

    def slope(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        z = as_predictions(predictions, event_axes=1)
        y = as_distributions(labels, z)
        p, complement = softmax_and_complement(z)
        slope: Array = p * (y.sum(axis=-1, keepdims=True) - y) - y * complement
        return slope
