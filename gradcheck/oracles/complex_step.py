"""The complex step: a derivative to machine precision from one evaluation, if it survives."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import numpy as np

from gradcheck.oracles.ray import Ray
from gradcheck.result import Array, Estimate, Local
from gradcheck.trees import named_outputs

ORACLE = "complex step"

STEP = 2.0**-70
"""So short that its square is below the last place of everything, so long that products of a few
steps stay normal numbers."""

NUDGES = (2.0**-17, 2.0**-26, 2.0**-46)
"""How far to both sides along the ray it is evaluated again. The step has no truncation, so what
second differences of the slope show, beside a curvature of the order of the nudge squared, is the
rounding of the derivative's own arithmetic; cancellation may need a long nudge to be resampled."""

SAFETY = 16.0
"""Three samples of a rounding error may all be small by luck."""

FLOOR = 2.0**-30
"""No relative accuracy beyond this is claimed: rounding may hit all three samples alike."""

SAME_VALUE = 1e-2
"""The real part must be the function's value, as it is a nudge away; casts may drop it."""

SMALLEST = 2.0**-1070
"""Sixteen times the smallest number: what underflow may take from an imaginary part."""


def complex_step_slope(ray: Ray) -> Estimate | None:
    """``Im <u, f(x + i h v)> / h``, or ``None`` where the function cannot take complex input.

    Squire and Trapp, *Using complex variables to estimate derivatives of real functions*, SIAM
    Review 40(1), 1998. Functions that drop the imaginary part (``abs``, ``real``, casts) break it
    silently, so whoever uses it must see it agree with a difference quotient first. Seven forwards.

    Examples
    --------
    >>> ray = Ray(lambda a: 1e10 + np.sin(a["x"]), {"x": np.zeros(1)}, {"x": np.ones(1)},
    ...           {"out": np.ones(1)})
    >>> complex_step_slope(ray).value
    1.0
    """
    value = complex_step_value(ray)
    wobble = 0.0
    for nudge in NUDGES:
        above, below = _slope_at(ray, nudge), _slope_at(ray, -nudge)
        if value is None or above is None or below is None:
            return None
        wobble = max(wobble, abs(above + below - 2.0 * value))
    if value is None:
        return None
    underflow = SMALLEST / STEP * sum(float(np.sum(np.abs(u))) for u in ray.cotangent.values())
    error = SAFETY * wobble + FLOOR * abs(value) + underflow
    return Estimate(value, error, ORACLE, Local.SMOOTH, value, value, error)


def complex_step_value(ray: Ray, step: float = STEP) -> float | None:
    """The value of `complex_step_slope` alone, without a word on its error: one forward."""
    if any(np.iscomplexobj(a) for a in [*ray.direction.values(), *ray.centre.values()]):
        return None
    return _slope_at(ray, 0.0, step)


def _slope_at(ray: Ray, nudge: float, step: float = STEP) -> float | None:
    moved = dict(ray.at(nudge) if nudge else ray.inputs)
    for name, v in ray.direction.items():
        moved[name] = moved[name] + 1j * (step * v)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            outputs = named_outputs(ray.value(moved))
    except Exception:  # not every function is analytic; that is no finding
        return None
    return _read(ray, outputs, step)


def _read(ray: Ray, outputs: Mapping[str, Array], step: float) -> float | None:
    value = 0.0
    for name, u in ray.cotangent.items():
        found, centre = outputs.get(name), ray.centre[name]
        if found is None or found.shape != u.shape or not np.iscomplexobj(found):
            return None
        if not np.allclose(found.real, centre, rtol=SAME_VALUE, atol=0.0, equal_nan=True):
            return None
        value += float(np.vdot(u, found.imag / step))
    return value if math.isfinite(value) else None
