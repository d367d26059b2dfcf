"""Too few digits: claims rounded to a smaller dtype, or cut to integers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck.diagnosis.evidence import BOUNDS, View
from gradcheck.diagnosis.features import cotangent_features, input_features
from gradcheck.result import Case, Diagnosis
from gradcheck.trees import Array

FIT_ROUNDED = {1: 0.8, 2: 0.92}
FIT_TRUNCATED = {1: 0.7, 2: 0.9}
FIT_WHOLE_SLOPES = {2: 0.7, 3: 0.85}
ALMOST_WHOLE = 1e-9
LEAST_WHOLE = 2
FIT_POWER = {True: 0.92, False: 0.76}
FIT_COUNT = 0.86
FIT_INTEGERS = 0.95
ULPS = 64.0
"""Rounding steps of the smaller dtype a short computation in it may be off by."""


def rounded(view: View) -> Iterator[Diagnosis]:
    """Every claim is a number of a smaller dtype, and off by no more than its rounding."""
    if np.iscomplexobj(view.claimed) or not view.finite.all():
        return
    own = view.case.inputs[view.name].dtype
    for dtype in (np.float16, np.float32):
        if np.finfo(dtype).eps > np.finfo(own).eps and _is_rounded(view, np.dtype(dtype)):
            sentence = f"the claim has the precision of {np.dtype(dtype)}, the input is {own}"
            evidence = f"all {view.flat.size} claims are {np.dtype(dtype)} numbers, off by rounding"
            fit = FIT_ROUNDED[min(int(view.wrong.sum()), 2)]
            yield Diagnosis("low-precision", sentence, fit, view.name, evidence)
            return


def _is_rounded(view: View, dtype: np.dtype[Any]) -> bool:
    with np.errstate(over="ignore"):
        kept = view.claimed.astype(dtype).astype(np.float64) == view.claimed
    size = np.abs(view.estimate).max(initial=0.0)  # of what cancels in a sum, the rounding stays
    room = ULPS * float(np.finfo(dtype).eps) * size + 3 * view.error
    whole = np.round(view.claimed) == view.claimed
    return bool(kept.all() and not whole.all() and (np.abs(view.mismatch) <= room).all())


def integer_array(case: Case) -> Iterator[Diagnosis]:
    """The gradient of a float input is an array of integers."""
    for name, value in case.inputs.items():
        claimed = case.claimed.get(name)
        if claimed is not None and value.dtype.kind == "f" and claimed.dtype.kind in "iu":
            sentence = "the gradient is an integer array: what is written into it is cut off"
            evidence = f"it is {claimed.dtype}, the input {value.dtype}"
            yield Diagnosis("integer-arithmetic", sentence, FIT_INTEGERS, name, evidence)


def truncated(view: View) -> Iterator[Diagnosis]:
    """Every claim is an integer next to its estimate."""
    if truncates(view):
        sentence = "every claim is a whole number next to its estimate: integer arithmetic, or an"
        sentence += " integer array that the gradient is written into"
        fit = FIT_TRUNCATED[min(int(view.wrong.sum()), 2)]
        evidence = f"all {view.flat.size} claims are integers"
        yield Diagnosis("integer-arithmetic", sentence, fit, view.name, evidence)
        return
    for cotangent in cotangent_features(view):
        if _whole_slopes(view, cotangent.values):
            sentence = "every claimed slope is a whole number next to its estimate: integer"
            sentence += " arithmetic before the product with the cotangent"
            fit = FIT_WHOLE_SLOPES[min(view.flat.size, 3)]
            evidence = f"all {view.flat.size} claims are {cotangent.words} times an integer"
            yield Diagnosis("integer-arithmetic", sentence, fit, view.name, evidence)
            return


def _whole_slopes(view: View, cotangent: Array) -> bool:
    """Whether claims are whole multiples of the cotangent, and the estimates lie in between."""
    if np.iscomplexobj(view.claimed) or not view.finite.all() or not cotangent.all():
        return False
    claimed, estimate = view.claimed / cotangent, view.estimate / cotangent
    near = np.abs(claimed - estimate) < 1 + BOUNDS * view.error / np.abs(cotangent)
    whole = np.abs(claimed - np.round(claimed)) < ALMOST_WHOLE
    if np.unique(np.abs(np.round(claimed[claimed != 0]))).size < LEAST_WHOLE:
        return False  # zeros and ones are what masks and shares are made of
    wrong = view.wrong & (np.abs(estimate - np.round(estimate)) > ALMOST_WHOLE)
    return bool((near & whole).all() and (wrong == view.wrong).all() and claimed.any())


def truncates(view: View) -> bool:
    """Whether every claim is an integer next to its estimate, and not all are zero."""
    if np.iscomplexobj(view.claimed) or not view.finite.all() or (view.claimed == 0).all():
        return False
    whole = view.claimed == np.round(view.claimed)
    near = np.abs(view.mismatch) < 1 + 3 * view.error
    return bool((whole & near).all())


def integer_power(view: View) -> Iterator[Diagnosis]:
    """Zero exactly where an integer input is negative: ``2**-1`` is 0 in integers."""
    if not view.finite.all() or (view.claimed[view.wrong] != 0).any():
        return
    for feature in input_features(view):
        if view.case.inputs[feature.source].dtype.kind != "i":
            continue
        negative = feature.values < 0
        if (negative == view.wrong)[view.wrong | view.right].all():
            sentence = f"the claim is zero exactly where {feature.words} is negative: an integer"
            sentence += " power, which is 0 for every negative exponent"
            evidence = f"{int(view.wrong.sum())} wrong entries, each with a negative integer"
            fit = FIT_POWER[bool(view.right.any())]
            yield Diagnosis("integer-arithmetic", sentence, fit, view.name, evidence)
            return


def overflowing_count(view: View) -> Iterator[Diagnosis]:
    """Zero or infinite, and the array has more entries than its small dtype can count."""
    value = view.case.inputs[view.name]
    most = float(np.finfo(np.float16).max)
    if value.dtype == np.float16 and value.size > most and not view.claimed[view.wrong].any():
        sentence = f"the claim is zero: a count up to {value.size} overflows {value.dtype}"
        evidence = f"{value.dtype} ends at {most:g}"
        yield Diagnosis("low-precision", sentence, FIT_COUNT, view.name, evidence)
