"""The Taylor remainder of the first step: of second order if the gradient is that of the loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gradcheck.training.cost import Cost, float_arrays, moved, norm
from gradcheck.trees import Array, tree_inner_product

LADDER = tuple(4.0**-k for k in range(23))
"""Steps relative to one as long as the parameters themselves: down into the rounding noise."""

ABOVE_NOISE = 30
"""Remainders closer to the noise than this factor say nothing about the order."""

SECOND = 1.5
"""Observed order from which on it counts as second, not first."""

SMALL = 1e-5
"""A remainder below this share of the first-order term needs no order: it is not a wrong slope."""


@dataclass(frozen=True, slots=True)
class RemainderOrder:
    """How ``L(θ - ηg) - L(θ) + η|g|²`` vanishes with η.

    ``order`` is the observed exponent, ``ratio`` the fall over the claimed fall ``η|g|²`` at the
    shortest step above the noise.
    """

    order: float
    ratio: float

    @property
    def second(self) -> bool:
        """Whether the gradient is that of the loss, as far as this line can tell."""
        return self.order >= SECOND or abs(self.ratio - 1) < SMALL

    @property
    def sentence(self) -> str:
        """The observation in words."""
        return (
            f"along minus the gradient the loss falls by {self.ratio:.4g} times what the gradient "
            f"claims (remainder of order {self.order:.1f}, expected 2)"
        )


def remainder_order(cost: Cost, parameters: Mapping[str, Array]) -> RemainderOrder | None:
    """Order of the Taylor remainder along minus the claimed gradient.

    ``None`` where the gradient is zero or not finite, or the noise leaves too few steps to tell.

    Examples
    --------
    >>> def bowl(p):
    ...     return float(np.sum(p["w"] ** 4)), {"w": 4 * p["w"] ** 3}
    >>> def too_steep(p):
    ...     return float(np.sum(p["w"] ** 4)), {"w": 5 * p["w"] ** 3}
    >>> here = {"w": np.array([1.0, 2.0])}
    >>> remainder_order(Cost(bowl), here).second, remainder_order(Cost(too_steep), here).second
    (True, False)
    """
    here, gradients = cost(parameters)
    steepness = tree_inner_product(gradients, gradients)
    if not (np.isfinite(here) and 0 < steepness < np.inf):
        return None
    downhill = {name: -gradient for name, gradient in gradients.items()}
    steps = np.array(LADDER) * (norm(float_arrays(parameters)) or 1.0) / norm(gradients)
    noise = cost.noise(parameters, {n: steps[-1] * d for n, d in downhill.items()})
    falls: list[float] = []
    for step in steps:
        falls.append(here - cost.probe(moved(parameters, downhill, step)))
        settled = abs(falls[-1] / (step * steepness) - 1) < SMALL
        if settled or step * steepness <= ABOVE_NOISE * noise:
            break
    return _order(steps[: len(falls)], np.array(falls), steepness, noise)


def _order(steps: Array, falls: Array, steepness: float, noise: float) -> RemainderOrder | None:
    claimed = steps * steepness
    remainder = np.abs(claimed - falls)
    told = np.isfinite(falls) & (claimed > ABOVE_NOISE * noise)
    if not told.any():
        return None
    shortest = int(np.flatnonzero(told)[-1])
    ratio = float(falls[shortest] / claimed[shortest])
    if abs(ratio - 1) < SMALL:
        return RemainderOrder(2.0, ratio)
    loud = np.flatnonzero(told & (remainder > ABOVE_NOISE * noise))[-4:]
    if loud.size < 3:
        return None
    order = float(np.polyfit(np.log2(steps[loud]), np.log2(remainder[loud]), 1)[0])
    return RemainderOrder(order, ratio)
