"""Huber's loss: squared near the label, absolute far from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import as_predictions, as_real_labels
from .loss import Loss

Array = NDArray[Any]


@dataclass(frozen=True)
class Huber(Loss):
    """Quadratic for errors up to δ, linear beyond.

    With the error ``e = p - y`` and ``c = clip(e, -δ, δ)`` the loss of one example is
    ``c (e - c/2)``: inside, ``c = e`` gives ``e²/2``; outside, ``c = ±δ`` gives ``δ(|e| - δ/2)``
    (Huber 1964, *Annals of Mathematical Statistics* 35, 73-101). Inside the derivative is ``e``,
    outside ``±δ``: in one word ``c``, which is continuous, so there is no kink. The gradient of the
    cost is ``c/n``. Written with c, no error however large is squared and overflows.

    Every entry of the predictions is one example: of an ``(n, d)`` array, n is ``n * d``.

    Parameters
    ----------
    delta : float
        Size of the largest error that is still squared; positive and finite.

    >>> loss = Huber(delta=1.0)
    >>> loss.per_example([0.5, 3.0], [0.0, 0.0])
    array([0.125, 2.5  ])
    >>> loss.gradient([0.5, -3.0], [0.0, 0.0])
    array([ 0.25, -0.5 ])
    """

    delta: float = 1.0

    name = "huber"
    labels = "real"
    predictions = "real"

    def __post_init__(self) -> None:
        if not (0 < self.delta < float("inf")):
            raise ValueError(f"delta: got {self.delta}, expected a positive finite number")

    def per_example(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        error = _error(predictions, labels)
        near = _clip(error, self.delta)
        return near * (error - near / 2)

    def slope(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        return _clip(_error(predictions, labels), self.delta)


def _error(predictions: ArrayLike, labels: ArrayLike) -> Array:
    predicted = as_predictions(predictions)
    return predicted - as_real_labels(labels, predicted)


def _clip(error: Array, delta: float) -> Array:
    # by the real part, so that complex errors survive; NaN stays NaN
    return np.where(error.real > delta, delta, np.where(error.real < -delta, -delta, error))
