"""A quick difference drowned in rounding: two at longer steps may tell before a ladder is spent."""

from __future__ import annotations

import math

from gradcheck.estimating import FAST_SHARE, headroom
from gradcheck.oracles import Ray
from gradcheck.oracles.central_difference import COARSEST_EXPONENT, ORACLE, QUICK_EXPONENT
from gradcheck.result import Estimate

BELOW_LIMIT = 16.0
"""The step is so long that noise costs the slope this much less than what is called a bug."""


def long_difference(
    ray: Ray, claimed: float, quick: Estimate, limit: float, negligible: float
) -> Estimate | None:
    """A difference at a step that noise does not reach; ``None`` unless it meets the claim.

    So does one at half the step, which is as much as a quick difference that meets the claim
    proves: a curve or a kink would have to mislead both to the same wrong claim. Where no step is
    long enough, the longest will do if the noise that is left matters to nobody. Four forwards.

    Parameters
    ----------
    ray : Ray
    claimed : float
        The claimed slope along it.
    quick : Estimate
        The quick difference, its ``noise`` above all.
    limit : float
        Difference called a bug.
    negligible : float
        A slope that does not matter beside the rest of the gradient.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.oracles import quick_slope
    >>> ray = Ray(lambda a: 1e10 + a["x"], {"x": np.ones(1)}, {"x": np.full(1, 1e3)},
    ...           {"out": np.ones(1)})
    >>> quick = quick_slope(ray)
    >>> [long_difference(ray, claimed, quick, 1e-4, 0.0) is None for claimed in (1e3, 1.001e3)]
    [False, True]
    """
    exponent = _exponent(ray, quick.noise, limit)
    if exponent <= QUICK_EXPONENT or not 0.0 < abs(claimed) < math.inf:
        return None
    for step in (2.0**exponent, 2.0 ** (exponent - 1)):
        value, error = ray.pair(step) / (2.0 * step), quick.noise / step
        sharp = error <= max(FAST_SHARE * limit, negligible)
        if not (sharp and abs(claimed - value) <= max(FAST_SHARE * limit, error)):
            return None
    return Estimate(value, error, ORACLE, noise=quick.noise)


def _exponent(ray: Ray, noise: float, limit: float) -> int:
    """Power of two of the step that noise asks for, or of the longest that a ladder would take."""
    longest = COARSEST_EXPONENT + headroom(ray)
    if limit <= 0.0 or not math.isfinite(noise / limit):
        return longest
    return min(math.frexp(BELOW_LIMIT * noise / limit)[1], longest)
