"""One entry, by ladders of steps of one size and another, until it is told or cannot be."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gradcheck.compare import compare, judge
from gradcheck.directions import AS_GOOD_AS_ZERO, OFF_GRID, along, coordinate_scales
from gradcheck.estimating import FAST_SHARE, best_estimate, meets, per_unit
from gradcheck.oracles import Ray, complex_step_slope, complex_step_value, quick_slope
from gradcheck.oracles.central_difference import FINEST_EXPONENT, FIRST_EXPONENTS
from gradcheck.point import EPS, Point
from gradcheck.relations.agreement import magnitude
from gradcheck.result import Array, Comparison, Estimate, Local, Verdict
from gradcheck.rounding import CONDITIONED, LONG_STEP, claims_nearby, slope_wobble
from gradcheck.trees import multi_index

ABOVE_NOISE = 2.0**34
"""The scale on which the quick step, 17 powers of two shorter, moves the function by 2**17 times
its noise: half of the digits are left to see the slope by, half of them to see it bend."""

MIXED = 1e3
"""An entry is small beside the others if its step is so many times as long as itself."""

KNOWN = 0.5
"""Relative error up to which an estimate is heard against another one."""

UNMEASURED_CURVATURE = 1e-4
"""Relative error that one quotient, which knows nothing of its truncation, is allowed."""

ABOUT_THE_LIMIT = "the difference is about as large as the limit"

SWALLOWED = "beside numbers this large rounding may swallow what a small one does"

SATURATED = "the function stands still, and the slope claimed is one that rounding may hide"

RESIDUE = "the function stands still, and last places of the inputs change the claim entirely"

RESIDUE_SALTS = range(25, 57, 2)
UNSTEADY = 0.25
"""At sixteen points a few last places away a claim that stands for something keeps most of it."""

FINE_STRUCTURE = "the finest steps leave room for the claim, and longer ones pass over something"

FINEST_STEPS = (4.0, 2.0, 1.0)
SIDES_WITH = 0.1
"""The finest steps that see anything, in units of the shortest, speak for the claim if each has it
between its slopes to both sides, or that much nearer to one than the estimate is: of three numbers
of noise hardly any do."""

SHORTEST_STEP = 2.0**FINEST_EXPONENT
FINER_THAN = 2.0 ** FIRST_EXPONENTS[-1]
"""A ladder starts with steps down to this one, and has seen what there is at longer ones."""

SEEN = 16.0
"""Roundings of the value by which claim and estimate must differ at the shortest step."""

CONTRADICTION = "the complex step is nearer to the claim than to the differences"

CONFIRMS = 1e-5
"""How much nearer to the claim than to the estimate a complex step must be to confirm it."""

MUCH_NEARER = 2.0

COMPLEX_STEPS = (2.0**-70, 2.0**-400)
"""The second is short beside what inputs of 1e50 make of it, and would underflow beside ones."""


def axis(point: Point, name: str, flat: int, scale: float, part: str) -> tuple[Ray, float, float]:
    """The ray along one coordinate, its length, and the claimed slope per unit of the entry."""
    x = point.work[name]
    ray = point.centred_ray({name: along(x, flat, scale, part)})
    if point.forward_mode:
        claimed = point.slope(name, ray.direction[name]) / (scale * OFF_GRID)
    else:
        claimed = _entry(point.claims[name], flat, part)
    return ray, scale * OFF_GRID, claimed


def _entry(gradient: Array, flat: int, part: str) -> float:
    entry = complex(gradient.reshape(-1)[flat])
    return entry.imag if part == "imag" else entry.real


def quick_entry(point: Point, name: str, flat: int, scale: float, part: str) -> Comparison:
    """One entry by one central difference: CORRECT, or in need of a closer look."""
    ray, length, claimed = axis(point, name, flat, scale, part)
    index = multi_index(flat, point.work[name].shape)
    if length == 0.0:
        still = Estimate(0.0, 0.0, "the entry is infinite and cannot move")
        return compare(name, index, claimed, still, rtol=point.rtol[name], part=part)
    quick = per_unit(quick_slope(ray), length)
    rtol = point.rtol[name]
    if meets(claimed, quick, rtol):
        limit = rtol * max(abs(claimed), abs(quick.value))
        return Comparison(name, index, claimed, quick, limit, Verdict.CORRECT, part=part)
    doubt = replace(quick, error=quick.error + UNMEASURED_CURVATURE * abs(quick.value))
    found = compare(name, index, claimed, doubt, rtol=rtol, part=part)
    if found.verdict is Verdict.CORRECT and found.difference > found.limit:
        return replace(found, verdict=Verdict.INCONCLUSIVE, reason=ABOUT_THE_LIMIT)
    return found


class Climber:
    """One entry by ladders of steps, of one size or another."""

    def __init__(
        self, point: Point, name: str, flat: int, part: str, negligible: float, quick: float
    ) -> None:
        self.point = point
        self.name = name
        self.flat = flat
        self.part = part
        scale = float(coordinate_scales(point.work[name]).reshape(-1)[flat])
        self.negligible = negligible / (scale * OFF_GRID) if scale > 0.0 else 0.0
        self.quick = quick

    def climb(self, scale: float) -> Comparison:
        """The entry by steps around ``scale``."""
        point, name, flat, part = self.point, self.name, self.flat, self.part
        ray, length, claimed = axis(point, name, flat, scale, part)
        if length == 0.0:
            return quick_entry(point, name, flat, scale, part)
        rtol = point.rtol[name]
        size = max(abs(claimed), abs(self.quick)) if math.isfinite(self.quick) else abs(claimed)
        target = rtol * size * length * FAST_SHARE if math.isfinite(size) else 0.0
        estimate = best_estimate(point, ray, target)
        underflow = point.underflow(name, np.ones(1))
        wobble = entry_slack(point, name, flat) if estimate.local is not Local.KINK else 0.0
        return compare(
            name,
            multi_index(flat, point.work[name].shape),
            claimed,
            per_unit(estimate, length),
            rtol=rtol,
            slack=wobble + underflow,
            negligible=max(self.negligible, underflow),
            part=part,
        )

    def reconsidered(self, found: Comparison, scale: float) -> Comparison:
        """What steps of another size, and the complex step, make of a comparison in doubt."""
        other = self._other_scale(found, scale)
        if 0.0 < other < scale:
            found = _nearer(found, self.climb(other))
        if found.verdict is not Verdict.WRONG:
            return found
        still = abs(found.estimate.value) <= found.estimate.error
        alone = still or is_mixed(self.point.work[self.name])
        if alone and self.point.has_coarse_places():
            return replace(found, verdict=Verdict.INCONCLUSIVE, reason=SWALLOWED)
        if still and self._is_below_rounding(found.claimed, scale):
            return replace(found, verdict=Verdict.INCONCLUSIVE, reason=SATURATED)
        if still and not self.point.forward_mode and self._is_residue(found.claimed):
            return replace(found, verdict=Verdict.INCONCLUSIVE, reason=RESIDUE)
        if self._complex_step_confirms(found, scale):
            return replace(found, verdict=Verdict.INCONCLUSIVE, reason=CONTRADICTION)
        if self._finest_steps_confirm(found, scale):
            return replace(found, verdict=Verdict.INCONCLUSIVE, reason=FINE_STRUCTURE)
        return self._with_conditioning(found, scale)

    def _is_below_rounding(self, claimed: float, scale: float) -> bool:
        """Whether what is claimed is less than the last place of a number of the inputs' size.

        ``logsumexp(x) - x[0]`` is 0, and stays so, where its slope is below the last place of one:
        the function's own values do not tell what was rounded on the way to them.
        """
        sizes = max(magnitude(self.point.work[name]) for name in self.point.rtol)
        weights = max(map(magnitude, self.point.cotangent.values()), default=0.0)
        place = EPS * self.point.coarseness([self.name])
        return abs(claimed) * scale * LONG_STEP <= place * sizes * weights

    def _is_residue(self, claimed: float) -> bool:
        """Whether the claim is what rounding left of terms that cancel: nearby it is another.

        That may happen for one point in ten only, and the few that are looked at for every claim
        miss it.
        """
        for salt in RESIDUE_SALTS:
            nearby = claims_nearby(self.point, salt).get(self.name)
            if nearby is not None:
                there = _entry(nearby, self.flat, self.part)
                if abs(there - claimed) > UNSTEADY * abs(claimed):
                    return True
        return False

    def _with_conditioning(self, found: Comparison, scale: float) -> Comparison:
        """The comparison judged with what rounding on the way does to the slope, too."""
        point, name, rtol = self.point, self.name, self.point.rtol[self.name]
        ray, length, claimed = axis(point, name, self.flat, scale, self.part)
        if length == 0.0:
            return found
        v, oracle = ray.direction[name], found.estimate.oracle
        target = FAST_SHARE * rtol * abs(claimed) * length
        # Points on the other side of a kink have another slope.
        nearly = found.relative_error < CONDITIONED and found.estimate.local is not Local.KINK
        slack = slope_wobble(point, name, v, target, oracle, nearly) / length
        if slack == 0.0:
            return found
        verdict, limit, reason = judge(claimed, found.estimate, rtol=rtol, slack=slack)
        return replace(found, verdict=verdict, limit=limit, reason=reason)

    def _other_scale(self, found: Comparison, scale: float) -> float:
        """The entry's own size; for a zero, where the claim, if right, stands out of the noise."""
        own = own_scale(self.point.work[self.name], self.flat)
        if own > 0.0 or not math.isfinite(found.claimed):
            return own
        ray, length, _ = axis(self.point, self.name, self.flat, scale, self.part)
        if length == 0.0:
            return 0.0
        moved = abs(ray.offset(LONG_STEP))  # tells, too, which outputs move and count as noise
        rounding = ray.rounding()
        slopes = (abs(found.claimed), abs(found.estimate.value))
        steepest = max(slope for slope in slopes if math.isfinite(slope))
        if steepest == 0.0:
            return AS_GOOD_AS_ZERO
        telling = ABOVE_NOISE * max(rounding, EPS * moved if math.isfinite(moved) else 0.0)
        if telling >= scale * steepest:  # it may curve so much that long steps tell nothing
            telling = ABOVE_NOISE * rounding
        return max(telling / steepest, AS_GOOD_AS_ZERO)

    def _finest_steps_confirm(self, found: Comparison, scale: float) -> bool:
        """Whether the shortest steps leave room for the claim: longer ones passed over something.

        A ladder stops where rungs agree, and those of a staircase agree while they are long; at a
        kink the central ones do, and a curve may hide from long steps that there is one.
        """
        ray, length, claimed = axis(self.point, self.name, self.flat, scale, self.part)
        if length == 0.0 or not math.isfinite(claimed) or found.estimate.local is Local.KINK:
            return False
        apart = abs(claimed - found.estimate.value) * length
        shortest = max(SHORTEST_STEP, SEEN * ray.rounding() / apart if apart > 0.0 else math.inf)
        if shortest > FINER_THAN:
            return False  # nothing would be seen at finer steps than those of every ladder
        near = SIDES_WITH * apart
        slope = claimed * length
        sides = (sorted(_one_sided_quotients(ray, k * shortest)) for k in FINEST_STEPS)
        return all(low - near <= slope <= high + near for low, high in sides)

    def _complex_step_confirms(self, found: Comparison, scale: float) -> bool:
        """Whether the complex step is nearer to the claim, on a function that it can be trusted on.

        Differences that saw nothing of a slope below all their steps are no proof against a claim,
        nor are those that saw a stair of a cancelled value, where the claim has lost digits, too.
        """
        ray, length, claimed = axis(self.point, self.name, self.flat, scale, self.part)
        if length == 0.0 or claimed == 0.0:
            return False
        slope, measured = claimed * length, found.estimate.value * length
        seen = [complex_step_value(ray, step) for step in COMPLEX_STEPS]
        agrees = any(
            value is not None and abs(value - slope) <= CONFIRMS * abs(value - measured)
            for value in seen
        )
        heard = agrees or _contradicts(ray, slope, measured, found.estimate.error * length)
        return heard and self.point.is_analytic([self.name]) is True


