"""Whether two claims that should be equal differ by more than rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

import numpy as np

from gradcheck.relations.agreement import (
    LOW_PRECISION,
    WAYS,
    allowance,
    discrepancy,
    epsilon,
    is_numeric,
    magnitude,
)
from gradcheck.relations.scene import Broken, Scene, mixture, numeric_claims
from gradcheck.trees import Array, blocks

NOISE_MARGIN = 64.0
"""Rounding measured by one jitter, times this, bounds the rounding of another evaluation."""


def doubts(
    scene: Scene,
    got: Mapping[str, Array | None],
    expected: Mapping[str, Array | None],
    scale: float = 1.0,
) -> list[str]:
    """Names whose gradients differ by more than is seen in sums of well-conditioned terms.

    ``scale`` is how many times larger than the scene's own cotangent the one used was. Entries
    that are not finite in ``expected`` are left to others.
    """
    return [
        name
        for name, wanted in numeric_claims(expected).items()
        if _gap_beyond(scene, name, _found(got, name), wanted, scale) > 0
    ]


def mixture_doubts(scene: Scene, got: Mapping[str, Array | None]) -> list[str]:
    """`doubts` whether ``got`` is the mixture of the two plain claims.

    Large arrays are looked at block by block: the mixture itself is made only where they differ.
    """
    scene.is_met = all(
        _is_mixture(scene, name, got.get(name)) for name in numeric_claims(scene.claim)
    )
    if scene.is_met:
        return []
    return doubts(scene, got, scene.mixed_expectation, scene.scale)


def _is_mixture(scene: Scene, name: str, got: Array | None) -> bool:
    one, other = scene.claim.get(name), scene.second_claim.get(name)
    if one is None or other is None or got is None or not one.shape == other.shape == got.shape:
        return False
    if not (is_numeric(other) and is_numeric(got)):
        return False
    first, second = scene.factors
    with np.errstate(all="ignore"):
        flat, ones, others = got.reshape(-1), one.reshape(-1), other.reshape(-1)
        for part in blocks(got.size):
            expected = mixture(first, ones[part], second, others[part])
            if not _is_near(flat[part], expected, allowance(scene.eps)):
                return False
    return True


def _is_near(got: Array, expected: Array, allowed: float) -> bool:
    """Whether no entry is off by more than a share of the largest expected one."""
    gap = expected - got
    # The length of the gap is no less than its largest entry, and the root mean square of what is
    # expected no more than the largest there: both are one product each. Neither is below the other
    # where something is infinite, or has underflown.
    if gap.dtype.kind == "f" and gap.dot(gap) * gap.size < allowed**2 * expected.dot(expected):
        return True
    return discrepancy(got, expected) <= allowed * magnitude(expected)


def disagreements(
    scene: Scene,
    got: Mapping[str, Array | None],
    expected: Mapping[str, Array | None],
    scale: float = 1.0,
) -> list[str]:
    """Those of `doubts` whose difference measured rounding cannot explain either."""
    if scene.is_huge:
        return []
    return [
        name
        for name in doubts(scene, got, expected, scale)
        if finite_gap(_found(got, name), np.asarray(expected[name]))
        > NOISE_MARGIN * scale * _noise(scene, name)
    ]


def finite_gap(got: Array, expected: Array) -> float:
    """`discrepancy` where ``expected`` is finite."""
    gap = discrepancy(got, expected)
    if gap == np.inf and got.shape == expected.shape:
        return discrepancy(np.where(np.isfinite(expected), got, expected), expected)
    return gap


def is_rounding(got: Array, expected: Array, jittered: Callable[[int], Array | None]) -> bool:
    """Whether a difference is as small as rounding, or as the effect of moving the inputs by it."""
    gap = discrepancy(got, expected)
    if gap == 0:
        return True
    size = magnitude(expected)
    if gap <= max(LOW_PRECISION, allowance(epsilon([got, expected]))) * size:
        return True
    if got.shape != expected.shape:
        return False
    several = (jittered(way) for way in range(WAYS))
    return any(
        moved is not None and gap <= NOISE_MARGIN * discrepancy(moved, expected)
        for moved in several
    )


def _found(claims: Mapping[str, Array | None], name: str) -> Array:
    grad = claims.get(name)
    return np.empty((0, 0)) if grad is None else grad


def _gap_beyond(scene: Scene, name: str, got: Array, expected: Array, scale: float) -> float:
    """How far a difference exceeds what rounding leaves in a well-conditioned sum."""
    gap = discrepancy(got, expected)
    if gap == 0 or gap <= allowance(scene.eps) * magnitude(expected):
        return 0.0
    # A sum may have cancelled: its terms say how much rounding there was.
    size = max(magnitude(expected), scale * magnitude(np.asarray(scene.claim[name])))
    return finite_gap(got, expected) - max(LOW_PRECISION, allowance(scene.eps)) * size


def _noise(scene: Scene, name: str) -> float:
    """Largest change of a gradient by rounding: of every number, or of the cotangent's multiple.

    Rounding inside that happens to be the same each time leaves the last place of the cotangent.
    """
    ordinary = scene.claim.get(name)
    if ordinary is None:
        return 0.0
    gaps = [discrepancy(moved, ordinary) for moved in rounded_anew(scene, name)]
    gaps += _gaps_of_second(scene, name)
    last_place = scene.eps * max(map(magnitude, scene.cotangents.values()), default=0.0)
    return max([last_place, *(gap for gap in gaps if np.isfinite(gap))])


def _gaps_of_second(scene: Scene, name: str) -> list[float]:
    """The same of the claim for the second cotangent, if there is one: luck may spare the first."""
    gaps = []
    with suppress(Broken):
        second = scene.memo.get("second_claim", {})
        for way in range(WAYS) if isinstance(second, dict) and name in second else ():
            moved = scene.jittered_second_claim(way).get(name)
            if moved is not None and second[name] is not None:
                gaps.append(discrepancy(moved, second[name]))
    return gaps


def rounded_anew(scene: Scene, name: str) -> Iterator[Array]:
    """The gradient of ``name`` in calls that differ from the first by rounding only."""
    for way in range(WAYS):
        with suppress(Broken):
            if (jittered := scene.jittered_claim(way).get(name)) is not None:
                yield jittered
    with suppress(Broken):
        if (tripled := scene.tripled_claim.get(name)) is not None:
            yield tripled / 3.0
