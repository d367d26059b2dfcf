"""Two inputs that are equal somewhere, moved together: what neither direction alone can show."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.compare import compare
from gradcheck.directions import coordinate_scales, gaussian
from gradcheck.entries import best_estimate, meets
from gradcheck.oracles import quick_slope
from gradcheck.point import Point
from gradcheck.result import Array, Comparison, Finding, Local, Severity, Verdict

GROSS = 1e-2
"""Relative error looked for: a tie that is credited twice, or not at all, is off by far more."""

MODERATE = 1e6
"""Ties of larger numbers are left alone: beside them a step may be too long for the small ones."""

MOST_PAIRS = 3
"""Pairs of inputs looked at, of two forwards each."""


def tied_inputs(point: Point, names: Sequence[str]) -> Iterator[Finding]:
    """Findings for inputs that the claim credits twice, or not at all, where they tie.

    ``minimum(a, b)`` kinks in ``a`` and in ``b`` where they are equal, and any share of the
    cotangent is right for each; but along both together it is smooth, and the shares add up to one.
    """
    pairs = (
        (one, other) for one, other in itertools.combinations(names, 2) if _tie(point, one, other)
    )
    for one, other in itertools.islice(pairs, MOST_PAIRS):
        comparison = _compare_together(point, one, other)
        if comparison is not None:
            yield _finding(comparison, one, other)


def _tie(point: Point, one: str, other: str) -> bool:
    x, y = point.work[one], point.work[other]
    return x.shape == y.shape and x.dtype.kind == y.dtype.kind == "f" and bool(_ties(x, y).any())


def _ties(x: Array, y: Array) -> Array:
    return np.asarray((x == y) & (np.abs(x) <= MODERATE))


def _compare_together(point: Point, one: str, other: str) -> Comparison | None:
    """The comparison along both inputs where it is grossly wrong on a smooth function."""
    x = point.work[one]
    scales = np.minimum(coordinate_scales(x), MODERATE)
    v = np.where(_ties(x, point.work[other]), gaussian(point.generator, x) * scales, 0.0)
    ray = point.ray({one: v, other: v})
    claimed = point.slope(one, v) + point.slope(other, v)
    rounding = point.rounding(one, v) + point.rounding(other, v)
    if not math.isfinite(claimed) or meets(claimed, quick_slope(ray), GROSS, rounding):
        return None
    estimate = best_estimate(point, ray, GROSS * abs(claimed))
    found = compare(one, None, claimed, estimate, rtol=GROSS, slack=rounding)
    return found if found.verdict is Verdict.WRONG and estimate.local is Local.SMOOTH else None


def _finding(comparison: Comparison, one: str, other: str) -> Finding:
    seen = f"{comparison.claimed:.7g}, where the slope is {comparison.estimate.value:.7g}"
    return Finding(
        "tied-inputs",
        f"{one!r} and {other!r} are equal in places. Along both together their claims add up to "
        f"{seen}. Expected the shares of a tie to add up to one. Do: credit one of the two, or "
        "half of each.",
        Severity.FAILURE,
        one,
    )
