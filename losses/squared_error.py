"""Mean squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike, NDArray

from .arguments import as_predictions, as_real_labels
from .loss import Loss

Array = NDArray[Any]


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """Squared distance of prediction p from label y.

    Per example ``(p - y)²``, so the cost is ``(1/n) Σ (pᵢ - yᵢ)²``. By the chain rule
    ``d(p - y)²/dp = 2 (p - y)``, and the gradient of the cost is ``(2/n)(pᵢ - yᵢ)``: no factor ½
    is hidden in the cost (Goodfellow, Bengio & Courville 2016, *Deep Learning*, eq. 5.4).

    Every entry of the predictions is one example: of an ``(n, d)`` array, n is ``n * d``.

    >>> loss = MeanSquaredError()
    >>> float(loss.cost([1.0, 2.0], [0.0, 4.0]))
    2.5
    >>> loss.gradient([1.0, 2.0], [0.0, 4.0])
    array([ 1., -2.])
    """

    name = "mean_squared_error"
    labels = "real"
    predictions = "real"

    def per_example(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        error = _error(predictions, labels)
        return error * error

    def slope(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        return 2 * _error(predictions, labels)


def _error(predictions: ArrayLike, labels: ArrayLike) -> Array:
    predicted = as_predictions(predictions)
    return predicted - as_real_labels(labels, predicted)
