"""Judge a claimed number against an estimate. Nothing here calls a subject or makes a number up."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg.blas import dasum

from gradcheck.result import Array, Comparison, Estimate, Evidence, Local, Verdict
from gradcheck.trees import BLOCK, blocks

DEFAULT_RTOL = {8: 1e-7, 4: 1e-3, 2: 3e-2}
"""Relative error called a bug, by bytes of the real part. Roughly seven times the square root of
the dtype's eps (three for float32, one for float16): half of the digits a claim can have, and far
above what right code loses to rounding."""

CLAIM_ROUNDING = 16.0
"""Units in the last place of every term of ``<x_bar, v>`` that a claim may be off by rounding: a
backward of a few operations loses a few."""


def default_rtol(dtypes: Iterable[np.dtype]) -> float:
    """The default tolerance for the least precise of some float or complex dtypes.

    >>> default_rtol([np.dtype("float64"), np.dtype("float32")])
    0.001
    """
    widths = [_real_width(dtype) for dtype in dtypes]
    return DEFAULT_RTOL[min([8, *widths])]


def _real_width(dtype: np.dtype) -> int:
    width = dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize
    return max(2, min(8, width))


def slope_terms(gradient: Array, direction: Array) -> Array:
    """Terms of ``Re sum(conj(gradient) * direction)``, flat, in float64.

    >>> float(slope_terms(np.array([1j, 2.0]), np.array([3j, 1.0])).sum())
    5.0
    """
    with np.errstate(all="ignore"):
        return _terms(gradient, direction)


def _terms(gradient: Array, direction: Array) -> Array:
    product = (np.conj(gradient) if gradient.dtype.kind == "c" else gradient) * direction
    return np.asarray(product.real, dtype=np.float64).reshape(-1)


def _rounding(dtype: np.dtype[Any], sizes: float) -> float:
    return CLAIM_ROUNDING * float(np.finfo(dtype).eps) * sizes if dtype.kind in "fc" else 0.0


class ClaimedSlope(NamedTuple):
    """``Re <gradient, direction>``, and what its terms say of it.

    Attributes
    ----------
    value : float
    size : float
        Root of the sum of the squares of its terms: what independent terms would add up to.
    rounding : float
        What rounding may have cost it: a few last places of each of its terms.
    """

    value: float
    size: float
    rounding: float


def claimed_slope(gradient: Array, direction: Array) -> ClaimedSlope:
    """The slope that a gradient claims along a direction; overflow warns, as of any sum.

    >>> claimed_slope(np.array([3.0, 4.0]), np.array([1.0, -1.0]))[:2]
    (-1.0, 5.0)
    """
    if gradient.size <= BLOCK:
        value, squares, sizes = _sums(_terms(gradient, direction))
    else:
        left, right = gradient.reshape(-1), direction.reshape(-1)
        sums = [_sums(_terms(left[part], right[part])) for part in blocks(left.size)]
        value, squares, sizes = map(sum, zip(*sums, strict=True))
    return ClaimedSlope(value, math.sqrt(squares), _rounding(gradient.dtype, sizes))


def _sums(terms: Array) -> tuple[float, float, float]:
    """Of the terms, their squares and their sizes."""
    return float(np.add.reduce(terms)), float(terms @ terms), float(dasum(terms))


def shares_of_quarters(gradient: Array, direction: Array) -> list[float]:
    """The shares of the four quarters of a direction in the slope that a gradient claims.

    >>> shares_of_quarters(np.array([3.0, 4.0]), np.array([1.0, -1.0]))
    [0.0, 3.0, 0.0, -4.0]
    """
    terms = _terms(gradient, direction)
    cuts = [terms.size * i // 4 for i in range(5)]
    return [float(np.add.reduce(terms[i:j])) for i, j in itertools.pairwise(cuts)]


def judge(
    claimed: float, estimate: Estimate, *, rtol: float, slack: float = 0.0, negligible: float = 0.0
) -> tuple[Verdict, float, str]:
    """Verdict, limit and reason for one claimed slope.

    Parameters
    ----------
    claimed : float
        The claimed directional derivative.
    estimate : Estimate
        The estimated one, with its bound.
    rtol : float
        Relative error called a bug.
    slack : float
        Absolute rounding error of the claim itself, known or measured.
    negligible : float
        A difference that cannot matter beside the rest of the gradient: an estimate which is
        consistent with the claim and this sharp decides, although not at the claim's own scale.

    Returns
    -------
    verdict : Verdict
    limit : float
        Largest difference that is not called a bug. The estimate's error comes on top.
    reason : str
        One sentence where the verdict is not CORRECT.
    """
    if not math.isfinite(claimed):
        return _judge_non_finite(claimed, estimate)
    value, error = estimate.value, estimate.error
    scale = max(abs(claimed), abs(value) if math.isfinite(value) else 0.0)
    limit = rtol * scale + slack
    if not math.isfinite(value) or not math.isfinite(error):
        return Verdict.INCONCLUSIVE, limit, estimate.note or estimate.local.value
    if estimate.local is Local.KINK:
        return _judge_kink(
            claimed, estimate, limit, rtol * scale if slack > LOST * scale else limit
        )
    difference = abs(claimed - value)
    margin = error * (BLUNT_MARGIN if error > BLUNT * scale else 1.0)
    if slack > LOST * scale and max(error, negligible) < difference <= limit + error:
        return Verdict.INCONCLUSIVE, limit, DROWNED
    if error <= limit:
        if difference <= limit + min(error, limit / 4):
            return Verdict.CORRECT, limit, ""
        if difference > limit + error + estimate.doubt:
            return Verdict.WRONG, limit, "claimed and estimated differ by more than the limit"
        if difference > limit + error:
            return Verdict.INCONCLUSIVE, limit, BELOW_ROUNDING
        return Verdict.CORRECT, limit, ""
    if difference > margin + limit + estimate.doubt:
        return Verdict.WRONG, limit, "claimed and estimated differ by more than limit and error"
    if difference <= error + limit and error <= negligible:
        return Verdict.CORRECT, limit, ""
    return Verdict.INCONCLUSIVE, limit, _too_blunt(estimate)


BLUNT = 1e-4
BLUNT_MARGIN = 4.0
"""An estimate known to four digits or less, for its noise, convicts at four times its bound: such a
bound is a guess from a few samples, and the mistakes that it can show are larger still."""

LOST = 0.1
"""Share of the slope from which on the claim's own rounding decides nothing: it may excuse any."""

