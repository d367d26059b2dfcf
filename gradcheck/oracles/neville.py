"""Extrapolation to step zero, with a bound on what is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

COLUMNS = 4
"""Columns of the tableau: beyond the fourth, rounding eats what extrapolation gains."""

SAFETY_TRUNCATION = 2.0
"""The difference of neighbouring tableau entries bounds the error of the coarser one; twice that
covers functions that have not quite reached their asymptotic order."""

SAFETY_NOISE = 6.0
"""Noise is known from a handful of samples; six times the largest is exceeded in less than one of
1e4 estimates for Gaussian noise and three samples or more."""

FINER_RUNGS = 2
"""A value counts only if this many finer rungs were looked at: two coarse steps can agree by
aliasing, as for sin(1000 x)."""

LARGEST_FACTOR = 2.0**500
"""Between steps that are hundreds of powers of two apart nothing is left to extrapolate."""

CREDIBLE = 0.25
"""A candidate may contradict the best one only if its own bound is this much smaller than the gap
between them."""

RELATIVE_FLOOR = 1e-10
"""No difference quotient is trusted beyond this relative accuracy, however well rungs agree."""


class Limit(NamedTuple):
    """An extrapolated value, the bound on its error, and the parts the bound is made of."""

    value: float
    error: float
    truncation: float
    noise: float
    rung: int


def tableau(quotients: Sequence[float], ratios: Sequence[float]) -> list[list[float]]:
    """Neville's tableau for difference quotients at falling steps.

    ``ratios[k]`` is ``(step[k-1] / step[k]) ** power``, with power 2 for central and 1 for
    one-sided quotients; ``ratios[0]`` is not used. Row k holds the extrapolations that end at
    rung k (Ridders 1982, Advances in Engineering Software 4(2), 75-76).

    >>> tableau([1.0 + 4.0, 1.0 + 1.0], [4.0, 4.0])[1][1]   # 1 + h**2 at h = 2, 1
    1.0
    """
    rows: list[list[float]] = []
    for k, quotient in enumerate(quotients):
        row = [quotient]
        factor = 1.0
        for m in range(1, min(k, COLUMNS) + 1):
            factor = min(factor * ratios[k - m + 1], LARGEST_FACTOR)
            row.append(row[m - 1] + (row[m - 1] - rows[k - 1][m - 1]) / (factor - 1.0))
        rows.append(row)
    return rows


def candidates(rows: Sequence[Sequence[float]]) -> Iterator[tuple[int, float, float]]:
    """Every extrapolation with its truncation estimate, as ``(rung, value, truncation)``."""
    for k in range(1, len(rows)):
        row, above = rows[k], rows[k - 1]
        yield k, row[0], abs(row[0] - above[0])
        for m in range(1, len(row)):
            yield k, row[m], max(abs(row[m] - row[m - 1]), abs(row[m] - above[m - 1]))


class Limits(NamedTuple):
    """The two answers a ladder can give: from its steadiest rungs, and from its finest."""

    steady: Limit
    fine: Limit

    @property
    def agree(self) -> bool:
        """Whether the two answers are compatible within their bounds."""
        return self.fine.rung == self.steady.rung or not (
            _contradicts(self.fine, self.steady) or _contradicts(self.steady, self.fine)
        )


def extrapolate(
    steps: Sequence[float], quotients: Sequence[float], noises: Sequence[float], power: int
) -> Limits | None:
    """Limits of ``quotients`` as the step goes to 0, or ``None`` with too few rungs.

    The noise of a candidate is at least what the finer rungs disagree with it: a quantised, noisy
    or aliased function betrays itself there. The candidate with the smallest bound wins; where a
    finer or a coarser one contradicts it and knows enough to do so, both are returned, as ``fine``
    and ``steady``: what is structure to the one is noise to the other.

    Parameters
    ----------
    steps : sequence of float
        Falling, positive.
    quotients : sequence of float
        Finite difference quotients at these steps.
    noises : sequence of float
        Absolute noise of the function values, at each step.
    power : {1, 2}
        Leading power of the step in the truncation error.
    """
    ratios = [1.0]
    for k in range(1, len(steps)):
        ratios.append(min(steps[k - 1] / steps[k], LARGEST_FACTOR) ** power)
    limits: list[Limit] = []
    for k, value, truncation in candidates(tableau(quotients, ratios)):
        if k + FINER_RUNGS >= len(steps):
            break
        seen = max(abs(quotients[j] - value) * steps[j] for j in range(k + 1, len(steps)))
        drowned = SAFETY_NOISE * max(noises[k], seen) / steps[k]
        floor = RELATIVE_FLOOR * abs(value)
        error = SAFETY_TRUNCATION * truncation + drowned + floor
        limits.append(Limit(value, error, SAFETY_TRUNCATION * truncation, drowned, k))
    return _two_answers(limits) if limits else None


def _two_answers(limits: Sequence[Limit]) -> Limits:
    best = min(limits, key=_error)
    finer = [one for one in limits if one.rung > best.rung and _contradicts(one, best)]
    if finer:
        return Limits(best, min(finer, key=_error))
    coarser = [one for one in limits if one.rung < best.rung and _contradicts(one, best)]
    return Limits(min(coarser, key=_error, default=best), best)


def _error(limit: Limit) -> float:
    return limit.error


def _contradicts(one: Limit, other: Limit) -> bool:
    gap = abs(one.value - other.value)
    return gap > one.error + other.error and one.error < CREDIBLE * gap
