"""The complex step: a derivative to machine precision from one evaluation, if it survives."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import numpy as np

from gradcheck.oracles.noise import projected_grain
from gradcheck.oracles.ray import Ray
from gradcheck.result import Array, Estimate, Local
from gradcheck.trees import Arrays, named_outputs

ORACLE = "complex step"

STEP = 2.0**-70
"""So short that its square is below the last place of everything, so long that products of a few
steps stay normal numbers."""

NUDGES = (2.0**-17, 0.71 * 2.0**-18, 0.87 * 2.0**-20, 2.0**-26)
"""How far to both sides along the ray it is evaluated again. The step has no truncation, so what
second differences of the slope show, beside a curvature of the order of the nudge squared, and what
first differences are not proportional by, is the rounding of the derivative's own arithmetic.
Cancellation may need a long nudge to be resampled; nudges that are no multiples of each other are
not rounded alike."""

EXACT = 2.0**-16
"""First differences are compared only where rounding of the point takes less of both nudges."""

SAFETY = 16.0
"""A few samples of a rounding error may all be small by luck."""

GRAINS = 4.0
"""A difference of nearly equal derivatives is a multiple of their last place, each of which may be
off by two of them; all samples may be the same multiple."""

FLOOR = 2.0**-27
"""About half of the digits: no relative accuracy beyond this is claimed. What a square of ``d``
loses beside one, with ``d`` of half the digits, it loses in all samples alike."""

SAME_VALUE = 1e-2
"""The real part must be the function's value, as it is a nudge away; casts may drop it."""

SAME_PLACES = 64 * 2.0**-52
"""Share of the inputs by which it may be off besides: a value that cancels to a few last places of
its terms is another in complex arithmetic."""

SMALLEST = 2.0**-1070
"""Sixteen times the smallest number: what underflow may take from an imaginary part."""


def complex_step_slope(ray: Ray) -> Estimate | None:
    """``Im <u, f(x + i h v)> / h``, or ``None`` where the function cannot take complex input.

    Squire and Trapp, *Using complex variables to estimate derivatives of real functions*, SIAM
    Review 40(1), 1998. Functions that drop the imaginary part (``abs``, ``real``, casts) break it
    silently, so whoever uses it must see it agree with a difference quotient first. Nine forwards.

    Examples
    --------
    >>> ray = Ray(lambda a: 1e10 + np.sin(a["x"]), {"x": np.zeros(1)}, {"x": np.ones(1)},
    ...           {"out": np.ones(1)})
    >>> complex_step_slope(ray).value
    1.0
    """
    if not _is_real(ray):
        return None
    centre = _imaginary(ray, 0.0, STEP)
    if centre is None:
        return None
    value, wobble, samples = _slope(ray, centre), 0.0, [centre]
    tilt: float | None = None
    for nudge in NUDGES:
        above, below = _imaginary(ray, nudge, STEP), _imaginary(ray, -nudge, STEP)
        if above is None or below is None:
            return None
        samples += [above, below]
        up, down = _slope(ray, above), _slope(ray, below)
        tilt = (up - down) / nudge if tilt is None else tilt
        wobble = max(wobble, abs(up + down - 2.0 * value))
        if ray.missed(nudge) < EXACT:
            wobble = max(wobble, abs(up - down - nudge * tilt))
    if not (math.isfinite(value) and math.isfinite(wobble)):
        return None
    underflow = SMALLEST / STEP * sum(float(np.sum(np.abs(u))) for u in ray.cotangent.values())
    grain = projected_grain(ray.cotangent, samples)
    error = SAFETY * wobble + GRAINS * grain + FLOOR * abs(value) + underflow
    return Estimate(value, error, ORACLE, Local.SMOOTH, value, value, error)


def complex_step_value(ray: Ray, step: float = STEP) -> float | None:
    """The value of `complex_step_slope` alone, without a word on its error: one forward."""
    found = _imaginary(ray, 0.0, step) if _is_real(ray) else None
    if found is None:
        return None
    value = _slope(ray, found)
    return value if math.isfinite(value) else None


def _is_real(ray: Ray) -> bool:
    return not any(np.iscomplexobj(a) for a in [*ray.direction.values(), *ray.centre.values()])


def _imaginary(ray: Ray, nudge: float, step: float) -> Arrays | None:
    """The derivative of every output, ``None`` where there is none."""
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


def _read(ray: Ray, outputs: Mapping[str, Array], step: float) -> Arrays | None:
    derivatives = {}
    places = SAME_PLACES * _largest_input(ray)
    for name, u in ray.cotangent.items():
        found, centre = outputs.get(name), ray.centre[name]
        if found is None or found.shape != u.shape or not np.iscomplexobj(found):
            return None
        if not np.allclose(found.real, centre, rtol=SAME_VALUE, atol=places, equal_nan=True):
            return None
        derivatives[name] = np.asarray(found.imag / step)
    return derivatives


def _largest_input(ray: Ray) -> float:
    moved = (np.abs(ray.inputs[name]) for name in ray.direction)
    return max(float(np.max(x, where=np.isfinite(x), initial=0.0)) for x in moved)


def _slope(ray: Ray, derivatives: Arrays) -> float:
    return sum(float(np.vdot(u, derivatives[name])) for name, u in ray.cotangent.items())
