"""Binary cross-entropy, on probabilities and on logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import as_binary_labels, as_predictions, as_probabilities
from .logistic import at_least_tiny, log_complement, sigmoid, softplus
from .loss import Loss

Array = NDArray[Any]


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Surprise at label y when p was the probability of 1.

    Per example ``-[y log p + (1 - y) log(1 - p)]``, the negative log-likelihood of a Bernoulli
    variable (Bishop 2006, *Pattern Recognition and Machine Learning*, eq. 4.90). Differentiating
    term by term, ``-y/p + (1 - y)/(1 - p)``, which over a common denominator is
    ``(p - y)/(p (1 - p))``. The two-term form is kept because it stays right at the borders.

    *At p = 0 and p = 1.* A sure and right prediction costs exactly 0 (``0 log 0`` is 0, its limit),
    and its slope is the one-sided 1 or -1. A sure and wrong prediction would cost infinity; a
    probability of exactly 0 is instead read as the smallest positive normal number of the dtype
    (708.4 in float64), because a computed 0 is a positive number that underflowed, and because an
    infinite gradient times the zero slope of a saturated sigmoid would make NaN of the whole
    network. The slope there is the finite ``∓1/tiny``, which points the right way.

    Every entry of the predictions is one example: of an ``(n, d)`` array, n is ``n * d``.

    >>> loss = BinaryCrossEntropy()
    >>> loss.per_example([0.5, 1.0, 0.0], [1, 1, 1]).round(4).tolist()
    [0.6931, 0.0, 708.3964]
    >>> loss.gradient([0.25, 0.25], [1, 0]).round(4).tolist()
    [-2.0, 0.6667]
    """

    name = "binary_cross_entropy"
    labels = "binary"
    predictions = "probabilities"

    def per_example(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        p = as_probabilities(predictions)
        y = as_binary_labels(labels, p)
        surprise: Array = y * -np.log(at_least_tiny(p)) - (1 - y) * log_complement(p)
        return surprise

    def slope(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        p = as_probabilities(predictions)
        y = as_binary_labels(labels, p)
        slope: Array = (1 - y) / at_least_tiny(1 - p) - y / at_least_tiny(p)
        return slope


@dataclass(frozen=True)
class BinaryCrossEntropyOnLogits(Loss):
    """Binary cross-entropy of ``p = sigmoid(z)``, from the logit z.

    With ``-log p = softplus(-z)`` and ``-log(1 - p) = softplus(z)`` the loss of one example is
    ``y softplus(-z) + (1 - y) softplus(z)``, where ``softplus(z) = max(z, 0) + log1p(exp(-|z|))``
    never overflows. As ``softplus' = sigmoid``, the slope is
    ``(1 - y) sigmoid(z) - y sigmoid(-z)``. That is ``sigmoid(z) - y`` without its cancellation when
    the prediction is nearly right: at y = 1, z = 40 the difference rounds to 0 where the slope is
    -4e-18.

    Logits of ±1e4 cost 0 when right and 1e4 when wrong, with slope 0 or ±1; all finite.

    Every entry of the predictions is one example: of an ``(n, d)`` array, n is ``n * d``.

    >>> loss = BinaryCrossEntropyOnLogits()
    >>> loss.per_example([0.0, 1e4, 1e4], [1, 1, 0]).round(4).tolist()
    [0.6931, 0.0, 10000.0]
    >>> loss.gradient([0.0, 1e4], [1, 0])
    array([-0.25,  0.5 ])
    """

    name = "binary_cross_entropy_on_logits"
    labels = "binary"
    predictions = "logits"

    def per_example(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        z = as_predictions(predictions)
        y = as_binary_labels(labels, z)
        surprise: Array = y * softplus(-z) + (1 - y) * softplus(z)
        return surprise

    def slope(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        z = as_predictions(predictions)
        y = as_binary_labels(labels, z)
        slope: Array = (1 - y) * sigmoid(z) - y * sigmoid(-z)
        return slope
