"""Extrapolation to step zero, with a bound on what is left."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
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

RESOLVED = 10.0
"""What departs by so many times the rounding of the values is resolved to a tenth."""

DRIFTING = 4
DRIFT_GROWTH = 5.0
DRIFT_SAFETY = 2.0
"""Drift is what this many of the finest rungs agree on: on one side, and growing by less than 5."""

UNEXPLAINED = 8.0
"""How many times louder than measured noise finer rungs must be to be more than noise, and how many
times they count then."""

BEYOND_NOISE = 4.0
FEW_PLACES = 4.0
LEAST_PLACES = 2.0
DEVIATIONS = 3.0
STANDS_OUT = 3.0
CALMER_RUNGS = 2
"""Noise is as loud at the next finer rungs. What departs from a value by 4 times measured noise, or
by four last places (3 standard deviations where they are less, but two places: what a network of a
few layers loses), and by 3 times as much as any of the two or more rungs below, is structure: the
value is as wrong as that."""

LONGEST_CREEP = 8.0
"""A power of the step that creeps away from noise grows by less than this before it is hidden."""

KINK_RUNGS = 3
KINK_SPREAD = 1.2
"""So many rungs that are the same distance away, to 20 %, lie beyond a kink."""

DEPARTURE_SAFETY = 2.0
"""What a rung departs by may go on below it, where noise hides it."""

SLOW_POWER = 0.6
"""Quotients that approach their limit with less than this power of the step converge slowly: the
columns of the tableau, made for whole powers, do not help them."""

ROUGH_SAFETY = 2.0
"""How many times further a slope may be off than structure bends the function by (`bends`)."""

RELATIVE_FLOOR = 1e-10
"""No difference quotient is trusted beyond this relative accuracy, however well rungs agree."""


class Limit(NamedTuple):
    """An extrapolated value, the bound on its error, and the parts the bound is made of.

    ``structure`` comes on top where nothing contradicts the value: what finer rungs disagree with
    it may be more than noise. ``drifts`` tells that it is. An ``unsettled`` value is one from which
    finer rungs depart beyond noise, and too few rungs are known to say why. ``stops`` tells that it
    is the slope beyond a kink, before which the function stands still.
    """

    value: float
    error: float
    truncation: float
    noise: float
    rung: int
    structure: float = 0.0
    drifts: bool = False
    unsettled: bool = False
    stops: bool = False


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


class _Graded(NamedTuple):
    """Every extrapolation of a tableau: its rung, its value, its truncation, its least bound."""

    rungs: list[int]
    values: list[float]
    truncations: list[float]
    least: list[float]


def _graded(
    rows: Sequence[Sequence[float]], tails: Sequence[float], noises: Sequence[float]
) -> _Graded:
    """The extrapolations that differ from neighbours in the tableau by at least so much.

    ``noises`` are those of the quotients of each rung.
    """
    found = _Graded([], [], [], [])
    for k in range(1, len(rows)):
        row, above, tail, noise = rows[k], rows[k - 1], tails[k], noises[k]
        for m, value in enumerate(row):
            truncation = abs(value - above[m - 1 if m else 0])
            if m:
                beside = abs(value - row[m - 1])
                truncation = beside if not truncation > beside else truncation
            truncation = SAFETY_TRUNCATION * (tail if tail > truncation else truncation)
            error = truncation + noise + RELATIVE_FLOOR * abs(value)
            found.rungs.append(k)
            found.values.append(value)
            found.truncations.append(truncation)
            found.least.append(error if math.isfinite(error) else math.inf)
    return found


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
    *,
    measured: float = 0.0,
    rough: Sequence[float] = (),
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
    measured : float
        Noise of the function values that was seen, as a standard deviation; 0 where none was.
    rough : sequence of float, optional
        How far structure bends one-sided quotients, at each step (`bends.roughness`).
    """
    reached = len(steps) - FINER_RUNGS  # a value needs this many rungs below it
    if reached < 2:
        return None
    ratios = [1.0]
    for k in range(1, reached):
        ratios.append(min(steps[k - 1] / steps[k], LARGEST_FACTOR) ** power)
    tails = _slow_tails(quotients, steps, noises)
    drowning = [SAFETY_NOISE * noises[k] / steps[k] + hidden for k in range(reached)]
    rungs, values, lefts, least = _graded(tableau(quotients[:reached], ratios), tails, drowning)

    def limit(i: int) -> _Candidate:
        k, value, left = rungs[i], values[i], lefts[i]
        loudest, beyond = _loudest(value, quotients[k + 1 :], steps[k + 1 :], noises[k])
        drowned = SAFETY_NOISE * loudest / steps[k] + hidden
        error = left + drowned + RELATIVE_FLOOR * abs(value)
        return value, error, left, drowned, k, SAFETY_NOISE * beyond / steps[k]

    one, other = _two_answers(values, least, limit)
    structured, apart = bool(rough) and one is other and rough[one[4]] > 0.0, 0.0
    if structured:
        least_rough = _least_rough(least, [ROUGH_SAFETY * rough[k] for k in rungs], limit)
        gap = abs(least_rough[0] - one[0])
        if gap > least_rough[1] + one[1]:
            apart = gap + one[1]  # which of the two is right is not known
        one = other = least_rough
    steady, fine = Limit(*one), Limit(*other)
    finest = _resolved(steps, quotients, fine, rounding)[-DRIFTING:]
    drift = _drift(quotients, fine.value, finest)
    if drift > 0.0:
        drift += tails[finest[0]]
    loud = loudness(noises, rounding, measured)
    departure, unsettled = _departure(steps, quotients, loud, fine)
    stops = unsettled and quotients[-1] == 0.0 and _bends_nearby(steps, quotients, fine)
    if stops:
        departure = max(departure, abs(fine.value))
    creep = _creep(steps, quotients, loud, fine) if measured else 0.0
    error = max(
        fine.error + fine.structure,
        fine.error + creep,
        fine.error + DEPARTURE_SAFETY * departure,
        DRIFT_SAFETY * drift,
        apart,
    )
    bent = ROUGH_SAFETY * rough[fine.rung] if rough else 0.0
    drifts = structured or bent > 0.0 or max(drift, departure, creep) > fine.error
    drifted = Limit(other[0], error + bent, *other[2:6], drifts, unsettled, stops)
    return Limits(drifted if one is other else steady, drifted)