DROWNED = "the claim is drowned in its own rounding, as the claims a few last places away show"

BELOW_ROUNDING = "the difference is below what rounding of the function's values may cost a claim"


def _too_blunt(estimate: Estimate) -> str:
    if estimate.note:
        return estimate.note
    if estimate.local is Local.NOISY:
        return Local.NOISY.value
    return "the error bound of the estimate is larger than the limit"


def _judge_kink(
    claimed: float, estimate: Estimate, limit: float, undrowned: float
) -> tuple[Verdict, float, str]:
    low, high = estimate.interval()
    outside = max(low - claimed, claimed - high)
    if outside > limit:
        return Verdict.WRONG, limit, "claimed lies outside the one-sided slopes"
    if outside > undrowned:
        return Verdict.INCONCLUSIVE, limit, DROWNED
    return Verdict.CORRECT, limit, ""


OVERFLOWING = 1e150
"""Square root of the largest number: a slope that may be larger can overflow in right code too."""


def _judge_non_finite(claimed: float, estimate: Estimate) -> tuple[Verdict, float, str]:
    if abs(estimate.value) + estimate.error < OVERFLOWING:
        return Verdict.WRONG, 0.0, f"claimed is {claimed}, where the function has a finite slope"
    return Verdict.INCONCLUSIVE, 0.0, estimate.note or estimate.local.value


def compare(
    input: str,
    index: tuple[int, ...] | None,
    claimed: float,
    estimate: Estimate,
    *,
    rtol: float,
    slack: float = 0.0,
    negligible: float = 0.0,
    part: str = "",
    evidence: tuple[Evidence, ...] = (),
) -> Comparison:
    """`judge`, as a record.

    Examples
    --------
    >>> seen = Estimate(2.0, 1e-9, "central differences")
    >>> compare("x", (0,), 2.0 * (1 + 2e-7), seen, rtol=1e-7).verdict.name
    'WRONG'
    >>> compare("x", (0,), 2.0 * (1 + 5e-8), seen, rtol=1e-7).verdict.name
    'CORRECT'
    """
    verdict, limit, reason = judge(claimed, estimate, rtol=rtol, slack=slack, negligible=negligible)
    return Comparison(input, index, claimed, estimate, limit, verdict, reason, part, evidence)
