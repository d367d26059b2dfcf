"""Mean absolute error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import as_predictions, as_real_labels
from .loss import Loss

Array = NDArray[Any]


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """Absolute distance of prediction p from label y.

    Per example ``|p - y|``, so the cost is ``(1/n) Σ |pᵢ - yᵢ|`` and its gradient
    ``sign(pᵢ - yᵢ)/n``. At equality the one-sided slopes are -1/n and 1/n; 0 is returned, the
    element of the subdifferential that leaves a perfect prediction where it is
    (Boyd & Vandenberghe 2004, *Convex Optimization*, section 6.1.2).

    Every entry of the predictions is one example: of an ``(n, d)`` array, n is ``n * d``.

    >>> loss = MeanAbsoluteError()
    >>> float(loss.cost([1.0, 2.0], [0.0, 4.0]))
    1.5
    >>> loss.gradient([1.0, 2.0, 5.0, 5.0], [0.0, 4.0, 5.0, 0.0])
    array([ 0.25, -0.25,  0.  ,  0.25])
    """

    name = "mean_absolute_error"
    labels = "real"
    predictions = "real"
    has_kink = True

    def per_example(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        # sign(Re e) e is |e| on the real line, and analytic beside it, where abs is not
        error = _error(predictions, labels)
        magnitude: Array = np.sign(error.real) * error
        return magnitude

    def slope(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        sign: Array = np.sign(_error(predictions, labels))
        return sign


def _error(predictions: ArrayLike, labels: ArrayLike) -> Array:
    predicted = as_predictions(predictions)
    return predicted - as_real_labels(labels, predicted)
