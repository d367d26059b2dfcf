"""Whether two claims that should be equal differ by more than rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gradcheck.relations.agreement import (
    LOW_PRECISION,
    allowance,
    discrepancy,
    epsilon,
    magnitude,
)
from gradcheck.relations.scene import Broken, Scene, numeric_claims
from gradcheck.trees import Array

NOISE_MARGIN = 64.0
"""Rounding measured by one jitter, times this, bounds the rounding of another evaluation."""


def disagreements(
    scene: Scene,
    got: Mapping[str, Array | None],
    expected: Mapping[str, Array | None],
    scale: float = 1.0,
) -> list[str]:
    """Names whose gradients differ by more than rounding can explain.

    ``scale`` is how many times larger than the scene's own cotangent the one used was. Entries
    that are not finite in ``expected`` are left to others.
    """
    return [
        name
        for name, wanted in numeric_claims(expected).items()
        if _differs(scene, name, _found(got, name), wanted, scale)
    ]


def is_rounding(got: Array, expected: Array, jittered: Callable[[], Array | None]) -> bool:
    """Whether a difference is as small as rounding, or as the effect of moving the inputs by it."""
    gap = discrepancy(got, expected)
    if gap == 0:
        return True
    size = magnitude(expected)
    if gap <= max(LOW_PRECISION, allowance(epsilon([got, expected]))) * size:
        return True
    if got.shape != expected.shape:
        return False
    moved = jittered()
    return moved is not None and gap <= NOISE_MARGIN * discrepancy(moved, expected)


def _found(claims: Mapping[str, Array | None], name: str) -> Array:
    grad = claims.get(name)
    return np.empty((0, 0)) if grad is None else grad


def _differs(scene: Scene, name: str, got: Array, expected: Array, scale: float) -> bool:
    gap = discrepancy(got, expected)
    if gap == 0 or gap <= allowance(scene.eps) * magnitude(expected):
        return False
    if gap == np.inf and got.shape == expected.shape:
        gap = discrepancy(np.where(np.isfinite(expected), got, expected), expected)
    # A sum may have cancelled: its terms say how much rounding there was.
    size = max(magnitude(expected), scale * magnitude(np.asarray(scene.claim[name])))
    allowed = allowance(scene.eps) * size
    if gap <= allowed:
        return False
    return gap > max(LOW_PRECISION * size, allowed + NOISE_MARGIN * scale * _noise(scene, name))


def _noise(scene: Scene, name: str) -> float:
    """Largest change of a gradient when every number moves by rounding."""
    try:
        moved = scene.jittered_claim.get(name)
    except Broken:
        return 0.0
    ordinary = scene.claim.get(name)
    if moved is None or ordinary is None:
        return 0.0
    noise = discrepancy(moved, ordinary)
    return noise if np.isfinite(noise) else 0.0