def _contradicts(ray: Ray, claimed: float, measured: float, error: float) -> bool:
    """Whether the complex step, with what it may be off by, is much nearer to the claim.

    One that ``abs`` made real is 0, as far from a claim of the wrong sign as from the right slope.
    """
    sharp = complex_step_slope(ray)
    if sharp is None or abs(sharp.value - measured) <= sharp.error + error:
        return False
    return MUCH_NEARER * abs(sharp.value - claimed) <= abs(sharp.value - measured)


def _one_sided_quotients(ray: Ray, step: float) -> tuple[float, float]:
    return ray.offset(step) / step, ray.offset(-step) / -step


def _nearer(found: Comparison, again: Comparison) -> Comparison:
    """Of two comparisons the one by the shorter steps, if it knows enough to be heard."""
    if again.verdict is Verdict.CORRECT:
        return again  # longer steps may alias, or saturate
    seen, before = again.estimate, found.estimate
    if found.verdict is Verdict.INCONCLUSIVE:
        # What does not move at all may be swallowed: that proves nothing of what moves elsewhere.
        # What contradicts longer steps may be rounding: exp(h) - 1 - h is -h where 1 + h is 1.
        known = math.isfinite(before.value) and math.isfinite(before.error)
        contradicts = known and abs(seen.value - before.value) > seen.error + before.error
        wrong = again.verdict is Verdict.WRONG and seen.value != 0.0 and not contradicts
        return again if wrong else found
    consistent = abs(again.claimed - seen.value) <= seen.error <= KNOWN * abs(seen.value)
    return again if consistent else found


def is_mixed(x: Array) -> bool:
    """Whether one step is far too long for some entry: it was chosen for much larger ones."""
    return bool(np.any(np.abs(x) * MIXED < coordinate_scales(x)))


def own_scale(x: Array, flat: int) -> float:
    """Power of two near one entry, whatever the size of the others."""
    size = float(np.abs(x.reshape(-1)[flat]))
    return 2.0 ** (math.frexp(size)[1] - 1) if math.isfinite(size) and size > 0 else 0.0


def entry_slack(point: Point, name: str, flat: int) -> float:
    """Measured rounding error of one claimed entry, where it was measured."""
    measured = (point.wobble or {}).get(name)
    return 0.0 if measured is None else float(measured.reshape(-1)[flat])
