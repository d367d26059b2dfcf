"""The gradients claimed around a point: what a kink is made of, and whether a bug is everywhere."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck.compare import judge
from gradcheck.directions import coordinate_scales, gaussian
from gradcheck.estimating import headroom
from gradcheck.oracles import Ray, estimate_slope
from gradcheck.point import Point, is_steering
from gradcheck.result import Array, Local, Verdict
from gradcheck.trees import Arrays, inner_product

JITTER = 2.0**-22
"""Distance of the samples, relative to each coordinate: beyond the kinks that no step can resolve,
near enough that a smooth gradient does not change."""

VERIFYING_STEP = 2.0**-11
"""Step of the difference that verifies a sample, in jitters: it rarely crosses a kink."""

VERIFIED = 1e-3
"""A sample is verified where claim and difference agree to this; pieces of a kink do not."""

CONFIRMED = 2
"""Samples to be refuted, each by a ladder of steps, before the claim is called wrong there."""


NEARER = 16.0
"""How many times nearer the second reading of a ray is."""

CLOSE_LOOKS = 6
"""Samples that may spend a ladder of steps; the others are dropped where one difference fails."""


class Sampled(enum.Enum):
    """What became of one sample."""

    VERIFIED = "the claim there is right"
    REFUTED = "the claim there is wrong"
    UNDECIDED = "nothing could be said there"


@dataclass(slots=True)
class Surroundings:
    """Claims at random points close by, each verified by an estimate there.

    All differentiable inputs that claim a gradient move together: the kinks of a composition show
    only then.
    """

    point: Point
    names: tuple[str, ...]
    jitter: float = JITTER
    verified: dict[str, list[Array]] = field(default_factory=dict)
    refuted: dict[str, int] = field(default_factory=dict)
    drawn: int = 0
    close_looks: int = 0

    def sample(self, count: int, watched: Sequence[str]) -> None:
        """Draw ``count`` more samples and verify the claims for the ``watched`` inputs."""
        for _ in range(count):
            open_names = [name for name in watched if not self.refutes(name)]
            if not open_names:
                return  # nothing that further samples show would be heard
            moved = self._move(self.drawn)
            self.drawn += 1
            self._look(moved, open_names)

    def samples(self, name: str) -> Array:
        """Verified gradients of one input, one row each."""
        return np.array([g.reshape(-1) for g in self.verified.get(name, [])])

    def refutes(self, name: str) -> bool:
        """Whether the claim is wrong at generic points nearby, too."""
        return self.refuted.get(name, 0) >= CONFIRMED

    def confirmed(self, name: str) -> Sampled:
        """Whether claims nearby are right to the tolerance itself.

        Samples are verified only as far as pieces of a kink must be told apart; an error that is
        smaller than that, and everywhere, must not pass for a convention at one point.
        """
        seen = [self._look_closely(name) for _ in range(CLOSE_LOOKS)]
        if Sampled.REFUTED in seen:
            return Sampled.REFUTED
        return Sampled.VERIFIED if Sampled.VERIFIED in seen else Sampled.UNDECIDED

    def _look_closely(self, name: str) -> Sampled:
        moved = self._move(2)
        try:
            with np.errstate(all="ignore"):
                gradient = _as_gradient(self.point.vjp(moved), name, self.point.work[name])
        except Exception as error:  # outside the domain: no sample
            if is_steering(error):
                raise
            return Sampled.UNDECIDED
        return Sampled.UNDECIDED if gradient is None else self._judge_closely(moved, name, gradient)

    def slope_spread(self, name: str, direction: Array, count: int) -> float:
        """How far the slopes claimed along ``direction`` lie apart around the point itself.

        Each of ``count`` rays is read at the jitter and at a sixteenth of it, and extrapolated to
        the point: what a smooth gradient changes over the jitter cancels, a kink's pieces stay.
        """
        slopes = []
        for _ in range(count):
            z = {k: self._jitter(k, 2) for k in self.names}
            far, near = (self._claimed_at(name, direction, z, s) for s in (1.0, 1 / NEARER))
            slopes.append((NEARER * near - far) / (NEARER - 1))
        known = [slope for slope in slopes if math.isfinite(slope)]
        return max(known) - min(known) if known else math.inf

    def _claimed_at(self, name: str, direction: Array, z: Arrays, share: float) -> float:
        moved = {**self.point.work, **{k: self.point.work[k] + share * z[k] for k in z}}
        try:
            with np.errstate(all="ignore"):
                gradient = _as_gradient(self.point.vjp(moved), name, self.point.work[name])
        except Exception as error:  # outside the domain: no sample
            if is_steering(error):
                raise
            return math.nan
        return math.nan if gradient is None else inner_product(gradient, direction)

    def _jitter(self, name: str, draw: int) -> Array:
        x = self.point.work[name]
        z = gaussian(self.point.generator, x)
        if draw < 2 and x.dtype.kind == "f":
            z = np.where(x == 0, np.abs(z) * (1 if draw else -1), z)
        return self.jitter * coordinate_scales(x) * z

    def _move(self, draw: int) -> Arrays:
        """The next point. The first two move all zeros one way, as conventions at 0 do."""
        moved = dict(self.point.work)
        for name in self.names:
            moved[name] = self.point.work[name] + self._jitter(name, draw)
        return moved

    def _look(self, moved: Arrays, watched: Sequence[str]) -> None:
        try:
            with np.errstate(all="ignore"):
                claims = self.point.vjp(moved)
        except Exception:  # outside the domain: no sample
            return
        for name in watched:
            gradient = _as_gradient(claims, name, self.point.work[name])
            if gradient is None:
                continue
            outcome = self._verify(moved, name, gradient)
            if outcome is Sampled.VERIFIED:
                self.verified.setdefault(name, []).append(gradient)
            elif outcome is Sampled.REFUTED and self._keeps_signs(moved):
                self.refuted[name] = self.refuted.get(name, 0) + 1

    def _keeps_signs(self, moved: Arrays) -> bool:
        """Whether no number changed its sign: beyond zero a small one may have left its domain."""
        reals = [name for name in self.names if moved[name].dtype.kind == "f"]
        return not any(np.any(moved[name] * self.point.work[name] < 0) for name in reals)

    def _verify(self, moved: Arrays, name: str, gradient: Array) -> Sampled:
        x = self.point.work[name]
        v = self.jitter * coordinate_scales(x) * gaussian(self.point.generator, x)
        ray = Ray(self.point.subject.value, moved, {name: v}, self.point.cotangent)
        value = ray.pair(VERIFYING_STEP) / (2 * VERIFYING_STEP)
        claimed = inner_product(gradient, v)
        size = float(np.linalg.norm(np.abs(gradient * v)))
        if not math.isfinite(value) or not math.isfinite(claimed):
            return Sampled.UNDECIDED
        if abs(value - claimed) <= VERIFIED * max(size, abs(claimed)):
            return Sampled.VERIFIED
        if self.close_looks >= CLOSE_LOOKS:
            return Sampled.UNDECIDED
        self.close_looks += 1
        return self._judge_closely(moved, name, gradient)

    def _judge_closely(self, moved: Arrays, name: str, gradient: Array) -> Sampled:
        """A ladder of steps decides what one difference could not."""
        x = self.point.work[name]
        v = coordinate_scales(x) * gaussian(self.point.generator, x)
        ray = Ray(self.point.subject.value, moved, {name: v}, self.point.cotangent)
        claimed = inner_product(gradient, v)
        rtol = self.point.rtol[name]
        estimate = estimate_slope(
            ray, target=rtol * abs(claimed), noise=self.point.noise(ray), headroom=headroom(ray)
        )
        underflow = self.point.underflow(name, v)
        verdict, _, _ = judge(claimed, estimate, rtol=rtol, slack=underflow, negligible=underflow)
        if estimate.local is not Local.SMOOTH or verdict is Verdict.INCONCLUSIVE:
            return Sampled.UNDECIDED
        return Sampled.REFUTED if verdict is Verdict.WRONG else Sampled.VERIFIED


def _as_gradient(claims: Any, name: str, x: Array) -> Array | None:
    gradient = claims.get(name)
    if gradient is None:
        return None
    gradient = np.array(gradient)
    if gradient.shape != x.shape or gradient.dtype.kind not in "fciub":
        return None
    return gradient if bool(np.all(np.isfinite(gradient))) else None
