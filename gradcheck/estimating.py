"""The best estimate of a slope at a point, and whether one difference will do."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gradcheck.oracles import Ray, complex_step_slope, estimate_slope
from gradcheck.oracles.central_difference import TWO_SCALES
from gradcheck.point import Point
from gradcheck.result import Estimate, Local

FAST_SHARE = 0.25
"""A quick difference is believed where it meets the claim to this share of the limit."""

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


def best_estimate(point: Point, ray: Ray, target: float) -> Estimate:
    """The ladder's estimate, sharpened by the complex step where the two agree."""
    estimate = estimate_slope(ray, target=target, noise=point.noise(ray), headroom=headroom(ray))
    blunt = estimate.error > target and estimate.local in (Local.SMOOTH, Local.NOISY)
    if blunt and point.is_analytic(list(ray.direction)) is not False:
        estimate = sharpened(ray, estimate)
    doubt = LAST_PLACES * point.coarseness(list(ray.direction)) * ray.rounding()
    return replace(estimate, doubt=max(estimate.doubt, doubt))


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
