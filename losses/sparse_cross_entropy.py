"""Categorical cross-entropy with one integer class per example; no one-hot row is ever built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import as_classes, as_predictions, as_probabilities
from .logistic import at_least_tiny
from .loss import Loss
from .softmax import log_softmax, softmax_and_complement

Array = NDArray[Any]


@dataclass(frozen=True)
class SparseCategoricalCrossEntropy(Loss):
    """Surprise at class c when the row p of class probabilities was predicted.

    Per example ``-log p[c]``: `CategoricalCrossEntropy` with all other terms left out, as their
    labels are 0. The slope is ``-1/p[c]`` at the class and 0 elsewhere. A probability of 0 at the
    class is read as the smallest positive normal number of the dtype, for the reasons given there.

    Predictions have shape ``(..., classes)``, labels are integers of shape ``(...)``.

    >>> loss = SparseCategoricalCrossEntropy()
    >>> loss.per_example([[0.5, 0.5], [1.0, 0.0]], [0, 1]).round(4).tolist()
    [0.6931, 708.3964]
    >>> loss.gradient([[0.5, 0.5], [0.2, 0.8]], [0, 1])
    array([[-1.   ,  0.   ], [ 0.   , -0.625]])
    """

    name = "sparse_categorical_cross_entropy"
    labels = "classes"
    predictions = "probabilities"
    event_axes = 1

    def per_example(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        p = as_probabilities(predictions, event_axes=1)
        return -np.log(at_least_tiny(_at_class(p, as_classes(labels, p))))

    def slope(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        p = as_probabilities(predictions, event_axes=1)
        classes = as_classes(labels, p)
        slope = np.zeros_like(p)
        _set_at_class(slope, classes, -1 / at_least_tiny(_at_class(p, classes)))
        return slope


@dataclass(frozen=True)
class SparseSoftmaxCrossEntropy(Loss):
    """Surprise at class c, from the logits z of which softmax makes probabilities.

    Per example ``-log softmax(z)[c] = log Σⱼ exp zⱼ - z[c]``. The slope is ``pⱼ`` at the other
    classes and ``p[c] - 1`` at the class, computed as minus the sum of the other probabilities, so
    that it keeps its digits when p[c] is nearly 1.

    Logits of ±1e4 cost 0 when right and up to 2e4 when wrong, with slopes in [-1, 1]; all finite.

    Predictions have shape ``(..., classes)``, labels are integers of shape ``(...)``.

    >>> loss = SparseSoftmaxCrossEntropy()
    >>> loss.per_example([[0.0, 0.0], [1e4, -1e4]], [0, 1]).round(4).tolist()
    [0.6931, 20000.0]
    >>> loss.gradient([[0.0, 0.0], [1e4, -1e4]], [0, 1])
    array([[-0.25,  0.25], [ 0.5 , -0.5 ]])
    """

    name = "sparse_softmax_cross_entropy"
    labels = "classes"
    predictions = "logits"
    event_axes = 1

    def per_example(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        z = as_predictions(predictions, event_axes=1)
        return -_at_class(log_softmax(z), as_classes(labels, z))

    def slope(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        z = as_predictions(predictions, event_axes=1)
        classes = as_classes(labels, z)
        p, complement = softmax_and_complement(z)
        _set_at_class(p, classes, -_at_class(complement, classes))
        return p


def _at_class(rows: Array, classes: NDArray[np.integer[Any]]) -> Array:
    entries: Array = np.take_along_axis(rows, classes[..., np.newaxis], axis=-1)
    return entries[..., 0]


def _set_at_class(rows: Array, classes: NDArray[np.integer[Any]], entries: Array) -> None:
    np.put_along_axis(rows, classes[..., np.newaxis], entries[..., np.newaxis], axis=-1)
