"""From a direction to its entries: which ones are wrong, at a bounded number of forwards."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.compare import compare, judge
from gradcheck.directions import AS_GOOD_AS_ZERO, OFF_GRID, along, coordinate_scales
from gradcheck.oracles import (
    Ray,
    complex_step_slope,
    complex_step_value,
    estimate_slope,
    quick_slope,
    scipy_slope,
)
from gradcheck.oracles.central_difference import TWO_SCALES
from gradcheck.point import EPS, Point
from gradcheck.result import Array, Comparison, EntryTable, Estimate, Evidence, Local, Verdict
from gradcheck.rounding import CONDITIONED, slope_wobble
from gradcheck.trees import multi_index

SMALL = 64
"""An input of at most this many entries is looked at entry by entry where a direction failed."""

SAMPLE = 32
"""Entries of a larger input that are looked at beside those that bisection finds."""

LADDERS = 12
"""Entries that get a whole ladder of steps; the others are read off one central difference."""

BISECTED = 6
"""Wrong entries that bisection looks for in a large input."""

ABOVE_NOISE = 2.0**34
"""The scale on which the quick step, 17 powers of two shorter, moves the function by 2**17 times
its noise: half of the digits are left to see the slope by, half of them to see it bend."""

MIXED = 1e3
"""An entry is small beside the others if its step is so many times as long as itself."""

LONGEST = 0.25
"""The longest step of a ladder."""

KNOWN = 0.5
"""Relative error up to which an estimate is heard against another one."""

SWALLOWED = "beside numbers this large rounding may swallow what a small one does"

CONTRADICTION = "the complex step agrees with the claim, and differences do not"

FAST_SHARE = 0.25
"""A quick difference is believed where it meets the claim to this share of the limit."""


@dataclass(frozen=True, slots=True)
class Entries:
    """What a look at single entries found.

    ``rescaled`` tells that steps of the size of the array had accused some entry, and steps of its
    own acquitted it: whatever moves the whole array by one size proves nothing then.
    """

    table: EntryTable
    comparisons: tuple[Comparison, ...]
    rescaled: bool = False

    @property
    def verdict(self) -> Verdict:
        """WRONG if any entry is, else INCONCLUSIVE if any could not be decided."""
        verdicts = {comparison.verdict for comparison in self.comparisons}
        for one in (Verdict.WRONG, Verdict.INCONCLUSIVE):
            if one in verdicts:
                return one
        return Verdict.CORRECT


def meets(claimed: float, quick: Estimate, rtol: float, slack: float = 0.0) -> bool:
    """Whether one central difference settles that the claim is right.

    Both the difference and the rounding noise of the quotient must be well below what would be
    called a bug; exact zeros on both sides settle it as well.
    """
    if claimed == 0.0 and quick.value == 0.0:
        return True
    if not math.isfinite(claimed):
        return False
    limit = rtol * max(abs(claimed), abs(quick.value)) + slack
    return abs(claimed - quick.value) <= FAST_SHARE * limit and quick.error <= limit


def look_at(
    point: Point, name: str, positions: Sequence[int], negligible: float, ladders: int = LADDERS
) -> Entries:
    """Compare single entries of one input.

    Parameters
    ----------
    positions : sequence of int
        C-order positions.
    negligible : float
        Slope, along a scaled coordinate, that does not matter beside the rest of the gradient.
    ladders : int
        How many doubtful entries may spend a ladder of steps (about 10 to 30 forwards each); more
        may while those that did turned out to be right.
    """
    x = point.work[name]
    scales = coordinate_scales(x).reshape(-1)
    parts = ("real", "imag") if x.dtype.kind == "c" else ("",)
    rows: dict[tuple[int, str], Comparison] = {}
    doubtful: list[tuple[float, int, str]] = []
    for flat in positions:
        for part in parts:
            comparison = _quick_entry(point, name, flat, scales[flat], part)
            rows[flat, part] = comparison
            if comparison.verdict is not Verdict.CORRECT:
                excess = comparison.difference * scales[flat]
                doubtful.append((-excess if math.isfinite(excess) else -math.inf, flat, part))
    rescaled = convicted = False
    for looks, (_, flat, part) in enumerate(sorted(doubtful)):
        if looks >= ladders and convicted:
            break
        climber = _Climber(point, name, flat, part, negligible, rows[flat, part].estimate.value)
        rows[flat, part] = found = climber.climb(scales[flat])
        if found.verdict is not Verdict.CORRECT and not convicted:
            rows[flat, part] = climber.reconsidered(found, scales[flat])
            rescaled |= found.verdict is Verdict.WRONG is not rows[flat, part].verdict
        convicted |= rows[flat, part].verdict is Verdict.WRONG
    return Entries(_table(x.shape, positions, rows), tuple(rows.values()), rescaled)


def _axis(point: Point, name: str, flat: int, scale: float, part: str) -> tuple[Ray, float, float]:
    """The ray along one coordinate, its length, and the claimed slope per unit of the entry."""
    x = point.work[name]
    ray = point.centred_ray({name: along(x, flat, scale, part)})
    if point.forward_mode:
        claimed = point.slope(name, ray.direction[name]) / (scale * OFF_GRID)
    else:
        entry = complex(point.claims[name].reshape(-1)[flat])
        claimed = entry.imag if part == "imag" else entry.real
    return ray, scale * OFF_GRID, claimed


def _quick_entry(point: Point, name: str, flat: int, scale: float, part: str) -> Comparison:
    ray, length, claimed = _axis(point, name, flat, scale, part)
    index = multi_index(flat, point.work[name].shape)
    if length == 0.0:
        still = Estimate(0.0, 0.0, "the entry is infinite and cannot move")
        return compare(name, index, claimed, still, rtol=point.rtol[name], part=part)
    quick = per_unit(quick_slope(ray), length)
    rtol = point.rtol[name]
    if meets(claimed, quick, rtol):
        limit = rtol * max(abs(claimed), abs(quick.value))
        return Comparison(name, index, claimed, quick, limit, Verdict.CORRECT, part=part)
    # One quotient knows nothing of its truncation: allow for what a bent function would show.
    doubt = replace(quick, error=quick.error + 1e-4 * abs(quick.value))
    return compare(name, index, claimed, doubt, rtol=rtol, part=part)


class _Climber:
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
        ray, length, claimed = _axis(point, name, flat, scale, part)
        if length == 0.0:
            return _quick_entry(point, name, flat, scale, part)
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
        alone = found.estimate.value == 0.0 or is_mixed(self.point.work[self.name])
        if alone and self.point.has_coarse_places():
            return replace(found, verdict=Verdict.INCONCLUSIVE, reason=SWALLOWED)
        if self._complex_step_confirms(found, scale):
            return replace(found, verdict=Verdict.INCONCLUSIVE, reason=CONTRADICTION)
        if found.relative_error < CONDITIONED:
            return self._with_slope_wobble(found, scale)
        return found

    def _with_slope_wobble(self, found: Comparison, scale: float) -> Comparison:
        """The comparison judged with what rounding does to the slope, too."""
        ray, length, claimed = _axis(self.point, self.name, self.flat, scale, self.part)
        target = FAST_SHARE * self.point.rtol[self.name] * abs(claimed) * length
        wobble = slope_wobble(self.point, self.name, ray.direction[self.name], target)
        if wobble == 0.0:
            return found
        rtol, slack = self.point.rtol[self.name], wobble / length
        verdict, limit, reason = judge(claimed, found.estimate, rtol=rtol, slack=slack)
        return replace(found, verdict=verdict, limit=limit, reason=reason)

    def _other_scale(self, found: Comparison, scale: float) -> float:
        """The entry's own size; for a zero, where the claim, if right, stands out of the noise."""
        own = own_scale(self.point.work[self.name], self.flat)
        if own > 0.0 or not math.isfinite(found.claimed):
            return own
        ray, length, _ = _axis(self.point, self.name, self.flat, scale, self.part)
        if length == 0.0:
            return 0.0
        moved = abs(ray.offset(LONGEST))  # tells, too, which outputs move and count as noise
        noise = max(ray.rounding(), EPS * moved if math.isfinite(moved) else 0.0)
        slopes = (abs(found.claimed), abs(found.estimate.value))
        steepest = max(slope for slope in slopes if math.isfinite(slope))
        telling = ABOVE_NOISE * noise / steepest if steepest > 0.0 else 0.0
        return max(telling, AS_GOOD_AS_ZERO)

    def _complex_step_confirms(self, found: Comparison, scale: float) -> bool:
        """Whether the complex step agrees with the claim, on a function that it can be trusted on.

        Differences that saw nothing of a slope below all their steps are no proof against it.
        """
        ray, length, claimed = _axis(self.point, self.name, self.flat, scale, self.part)
        if length == 0.0 or claimed == 0.0:
            return False
        slope, measured = claimed * length, found.estimate.value * length
        seen = [complex_step_value(ray, step) for step in COMPLEX_STEPS]
        agrees = any(
            value is not None and abs(value - slope) <= CONFIRMS * abs(value - measured)
            for value in seen
        )
        return agrees and self.point.is_analytic([self.name]) is True


