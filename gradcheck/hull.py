"""Judge a claim at a kink: is it in the convex hull of the gradients around the point?"""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog

from gradcheck.result import Array

SAME = 1e-2
"""Two gradients around a point count as one where every entry agrees to 1 %: a smooth function
changes far less over the tiny jitter, two pieces of a kink hardly ever."""

INSIDE = 1e-3
"""Distance from the hull, relative to each entry, that the jitter of the samples may cause."""

SEEN_ENOUGH = 12
"""Samples are saturated when there are this many for each distinct gradient and one more, and none
was seen less than `SEEN_LEAST` times. If one of d + 1 equally likely pieces was still unseen, the
chance of that is below ``(d / (d + 1)) ** (12 (d + 1)) < exp(-12) = 6e-6``."""

SEEN_LEAST = 10
"""A piece as rare as the rarest one seen goes unseen with a chance of ``exp(-10) = 5e-5``: of 32
tied entries each is the largest in one sample of 32 only."""

ROWS = 128
"""Entries given to the linear program: those on which claim and samples differ most."""


class Membership(enum.Enum):
    """Where a claim lies among the gradients found around a point."""

    SMOOTH = "all gradients around the point agree"
    INSIDE = "the claim is a convex combination of the gradients around the point"
    OUTSIDE = (
        "the claim is no combination of the gradients around the point, and no new ones appear"
    )
    UNKNOWN = "new gradients keep appearing around the point"


class Location(NamedTuple):
    """A membership, and the entry that alone decided it (or ``None``)."""

    membership: Membership
    entry: int | None = None


def locate(claim: Array, samples: Array) -> Location:
    """Where ``claim`` (P,) lies among ``samples`` (S, P), the gradients found around the point.

    Clarke's subdifferential is the convex hull of the limiting gradients (Clarke 1983,
    *Optimization and Nonsmooth Analysis*, Theorem 2.5.1).

    Examples
    --------
    >>> around = np.array([[1.0, 0.0], [0.0, 1.0]] * 18)         # max of two tied entries
    >>> locate(np.array([0.5, 0.5]), around).membership.name
    'INSIDE'
    >>> locate(np.array([1.0, 1.0]), around).membership.name
    'OUTSIDE'
    """
    weight = np.maximum(np.abs(samples).max(axis=0), np.abs(claim))
    live = weight > SAME**3 * float(weight.max(initial=0.0))
    samples, claim, weight = samples[:, live], claim[live], weight[live]
    if samples.shape[1] == 0:
        return Location(Membership.SMOOTH)
    scaled, target = samples / weight, claim / weight
    counts = _cluster(scaled)
    if len(counts) == 1:
        return Location(Membership.SMOOTH)
    if _distance(scaled, target) <= INSIDE:
        return Location(Membership.INSIDE)
    if _saturated(counts):
        return Location(Membership.OUTSIDE)
    entry = _entry_outside(scaled, target)
    if entry is None:
        return Location(Membership.UNKNOWN)
    return Location(Membership.OUTSIDE, int(np.flatnonzero(live)[entry]))


def _cluster(scaled: Array) -> list[int]:
    """How often each distinct gradient was seen."""
    representatives: list[Array] = []
    counts: list[int] = []
    for sample in scaled:
        for position, other in enumerate(representatives):
            if np.max(np.abs(sample - other)) <= SAME:
                counts[position] += 1
                break
        else:
            representatives.append(sample)
            counts.append(1)
    return counts


def _saturated(counts: list[int]) -> bool:
    return min(counts) >= SEEN_LEAST and sum(counts) >= SEEN_ENOUGH * (len(counts) + 1)


def _entry_outside(scaled: Array, target: Array) -> int | None:
    """An entry that alone shows it: few values there, each seen often, claim beyond them all."""
    low, high = scaled.min(axis=0), scaled.max(axis=0)
    suspects = np.flatnonzero((target < low - INSIDE) | (target > high + INSIDE))
    for entry in suspects[:ROWS]:
        counts = _cluster(scaled[:, entry : entry + 1])
        if _saturated(counts):
            return int(entry)
    return None


def _distance(scaled: Array, target: Array) -> float:
    """Largest entry of the difference between ``target`` and the nearest convex combination."""
    spread = np.maximum(np.ptp(scaled, axis=0), np.abs(scaled - target).max(axis=0))
    rows = np.argsort(spread)[::-1][:ROWS]
    points = np.unique(np.round(scaled[:, rows], 12), axis=0)
    count = len(points)
    # Variables: one weight per point, and the distance t. Minimise t.
    matrix = points.T
    above = np.hstack([matrix, -np.ones((len(rows), 1))])
    below = np.hstack([-matrix, -np.ones((len(rows), 1))])
    found = linprog(
        np.r_[np.zeros(count), 1.0],
        A_ub=np.vstack([above, below]),
        b_ub=np.r_[target[rows], -target[rows]],
        A_eq=np.r_[np.ones(count), 0.0][None, :],
        b_eq=[1.0],
        method="highs",
    )
    return float(found.fun) if found.success else float("inf")
