"""Extrapolation to step zero, with a bound on what is left."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

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

RESOLVED = 10.0
"""What departs by so many times the rounding of the values is resolved to a tenth."""

DRIFTING = 4
DRIFT_GROWTH = 5.0
DRIFT_SAFETY = 2.0
"""Drift is what this many of the finest rungs agree on: on one side, and growing by less than 5."""

UNEXPLAINED = 8.0
"""How many times louder than measured noise finer rungs must be to be more than noise, and how many
times they count then."""

SLOW_POWER = 0.6
"""Quotients that approach their limit with less than this power of the step converge slowly: the
columns of the tableau, made for whole powers, do not help them."""

RELATIVE_FLOOR = 1e-10
"""No difference quotient is trusted beyond this relative accuracy, however well rungs agree."""


class Limit(NamedTuple):
    """An extrapolated value, the bound on its error, and the parts the bound is made of.

    ``structure`` comes on top where nothing contradicts the value: what finer rungs disagree with
    it may be more than noise.
    """

    value: float
    error: float
    truncation: float
    noise: float
    rung: int
    structure: float = 0.0


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
    steps: Sequence[float],
    quotients: Sequence[float],
    noises: Sequence[float],
    power: int,
    hidden: float = 0.0,
    rounding: float = 0.0,
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
    hidden : float
        Slope that no quotient can show.
    rounding : float
        Absolute rounding of the function values: what they move by beyond it is no noise of theirs.
    """
    ratios = [1.0]
    for k in range(1, len(steps)):
        ratios.append(min(steps[k - 1] / steps[k], LARGEST_FACTOR) ** power)
    reached = len(steps) - FINER_RUNGS  # a value needs this many rungs below it
    tails = _slow_tails(quotients, steps, noises)
    found = list(candidates(tableau(quotients[: max(0, reached)], ratios)))
    limits: list[Limit] = []
    for (k, value, truncation), (loudest, beyond) in zip(
        found, _loudest(found, steps, quotients, noises), strict=True
    ):
        drowned = SAFETY_NOISE * loudest / steps[k] + hidden
        left = SAFETY_TRUNCATION * max(truncation, tails[k])
        error = left + drowned + RELATIVE_FLOOR * abs(value)
        limits.append(Limit(value, error, left, drowned, k, SAFETY_NOISE * beyond / steps[k]))
    if not limits:
        return None
    steady, fine = _two_answers(limits)
    finest = _resolved(steps, quotients, fine, rounding)[-DRIFTING:]
    drift = _drift(quotients, fine.value, finest)
    if drift > 0.0:
        drift += tails[finest[0]]
    drifted = fine._replace(error=max(fine.error + fine.structure, DRIFT_SAFETY * drift))
    return Limits(drifted if steady is fine else steady, drifted)


def _loudest(
    found: Sequence[tuple[int, float, float]],
    steps: Sequence[float],
    quotients: Sequence[float],
    noises: Sequence[float],
) -> Iterator[tuple[float, float]]:
    """For every candidate the noise of its rung, or what finer rungs disagree with it, if more.

    Disagreement that grows towards finer rungs, and is far more than noise was measured to be, is
    structure more often than noise: the second number is what comes on top for it.
    """
    if not found:
        return
    rungs = np.array([k for k, _, _ in found])
    values = np.array([value for _, value, _ in found])
    h, q, noise = np.array(steps), np.array(quotients), np.array(noises)[rungs]
    with np.errstate(all="ignore"):
        gaps = np.abs(q - values[:, None])
        gaps[~np.isfinite(gaps) | (np.arange(len(h)) <= rungs[:, None])] = 0.0
        seen = gaps * h
    loudest = np.argmax(seen, axis=1)
    each = np.arange(len(rungs))
    most = seen[each, loudest]
    grows = gaps[each, loudest] > gaps[each, rungs + 1]
    beyond = np.where(grows & (most > UNEXPLAINED * noise), (UNEXPLAINED - 1.0) * most, 0.0)
    yield from zip(np.maximum(most, noise).tolist(), beyond.tolist(), strict=True)


def _resolved(
    steps: Sequence[float], quotients: Sequence[float], limit: Limit, rounding: float
) -> list[int]:
    """Rungs finer than that of ``limit`` that depart from it by far more than by rounding."""
    return [
        j
        for j in range(limit.rung + 1, len(steps))
        if quotients[j] != 0.0 and abs(quotients[j] - limit.value) * steps[j] > RESOLVED * rounding
    ]


def _drift(quotients: Sequence[float], value: float, finest: Sequence[int]) -> float:
    """How far the finest quotients have drifted from ``value`` to one side; 0 for noise.

    Noise drives quotients from the slope to either side, each rung further by the ratio of the
    steps, 8. What stays on one side and grows slower is a slope that coarser rungs have not seen:
    of a function that saturates within them, or converges slowly. Gaussian noise looks so in one
    ladder of 180.
    """
    if len(finest) < DRIFTING:
        return 0.0
    gaps = [quotients[j] - value for j in finest]
    if not (all(gap > 0.0 for gap in gaps) or all(gap < 0.0 for gap in gaps)):
        return 0.0
    slow = all(abs(b) < DRIFT_GROWTH * abs(a) for a, b in itertools.pairwise(gaps))
    return abs(gaps[-1]) if slow else 0.0


def _slow_tails(
    quotients: Sequence[float], steps: Sequence[float], noises: Sequence[float]
) -> list[float]:
    """How far quotients still have to go, rung by rung, that converge too slowly; else 0.

    Where the error is a power p of the step, what quotients change by for each halving falls by
    2**-p from one halving to the next, and that ratio gives what is left: for ``x ** 1.027`` at 0
    eighteen times as far as from the last rung, eight times as long. Rungs that differ by no more
    than noise know of no other ratio than the rung before, and of no greater change than noise.
    """
    tails = [0.0] * min(2, len(steps))
    ratio = 0.0
    for k in range(2, len(steps)):
        last, before = (_change(quotients, steps, j) for j in (k, k - 1))
        whole = last * math.log2(steps[k - 1] / steps[k])
        noise = SAFETY_NOISE * noises[k] / steps[k]
        if whole <= noise:
            tails.append(min(tails[-1], ratio * (whole + noise)))
        else:
            slow = (steps[k] / steps[k - 1]) ** SLOW_POWER * before < last < before
            ratio = last / (before - last) if slow else 0.0
            tails.append(ratio * whole)
    return tails


def _change(quotients: Sequence[float], steps: Sequence[float], k: int) -> float:
    """What the quotient changed by to rung k, for each halving of the step."""
    return abs(quotients[k] - quotients[k - 1]) / math.log2(steps[k - 1] / steps[k])


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