def _nearer(found: Comparison, again: Comparison) -> Comparison:
    """Of two comparisons the one by the shorter steps, if it knows enough to be heard."""
    if again.verdict is Verdict.CORRECT:
        return again  # longer steps may alias, or saturate
    if found.verdict is Verdict.INCONCLUSIVE:
        # What does not move at all may be swallowed: that proves nothing of what moves elsewhere.
        return again if again.verdict is Verdict.WRONG and again.estimate.value != 0.0 else found
    seen = again.estimate
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


def best_estimate(point: Point, ray: Ray, target: float) -> Estimate:
    """The ladder's estimate, sharpened by the complex step where the two agree."""
    estimate = estimate_slope(ray, target=target, noise=point.noise(ray), headroom=headroom(ray))
    blunt = estimate.error > target and estimate.local in (Local.SMOOTH, Local.NOISY)
    if blunt and point.is_analytic(list(ray.direction)) is not False:
        estimate = sharpened(ray, estimate)
    doubt = LAST_PLACES * point.coarseness(list(ray.direction)) * ray.rounding()
    return replace(estimate, doubt=max(estimate.doubt, doubt))


LAST_PLACES = 16.0
"""Last places of the function's values in the dtype of the claim, or levels of its noise, over the
length of the direction, below which a difference is called no bug: a claim made of these values, as
``1 - tanh(x)**2``, cannot be better. Long steps, the complex step, and float64 beside a float32
claim give slopes that are sharper."""

