"""The procedure for one input after another: estimate, compare, and resolve what is in doubt."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, field, replace

import numpy as np

from gradcheck.climbing import MIXED, is_mixed
from gradcheck.compare import claimed_slope, compare, shares_of_quarters, slope_terms
from gradcheck.directions import AS_GOOD_AS_ZERO, LARGE, SQUARES, coordinate_scales, direction
from gradcheck.entries import LADDERS, SMALL, Entries, gather_evidence, localise, look_at
from gradcheck.estimating import FAST_SHARE, best_estimate, meets
from gradcheck.glance import Look, glaring_mistake, glaring_non_finite
from gradcheck.hull import Membership, locate
from gradcheck.long_steps import long_difference
from gradcheck.oracles import quick_slope
from gradcheck.oracles.complex_step import ORACLE as COMPLEX_STEP
from gradcheck.point import Point
from gradcheck.relations.agreement import magnitude
from gradcheck.result import (
    Array,
    Comparison,
    EntryTable,
    Estimate,
    Finding,
    Local,
    Severity,
    Verdict,
)
from gradcheck.rounding import CONDITIONED, measured_wobble, slope_wobble
from gradcheck.surroundings import JITTER, Sampled, Surroundings
from gradcheck.trees import Arrays, all_finite, is_differentiable, named_outputs

REDRAWS = 8
CANCELS = 0.3
"""A direction is drawn again while the claimed slope is less than this share of what independent
terms of its size would add up to."""

TURNS = ((1, 1, -1, -1), (1, -1, 1, -1), (1, -1, -1, 1))
"""Signs of the quarters of a direction that cancels. Slopes along all four are independent, so that
three in a thousand directions are drawn again."""

FIRST_SAMPLES = 4
MORE_SAMPLES = (12, 20, 28)
"""Gradients sampled around a doubtful point: few first, for a bug that is everywhere shows in any
two; then more while new pieces of a kink keep appearing."""

EXPLAINED = 4.0
"""How many times the spread of the sampled slopes a mismatch may be: samples are few."""

SPREAD_SAMPLES = 16
"""Rays on which kinks are told from curvature; all on one side of a kink is one in 32768."""

OUTPUTS_LOOKED_AT = 4
"""Outputs that are looked at alone, where a kink has too many pieces for all of them together."""

KINK_STEP = 2.0**-11
"""Step at which outputs are compared for bending: a kink bends by it, a curve by its square."""

ENOUGH_SAMPLES = 3
"""With fewer verified gradients nothing is said about a kink."""

NON_FINITE_LOOKED_AT = 8
"""Entries with a non-finite claim that are estimated, of each input."""

CLEARLY = 4.0
"""A difference of so many limits along a direction must show in some entry."""

TOO_FAR = "along a direction claim and estimate differ, and for no single entry"

SQUARES_UNDERFLOW = 2.0**-511
"""A slope is as good as zero where the estimate is, and products of two numbers of its size are no
normal numbers: near the minimum of a sum of squares, say, nobody can measure it."""

NOISE_SHARE = 1e-4
"""The jitter around a noisy function grows until noise is this share of what a sample shows."""


@dataclass(slots=True)
class Outcome:
    """What was found out about one input."""

    name: str
    verdict: Verdict
    comparisons: list[Comparison] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    table: EntryTable | None = None
    kinks: int = 0
    resolution: float = math.nan
    vacuous: bool = False


@dataclass(slots=True)
class Probe:
    """One direction of one input, its claimed slope and the quick estimate."""

    name: str
    direction: Array
    claimed: float
    quick: Estimate
    settled: bool
    size: float
    rounding: float


def check_inputs(
    point: Point,
    names: list[str],
    *,
    lenient: bool,
    brief: bool = False,
    look: Look = Look.CAREFUL,
) -> list[Outcome]:
    """Check the claims for every named input: two forwards each where they are right.

    ``brief`` asks which inputs are wrong and no more: the verdicts are the same, but of the wrong
    entries one is enough, and nobody will read the evidence.
    """
    outcomes: dict[str, Outcome] = {}
    sizes, doubtful = [], []
    for name in names:
        probe = _probe(point, name)
        if probe is None:
            outcomes[name] = _non_finite(point, name, brief, look)
            continue
        sizes.append(probe.size)
        if probe.settled:
            outcomes[name] = _settled(point, probe)
        else:
            doubtful.append(probe)
    if doubtful:
        negligible = max(filter(math.isfinite, sizes), default=0.0)
        doubted = [probe.name for probe in doubtful]
        around = Surroundings(point, tuple(names))
        for probe in doubtful:
            sharp = negligible * point.rtol[probe.name]
            seen = None if look is Look.CAREFUL or lenient else _at_a_glance(point, probe, brief)
            if seen is None and look is Look.GLANCE:
                seen = Outcome(probe.name, Verdict.INCONCLUSIVE)
            if seen is None:
                resolver = _Resolver(point, probe, around, doubted, sharp, lenient, brief)
                seen = resolver.resolve()
            outcomes[probe.name] = seen
    return [outcomes[name] for name in names]


def _probe(point: Point, name: str) -> Probe | None:
    """One direction of one input; ``None`` where the claim is not finite, with nothing spent."""
    v, claimed, rounding = _telling_direction(point, name)
    if not math.isfinite(claimed) and not _is_finite(point, name):
        return None
    quick = quick_slope(point.ray({name: v}))
    settled = meets(claimed, quick, point.rtol[name], rounding)
    size = max(abs(claimed), abs(quick.value)) if math.isfinite(quick.value) else abs(claimed)
    return Probe(name, v, claimed, quick, settled, size, rounding)


def _telling_direction(point: Point, name: str) -> tuple[Array, float, float]:
    """A direction along which the claim does not happen to cancel: a sharper test, and free.

    One that does is drawn again; a large one has two of its quarters reversed first, which is as
    random and costs less.
    With it, the claimed slope and what rounding may have cost it.
    """
    x = point.work[name]
    if point.forward_mode:
        v = direction(point.generator, x)
        return v, point.slope(name, v), 0.0
    for _ in range(REDRAWS):
        v = direction(point.generator, x)
        slope = claimed_slope(point.claims[name], v)
        claimed = slope.value
        telling = CANCELS * slope.size
        if abs(claimed) < telling and v.size >= LARGE:
            claimed = _turned(v, point.claims[name], claimed, telling)
        if not abs(claimed) < telling:
            break
    return v, claimed, slope.rounding


def _turned(v: Array, gradient: Array, claimed: float, telling: float) -> float:
    """The slope along the direction with two quarters reversed, the first of `TURNS` that tells."""
    quarters = shares_of_quarters(gradient, v)
    for signs in TURNS:
        turned = sum(map(operator.mul, signs, quarters))
        if abs(turned) >= telling:
            _turn(v, signs)
            return float(turned)
    return claimed


def _turn(v: Array, signs: tuple[int, ...]) -> None:
    flat = v.reshape(-1)
    for i, sign in enumerate(signs):
        if sign < 0:
            quarter = flat[flat.size * i // 4 : flat.size * (i + 1) // 4]
            np.negative(quarter, out=quarter)


def _at_a_glance(point: Point, probe: Probe, brief: bool) -> Outcome | None:
    """The outcome for a gross mistake, where nothing but a mistake can be the reason."""
    found = glaring_mistake(
        point, probe.name, probe.direction, probe.claimed, probe.quick, probe.rounding, brief=brief,
    )  # fmt: skip
    if found is None:
        return None
    limit = point.rtol[probe.name] * probe.size + probe.rounding
    along = Comparison(probe.name, None, probe.claimed, probe.quick, limit, Verdict.WRONG)
    outcome = Outcome(probe.name, Verdict.WRONG, [along])
    _blame(point, outcome, found)
    return outcome


def _settled(point: Point, probe: Probe) -> Outcome:
    limit = point.rtol[probe.name] * probe.size + probe.rounding
    comparison = Comparison(probe.name, None, probe.claimed, probe.quick, limit, Verdict.CORRECT)
    seen = max(comparison.difference, probe.quick.error)
    resolution = seen / probe.size if probe.size > 0 else math.nan
    return Outcome(
        probe.name, Verdict.CORRECT, [comparison], resolution=resolution, vacuous=probe.size == 0
    )


def _is_finite(point: Point, name: str) -> bool:
    return point.forward_mode or all_finite(point.claims[name])


def _non_finite(point: Point, name: str, brief: bool, look: Look) -> Outcome:
    """The outcome for an input whose claim is not finite somewhere.

    Only the worst of it is looked at: a few of those entries, by a ladder each.
    """
    gradient = point.claims[name].reshape(-1)
    bad = np.flatnonzero(~np.isfinite(gradient))
    chosen = [int(i) for i in bad[:NON_FINITE_LOOKED_AT]]
    found = None if look is Look.CAREFUL else glaring_non_finite(point, name, chosen)
    if found is None and look is Look.GLANCE:
        return Outcome(name, Verdict.INCONCLUSIVE)
    if found is None:
        found = look_at(point, name, chosen, 0.0, 1 if brief else LADDERS)
    outcome = Outcome(name, found.verdict, list(found.comparisons), table=found.table)
    excuse = _excuse_for_infinity(point, name, chosen)
    if excuse:
        outcome.verdict = Verdict.INCONCLUSIVE
        outcome.comparisons = [
            replace(c, verdict=Verdict.INCONCLUSIVE, reason=excuse) for c in outcome.comparisons
        ]
        return outcome
    if found.verdict is Verdict.WRONG:
        where = next(c for c in found.comparisons if c.verdict is Verdict.WRONG)
        shown = where if brief else gather_evidence(point, where)
        outcome.comparisons.remove(where)
        outcome.comparisons.insert(0, shown)
        outcome.findings.append(
            Finding(
                "non-finite",
                f"{bad.size} of {gradient.size} claimed entries are not finite, first "
                f"{where.path} = {where.claimed}; expected {where.estimate.value:.6g}. "
                "Do: guard the division, logarithm or overflow behind it.",
                Severity.FAILURE,
                name,
            )
        )
    return outcome


def _excuse_for_infinity(point: Point, name: str, chosen: list[int]) -> str:
    """Why a right backward may have nothing finite to return here; empty where it must have."""
    if not _finite_forward(point) and not _log_zeros(point, name, chosen):
        return "the function is not finite here"
    sizes = [np.abs(x[np.isfinite(x) & (x != 0.0)]) for x in (point.work[k] for k in point.rtol)]
    if any(x.size and not SQUARES < x.min() <= x.max() < 1.0 / SQUARES for x in sizes):
        return "squares of numbers so small or large leave the range of floats"
    return ""


def _finite_forward(point: Point) -> bool:
    outputs = named_outputs(point.output).values()
    return all(map(all_finite, outputs))


def _log_zeros(point: Point, name: str, chosen: list[int]) -> bool:
    """Whether these entries and all infinite outputs are ``-inf``: zeros in the log domain.

    A masked logit cannot move, nor can the log-sum of nothing but such: the derivative is 0.
    """
    outputs = [y for y in named_outputs(point.output).values() if is_differentiable(y)]
    masked = all(bool(np.all(np.isfinite(y) | (y == -np.inf))) for y in outputs)
    return masked and bool(np.all(point.work[name].reshape(-1)[chosen] == -np.inf))


def _entry_is_right(point: Point, name: str, entry: int, negligible: float) -> bool:
    """Whether the slopes of a single entry leave room for its claim after all.

    Of many tied entries each is rarely the one that counts, and no sample may show its value: only
    an entry along which there is no kink convicts a claim alone.
    """
    flat = entry % point.work[name].size  # real parts first, then imaginary ones
    found = look_at(point, name, [flat], negligible, 1).comparisons
    return not any(c.verdict is Verdict.WRONG and c.estimate.local is Local.SMOOTH for c in found)


class _Resolver:
    """Decides about one input whose quick difference did not settle it."""

    def __init__(
        self,
        point: Point,
        probe: Probe,
        around: Surroundings,
        doubtful: list[str],
        negligible: float,
        lenient: bool,
        brief: bool,
    ) -> None:
        self.point = point
        self.probe = probe
        self.name = probe.name
        self.around = around
        self.doubtful = doubtful
        self.negligible = negligible
        self.lenient = lenient
        self.brief = brief
        self.findings: list[Finding] = []

    def resolve(self) -> Outcome:
        comparison = self._by_long_steps() or self._ladder()
        if comparison.verdict is Verdict.WRONG:
            comparison = self._allow_rounding(comparison)
        if comparison.verdict is Verdict.CORRECT and comparison.estimate.local is not Local.KINK:
            return self._outcome(comparison)
        if _is_zero(comparison, self.probe.rounding):
            return self._zero(comparison)
        self._sample(FIRST_SAMPLES, comparison)
        if self.around.refutes(self.name):
            return self._refuted(comparison)
        if len(self.around.samples(self.name)) < ENOUGH_SAMPLES:
            return self._without_samples(comparison)
        return self._at_a_kink(comparison)

    def _by_long_steps(self) -> Comparison | None:
        """CORRECT, where rounding hides the slope from short steps and long ones see it."""
        point, probe = self.point, self.probe
        rtol = point.rtol[self.name]
        limit = rtol * abs(probe.claimed) + probe.rounding
        ray = point.ray({self.name: probe.direction})
        estimate = long_difference(ray, probe.claimed, probe.quick, limit, self.negligible)
        if estimate is None:
            return None
        found = compare(
            self.name, None, probe.claimed, estimate,
            rtol=rtol, slack=probe.rounding, negligible=self.negligible,
        )  # fmt: skip
        return found if found.verdict is Verdict.CORRECT else None

    def _ladder(self) -> Comparison:
        point, v = self.point, self.probe.direction
        rtol = point.rtol[self.name]
        underflow = point.underflow(self.name, v)
        slack = self.probe.rounding + underflow
        ray = point.centred_ray({self.name: v})
        target = FAST_SHARE * (rtol * self.probe.size + slack)
        estimate = best_estimate(point, ray, target)
        if ray.failures:
            self.findings.append(_edge(self.name, ray.failures[0]))
        if ray.odd_outputs:
            self.findings.append(_odd(self.name, ray.odd_outputs[0]))
        return compare(
            self.name, None, self.probe.claimed, estimate,
            rtol=rtol, slack=slack, negligible=max(self.negligible, underflow),
        )  # fmt: skip

    def _allow_rounding(self, comparison: Comparison) -> Comparison:
        """Measure rounding errors of the claim, then of the slope, and judge again with them."""
        if comparison.estimate.local is Local.KINK or self.point.forward_mode:
            return comparison
        slack = 0.0
        wobble = measured_wobble(self.point)
        if self.name in wobble:
            slack = float(np.linalg.norm(wobble[self.name] * np.abs(self.probe.direction)))
            comparison = self._judged_with(comparison, slack)
        if comparison.verdict is Verdict.WRONG and comparison.relative_error < CONDITIONED:
            target = FAST_SHARE * self.point.rtol[self.name] * self.probe.size
            oracle, v = comparison.estimate.oracle, self.probe.direction
            slack += slope_wobble(self.point, self.name, v, target, oracle, nearly=True)
            comparison = self._judged_with(comparison, slack)
        return comparison

    def _judged_with(self, comparison: Comparison, slack: float) -> Comparison:
        return compare(
            self.name, None, comparison.claimed, comparison.estimate,
            rtol=self.point.rtol[self.name], slack=self.probe.rounding + slack,
            negligible=self.negligible,
        )  # fmt: skip

    def _sample(self, count: int, comparison: Comparison) -> None:
        around = self.around
        if self.point.forward_mode:
            return
        if around.drawn == 0:
            around.jitter = self._jitter(comparison)
        if around.drawn < FIRST_SAMPLES or count > FIRST_SAMPLES:
            around.sample(count, self.doubtful)

    def _jitter(self, comparison: Comparison) -> float:
        size = max(abs(comparison.claimed), abs(self.probe.quick.value))
        noise = comparison.estimate.noise
        shown = NOISE_SHARE * size
        if not math.isfinite(shown) or shown == 0.0:
            return JITTER
        return min(max(JITTER, noise * 2.0**11 / shown), 2.0**-6)

    def _at_a_kink(self, comparison: Comparison) -> Outcome:
        membership = self._locate()
        for more in MORE_SAMPLES:
            if membership is not Membership.UNKNOWN and not self._too_early(membership, comparison):
                break
            self._sample(more, comparison)
            if self.around.refutes(self.name):
                return self._refuted(comparison)
            membership = self._locate()
        if membership is Membership.SMOOTH or not self._explains(comparison):
            return self._special_point(comparison)
        if membership is Membership.INSIDE:
            smooth = comparison.estimate.local is Local.SMOOTH
            undecided = comparison.verdict is Verdict.INCONCLUSIVE
            if self.around.jitter > JITTER and (smooth or undecided):
                return self._by_entries(comparison)  # a smooth gradient bends so far, too
            return self._outcome(_accepted(comparison), kinks=1)
        if not math.isfinite(comparison.estimate.error):  # a jump, an infinite slope
            return self._inconclusive(comparison, comparison.reason)
        if membership is Membership.OUTSIDE:
            if self.lenient:
                return self._convention(comparison)
            return self._wrong(comparison, at_kink=True)
        return self._unsaturated(comparison)

    def _too_early(self, membership: Membership, comparison: Comparison) -> bool:
        """A handful of samples may all lie on one piece: too few to call a claim wrong."""
        few = self.around.drawn <= FIRST_SAMPLES
        return few and membership is Membership.SMOOTH and comparison.verdict is Verdict.WRONG

    def _explains(self, comparison: Comparison) -> bool:
        """Whether the gradients around the point differ enough to make this mismatch a kink's.

        Along the direction tried they must spread about as far as claim and estimate are apart: a
        smooth gradient bends a little over the jitter too, and must not excuse a small error.
        """
        if comparison.verdict is not Verdict.WRONG or comparison.estimate.local is Local.KINK:
            return True
        spread = self.around.slope_spread(self.name, self.probe.direction, SPREAD_SAMPLES)
        return comparison.difference <= EXPLAINED * spread

    def _locate(self) -> Membership:
        gradient = self.point.claims[self.name].reshape(-1)
        samples = self.around.samples(self.name)
        found, entry = locate(_reals(gradient), _reals(samples))
        if found is not Membership.OUTSIDE:
            return found
        if entry is not None and _entry_is_right(self.point, self.name, entry, self.negligible):
            return Membership.UNKNOWN
        return found

    def _special_point(self, comparison: Comparison) -> Outcome:
        """All gradients nearby agree: the verdict of the differences stands."""
        if comparison.verdict is Verdict.WRONG:
            return self._convention(comparison) if self.lenient else self._wrong(comparison)
        if comparison.verdict is Verdict.CORRECT:
            return self._outcome(comparison, kinks=1)
        return self._by_entries(comparison)

    def _unsaturated(self, comparison: Comparison) -> Outcome:
        """Too many pieces at once: one output at a time has fewer."""
        found = self._by_outputs()
        if found is Membership.OUTSIDE:
            if self.lenient:
                return self._convention(comparison)
            return self._wrong(comparison, at_kink=True)
        if comparison.verdict is Verdict.CORRECT or found is Membership.INSIDE:
            return self._outcome(_accepted(comparison), kinks=1)
        if self.lenient:
            return self._convention(comparison)
        return self._inconclusive(
            comparison, "a kink of many pieces: new gradients keep appearing around the point"
        )

    def _by_outputs(self) -> Membership:
        """Membership for one-hot cotangents, at the outputs that kink most."""
        if sum(u.size for u in self.point.cotangent.values()) == 1:
            return Membership.UNKNOWN
        verdicts = [self._by_output(one_hot) for one_hot in self._kinked_outputs()]
        for membership in (Membership.OUTSIDE, Membership.UNKNOWN):
            if membership in verdicts:
                return membership
        return Membership.INSIDE if verdicts else Membership.UNKNOWN

    def _kinked_outputs(self) -> list[Arrays]:
        """One-hot cotangents of the outputs whose one-sided changes differ most."""
        ray = self.point.centred_ray({self.name: self.probe.direction})
        plus, minus = ray.outputs(KINK_STEP), ray.outputs(-KINK_STEP)
        if plus is None or minus is None:
            return []
        bends = []
        for name, centre in ray.centre.items():
            with np.errstate(all="ignore"):
                bend = np.abs(plus[name] + minus[name] - 2 * centre).reshape(-1)
            bends += [(float(b), name, i) for i, b in enumerate(bend) if np.isfinite(b) and b > 0]
        chosen = sorted(bends, reverse=True)[:OUTPUTS_LOOKED_AT]
        return [one_hot(self.point.cotangent, name, i) for _, name, i in chosen]

    def _by_output(self, cotangent: Arrays) -> Membership:
        claims = self.point.vjp(self.point.work, cotangent)
        there = replace(
            self.point,
            cotangent=cotangent,
            claims={**self.point.claims, self.name: np.asarray(claims[self.name])},
        )
        around = Surroundings(there, self.around.names, self.around.jitter)
        claim = _reals(there.claims[self.name].reshape(-1))
        membership = Membership.UNKNOWN
        for count in (FIRST_SAMPLES, *MORE_SAMPLES):
            around.sample(count, [self.name])
            samples = around.samples(self.name)
            if len(samples) < ENOUGH_SAMPLES:
                return Membership.UNKNOWN
            membership, entry = locate(claim, _reals(samples))
            if entry is not None and _entry_is_right(there, self.name, entry, self.negligible):
                membership = Membership.UNKNOWN
            if membership is not Membership.UNKNOWN:
                break
        return Membership.INSIDE if membership is Membership.SMOOTH else membership

    def _without_samples(self, comparison: Comparison) -> Outcome:
        if comparison.verdict is Verdict.CORRECT:
            return self._outcome(comparison, kinks=1)
        if comparison.verdict is Verdict.WRONG:
            if comparison.estimate.local is Local.SMOOTH:
                return self._wrong(comparison)
            return self._inconclusive(
                comparison, "a kink, and no gradient around the point could be verified"
            )
        return self._by_entries(comparison)

    def _by_entries(self, comparison: Comparison) -> Outcome:
        """One direction could not decide: single entries may."""
        x = self.point.work[self.name]
        # Steps along zeros have the length of a guess: those of single entries may be far shorter.
        guessed = is_mixed(x) or magnitude(x) < AS_GOOD_AS_ZERO
        noisy = comparison.estimate.local is Local.NOISY and not guessed
        if x.size > SMALL or noisy:
            return self._inconclusive(comparison, comparison.reason)
        if not self.point.forward_mode:
            measured_wobble(self.point)
        found = look_at(
            self.point, self.name, range(x.size), self.negligible, 1 if self.brief else SMALL
        )
        if found.verdict is Verdict.INCONCLUSIVE:
            accused = comparison.verdict is Verdict.WRONG
            return self._inconclusive(comparison, _doubt(found) if accused else comparison.reason)
        others = [c for c in found.comparisons if c.verdict is not Verdict.WRONG]
        outcome = Outcome(self.name, found.verdict, others, self.findings)
        outcome.resolution = max((_resolution(c) for c in found.comparisons), default=math.nan)
        if found.verdict is Verdict.WRONG:
            self._blame(outcome, found)
        return outcome

    def _refuted(self, comparison: Comparison) -> Outcome:
        """Claims nearby are wrong; unless no entry is, and nothing but them accuses the claim.

        They were judged without a look at what rounding costs them.
        """
        outcome = self._wrong(comparison)
        accused = comparison.verdict is Verdict.WRONG or self.point.forward_mode
        named = any(c.verdict is Verdict.WRONG and c.index is not None for c in outcome.comparisons)
        if outcome.verdict is Verdict.WRONG and not accused and not named:
            return self._inconclusive(comparison, comparison.reason)
        return outcome

    def _wrong(self, comparison: Comparison, *, at_kink: bool = False) -> Outcome:
        """The input is wrong; at a kink all entries together may be, and none of them alone."""
        wrong = replace(comparison, verdict=Verdict.WRONG)
        outcome = Outcome(self.name, Verdict.WRONG, [wrong], self.findings)
        if not self.point.forward_mode:
            measured_wobble(self.point)
            found = localise(
                self.point, self.name, self.negligible, self.probe.direction,
                len(self.doubtful), 1 if self.brief else LADDERS,
            )  # fmt: skip
            if found.rescaled and found.verdict is not Verdict.WRONG:
                return self._acquitted(comparison, found)
            alone = found.verdict is not Verdict.WRONG
            if alone and not at_kink and self._adds_up(comparison, found):
                return self._acquitted(comparison, found)
            if alone and self._unsupported(comparison, found, at_kink):
                return self._inconclusive(comparison, TOO_FAR)
            self._blame(outcome, found)
        return outcome

    def _adds_up(self, comparison: Comparison, found: Entries) -> bool:
        """Whether the limits of the entries, each of which is right, add up to the difference."""
        terms = slope_terms(self.point.claims[self.name], self.probe.direction)
        allowed = self.point.rtol[self.name] * float(np.abs(terms).sum())
        right = found.table.complete and found.verdict is Verdict.CORRECT
        return right and comparison.difference <= allowed + comparison.estimate.error

    def _unsupported(self, comparison: Comparison, found: Entries, at_kink: bool) -> bool:
        """Whether all entries were looked at, or none can be trusted, and one should have shown."""
        coarse = self.point.has_coarse_places()
        if at_kink:  # the kink may be a bend that is sharp beside huge numbers only
            x = self.point.work[self.name]
            # Samples around a zero among huge numbers are far away, where the kink is another.
            far = comparison.verdict is not Verdict.WRONG and magnitude(x) >= MIXED
            unsure = coarse or far or found.verdict is Verdict.INCONCLUSIVE
            return unsure and is_mixed(x)
        clear = found.table.complete and comparison.difference > CLEARLY * comparison.limit
        return coarse or clear

    def _acquitted(self, comparison: Comparison, found: Entries) -> Outcome:
        """No entry is wrong: the direction moved some of them too far."""
        if found.table.complete and found.verdict is Verdict.CORRECT:
            outcome = Outcome(self.name, found.verdict, list(found.comparisons), self.findings)
            outcome.resolution = max((_resolution(c) for c in found.comparisons), default=math.nan)
            return outcome
        return self._inconclusive(comparison, _doubt(found))

    def _blame(self, outcome: Outcome, found: Entries) -> None:
        _blame(self.point, outcome, found)
        if not self.brief and outcome.comparisons[0].index is not None:
            outcome.comparisons[0] = gather_evidence(self.point, outcome.comparisons[0])

    def _convention(self, comparison: Comparison) -> Outcome:
        """Right at every generic point nearby: a convention at a kink, reported and let pass."""
        nearby = self.around.confirmed(self.name)
        if nearby is Sampled.REFUTED:
            return self._wrong(comparison)
        if nearby is Sampled.UNDECIDED:
            return self._inconclusive(comparison, "no claim around the point could be confirmed")
        self.findings.append(
            Finding(
                "kink-convention",
                f"the claim for {self.name!r} is no limit of the gradients around this point, but "
                "right at all of them: a convention at a kink. Do: nothing, or use "
                "kinks='strict' to call it wrong.",
                Severity.NOTE,
                self.name,
            )
        )
        return self._outcome(_accepted(comparison), kinks=1)

    def _zero(self, comparison: Comparison) -> Outcome:
        self.findings.append(
            Finding(
                "zero-gradient",
                f"claim and estimate for {self.name!r} are both zero, up to the rounding noise of "
                f"{comparison.estimate.error:.1e}.",
                Severity.NOTE,
                self.name,
            )
        )
        outcome = self._outcome(_accepted(comparison))
        outcome.vacuous = True
        return outcome

    def _inconclusive(self, comparison: Comparison, reason: str) -> Outcome:
        doubt = replace(comparison, verdict=Verdict.INCONCLUSIVE, reason=reason)
        self.findings.append(
            Finding(
                doubt_name(comparison.estimate.local),
                f"the estimate for {self.name!r} could not decide: {reason}.",
                Severity.DOUBT,
                self.name,
            )
        )
        return Outcome(self.name, Verdict.INCONCLUSIVE, [doubt], self.findings)

    def _outcome(self, comparison: Comparison, kinks: int = 0) -> Outcome:
        return Outcome(
            self.name,
            comparison.verdict,
            [comparison],
            self.findings,
            kinks=kinks,
            resolution=_resolution(comparison),
        )


def _blame(point: Point, outcome: Outcome, found: Entries) -> None:
    """Put the wrong entries first, the worst of them at the head."""
    outcome.table = found.table
    x = point.work[outcome.name]
    scales = coordinate_scales(x).reshape(-1)

    def excess(comparison: Comparison) -> float:
        flat = np.ravel_multi_index(comparison.index or (), x.shape) if x.shape else 0
        share = comparison.difference * scales[flat]
        return -share if math.isfinite(share) else -math.inf

    wrong = sorted((c for c in found.comparisons if c.verdict is Verdict.WRONG), key=excess)
    outcome.comparisons = [*wrong, *outcome.comparisons]


def one_hot(cotangent: Arrays, name: str, flat: int) -> Arrays:
    """A cotangent that is 1 at one entry of one output and 0 elsewhere."""
    chosen = {key: np.zeros_like(u) for key, u in cotangent.items()}
    chosen[name].reshape(-1)[flat] = 1.0
    return chosen


def doubt_name(local: Local) -> str:
    """The finding's name for a point of this kind.

    >>> doubt_name(Local.INFINITE_SLOPE)
    'infinite-slope'
    """
    names = {
        Local.SMOOTH: "estimate-too-blunt",
        Local.KINK: "kink-undecided",
        Local.INFINITE_SLOPE: "infinite-slope",
        Local.JUMP: "jump",
        Local.NON_FINITE: "non-finite-neighbourhood",
        Local.NOISY: "noisy-forward",
    }
    return names[local]


def _doubt(found: Entries) -> str:
    """Why entries could not be decided, where a direction had accused them."""
    doubts = (c.reason for c in found.comparisons if c.verdict is Verdict.INCONCLUSIVE)
    return next(doubts, TOO_FAR)


def _is_zero(comparison: Comparison, rounding: float) -> bool:
    """Claim and estimate both zero as far as rounding lets one see."""
    estimate = comparison.estimate
    doubt = estimate.doubt if estimate.oracle == COMPLEX_STEP else 0.0
    return (
        comparison.verdict is not Verdict.CORRECT
        and estimate.local in (Local.SMOOTH, Local.NOISY)
        and not estimate.note
        and abs(comparison.claimed) <= max(rounding + doubt, SQUARES_UNDERFLOW)
        and math.isfinite(estimate.error)
        and abs(estimate.value) <= estimate.error + doubt
    )


def _accepted(comparison: Comparison) -> Comparison:
    return replace(comparison, verdict=Verdict.CORRECT, reason="")


def _resolution(comparison: Comparison) -> float:
    estimate = comparison.estimate
    if estimate.local is Local.KINK:  # a claim between the slopes is as right as they are sharp
        scale = max(abs(comparison.claimed), abs(estimate.left), abs(estimate.right))
        seen = estimate.one_sided_error
    else:
        scale = max(abs(comparison.claimed), abs(estimate.value))
        seen = max(comparison.difference, estimate.error)
    return seen / scale if scale > 0 and math.isfinite(seen) else math.nan


def _reals(array: Array) -> Array:
    """Complex entries as two real ones each, along the last axis."""
    if array.dtype.kind == "c":
        return np.concatenate([array.real, array.imag], axis=-1)
    return np.asarray(array, dtype=np.float64)


def _edge(name: str, error: Exception) -> Finding:
    return Finding(
        "domain-edge",
        f"forward raised {type(error).__name__}: {error} near the point, moving {name!r}; the "
        "step was shortened to stay inside its domain.",
        Severity.NOTE,
        name,
    )


def _odd(name: str, what: str) -> Finding:
    return Finding(
        "output-changes",
        f"moving {name!r}: {what}. Expected one shape and a numeric dtype around the point. "
        "Do: return the same kind of output for all inputs.",
        Severity.DOUBT,
        name,
    )
