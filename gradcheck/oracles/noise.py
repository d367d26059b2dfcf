"""How noisy a function is at one point, measured: ECnoise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gradcheck.oracles.ray import Ray
from gradcheck.trees import Array, Arrays

POINTS = 7
"""Equally spaced evaluations; six to eight suffice (Moré and Wild 2011, section 5)."""

AGREEMENT = 4.0
"""Levels of neighbouring difference orders within this factor count as one level (ibid.)."""

SPACING = 2.0**-36
"""First spacing, relative to the direction: far below the scale on which smooth functions bend,
well above the last place of the inputs."""


def noise_level(offset: Callable[[float], float]) -> float:
    """Standard deviation of the noise of ``offset`` around 0, or 0 where none was seen.

    Moré and Wild, *Estimating computational noise*, SIAM J. Sci. Comput. 33(3), 2011: the k-th
    differences of equally spaced values are dominated by noise as soon as the smooth part has
    been differenced away; ``sqrt(k!**2 / (2k)!)`` times their root mean square is its level.

    Parameters
    ----------
    offset : callable
        ``offset(t) -> float``; a value that is not finite makes the level 0 (nothing measured).

    Examples
    --------
    >>> noise_level(lambda t: 3.0 * t)
    0.0
    """
    return _level(np.array([offset((i - POINTS // 2) * SPACING) for i in range(POINTS)]))


COARSER = 16.0
"""A grain is that many times the last place of the values: theirs is the rounding of any number."""


def granularity(ray: Ray, steps: Sequence[float]) -> float:
    """Grain of a quantised function: the step its projected values move by, or 0.

    The last bit set in any output seen at ``±steps`` is that output's grain; an ordinary float
    function uses all its bits. Float32 arithmetic inside a float64 function, ``(1e10 + x) - 1e10``
    and tabulated functions have coarse grains, and differences finer than the grain say nothing.
    An output that does not move has no grain to show: it may just be a round number.

    Parameters
    ----------
    ray : Ray
        The function along one direction; its direction should not be a round number.
    steps : sequence of float
        Steps at which the function moves.

    Returns
    -------
    float
        ``sum |u_j| grain_j``.

    Examples
    --------
    >>> ray = Ray(lambda a: (1e10 + a["x"]) - 1e10, {"x": np.array([0.3])}, {"x": np.array([0.7])},
    ...           {"out": np.ones(1)})
    >>> granularity(ray, [0.25, 0.125]) == 2.0**-19
    True
    """
    seen = [outputs for step in steps for t in (step, -step) if (outputs := ray.outputs(t))]
    return projected_grain(ray.cotangent, seen, ray.centre)


def projected_grain(
    cotangent: Mapping[str, Array], seen: Sequence[Arrays], centre: Arrays | None = None
) -> float:
    """``sum |u_j| grain_j`` of real outputs seen.

    With a ``centre``, of those only that differ from it, and are coarser than any number is.
    """
    total = 0.0
    for name, u in cotangent.items():
        if seen and seen[0][name].dtype.kind == "f":
            values = [outputs[name] for outputs in seen]
            known = values if centre is None else [*values, centre[name]]
            grains = np.minimum.reduce([_last_bits(each) for each in known])
            shown = np.isfinite(grains)
            if centre is not None:
                shown &= np.logical_or.reduce([each != centre[name] for each in values])
                places = np.minimum.reduce([np.spacing(np.abs(each)) for each in values])
                shown &= grains > COARSER * places
            total += float(np.sum(np.abs(u) * np.where(shown, grains, 0.0)))
    return total


def _last_bits(values: Array) -> Array:
    """Value of the lowest mantissa bit set, by entry; infinite where there is none."""
    wide = np.asarray(values, dtype=np.float64)
    mantissa, exponent = np.frexp(np.where(np.isfinite(wide), wide, 0.0))
    whole = np.abs(mantissa * 2.0**53).astype(np.int64)
    lowest = (whole & -whole).astype(np.float64)
    return np.where(whole == 0, np.inf, np.ldexp(lowest, exponent - 53))


def _level(values: Array) -> float:
    if not np.all(np.isfinite(values)) or np.ptp(values) == 0.0:
        return 0.0
    levels, changes = _difference_levels(values)
    for k in range(len(levels) - 2):
        window = levels[k : k + 3]
        if changes[k] and max(window) <= AGREEMENT * min(window):
            return float(levels[k])
    return 0.0


def _difference_levels(values: Array) -> tuple[list[float], list[bool]]:
    levels, changes = [], []
    differences = values
    for order in range(1, len(values)):
        differences = np.diff(differences)
        gamma = math.factorial(order) ** 2 / math.factorial(2 * order)
        levels.append(math.sqrt(gamma * float(np.mean(differences**2))))
        changes.append(bool(differences.min() < 0.0 < differences.max()))
    return levels, changes
