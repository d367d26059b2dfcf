"""Central differences: one quick quotient, or a ladder of steps with a bound on the error."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from gradcheck.oracles.bends import roughness
from gradcheck.oracles.neville import (
    RESOLVED,
    SAFETY_NOISE,
    Limit,
    Limits,
    extrapolate,
    loudness,
)
from gradcheck.oracles.noise import granularity, projected_grain
from gradcheck.oracles.ray import Ray
from gradcheck.result import Estimate, Local, Rung
from gradcheck.trees import Arrays

ORACLE = "central differences"

QUICK_EXPONENT = -17
"""``2**-17`` is the power of two next to cbrt(eps): there, truncation and rounding of a central
difference balance for a function of unit scale. Powers of two keep ``x + h v`` exact."""

FIRST_EXPONENTS = (-11, -14, -17, -20, -23)
"""The first rungs of the ladder, around the quick step."""

RATIO_EXPONENT = 3
"""Each rung is 8 times shorter: extrapolation gains a factor 64 a column, rounding costs 8."""

BELOW_USEFUL = 6
"""The first rung of a long stride is this many powers of two below the step that noise asks for."""

STRIDES = 8
"""A ladder that may grow by hundreds of powers of two takes strides of an eighth of the way."""

COARSEST_EXPONENT = -2
"""A quarter of the scale of the input: the longest step that is still called a neighbourhood."""

COARSEST_EXPONENTS = (-8, -5, -2)
"""Looked at where the function stands still at the first rungs: it may be quantised."""

FINEST_EXPONENT = -44
"""Below this, ``x + h v`` has fewer than nine bits of the step left."""

GROWTH_JUMP = 6.0
GROWTH_INFINITE = 1.3
"""Quotients that grow like 1/h, 8 a rung, are a jump; like ``h**-p``, p < 1, an infinite slope."""

GROWING_RUNGS = 3
"""So many neighbouring rungs must agree before growth is believed."""

TWO_SCALES = "coarse and fine steps give different slopes: fine structure, or quantised values"
"""The note of an estimate that has two answers, in ``left`` (coarse) and ``right`` (fine)."""

ALL_NOISE_SHARE = 0.1
ALL_NOISE = "the function changes by its own size within a few last places of its input"
"""The note of an estimate of a function that is not resolved by floating-point numbers at all."""

CURVED = 0.3
"""A second difference that falls with the square of the step, to this factor, is curvature's."""

GRAINED = 16.0
"""Two numbers end in four zeros of binary by chance once in 256 times."""

STOOD = 4.0
SUDDENLY = 512.0
"""Truncation falls by 8 a rung or more, and seldom by more than the cube of that."""

ONE_SIDED_SAFETY = 4.0
"""How much wider the bound is at the edge of a domain: no other side can contradict it, and the
function may bend there like a broken power of the distance."""

UNRESOLVED = 0.25
"""A step of which rounding takes more than this share is no step of that length."""

RAGGED = "the function is defined only here and there around the point"

EPS = 2.0**-52
"""Relative rounding of float64."""

LAST_EXPONENTS = (-47, -50)
"""Rungs a few last places from the point: too short to measure by, long enough to hint."""

LAST_NEIGHBOURS = (-42, -43, -44, -45, -46)
"""Rungs whose steps are still long beside the last places of a large input, and near each other."""

LAST_LOOK = 0.15
"""Where the quotients of the finest rungs agree to this (both one-sided ones of two, or the central
ones of five), a ladder that ends there cannot rule out that they are the slope, however steady a
coarser answer is. Five numbers of noise agree so once in a thousand."""

ABOVE_ROUNDING = 1e3
"""A change of the function is looked at for growth only if it is this far above rounding: that of
the values, and that of the largest change seen, for where ``exp(h) - 1`` was rounded there is a one
that does not show in the values."""

KNOWN = 0.1
"""A one-sided slope with a relative bound below this exists; nothing grows there."""