HEADROOM = 600
"""No direction is shorter than this many powers of two beside 1, but for numbers taken as zeros."""

BESIDE_LARGE = 2.0**10
"""How many times longer than a direction steps may become for the size of the inputs alone."""

BELIEVED = 0.1
"""A complex step counts only where the differences know the slope to 10 %, and agree with it."""


COMPLEX_STEPS = (2.0**-70, 2.0**-400)
"""The second is short beside what inputs of 1e50 make of it, and would underflow beside ones."""

CONFIRMS = 1e-5
"""How much nearer to the claim than to the estimate a complex step must be to confirm it."""


def sharpened(ray: Ray, estimate: Estimate) -> Estimate:
    """The complex step in place of ``estimate``, if it agrees with it within its bound."""
    found = complex_step_slope(ray)
    if found is None or found.error >= estimate.error:
        return estimate
    if not _agrees(found.value, estimate):
        return estimate
    doubt = LAST_PLACES * max(ray.rounding(), estimate.noise)
    return replace(found, rungs=estimate.rungs, noise=estimate.noise, doubt=doubt)


def _agrees(value: float, estimate: Estimate) -> bool:
    """Whether differences confirm a value: within their bound, and they know enough to say so."""
    answers, error = [estimate.value], estimate.error
    if estimate.note == TWO_SCALES:
        answers, error = [estimate.left, estimate.right], estimate.one_sided_error
    known = error <= BELIEVED * abs(value)
    return known and any(abs(value - answer) <= error for answer in answers)


def headroom(ray: Ray) -> int:
    """Powers of two by which steps may outgrow a direction that is short beside 1.

    Beside large inputs they may outgrow it by a little only: a short direction there is that of a
    small number among large ones, or of numbers that share an offset: their differences matter.
    """
    longest = max(float(np.max(np.abs(v), initial=0.0)) for v in ray.direction.values())
    if longest == 0.0:
        return 0
    with np.errstate(all="ignore"):
        sizes = [float(np.max(np.abs(ray.inputs[name]), initial=0.0)) for name in ray.direction]
    finite = [min(size, BESIDE_LARGE * longest) for size in sizes if math.isfinite(size)]
    room = max([1.0, *finite])
    return max(0, min(HEADROOM, math.frexp(room)[1] - math.frexp(longest)[1]))


