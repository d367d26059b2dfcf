"""What a loss accepts: predictions and labels brought to arrays, or refused with a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

ROUNDED = 1e-3
"""How far a probability may lie outside [0, 1], or a row of them sum from 1: rounding to half
precision costs half of that, and what is no probability misses by far more."""


def as_predictions(predictions: ArrayLike, event_axes: int = 0) -> Array:
    """Predictions as a non-empty float or complex array; integers become float64."""
    array = np.asarray(predictions)
    if array.dtype.kind in "biu":
        array = array.astype(np.float64)
    if array.dtype.kind not in "fc":
        raise ValueError(f"predictions: got dtype {array.dtype}, expected real numbers")
    if array.ndim < event_axes:
        raise ValueError(
            f"predictions: got shape {array.shape}, expected (..., classes): "
            "give one score per class along the last axis"
        )
    if array.size == 0:
        raise ValueError(
            f"predictions: got shape {array.shape} without a single example, and the mean of "
            "nothing is undefined: skip empty batches"
        )
    return array


def as_probabilities(predictions: ArrayLike, event_axes: int = 0) -> Array:
    """Predictions whose real parts lie in [0, 1], but for rounding; NaN passes, and is the loss."""
    array = as_predictions(predictions, event_axes)
    outside = (array.real < -ROUNDED) | (array.real > 1 + ROUNDED)
    if outside.any():
        raise ValueError(
            f"predictions: got {array[outside].flat[0]}, expected probabilities in [0, 1]: "
            "apply a sigmoid or softmax first, or use the loss on logits"
        )
    return array


def as_real_labels(labels: ArrayLike, predictions: Array) -> Array:
    """Labels of the shape and real dtype of the predictions."""
    array = np.asarray(labels)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"labels: got dtype {array.dtype}, expected real numbers")
    if array.shape != predictions.shape:
        raise ValueError(
            f"labels: got shape {array.shape}, expected {predictions.shape}, that of the "
            "predictions: reshape one of them (broadcasting (n,) against (n, 1) would compare "
            "every label with every prediction)"
        )
    return array.astype(predictions.real.dtype, copy=False)


def as_binary_labels(labels: ArrayLike, predictions: Array) -> Array:
    """Labels in [0, 1], usually exactly 0 or 1."""
    array = as_real_labels(labels, predictions)
    outside = ~((array >= 0) & (array <= 1))
    if outside.any():
        raise ValueError(
            f"labels: got {array[outside].flat[0]}, expected 0 or 1 (or a probability between): "
            "encode the two classes as 0 and 1"
        )
    return array


def as_distributions(labels: ArrayLike, predictions: Array) -> Array:
    """One row of probabilities per example, usually one-hot."""
    array = as_binary_labels(labels, predictions)
    sums = array.sum(axis=-1)
    wrong = abs(sums - 1) > ROUNDED
    if wrong.any():
        raise ValueError(
            f"labels: got a row that sums to {sums[wrong].flat[0]}, expected 1: give one-hot rows "
            "or distributions, or integer classes to the sparse loss"
        )
    return array


def as_classes(labels: ArrayLike, predictions: Array) -> NDArray[np.integer[Any]]:
    """One integer class per example, in ``[0, classes)``."""
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise ValueError(
            f"labels: got dtype {array.dtype}, expected integer classes: use labels.astype(int), "
            "or the loss that takes one-hot rows"
        )
    if array.shape != predictions.shape[:-1]:
        raise ValueError(
            f"labels: got shape {array.shape}, expected {predictions.shape[:-1]}: one class per "
            f"example for predictions of shape {predictions.shape}"
        )
    classes = predictions.shape[-1]
    outside = (array < 0) | (array >= classes)
    if outside.any():
        raise ValueError(
            f"labels: got class {array[outside].flat[0]}, expected 0 to {classes - 1}: "
            "number the classes from 0, and give one score for each"
        )
    return array
