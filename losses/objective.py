"""Objectives: the cost of the predictions plus penalties on the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .loss import Loss

Array = NDArray[Any]


class Penalty(Protocol):
    """A price on the size of one array of weights."""

    def value(self, weight: Array) -> Any: ...

    def gradient(self, weight: Array) -> Array: ...


@dataclass(frozen=True)
class L1:
    """``strength Σ |w|``, with gradient ``strength sign(w)``, and 0 at w = 0.

    At 0 the one-sided slopes are ∓strength; the 0 between them leaves a vanished weight vanished
    (Tibshirani 1996, *Journal of the Royal Statistical Society B* 58, 267-288).

    >>> float(L1(0.5).value(np.array([1.0, -2.0]))), L1(0.5).gradient(np.array([1.0, -2.0, 0.0]))
    (1.5, array([ 0.5, -0.5,  0. ]))
    """

    strength: float

    def __post_init__(self) -> None:
        _require_strength(self.strength)

    def value(self, weight: Array) -> Any:
        return self.strength * (np.sign(weight.real) * weight).sum()

    def gradient(self, weight: Array) -> Array:
        gradient: Array = self.strength * np.sign(weight)
        return gradient


@dataclass(frozen=True)
class L2:
    """``strength Σ w²``, with gradient ``2 strength w``: no factor ½ is hidden in the value.

    Ridge regression's penalty (Hoerl & Kennard 1970, *Technometrics* 12, 55-67).

    >>> float(L2(0.5).value(np.array([1.0, -2.0]))), L2(0.5).gradient(np.array([1.0, -2.0]))
    (2.5, array([ 1., -2.]))
    """

    strength: float

    def __post_init__(self) -> None:
        _require_strength(self.strength)

    def value(self, weight: Array) -> Any:
        return self.strength * (weight * weight).sum()

    def gradient(self, weight: Array) -> Array:
        return 2 * self.strength * weight


@dataclass(frozen=True)
class Objective:
    """Cost plus penalties, a function of predictions and weights.

    The predictions depend on the weights too, but not in here: the two gradients are partial ones,
    and whoever back-propagates the first to the weights adds the second.

    Parameters
    ----------
    loss : Loss
    penalties : sequence of Penalty
        Each is applied to every array of weights.

    >>> from losses import MeanSquaredError
    >>> ridge = Objective(MeanSquaredError(), (L2(0.1),))
    >>> float(ridge.value([3.0], [1.0], [np.array([[2.0]])]))
    4.4
    >>> ridge.gradient([3.0], [1.0], [np.array([[2.0]])])
    (array([4.]), [array([[0.4]])])
    """

    loss: Loss
    penalties: Sequence[Penalty] = ()

    def value(self, predictions: ArrayLike, labels: ArrayLike, weights: Sequence[Array]) -> Any:
        """Cost of the predictions plus every penalty of every array of weights."""
        penalty = sum(each.value(weight) for each in self.penalties for weight in weights)
        return self.loss.cost(predictions, labels) + penalty

    def gradient(
        self, predictions: ArrayLike, labels: ArrayLike, weights: Sequence[Array]
    ) -> tuple[Array, list[Array]]:
        """Partial gradients by the predictions, and by each array of weights."""
        by_weights = [
            sum((each.gradient(weight) for each in self.penalties), start=np.zeros_like(weight))
            for weight in weights
        ]
        return self.loss.gradient(predictions, labels), by_weights


def _require_strength(strength: float) -> None:
    if not (0 <= strength < float("inf")):
        raise ValueError(f"strength: got {strength}, expected a finite number, zero or more")