def per_unit(estimate: Estimate, length: float) -> Estimate:
    """An estimate along a direction of ``length``, per unit of the entry."""
    factor = 1.0 / length
    return replace(
        estimate,
        value=estimate.value * factor,
        error=estimate.error * factor,
        left=estimate.left * factor,
        right=estimate.right * factor,
        one_sided_error=estimate.one_sided_error * factor,
        noise=estimate.noise * factor,
        doubt=estimate.doubt * factor,
        rungs=tuple(
            replace(
                rung,
                step=rung.step * length,
                central=rung.central * factor,
                forward=rung.forward * factor,
                backward=rung.backward * factor,
            )
            for rung in estimate.rungs
        ),
    )


def _table(
    shape: tuple[int, ...],
    positions: Sequence[int],
    rows: dict[tuple[int, str], Comparison],
) -> EntryTable:
    is_complex = any(part for _, part in rows)
    size = len(positions)
    dtype = np.complex128 if is_complex else np.float64
    claimed, estimate = np.zeros(size, dtype), np.zeros(size, dtype)
    error, wrong = np.zeros(size), np.zeros(size, bool)
    where = {flat: i for i, flat in enumerate(positions)}
    for (flat, part), row in rows.items():
        i, unit = where[flat], 1j if part == "imag" else 1.0
        claimed[i] += row.claimed * unit
        estimate[i] += row.estimate.value * unit
        error[i] = max(error[i], row.estimate.error)
        wrong[i] |= row.verdict is Verdict.WRONG
    flat_positions = np.asarray(positions, dtype=np.int64)
    return EntryTable(shape, flat_positions, claimed, estimate, error, wrong)


def localise(point: Point, name: str, negligible: float, direction: Array, sharing: int) -> Entries:
    """The entries of a wrong input: all of a small one, a sample and what bisection finds else.

    ``sharing`` inputs are in doubt, and share the ladders between them.
    """
    size = point.work[name].size
    ladders = max(1, LADDERS // sharing)
    if size <= SMALL:
        return look_at(point, name, range(size), negligible, ladders)
    chosen = set(_sample(point, size))
    chosen.update(_bisect(point, name, direction, max(1, BISECTED // sharing)))
    return look_at(point, name, sorted(chosen), negligible, ladders)


def _sample(point: Point, size: int) -> list[int]:
    return [int(i) for i in point.generator.choice(size, size=SAMPLE, replace=False)]


def _bisect(point: Point, name: str, direction: Array, wanted: int) -> Iterator[int]:
    """Group testing: halves of the input whose own direction disagrees, down to single entries."""
    flat = direction.reshape(-1)
    groups = [np.arange(flat.size)]
    found = 0
    budget = 4 * wanted * int(math.log2(flat.size) + 1)
    while groups and found < wanted and budget > 0:
        group = groups.pop()
        if group.size == 1:
            found += 1
            yield int(group[0])
            continue
        for half in np.array_split(group, 2):
            budget -= 1
            if not _group_meets(point, name, flat, half):
                groups.append(half)


def _group_meets(point: Point, name: str, flat: Array, group: Array) -> bool:
    masked = np.zeros_like(flat)
    masked[group] = flat[group]
    v = masked.reshape(point.work[name].shape)
    quick = quick_slope(point.ray({name: v}))
    claimed = point.slope(name, v)
    rounding = point.rounding(name, v) + 4.0 * quick.error
    return meets(claimed, quick, point.rtol[name], rounding) or not math.isfinite(quick.value)


def gather_evidence(point: Point, comparison: Comparison) -> Comparison:
    """The same comparison with every oracle's number beside the others."""
    name, x = comparison.input, point.work[comparison.input]
    if comparison.index is None or x.size == 0:
        return comparison
    flat = int(np.ravel_multi_index(comparison.index, x.shape)) if x.shape else 0
    scale = float(coordinate_scales(x).reshape(-1)[flat])
    if scale == 0.0:
        return comparison
    ray, length, _ = _axis(point, name, flat, scale, comparison.part)
    seen = [
        Evidence(comparison.estimate.oracle, comparison.estimate.value, comparison.estimate.error)
    ]
    for oracle in (complex_step_slope, scipy_slope):
        found = oracle(ray)
        if found is not None and found.oracle != comparison.estimate.oracle:
            seen.append(Evidence(found.oracle, found.value / length))
    return replace(comparison, evidence=tuple(seen))
