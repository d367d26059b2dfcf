"""A gross mistake where the function is smooth: a few differences tell it, without a ladder."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradcheck.climbing import axis, is_mixed, quick_entry
from gradcheck.directions import coordinate_scales
from gradcheck.entries import SMALL, Entries, entries_of
from gradcheck.oracles import Ray, quick_slope
from gradcheck.oracles.central_difference import ORACLE
from gradcheck.point import Point
from gradcheck.result import Array, Comparison, Estimate, Verdict
from gradcheck.rounding import (
    SLOPE_SAFETY,
    SLOPE_WOBBLES,
    WOBBLE_SAFETY,
    claims_nearby,
    nudged_inputs,
    slope_wobble,
)


class Look(enum.Enum):
    """How closely a claim is looked at that a quick difference does not meet."""

    CAREFUL = "careful"
    """As for any verdict that somebody will be told."""

    HASTY = "hasty"
    """Gross mistakes at a glance, all else carefully. Who asks so looks again before telling."""

    GLANCE = "glance"
    """Gross mistakes at a glance, and nothing else: the rest is left undecided."""


GROSS = 1e-3
"""Share of claim or slope, whichever is larger, by which they must differ."""

AGREE = 0.1
"""Slopes that are one slope agree to this share of that difference."""

STRAIGHT = 0.01
"""And to this share of the slope."""

FINEST_TOLERANCE = 1e-6
"""Arithmetic coarser than that of float64 hides what is looked for at the shorter steps."""

SHORTER_STEPS = 2.0**-26, 2.0**-35
"""With the quick one, steps over five decades: kinks, stairs and ripples that all of them pass over
are beyond the tenth digit."""


def glaring_mistake(
    point: Point,
    name: str,
    direction: Array,
    claimed: float,
    quick: Estimate,
    rounding: float,
    *,
    brief: bool,
) -> Entries | None:
    """The entries of an input whose claim is grossly wrong; ``None`` where that is not plain.

    It is plain where the function has one slope to both sides of the point at steps of very
    different lengths, along the direction and along an entry that is grossly wrong; where slopes
    along parts of the direction add up to that of the whole, as at no kink; and where rounding,
    measured as for any verdict, is far too small to excuse the claim.

    Parameters
    ----------
    direction : array
    claimed : float
        The slope claimed along it.
    quick : Estimate
        The quick difference along it.
    rounding : float
        What rounding may have cost the claimed slope.
    brief : bool
        Whether one wrong entry is enough. It takes four forwards for each halving of the input
        then, and else two for each entry, and the other entries have the verdicts of one difference
        each.
    """
    if not _is_tame(point, name) or not (brief or direction.size <= SMALL):
        return None
    allowed = _allowed(claimed, quick.value)
    if not quick.error + rounding <= allowed:
        return None
    ray = point.centred_ray({name: direction})
    if not (_is_smooth(ray, quick.value, allowed) and _is_steady(point, ray, quick.value, allowed)):
        return None
    wobble = _wobble(point, name)
    if wobble is None or not np.linalg.norm(wobble * np.abs(direction)) <= allowed:
        return None
    slack = wobble.reshape(-1)
    if brief:
        return _one_accused(point, name, direction, quick.value, slack)
    return _all_looked_at(point, name, direction, quick.value, allowed, slack)


def glaring_non_finite(point: Point, name: str, places: Sequence[int]) -> Entries | None:
    """The first of some entries with an infinite claim where the function plainly has a slope."""
    if not _is_tame(point, name):
        return None
    scales = coordinate_scales(point.work[name]).reshape(-1)
    for flat in places:
        ray, length, _ = axis(point, name, flat, float(scales[flat]), "")
        row = quick_entry(point, name, flat, float(scales[flat]), "")
        slope = row.estimate.value * length
        if row.verdict is Verdict.WRONG and _is_smooth(ray, slope, STRAIGHT * abs(slope)):
            return entries_of(point.work[name].shape, {(flat, ""): row})
    return None


def _is_tame(point: Point, name: str) -> bool:
    """Whether numbers are such that nothing of an entry is swallowed, or hidden by coarse steps."""
    x = point.work[name]
    fine = x.dtype == np.float64 and point.rtol[name] <= FINEST_TOLERANCE
    mixed = is_mixed(x[x != 0.0])
    return fine and not point.forward_mode and not mixed and not point.has_coarse_places()


def _allowed(claimed: float, slope: float) -> float:
    """How far slopes may lie apart to be one; NaN where the claim is not far from a slope."""
    apart = abs(claimed - slope)
    if not (math.isfinite(apart) and apart >= GROSS * max(abs(claimed), abs(slope)) > 0.0):
        return math.nan
    return min(AGREE * apart, STRAIGHT * abs(slope))


def _is_smooth(ray: Ray, slope: float, allowed: float) -> bool:
    """Whether quotients to both sides are that slope, at steps far shorter than its own."""
    for step in SHORTER_STEPS:
        for signed in (step, -step):
            quotient = ray.difference(ray.outputs(signed), ray.centre) / signed
            if not abs(quotient - slope) <= allowed:
                return False
    return True


def _is_steady(point: Point, ray: Ray, slope: float, allowed: float) -> bool:
    """Whether last places of the inputs change neither the slope nor, by much, the value."""
    for salt in SLOPE_WOBBLES:
        nudged = Ray(ray.value, nudged_inputs(point, salt), ray.direction, ray.cotangent)
        if not SLOPE_SAFETY * abs(quick_slope(nudged).value - slope) <= allowed:
            return False
    (name, direction), *_ = ray.direction.items()
    return slope_wobble(point, name, direction, 0.0, ORACLE, nearly=False) <= allowed


def _wobble(point: Point, name: str) -> Array | None:
    """How far claims a few last places away are from each other and from the one at the point."""
    nearby = [claims_nearby(point, salt).get(name) for salt in SLOPE_WOBBLES]
    several = [point.claims[name], *(g for g in nearby if g is not None)]
    return WOBBLE_SAFETY * np.ptp(several, axis=0) if len(several) > len(nearby) else None


def _one_accused(
    point: Point, name: str, direction: Array, slope: float, slack: Array
) -> Entries | None:
    """One entry, found by halves of which that with the larger mistake is halved again."""
    flat = direction.reshape(-1)
    group = np.arange(flat.size)
    while group.size > 1:
        halves = [_Part(point, name, flat, half) for half in np.array_split(group, 2)]
        worse = max(halves, key=lambda part: part.apart)
        if not abs(halves[0].slope + halves[1].slope - slope) <= AGREE * worse.apart:
            return None
        group, slope = worse.places, worse.slope
    flat_index = int(group[0])
    scale = float(coordinate_scales(point.work[name]).reshape(-1)[flat_index])
    row = quick_entry(point, name, flat_index, scale, "")
    if not _is_accused(point, row, flat_index, scale, slack):
        return None
    wrong = replace(row, verdict=Verdict.WRONG)
    return entries_of(direction.shape, {(flat_index, ""): wrong})


class _Part:
    """Some entries of a direction: the slope along them, and how far the claim is from it."""

    def __init__(self, point: Point, name: str, flat: Array, places: Array) -> None:
        moved = np.zeros_like(flat)
        moved[places] = flat[places]
        v = moved.reshape(point.work[name].shape)
        self.places = places
        self.slope = quick_slope(point.ray({name: v})).value
        self.apart = abs(point.slope(name, v) - self.slope)


def _all_looked_at(
    point: Point, name: str, direction: Array, slope: float, allowed: float, slack: Array
) -> Entries | None:
    """All entries, if the worst is grossly wrong, and their slopes add up to the direction's."""
    x = point.work[name]
    scales = coordinate_scales(x).reshape(-1)
    rows = [quick_entry(point, name, i, scale, "") for i, scale in enumerate(scales.tolist())]
    slopes = np.array([row.estimate.value for row in rows])
    if not abs(float(slopes @ direction.reshape(-1)) - slope) <= allowed:
        return None
    worst = int(np.argmax(np.array([row.difference for row in rows]) * scales))
    if not _is_accused(point, rows[worst], worst, float(scales[worst]), slack):
        return None
    rows[worst] = replace(rows[worst], verdict=Verdict.WRONG)
    return entries_of(x.shape, {(flat, ""): row for flat, row in enumerate(rows)})


def _is_accused(point: Point, row: Comparison, flat: int, scale: float, slack: Array) -> bool:
    """Whether the claim for one entry is grossly wrong, and its slope one to both sides."""
    name, slope = row.input, row.estimate.value
    allowed = _allowed(row.claimed, slope)
    if not row.estimate.error + slack[flat] <= allowed:
        return False
    ray, length, _ = axis(point, name, flat, scale, "")
    return _is_smooth(ray, slope * length, allowed * length)
