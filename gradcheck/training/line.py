"""The loss along one update: would the same step, cut short or drawn out, have done better?"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from gradcheck.result import Update
from gradcheck.training.cost import Cost, displacement, moved, norm

SHORTER = tuple(2.0**-k for k in range(1, 41))
"""Factors tried on an update that climbs: down to the last place of what it is added to."""

LONGER = tuple(4.0**k for k in range(1, 16))
"""Factors tried on an update that descends: up to a billion."""

PATIENCE = 3
"""Longer factors without a further fall before the search ends."""

CLEAR = 4
"""A fall counts as one if it is this many times the noise."""


class Line:
    """The loss along an update from finite to finite parameters, evaluated as far as asked for."""

    def __init__(self, cost: Cost, update: Update) -> None:
        self.cost = cost
        self.before = update.before
        self.delta = displacement(update.before, update.after)
        self.here = cost.value(update.before)
        self._falls: dict[float, float] = {}

    @property
    def exists(self) -> bool:
        """Whether the update moves, and the loss is finite where it starts."""
        return bool(np.isfinite(self.here)) and norm(self.delta) > 0

    @cached_property
    def noise(self) -> float:
        """Bound on the rounding noise of the loss along it."""
        return self.cost.noise(self.before, self.delta)

    def fall_at(self, factor: float) -> float:
        """How far the loss falls at this multiple; minus infinity where it is not finite."""
        if factor not in self._falls:
            there = self.cost.probe(moved(self.before, self.delta, factor))
            self._falls[factor] = self.here - there if np.isfinite(there) else -np.inf
        return self._falls[factor]

    @property
    def rise(self) -> float:
        """How far the update itself raises the loss."""
        return -self.fall_at(1.0)

    @property
    def too_long(self) -> bool:
        """Whether the update does not descend, where a shorter one does."""
        return self.rise >= 0 and self.descending_part is not None

    @cached_property
    def descending_part(self) -> float | None:
        """The largest factor below one at which the loss falls by more than its noise."""
        return next((f for f in SHORTER if self.fall_at(f) > CLEAR * self.noise), None)

    @cached_property
    def best_multiple(self) -> float:
        """The factor of at least one at which the loss falls furthest."""
        best, tried_in_vain = 1.0, 0
        for factor in LONGER:
            better = self.fall_at(factor) > self.fall_at(best)
            best, tried_in_vain = (factor, 0) if better else (best, tried_in_vain + 1)
            if tried_in_vain == PATIENCE:
                break
        return best
