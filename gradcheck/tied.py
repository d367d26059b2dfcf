"""Numbers that are equal, moved together: what no direction that parts them can show."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.climbing import is_mixed
from gradcheck.compare import compare
from gradcheck.directions import coordinate_scales, gaussian
from gradcheck.estimating import best_estimate, meets
from gradcheck.long_steps import long_difference
from gradcheck.oracles import quick_slope
from gradcheck.point import Point
from gradcheck.result import Array, Comparison, Finding, Local, Severity, Verdict
from gradcheck.trees import Arrays

GROSS = 1e-2
"""Relative error looked for, or what the caller calls a bug if that is more: a tie that is credited
twice, or not at all, is off by far more."""

MODERATE = 1e6
"""Ties of larger numbers are left alone: beside them a step may be too long for the small ones."""

COMPARABLE = 1e3
"""Entries this many times smaller than huge ones are left where they are."""

ORDINARY = 1e-6
"""Smaller shares of the largest number are no measure for the others."""

LARGEST = 4096
"""Entries of the largest input that is looked at for ties of its own: small ones show them too."""

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
            what = f"{one!r} and {other!r} are equal in places. Moved along both together,"
            yield _finding(comparison, "tied-inputs", what)


def tied_entries(point: Point, names: Sequence[str]) -> Iterator[Finding]:
    """Findings for inputs whose own entries tie and are credited twice, or not at all.

    A maximum kinks where entries tie; but along a direction that keeps them tied it is smooth.
    """
    for name in names:
        x = point.work[name]
        if x.dtype.kind != "f" or not 1 < x.size <= LARGEST:
            continue
        v = _keeping_ties(point, x)
        if v is None:
            continue
        comparison = _compare_along(point, {name: v})
        if comparison is not None:
            what = f"{name!r} has equal entries. Moved so that they stay equal,"
            yield _finding(comparison, "tied-entries", what)


def _keeping_ties(point: Point, x: Array) -> Array | None:
    """A direction in which equal entries move alike; ``None`` where no equal ones would move."""
    ordered = np.sort(x, axis=None)
    if not np.logical_or.reduce(ordered[1:] == ordered[:-1]) or not np.all(np.isfinite(x)):
        return None  # as nearly always
    values, places, counts = np.unique(x, return_inverse=True, return_counts=True)
    sizes = np.abs(values)
    largest = float(sizes.max())
    # Each moves by its own size, so that none crosses another; zeros by that of the least ordinary.
    ordinary = sizes[sizes > ORDINARY * largest]
    scales = np.where(values == 0.0, ordinary.min(initial=largest or 1.0), sizes)
    if largest > MODERATE:  # beside huge numbers the step is too long for small ones: those stay
        scales[sizes * COMPARABLE < largest] = 0.0
    if not np.any(counts[scales > 0.0] > 1):
        return None  # what moves ties with nothing
    moved = gaussian(point.generator, values) * scales
    return np.asarray(moved[places.reshape(-1)].reshape(x.shape))


def _tie(point: Point, one: str, other: str) -> bool:
    x, y = point.work[one], point.work[other]
    alike = x.shape == y.shape and x.dtype.kind == y.dtype.kind == "f"
    return alike and bool((x == y).any()) and bool(_ties(x, y).any())


def _ties(x: Array, y: Array) -> Array:
    return np.asarray((x == y) & (np.abs(x) <= MODERATE))


def _compare_together(point: Point, one: str, other: str) -> Comparison | None:
    x = point.work[one]
    scales = np.minimum(coordinate_scales(x), MODERATE)
    v = np.where(_ties(x, point.work[other]), gaussian(point.generator, x) * scales, 0.0)
    return _compare_along(point, {one: v, other: v})


def _compare_along(point: Point, directions: Arrays) -> Comparison | None:
    """The comparison along a direction where the claim is grossly wrong on a smooth function.

    Where small numbers stand beside huge ones a slope of what claims to stand still says nothing:
    rounding may swallow what the small ones do.
    """
    claimed = sum(point.slope(name, v) for name, v in directions.items())
    rounding = sum(
        point.rounding(name, v) + point.underflow(name, v) for name, v in directions.items()
    )
    usual = min(point.rtol[name] for name in directions)
    rtol = max(GROSS, usual)
    if not math.isfinite(claimed):
        return None
    ray = point.ray(directions)
    quick = quick_slope(ray)
    limit = rtol * abs(claimed) + rounding
    if meets(claimed, quick, rtol, rounding) or long_difference(ray, claimed, quick, limit, 0.0):
        return None
    estimate = best_estimate(point, ray, usual * abs(claimed))  # gross errors, looked at closely
    name = next(iter(directions))
    found = compare(name, None, claimed, estimate, rtol=rtol, slack=rounding)
    # Two slopes that are not known on either side may be those of a kink that noise hides.
    smooth = estimate.local is Local.SMOOTH and estimate.one_sided_error < found.difference
    if found.verdict is not Verdict.WRONG or not smooth:
        return None
    mixed = point.has_coarse_places() and any(is_mixed(point.work[key]) for key in directions)
    return None if mixed and abs(claimed) <= rounding else found


def _finding(comparison: Comparison, finding: str, what: str) -> Finding:
    return Finding(
        finding,
        f"{what} the claims add up to {comparison.claimed:.7g}, where the slope is "
        f"{comparison.estimate.value:.7g}. Expected the shares of a tie to add up to one. Do: "
        "credit one of the tied, or a share of each.",
        Severity.FAILURE,
        comparison.input,
    )
