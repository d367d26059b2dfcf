"""What rounding does to claims and slopes at a point, measured by moving its numbers a little."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradcheck.directions import gaussian
from gradcheck.oracles import Ray, complex_step_value, estimate_slope
from gradcheck.oracles.central_difference import COARSEST_EXPONENT
from gradcheck.oracles.complex_step import ORACLE as COMPLEX_STEP
from gradcheck.point import EPS, Point, is_steering
from gradcheck.relations.agreement import magnitude
from gradcheck.result import Array
from gradcheck.trees import Arrays

WOBBLES = (None, *range(1, 25, 2))
ENOUGH_WOBBLES = 4
"""Inputs and cotangents are moved by a few last places four times, zeros and ties staying what they
are: all by one factor, then each number by its own. How far these claims lie apart is the rounding
error of a claim; the claim at the point itself does not count, for it may be wrong there alone. At
the edge of a domain some of these points are outside, and others are tried."""

MULTIPLES = (1.1, 1.7)
"""Cotangents are multiplied by these, too, and the claims divided: ``g - p * g`` rounds alike for
all ``g`` that are a few last places apart, where ``p`` is nearly one. What that shows counts up to
a few last places of the cotangent only: a cast to float32 must not excuse itself."""

SLOPE_WOBBLES = (1, 3)
SLOPE_SAFETY = 64.0
CONDITIONED = 0.5
"""Slopes are measured again at two points a few last places away if claim and estimate differ by
less than this share: more than a factor of two would show in the claims nearby as well. Two slopes
that lie apart tell little of how far others would."""

SHAKES = 2.0**-40
"""Relative change of the value, some thousand last places, by which last places of the inputs show
that a function is badly conditioned."""

UNRESOLVED = 1e-2
"""A slope that last places of the inputs change by more is no slope: what rounding makes of it on
the way may be far more than that."""

LONG_STEP = 2.0**COARSEST_EXPONENT
SHAKEN_STEPS = 0.0, LONG_STEP
"""Values are compared a long step away, too: at the point itself they may be next to nothing."""

UNKNOWN_WOBBLE = 1e-2
"""Rounding error taken for granted where no claim nearby could be had: a Cholesky factor of a
matrix that is positive definite to the last place only."""

HARDLY_ZERO = 0.5
"""Share of the claims nearby that must not be zero; one of them moves all numbers by one factor,
and leaves a singular matrix singular."""

WOBBLE_SAFETY = 16.0
"""Four samples of a rounding error may all be near each other by luck."""


def measured_wobble(point: Point) -> dict[str, Array]:
    """How far the claims for each entry lie apart where all numbers move in their last places."""
    if point.wobble is not None:
        return point.wobble
    inside = (claims for salt in WOBBLES if (claims := claims_nearby(point, salt)))
    several = list(itertools.islice(inside, ENOUGH_WOBBLES))
    if len(several) < 2:
        point.wobble = {name: UNKNOWN_WOBBLE * np.abs(g) for name, g in point.claims.items()}
        return point.wobble
    names = [name for name in point.claims if all(name in g for g in several)]
    point.wobble = {name: _apart(point.claims[name], [g[name] for g in several]) for name in names}
    _add_multiples(point, several[0])
    if point.has_coarse_places():
        _add_normwise(point)
    return point.wobble


def _add_multiples(point: Point, nearby: dict[str, Array]) -> None:
    """Add how far claims for multiples of the cotangent are from one for the cotangent itself.

    That is rounding up to a few last places of the cotangent.
    """
    found = [claims for factor in MULTIPLES if (claims := claims_nearby(point, 1, factor))]
    most = WOBBLE_SAFETY * EPS * max(map(magnitude, point.cotangent.values()), default=0.0)
    assert point.wobble is not None
    for name, apart in point.wobble.items():
        several = [nearby[name], *(g[name] for g in found if name in g)]
        shown = np.minimum(_apart(point.claims[name], several), most)
        point.wobble[name] = np.maximum(apart, shown)


def _add_normwise(point: Point) -> None:
    """Add how far claims lie apart where all entries move by last places of the largest.

    The solution of a linear system is no better than that, however small an entry: of a matrix that
    holds 1e16 and zeros nobody inverts the small entries exactly.
    """
    several = [claims for _ in range(ENOUGH_WOBBLES) if (claims := _claims_shaken(point))]
    assert point.wobble is not None
    for name, apart in point.wobble.items():
        found = [g[name] for g in several if name in g]
        if found:
            point.wobble[name] = np.maximum(apart, _apart(point.claims[name], found))


def _claims_shaken(point: Point) -> dict[str, Array]:
    return _claims_at(point, shaken_inputs(point), point.cotangent)


def shaken_inputs(point: Point, together: bool = False) -> Arrays:
    """The point, all entries moved by last places of the largest of their input, or of all."""
    sizes = {name: magnitude(point.work[name]) for name in point.claims}
    if together:
        sizes = dict.fromkeys(sizes, max(sizes.values()))
    moved = dict(point.work)
    for name, size in sizes.items():
        moved[name] = moved[name] + 2 * EPS * size * gaussian(point.generator, moved[name])
    return moved


def _apart(claim: Array, nearby: list[Array]) -> Array:
    """How far the claims nearby lie apart, entry by entry; 0 for a zero that rounding did not make.

    Where claims nearby are hardly ever zero, a claim of exactly zero was not computed like them.
    """
    apart = WOBBLE_SAFETY * np.max([np.abs(g - nearby[0]) for g in nearby], axis=0)
    rare = np.mean([g != 0.0 for g in nearby], axis=0) > HARDLY_ZERO
    return np.where((claim == 0.0) & rare, 0.0, apart)


def claims_nearby(point: Point, salt: int | None, factor: float = 1.0) -> dict[str, Array]:
    """The claims a few last places away; none where the domain ends here, to the last place."""
    cotangent = {name: factor * nudged(u, salt) for name, u in point.cotangent.items()}
    found = _claims_at(point, nudged_inputs(point, salt), cotangent)
    return {name: g / factor for name, g in found.items()}


def _claims_at(point: Point, moved: Arrays, cotangent: Arrays) -> dict[str, Array]:
    try:
        with np.errstate(all="ignore"):
            claims = point.vjp(moved, cotangent)
    except Exception as error:
        if is_steering(error):
            raise
        return {}
    found = {name: np.asarray(claims.get(name)) for name in point.claims}
    return {name: g for name, g in found.items() if g.shape == point.claims[name].shape}


def nudged_inputs(point: Point, salt: int | None) -> Arrays:
    """The point a few last places away."""
    return {
        name: nudged(array, salt) if name in point.claims else array
        for name, array in point.work.items()
    }


def nudged(array: Array, salt: int | None) -> Array:
    """The same numbers some last places away; equal ones stay equal, and zeros zero.

    >>> moved = nudged(np.array([1.0, 1.0, 0.0]), 3)
    >>> bool(moved[0] == moved[1]), float(moved[2]), bool(abs(moved[0] - 1) < 1e-14)
    (True, 0.0, True)
    """
    eps = float(np.finfo(array.dtype).eps)
    if salt is None or array.dtype not in (np.float64, np.complex128):
        return np.asarray(array * (1 + 3 * eps))
    reals = np.ascontiguousarray(array).view(np.float64)
    odd = np.uint64(0x9E3779B97F4A7C15 * salt % 2**64)
    places = ((reals.view(np.uint64) * odd) >> np.uint64(61)).astype(np.float64) - 3.5
    return np.asarray((reals * (1 + 2 * eps * places)).view(array.dtype).reshape(array.shape))


def slope_wobble(
    point: Point, name: str, direction: Array, target: float, oracle: str, nearly: bool
) -> float:
    """How far slopes lie apart, beyond their bounds, at points a few last places away.

    A badly conditioned matrix that is factored once gives slopes that look exact and are those of
    another matrix; a complex step sees the real parts as they were rounded on the way, all numbers
    that meet there by the last places of the largest. ``nearly`` says that claim and estimate are
    close; where they are not, only a function is looked at whose value shakes as well.
    """
    if point.ruined:
        return math.inf
    by_complex_step = oracle == COMPLEX_STEP
    measure = _complex_steps if by_complex_step else _differences
    ray = point.centred_ray({name: direction})
    gaps = [0.0]
    if nearly:
        nudged_rays = [_moved(ray, nudged_inputs(point, salt)) for salt in SLOPE_WOBBLES]
        gap, bounds, _ = measure(point, nudged_rays, target)
        gaps.append(gap - bounds)
    shaken_rays = [_moved(ray, shaken_inputs(point, by_complex_step)) for _ in SLOPE_WOBBLES]
    here = [ray.outputs(step) for step in SHAKEN_STEPS]
    shaken = max(_shaken(here, there) for there in shaken_rays)
    if shaken > UNRESOLVED:
        point.ruined = True
        return math.inf
    if shaken > SHAKES:
        gap, _, largest = measure(point, shaken_rays, target)
        point.ruined = not gap < UNRESOLVED * largest
        gaps.append(math.inf if point.ruined else gap)
    return SLOPE_SAFETY * max(gap for gap in gaps if not math.isnan(gap))


def _moved(ray: Ray, inputs: Arrays) -> Ray:
    return Ray(ray.value, inputs, ray.direction, ray.cotangent)


def _shaken(here: Sequence[Arrays | None], there: Ray) -> float:
    """The share by which last places of the inputs move the values, those at `SHAKEN_STEPS`."""
    moved = size = 0.0
    for one, step in zip(here, SHAKEN_STEPS, strict=True):
        other = there.outputs(step)
        if one is None or other is None:  # the domain ends here
            return 0.0
        with np.errstate(all="ignore"):
            terms = [(u * one[name], u * (other[name] - one[name])) for name, u in
                     there.cotangent.items()]  # fmt: skip
            size = max(size, sum(float(np.sum(np.abs(value))) for value, _ in terms))
            moved = max(moved, sum(float(np.sum(np.abs(change))) for _, change in terms))
    return moved / size if size > 0.0 and math.isfinite(moved) else 0.0


class _Gap(NamedTuple):
    """How far two slopes lie apart, what their bounds allow, and the larger of them."""

    gap: float
    bounds: float
    largest: float


UNKNOWN_GAP = _Gap(math.nan, 0.0, 0.0)


def _differences(point: Point, rays: Sequence[Ray], target: float) -> _Gap:
    if any(ray.outputs(0.0) is None for ray in rays):  # the domain ends here
        return UNKNOWN_GAP
    one, other = (estimate_slope(ray, target=target, noise=point.noise(ray)) for ray in rays)
    largest = max(abs(one.value), abs(other.value))
    return _Gap(abs(one.value - other.value), one.error + other.error, largest)


def _complex_steps(_point: Point, rays: Sequence[Ray], _target: float) -> _Gap:
    """Slopes in which no noise grows: all that they differ by counts."""
    seen = [value for ray in rays if (value := complex_step_value(ray)) is not None]
    if len(seen) < len(rays):
        return UNKNOWN_GAP
    return _Gap(abs(seen[0] - seen[1]), 0.0, max(abs(value) for value in seen))