_Candidate = tuple[float, float, float, float, int, float]
"""The first fields of a `Limit`, of which hundreds are made and two are kept."""


def _loudest(
    value: float, quotients: Sequence[float], steps: Sequence[float], noise: float
) -> tuple[float, float]:
    """The noise of a rung, or what the finer rungs disagree with a value on it, if more.

    Disagreement that grows towards them, and is far more than noise was measured to be, is
    structure more often than noise: the second number is what comes on top for it.
    """
    gaps = [abs(quotient - value) for quotient in quotients]
    if not math.isfinite(sum(gaps)):
        gaps = [gap if math.isfinite(gap) else 0.0 for gap in gaps]
    seen = [gap * step for gap, step in zip(gaps, steps, strict=True)]
    most, beyond = max(seen), 0.0
    if most > UNEXPLAINED * noise and gaps[seen.index(most)] > gaps[0]:
        beyond = (UNEXPLAINED - 1.0) * most
    return max(most, noise), beyond


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


def loudness(noises: Sequence[float], rounding: float, measured: float) -> list[float]:
    """What noise does not move a function by, at each step.

    Where it is no more than rounding, it is measured better than by the last places alone.
    """
    places = FEW_PLACES
    if 0.0 < measured < rounding:
        places = min(FEW_PLACES, max(LEAST_PLACES, DEVIATIONS * measured / rounding))
    return [(places if one <= rounding else BEYOND_NOISE) * one for one in noises]


def _departure(
    steps: Sequence[float],
    quotients: Sequence[float],
    loud: Sequence[float],
    limit: Limit,
) -> tuple[float, bool]:
    """How far finer rungs depart from a value by more than noise, and whether some may do so.

    Truncation falls from rung to rung; what grows again is noise or structure. Noise is as loud
    below, which takes rungs below to see: until there are, the value is not settled.
    """
    gaps = [abs(quotient - limit.value) for quotient in quotients]
    first = limit.rung + 1
    calmest = list(itertools.accumulate(gaps[first:-1], min))
    departure, unsettled, loudest, calmer = 0.0, False, 0.0, 0
    for j in range(len(steps) - 1, first, -1):
        moved = gaps[j] * steps[j]
        if gaps[j] > calmest[j - first - 1] and moved > loudest:
            beyond = moved > loud[j]
            if beyond and calmer >= CALMER_RUNGS and moved > STANDS_OUT * loudest:
                departure = max(departure, gaps[j])
            unsettled |= beyond and calmer < CALMER_RUNGS
        if quotients[j] != 0.0:
            loudest, calmer = max(loudest, moved), calmer + 1
    return departure, unsettled