def quick_slope(ray: Ray) -> Estimate:
    """One central difference: two forwards.

    ``error`` covers rounding only (the noise of the outputs' last places over the step): nothing
    is known about truncation until a second step is taken, so the value may be believed only
    where it agrees with something independent.

    Examples
    --------
    >>> import numpy as np
    >>> ray = Ray(lambda a: np.sin(a["x"]), {"x": np.zeros(1)}, {"x": np.ones(1)},
    ...           {"out": np.ones(1)})
    >>> abs(quick_slope(ray).value - 1.0) < 1e-10
    True
    """
    step = 2.0**QUICK_EXPONENT
    difference, plus = ray.central(step)
    value = difference / (2.0 * step)
    if not math.isfinite(value) or plus is None:
        return Estimate(math.nan, math.inf, ORACLE, Local.NON_FINITE)
    noise = ray.rounding_beside(plus)
    return Estimate(value, noise / step, ORACLE, noise=noise)


_Quotients = tuple[list[float], list[float], list[float]]
"""Steps, quotients and noises of one side."""


def _bound(limits: Limits) -> float:
    return limits.fine.error


class _Ladder:
    """Samples of a ray at steps ``2**exponent``, both sides, and what they say."""

    def __init__(self, ray: Ray, noise: float) -> None:
        self.ray = ray
        self.measured = noise
        self.looked = 0
        self.ceiling = COARSEST_EXPONENT
        self.samples: dict[int, tuple[float, float]] = {}
        self.shown: list[Arrays] = []
        self._still = {name: np.ones(np.shape(u), bool) for name, u in ray.cotangent.items()}
        self.missed: dict[int, float] = {}
        self._sides: dict[str, _Quotients] = {}
        self._limits: dict[str, Limits | None] = {}
        self._structure: tuple[list[float], bool] | None = None

    @property
    def noise(self) -> float:
        """Measured noise, and never less than the rounding of the outputs that move."""
        return max(self.measured, self.ray.rounding())

    def climb(self, exponents: Sequence[int]) -> None:
        for exponent in exponents:
            step = 2.0**exponent
            if exponent in self.samples:
                continue
            self.missed[exponent] = self.ray.missed(step)
            if self.missed[exponent] <= UNRESOLVED:
                (plus, above, news), (minus, below, more) = self._sample(step), self._sample(-step)
                self.samples[exponent] = (plus, minus)
                if (news or more) and above and below:
                    self.shown += [above, below]
        self._forget()

    def _sample(self, step: float) -> tuple[float, Arrays | None, bool]:
        """The offset at a step, the outputs there, and whether some move for the first time."""
        offset, outputs, news = self.ray.offset(step), self.ray.last, False
        for name in tuple(self._still) if outputs else ():
            still, moves = self._still[name], self.ray.moved[name]
            if np.any(still & moves):
                news, self._still[name] = True, still & ~moves
                if not np.any(self._still[name]):
                    del self._still[name]
        return offset, outputs, news

    def _forget(self) -> None:
        """Drop what was made of other samples, or of another noise."""
        self._sides, self._limits, self._structure = {}, {}, None

    def quotients(self, side: str) -> _Quotients:
        """Steps, quotients and noises of one side, where they are finite, coarse steps first."""
        if side not in self._sides:
            self._sides[side] = self._quotients(side)
        return self._sides[side]

    def _quotients(self, side: str) -> _Quotients:
        noise, missed = self.noise, self.missed
        steps, quotients, noises = [], [], []
        for exponent in sorted(self.samples, reverse=True):
            step, (plus, minus) = 2.0**exponent, self.samples[exponent]
            if side == "central":
                moved, quotient = max(abs(plus), abs(minus)), (plus - minus) / (2.0 * step)
            elif side == "right":
                moved, quotient = abs(plus), plus / step
            else:
                moved, quotient = abs(minus), -minus / step
            if math.isfinite(quotient):
                steps.append(step)
                quotients.append(quotient)
                # A value far from f(x) is rounded by its own size, its argument as it is.
                noises.append(max(noise, (EPS + missed[exponent]) * moved))
        return steps, quotients, noises

    def _extrapolated(self, side: str, power: int, rough: Sequence[float] = ()) -> Limits | None:
        hidden = self.ray.hidden() / 2.0 ** max(self.samples)
        rounding, seen = self.ray.rounding(), self._seen()
        return extrapolate(
            *self.quotients(side), power, hidden, rounding, measured=seen, rough=rough
        )

    def _seen(self) -> float:
        """Noise that was measured; 0 where none was."""
        return self.measured or (self.ray.rounding() if self.ray.places > 1.0 else 0.0)

    @property
    def central(self) -> Limits | None:
        """Limit of both sides together."""
        if "central" not in self._limits:
            # A kink in the slope itself (Huber's, at its corner) leaves an error linear in the
            # step.
            rough, _ = self.structure()
            even, linear = (self._extrapolated("central", power, rough) for power in (2, 1))
            if even is not None and linear is not None and even.agree and linear.agree:
                even = min(even, linear, key=_bound)
            self._limits["central"] = even
        return self._limits["central"]

    def structure(self) -> tuple[list[float], bool]:
        """What `roughness` says of the bends; at a kink the sides do not meet, for no structure."""
        if self._structure is None:
            steps, quotients, noises = self.quotients("central")
            loud, bends = loudness(noises, self.ray.rounding(), self._seen()), self._bends()
            rough, unsettled = roughness(steps, quotients, bends, loud)
            worst = max(rough, default=0.0)
            meets = any(
                abs(bend) + one / step < worst / 2
                for bend, one, step in zip(bends, loud, steps, strict=True)
            )
            if worst > 0.0 and not meets and self.kinks():
                rough = []
            self._structure = rough if worst > 0.0 else [], unsettled
        return self._structure

    def _bends(self) -> list[float]:
        """Half of what the one-sided quotients differ by, where the central ones are finite."""
        found = []
        for exponent in sorted(self.samples, reverse=True):
            step, (plus, minus) = 2.0**exponent, self.samples[exponent]
            if math.isfinite((plus - minus) / (2.0 * step)):
                found.append((plus + minus) / (2.0 * step))
        return found

    @property
    def right(self) -> Limits | None:
        """Limit from above."""
        return self._one_side("right")

    @property
    def left(self) -> Limits | None:
        """Limit from below."""
        return self._one_side("left")

    def _one_side(self, side: str) -> Limits | None:
        # While the ladder grows the central limit is enough.
        if side not in self._limits:
            self._limits[side] = self._extrapolated(side, 1)
        return self._limits[side]

    def leading(self) -> Limits | None:
        return self.central or self.right or self.left

    def reaches(self, target: float) -> bool:
        """Whether the bound is below ``target``; known at once where noise alone is above it."""
        if SAFETY_NOISE * self.noise > target * 2.0 ** max(self.samples, default=0):
            return False
        return self.error() <= target

    def error(self) -> float:
        best = self.leading()
        if best is None:
            return math.inf
        return best.fine.error if best.agree else math.inf

    def unsettled(self) -> bool:
        """Whether finer rungs may contradict the best value, and finer ones yet would tell."""
        best = self.leading()
        if best is None or not best.agree:
            return False
        if not (best.fine.unsettled or self.structure()[1]):
            return False
        return not (self.stands_still() or self.kinks())

    def kinks(self) -> bool:
        """Whether the slopes to both sides differ by more than their bounds."""
        if self.right is None or self.left is None:
            return False
        right, left = self.right.fine, self.left.fine
        return abs(right.value - left.value) > right.error + left.error

    def noise_rules(self) -> bool:
        best = self.leading()
        return best is not None and best.steady.noise > best.steady.truncation

    def stride(self, coarse: int, target: float) -> int:
        """How many powers of two the next coarser rung is away: more where there is far to go.

        Rungs at which the noise alone is far above the target would tell nothing. None is left out
        up to the scale of the input, where functions bend.
        """
        if coarse < COARSEST_EXPONENT:
            return RATIO_EXPONENT
        usual = max(RATIO_EXPONENT, (self.ceiling - coarse) // STRIDES)
        if target <= 0.0 or not 0.0 < self.noise < math.inf:
            return usual
        useful = math.frexp(SAFETY_NOISE * self.noise / target)[1] - BELOW_USEFUL
        return max(usual, min(useful, self.ceiling - BELOW_USEFUL) - coarse)

    def refine(self) -> None:
        """Rungs between the best one and its neighbours, where truncation and noise balance."""
        best = self.leading()
        if best is None or not best.agree:
            return
        order = sorted(self.samples, reverse=True)
        near = order[min(best.steady.rung, len(order) - 1)]
        self.climb([near + shift for shift in (-2, -1, 1, 2)])

    def stands_still(self) -> bool:
        """Whether the function does not move at all at the finest steps."""
        finest = [self.samples[exponent] for exponent in sorted(self.samples)[:2]]
        return all(moved == 0.0 for pair in finest for moved in pair)

    def largest_move(self) -> float:
        """Largest central quotient where the function moves both ways, beyond noise; else 0."""
        moves = (abs(plus - minus) / (2.0 * step) for step, plus, minus in self._moving())
        return max(moves, default=0.0)

    def largest_quotient(self) -> float:
        """Largest quotient to either side, at a step at which the function moves both ways."""
        return max(max(abs(plus), abs(minus)) / step for step, plus, minus in self._moving())

    def _moving(self) -> Iterator[tuple[float, float, float]]:
        """Steps at which the function moves both ways beyond noise, and how far it does."""
        for exponent, (plus, minus) in self.samples.items():
            if min(abs(plus), abs(minus)) > 10.0 * self.noise and math.isfinite(plus - minus):
                yield 2.0**exponent, plus, minus

    def all_noise(self) -> bool:
        """Whether the function jumps about as far at the finest steps as it does at most steps."""
        sizes = [
            max((abs(moved) for moved in self.samples[exponent] if math.isfinite(moved)), default=0)
            for exponent in sorted(self.samples)
        ]
        typical = median(sizes)
        if not max(sizes[:3]) > ALL_NOISE_SHARE * typical:
            return False
        # Outputs that stay where they are say nothing of the size of those that move; the terms of
        # those that do have cotangents of either sign.
        return typical > ALL_NOISE_SHARE * self.ray.moving_size(2.0 ** max(self.samples))

    def is_ragged(self) -> bool:
        """Whether the function is undefined at steps shorter than others at which it is defined."""
        for side in (0, 1):
            finest_first = [math.isfinite(self.samples[e][side]) for e in sorted(self.samples)]
            if any(coarse > fine for fine, coarse in itertools.pairwise(finest_first)):
                return True
        return False

    def look_for_grain(self) -> None:
        """Raise the noise to the grain of the outputs, if some stand still that are quantised."""
        grain = 0.0
        if self.looked == 0 and self.stands_still():
            self.climb(COARSEST_EXPONENTS)
            if self.ceiling > COARSEST_EXPONENT:
                self.climb([self.ceiling])
            coarsest = [2.0**exponent for exponent in sorted(self.samples)[-2:]]
            grain = granularity(self.ray, coarsest) if self.has_moved() else 0.0
            self.looked = len(self.shown)
        elif len(self.shown) > self.looked:
            self.looked = len(self.shown)
            grain = projected_grain(self.ray.cotangent, self.shown, self.ray.centre)
        if grain > GRAINED * self.noise:
            self.measured = grain
            self._forget()

    def has_moved(self) -> bool:
        """Whether the function moved at any step."""
        return any(moved != 0.0 for pair in self.samples.values() for moved in pair)

    def missing_bend(self) -> float:
        """Grain of the values where a function that bends is straight at finer steps; else 0.

        A second difference falls with the square of the step. Where it did so, and is nothing but
        noise at two more rungs although it should be far above it, the values have a grain, and
        these steps happen to move them by multiples of it.
        """
        order = sorted(self.samples, reverse=True)
        noise, square = self.noise, 4.0**RATIO_EXPONENT
        for i in range(len(order) - 3):
            if order[i] - order[i + 3] != 3 * RATIO_EXPONENT:
                continue
            first, second, *rest = (self._bend(exponent) for exponent in order[i : i + 4])
            missing = second / square
            straight = max(rest) < RESOLVED * noise < missing / square
            if straight and CURVED * square * second < first < square * second / CURVED:
                return missing
        return 0.0

    def _bend(self, exponent: int) -> float:
        bend = abs(sum(self.samples[exponent]))
        return bend if math.isfinite(bend) else 0.0

    def settled_suddenly(self) -> bool:
        """Whether quotients stood by one value, and then by that of the finest rungs, at once.

        So they do at a wave or a kink near the point; and where a part of the function is too
        coarse for the finer steps to move it.
        """
        best = self.leading()
        if best is None or not best.agree or self.kinks():
            return False
        value, noise = best.fine.value, self.noise
        steps, quotients, _ = self.quotients("central" if self.central else "right")
        gaps = [abs(quotient - value) for quotient in quotients[: best.fine.rung + 1]]
        if any(_falls_suddenly(pair, steps, noise) for pair in (gaps, self._bends())):
            return True  # nothing is known of longer steps
        return any(
            one < STOOD * two and two > SUDDENLY * three and two * step > RESOLVED * noise
            for one, two, three, step in zip(gaps, gaps[1:], gaps[2:], steps[1:], strict=False)
        )

    def rungs(self) -> tuple[Rung, ...]:
        found, noise = [], self.noise
        for exponent in sorted(self.samples, reverse=True):
            step, (plus, minus) = 2.0**exponent, self.samples[exponent]
            found.append(Rung(step, (plus - minus) / (2 * step), plus / step, -minus / step, noise))
        return tuple(found)


def _falls_suddenly(sizes: Sequence[float], steps: Sequence[float], noise: float) -> bool:
    """Whether what is seen at the longest step is all but gone at the next, beyond noise."""
    if len(sizes) < 2:
        return False
    rest = max(abs(sizes[1]), noise / steps[1])
    return abs(sizes[0]) > SUDDENLY * rest


def estimate_slope(
    ray: Ray, *, target: float = 0.0, noise: float = 0.0, headroom: int = 0
) -> Estimate:
    """Directional derivative from a ladder of steps, with a bound on its error.

    Central differences at steps ``2**k`` are extrapolated (`neville.extrapolate`); one-sided
    quotients are extrapolated too, and where their limits differ by more than their bounds the
    point is a kink. Rungs are added, coarser ones while noise rules and finer ones while
    truncation does, until the bound is below ``target``.

    Parameters
    ----------
    ray : Ray
        The function along one direction.
    target : float
        Stop once the bound is this small. 0 asks for the best there is.
    noise : float
        Measured absolute noise of the projected values (`noise_level`); one unit in the last
        place of the outputs is always assumed.
    headroom : int
        How many powers of two beyond a quarter of the direction the step may grow: for inputs
        much smaller than the scale on which the function bends.

    Returns
    -------
    Estimate
        ``local`` tells smooth points from kinks, jumps, infinite slopes and noise. The bound is
        infinite where fewer than four rungs are defined.

    Examples
    --------
    >>> import numpy as np
    >>> ray = Ray(lambda a: np.exp(50 * a["x"]), {"x": np.zeros(1)}, {"x": np.ones(1)},
    ...           {"out": np.ones(1)})
    >>> found = estimate_slope(ray)
    >>> abs(found.value - 50.0) <= found.error < 1e-6
    True
    """
    ladder = _Ladder(ray, noise)
    ladder.ceiling = COARSEST_EXPONENT + headroom
    ladder.climb(FIRST_EXPONENTS)
    ladder.look_for_grain()
    coarse, fine = FIRST_EXPONENTS[0], FIRST_EXPONENTS[-1]
    while True:
        up = coarse + RATIO_EXPONENT <= ladder.ceiling
        down = fine - RATIO_EXPONENT >= FINEST_EXPONENT
        reached = ladder.reaches(target)
        unsettled = down and (up or reached) and ladder.unsettled()
        if reached and not unsettled:
            if not (up and ladder.settled_suddenly()):
                break
            coarse += RATIO_EXPONENT
            ladder.climb([coarse])
        elif up and not unsettled and (ladder.noise_rules() or not down):
            coarse += ladder.stride(coarse, target)
            ladder.climb([coarse])
        elif down:
            fine -= RATIO_EXPONENT
            ladder.climb([fine])
        else:
            ladder.refine()
            break
        ladder.look_for_grain()
    return _conclude(ladder)


def _conclude(ladder: _Ladder) -> Estimate:
    growth = _growth(ladder)
    if growth is not None:
        return Estimate(math.nan, math.inf, ORACLE, growth, rungs=ladder.rungs())
    if ladder.is_ragged():
        return Estimate(
            math.nan, math.inf, ORACLE, Local.NON_FINITE, rungs=ladder.rungs(), note=RAGGED
        )
    if ladder.central is None:
        return _one_sided(ladder)
    central, right, left = ladder.central, ladder.right, ladder.left
    move = ladder.largest_move() if ladder.stands_still() else 0.0
    if move > central.fine.error and abs(central.fine.value) < move / 2:
        error = 2 * ladder.largest_quotient() + central.fine.error
        return Estimate(
            central.fine.value, error, ORACLE, Local.NOISY,
            noise=ladder.noise, rungs=ladder.rungs(),
            note="the function stands still at fine steps and moves at coarse ones",
        )  # fmt: skip
    if not central.agree:
        return _two_scales(ladder, central)
    found = _two_sided(
        ladder, central.fine, *(_answer(side, central.fine) for side in (right, left))
    )
    grain = ladder.missing_bend()
    if grain > 0.0 and found.local is not Local.KINK:
        step = ladder.quotients("central")[0][central.fine.rung]
        found = replace(found, error=found.error + SAFETY_NOISE * grain / step)
    return _after_a_last_look(ladder, found)


def _after_a_last_look(ladder: _Ladder, found: Estimate) -> Estimate:
    """The same estimate, unless the end of the ladder hints at a slope beyond its reach."""
    if found.local is not Local.KINK and found.error > abs(found.value) and ladder.all_noise():
        return replace(found, error=math.inf, local=Local.NOISY, note=ALL_NOISE)
    if found.local is Local.NOISY:
        ladder.climb((*LAST_NEIGHBOURS, *LAST_EXPONENTS))
    hint = _hint(ladder)
    if hint is None:
        return found
    low, high = found.interval()
    gap = max(low - hint, hint - high)
    if gap <= LAST_LOOK * abs(hint):
        return found
    return replace(found, error=2 * gap + found.error, local=Local.NOISY, note=TWO_SCALES)


def _hint(ladder: _Ladder) -> float | None:
    """A slope that the rungs at the end of the ladder agree on."""
    rungs = ladder.rungs()
    finest = rungs[-2:]
    both_sides = [q for rung in finest for q in (rung.forward, rung.backward)]
    near = {2.0**exponent for exponent in LAST_NEIGHBOURS}
    central = [rung.central for rung in rungs if rung.step in near]
    if _agree(both_sides, finest[-1].central, finest[-1].step * abs(finest[-1].central), ladder):
        return finest[-1].central
    if len(central) < len(near):
        return None
    hint = median(central)
    return hint if _agree(central, hint, min(near) * abs(hint), ladder) else None


def _agree(quotients: Sequence[float], hint: float, move: float, ladder: _Ladder) -> bool:
    """Whether quotients agree, and the function moved by more than its last places."""
    seen = move >= 10 * ladder.ray.rounding()
    return seen and all(abs(q - hint) <= LAST_LOOK * abs(hint) for q in quotients)


def _two_scales(ladder: _Ladder, central: Limits) -> Estimate:
    """Coarse and fine rungs both make sense, and contradict each other."""
    steady, fine = central
    right, left = ladder.right, ladder.left
    assert right is not None
    assert left is not None
    coarse = _two_sided(ladder, steady, right.steady, left.steady)
    low, high = coarse.interval()
    if coarse.local is Local.KINK and low <= fine.value <= high:
        return _two_sided(ladder, fine, right.fine, left.fine)
    gap = abs(fine.value - steady.value)
    return Estimate(
        fine.value, gap + fine.error + steady.error, ORACLE, Local.NOISY, steady.value, fine.value,
        max(steady.error, fine.error), ladder.noise, ladder.rungs(), TWO_SCALES,
    )  # fmt: skip


def _answer(side: Limits | None, central: Limit) -> Limit | None:
    """The limit of one side; where it has two, one that reaches from one to the other.

    But not where the slope of both sides together agrees with that of its finer rungs.
    """
    if side is None:
        return None
    steady, fine = side
    confirmed = abs(fine.value - central.value) <= fine.error + central.error
    if side.agree or confirmed:
        return fine
    gap = abs(fine.value - steady.value)
    return fine._replace(error=gap + fine.error + steady.error, stops=True)


def _two_sided(
    ladder: _Ladder, central: Limit, right: Limit | None, left: Limit | None
) -> Estimate:
    r, r_error = (right.value, right.error) if right else (math.nan, math.inf)
    l, l_error = (left.value, left.error) if left else (math.nan, math.inf)  # noqa: E741
    side_error = max(r_error, l_error)
    if abs(r - l) > r_error + l_error:
        middle, half = (r + l) / 2, abs(r - l) / 2
        return Estimate(
            middle, half + side_error, ORACLE, Local.KINK, l, r, side_error, ladder.noise,
            ladder.rungs(),
        )  # fmt: skip
    low, high = min(l, r) - side_error, max(l, r) + side_error
    gap = max(low - central.value, central.value - high)
    if gap > central.error:
        return Estimate(
            central.value, gap + high - low, ORACLE, Local.NOISY, central.value, (l + r) / 2,
            max(side_error, central.error), ladder.noise, ladder.rungs(), TWO_SCALES,
        )  # fmt: skip
    value, error, drowned = central.value, central.error, central.noise > central.truncation
    if side_error < error and not central.drifts and right and left:
        # At a corner of the slope the one-sided quotients converge, the central ones drag along.
        value, error = (l + r) / 2, side_error
        drowned = right.noise + left.noise > right.truncation + left.truncation
    if (right and right.stops) or (left and left.stops):
        error = max(error, side_error)
    local = Local.NOISY if error > abs(value) and drowned else Local.SMOOTH
    return Estimate(value, error, ORACLE, local, l, r, side_error, ladder.noise, ladder.rungs())


def _one_sided(ladder: _Ladder) -> Estimate:
    sides = ladder.right or ladder.left
    if sides is None or not sides.agree:
        return Estimate(math.nan, math.inf, ORACLE, Local.NON_FINITE, rungs=ladder.rungs())
    side = sides.fine
    where = "above" if ladder.right is not None else "below"
    error = ONE_SIDED_SAFETY * side.error
    found = Estimate(
        side.value, error, f"one-sided differences from {where}", Local.SMOOTH,
        side.value, side.value, error, ladder.noise, ladder.rungs(),
        note=f"the function is defined only {where} the point along this direction",
    )  # fmt: skip
    if error > abs(side.value) and ladder.all_noise():
        return replace(found, error=math.inf, local=Local.NOISY, note=ALL_NOISE)
    return found


def _growth(ladder: _Ladder) -> Local | None:
    """Quotients that grow steadily towards the finest rungs, beyond noise: no slope to speak of."""
    largest = max(abs(moved) for pair in ladder.samples.values() for moved in pair)
    rounding = max(ladder.ray.rounding(), EPS * largest if math.isfinite(largest) else 0.0)
    for side, limits in enumerate((ladder.right, ladder.left)):
        if limits is not None and limits.fine.error < KNOWN * abs(limits.fine.value):
            continue
        quotients = []
        for exponent in sorted(ladder.samples):
            value = ladder.samples[exponent][side]
            if math.isfinite(value) and abs(value) > ABOVE_ROUNDING * rounding:
                quotients.append(abs(value) / 2.0**exponent)
        pairs = itertools.pairwise(quotients)
        ratios = [fine / rough for fine, rough in pairs if rough > 0.0]  # they may underflow
        finest = min(ratios[:GROWING_RUNGS], default=0.0)
        if len(ratios) < GROWING_RUNGS:
            continue
        if finest > GROWTH_JUMP:
            return Local.JUMP
        if finest > GROWTH_INFINITE:
            return Local.INFINITE_SLOPE
    return None
