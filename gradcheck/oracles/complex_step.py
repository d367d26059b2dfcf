"""The complex step: a derivative to machine precision from one evaluation, if it survives."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import numpy as np

from gradcheck.oracles.ray import Ray
from gradcheck.result import Estimate, Local
from gradcheck.trees import named_outputs

ORACLE = "complex step"

STEP = 2.0**-70
"""So short that its square is below the last place of everything, so long that products of a few
steps stay normal numbers."""

SAFETY = 64.0
"""Units in the last place allowed for: the derivative's own arithmetic may lose a few digits."""


def complex_step_slope(ray: Ray) -> Estimate | None:
    """``Im <u, f(x + i h v)> / h``, or ``None`` where the function cannot take complex input.

    Squire and Trapp, *Using complex variables to estimate derivatives of real functions*, SIAM
    Review 40(1), 1998. Functions that drop the imaginary part (``abs``, ``real``, casts) break it
    silently, so whoever uses it must see it agree with a difference quotient first.

    Examples
    --------
    >>> ray = Ray(lambda a: 1e10 + np.sin(a["x"]), {"x": np.zeros(1)}, {"x": np.ones(1)},
    ...           {"out": np.ones(1)})
    >>> complex_step_slope(ray).value
    1.0
    """
    if any(np.iscomplexobj(a) for a in [*ray.direction.values(), *ray.centre.values()]):
        return None
    moved = dict(ray.inputs)
    for name, v in ray.direction.items():
        moved[name] = ray.inputs[name] + 1j * (STEP * v)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            outputs = named_outputs(ray.value(moved))
    except Exception:  # not every function is analytic; that is no finding
        return None
    return _read(ray, outputs)


def _read(ray: Ray, outputs: Mapping[str, np.ndarray]) -> Estimate | None:
    value = magnitude = 0.0
    for name, u in ray.cotangent.items():
        found, centre = outputs.get(name), ray.centre[name]
        if found is None or found.shape != u.shape or not np.iscomplexobj(found):
            return None
        if not np.allclose(found.real, centre, rtol=1e-6, atol=0.0, equal_nan=True):
            return None
        terms = u * (found.imag / STEP)
        value += float(np.sum(terms))
        magnitude += float(np.sum(np.abs(terms)))
    if not math.isfinite(value):
        return None
    error = SAFETY * float(np.finfo(np.float64).eps) * magnitude
    return Estimate(value, error, ORACLE, Local.SMOOTH, value, value, error)