def _creep(
    steps: Sequence[float],
    quotients: Sequence[float],
    loud: Sequence[float],
    limit: Limit,
) -> float:
    """How far the last two rungs beyond noise creep away from a value, and on; 0 where not.

    To one side, and slower than noise by their growth for each rung. They may go on for a rung or
    two until noise hides it.
    """
    beyond = [
        j
        for j in range(limit.rung + 1, len(steps))
        if abs(quotients[j] - limit.value) * steps[j] > loud[j]
    ][-2:]
    if len(beyond) < 2 or beyond[1] != beyond[0] + 1:
        return 0.0
    before, last = (quotients[j] - limit.value for j in beyond)
    growth = last / before if before else 0.0
    return abs(last) * min(growth**2, LONGEST_CREEP) if 1.0 < growth < DRIFT_GROWTH else 0.0


def _bends_nearby(steps: Sequence[float], quotients: Sequence[float], limit: Limit) -> bool:
    """Whether quotients approach a value as they do beyond a kink, and are 0 before it.

    What such a function is away from its line is the same at all steps; noise changes.
    """
    away = [
        (quotients[j] - limit.value) * steps[j]
        for j in range(limit.rung + 1, len(steps))
        if quotients[j] != 0.0
    ][-KINK_RUNGS:]
    low, high = min(away, key=abs, default=0.0), max(away, key=abs, default=0.0)
    return len(away) == KINK_RUNGS and 0.0 < high / low < KINK_SPREAD if low else False


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
    octaves, changes, ratio = [0.0], [0.0], 0.0
    for k in range(1, len(steps)):
        octaves.append(math.log2(steps[k - 1] / steps[k]))
        changes.append(abs(quotients[k] - quotients[k - 1]) / octaves[k])
    for k in range(2, len(steps)):
        last, before = changes[k], changes[k - 1]
        whole = last * octaves[k]
        noise = SAFETY_NOISE * noises[k] / steps[k]
        if whole <= noise:
            tails.append(min(tails[-1], ratio * (whole + noise)))
        else:
            slow = (steps[k] / steps[k - 1]) ** SLOW_POWER * before < last < before
            ratio = last / (before - last) if slow else 0.0
            tails.append(ratio * whole)
    return tails


def _least_rough(
    least: Sequence[float], rough: Sequence[float], limit: Callable[[int], _Candidate]
) -> _Candidate:
    """The best candidate where all that structure takes from them counts."""
    chosen, lowest = -1, math.inf
    floors = [error + more for error, more in zip(least, rough, strict=True)]
    for i in sorted(range(len(floors)), key=floors.__getitem__):
        if floors[i] > lowest:
            break
        bound = limit(i)[1] + rough[i]
        if chosen < 0 or (bound, i) < (lowest, chosen):
            chosen, lowest = i, bound
    return limit(chosen)


def _two_answers(
    values: Sequence[float], least: Sequence[float], limit: Callable[[int], _Candidate]
) -> tuple[_Candidate, _Candidate]:
    """The best candidate with the best of those that contradict it: the coarser one first.

    Bounds are worked out only of candidates that may be one of the two: ``least`` is what they
    cannot fall below.
    """
    made: dict[int, _Candidate] = {}
    chosen = -1
    for i in sorted(range(len(values)), key=least.__getitem__):
        if chosen >= 0 and least[i] > made[chosen][1]:
            break
        made[i] = limit(i)
        if chosen < 0 or (made[i][1], i) < (made[chosen][1], chosen):
            chosen = i
    best = made[chosen]
    value, error, rung = best[0], best[1], best[4]
    finer: _Candidate | None = None
    coarser: _Candidate | None = None
    for i, other in enumerate(values):
        gap = abs(other - value)
        if not (gap > least[i] + error and least[i] < CREDIBLE * gap):
            continue
        one = made[i] if i in made else limit(i)
        if gap > one[1] + error and one[1] < CREDIBLE * gap:
            if one[4] > rung:
                finer = one if finer is None or one[1] < finer[1] else finer
            elif one[4] < rung:
                coarser = one if coarser is None or one[1] < coarser[1] else coarser
    if finer is not None:
        return best, finer
    return (best, best) if coarser is None else (coarser, best)


def _contradicts(one: Limit, other: Limit) -> bool:
    gap = abs(one.value - other.value)
    return gap > one.error + other.error and one.error < CREDIBLE * gap
