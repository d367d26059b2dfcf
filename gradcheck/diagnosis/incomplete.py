"""By elimination: the claim is near the truth, and nothing simple leads from one to the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import special

from gradcheck.diagnosis.evidence import View
from gradcheck.diagnosis.paths import paths_of
from gradcheck.diagnosis.upstream import same, second_claim
from gradcheck.result import Diagnosis
from gradcheck.trees import Array

FIT = 0.56
"""Just above silence: whatever else fits is better."""

LEAST_COSINE = 0.7
"""Gradients that lack a term mostly point so nearly the same way; misplaced ones hardly ever."""

CHANCE = 0.002
"""How often numbers that have nothing to do with each other may point so nearly the same way."""

NEARLY = 0.02
"""A claim nearer than this is complete: a digit, a constant or a guard is wrong."""

LEAST_DIFFERENT = 2
"""Ratios of claim and estimate there must be: one is a constant factor."""


def nearly_there(view: View) -> Iterator[Diagnosis]:
    """Every claim has its first digits right, and each is off by a share of its own."""
    claimed, estimate = view.claimed[view.wrong], view.estimate[view.wrong]
    if claimed.size < LEAST_DIFFERENT or not view.finite.all() or not estimate.all():
        return
    off = np.abs(claimed / estimate - 1)
    if (off < NEARLY).all() and np.unique(off).size > 1:
        sentence = "the claim has its first digits right, and no more: a constant written with too"
        sentence += " few digits, numbers that cancel, or an approximation"
        evidence = f"all {off.size} wrong claims are off by {off.max():.1g} of their size at most"
        yield Diagnosis("low-precision", sentence, FIT, view.name, evidence)


def partly_there(view: View) -> Iterator[Diagnosis]:
    """Claimed and estimated point the same way, in no constant ratio: a term of a sum is wrong."""
    numbers = _wrong_numbers(view)
    if numbers is None:
        return
    claimed, estimate = numbers
    count = claimed.size
    if count < 2 or np.iscomplexobj(claimed) or not np.isfinite(claimed).all():
        return
    if not claimed.any() or not estimate.any() or _share(claimed - estimate, estimate) < NEARLY:
        return
    ratios = np.unique(np.round(claimed / estimate, 6)).size
    cosine = float(claimed @ estimate) / _length(claimed) / _length(estimate)
    if ratios < LEAST_DIFFERENT or not cosine >= LEAST_COSINE or _chance(cosine, count) > CHANCE:
        return
    sentence = "the claim points the right way and is not there: of several contributions one is"
    sentence += " missing, or there once too often"
    evidence = f"{count} numbers at cosine {cosine:.2f} to the estimate, and nothing simpler fits"
    yield Diagnosis("missing-term", sentence, FIT, view.name, evidence)


def _wrong_numbers(view: View) -> tuple[Array, Array] | None:
    """Single contributions where they differ; of one number that is summed up, the entries.

    Where each entry has a function of its own, a factor and a term are the same, and where the
    claim has no fixed slopes, it is noise: both get silence.
    """
    paths = paths_of(view)
    if paths is not None:
        return paths.claimed[paths.wrong], paths.estimate[paths.wrong]
    second, pair = second_claim(view), _numbers(view)
    if second is None or pair is None or not same(view.claimed * pair[1], second * pair[0]).all():
        return None
    return view.claimed[view.wrong], view.estimate[view.wrong]


def _numbers(view: View) -> tuple[float, float] | None:
    """Both cotangents of a subject whose only output is a number."""
    first, other = view.case.cotangent, view.case.second_cotangent or {}
    arrays = [*first.values(), *other.values()]
    if len(first) != 1 or len(arrays) != 2 or any(array.size != 1 for array in arrays):
        return None
    return float(arrays[0].flat[0]), float(arrays[1].flat[0])


def _chance(cosine: float, count: int) -> float:
    """How often random directions of so many dimensions are at least so near to each other.

    >>> round(_chance(0.5, 3), 3)
    0.25
    """
    return float(special.betainc((count - 1) / 2, 0.5, 1 - min(cosine, 1.0) ** 2)) / 2


def _share(part: Array, whole: Array) -> float:
    return _length(part) / max(_length(whole), float(np.finfo(float).tiny))


def _length(values: Array) -> float:
    """Euclidean length; of huge and of tiny numbers too."""
    size = float(np.abs(values).max(initial=0.0))
    return size * float(np.linalg.norm(values / size)) if size > 0 else 0.0
