"""Entries that depend on each other, treated as if they did not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnosis.evidence import BOUNDS, Mask, View
from gradcheck.diagnosis.upstream import same, second_claim
from gradcheck.result import Diagnosis
from gradcheck.trees import Array

FIT_DIAGONAL = 0.93
FIT_RECURRENCE = {2: 0.6, 3: 0.88}


def diagonal_only(view: View) -> Iterator[Diagnosis]:
    """Each claimed entry follows its own cotangent entry, though a whole row is coupled.

    That a row is coupled shows in the estimate: moving all its entries by the same amount, or
    scaling them, does not change the function. No function of single entries is like that.
    """
    if view.whole and len(view.shape) and view.shape[-1] > 1 and _follows_own(view):
        coupling = _invariance(view)
        if coupling:
            sentence = "only the diagonal of the Jacobian is applied: the coupling of the entries"
            sentence += " of a row, through their sum or norm, is missing"
            yield Diagnosis("jacobian-diagonal", sentence, FIT_DIAGONAL, view.name, coupling)


def _follows_own(view: View) -> bool:
    second = second_claim(view)
    pairs = [
        (np.ravel(g), np.ravel((view.case.second_cotangent or {}).get(name, g)))
        for name, g in view.case.cotangent.items()
        if g.shape == view.shape
    ]
    if second is None or not pairs or not view.finite.all() or not (view.claimed != 0).any():
        return False
    return any(
        not np.array_equal(g, other)
        and bool(same(view.claimed * other[view.flat], second * g[view.flat]).all())
        for g, other in pairs
    )


def _invariance(view: View) -> str:
    rows = (-1, view.shape[-1])
    estimate, claimed = view.estimate.reshape(rows), view.claimed.reshape(rows)
    error = view.error.reshape(rows)
    value = np.ravel(view.case.inputs[view.name]).reshape(rows)
    for weights, words in (
        (np.ones_like(value), "the estimates of a row sum to zero, the claims do not"),
        (value, "the estimates of a row are orthogonal to it, the claims are not"),
    ):
        if _vanishes(estimate, weights, error) and not _vanishes(claimed, weights, error):
            return words
    return ""


def _vanishes(values: Array, weights: Array, error: Array) -> bool:
    total = np.abs(np.sum(values * weights, axis=1))
    size = np.sum(np.abs(values * weights), axis=1)
    room = BOUNDS * np.sum(error * np.abs(weights), axis=1) + 1e-9 * size
    return bool((total <= room).all() and (size > 100 * room).any())


def any_along(mask: Mask, axis: int) -> Mask:
    """Whether any entry is marked, at each position along one axis.

    >>> any_along(np.array([[True, False], [False, False]]), 0)
    array([ True, False])
    """
    others = tuple(i for i in range(mask.ndim) if i != axis)
    return np.asarray(np.any(mask, axis=others))


def recurrence(view: View) -> Iterator[Diagnosis]:
    """Along one axis the last step is right, and every earlier one is wrong."""
    if not view.whole or not view.finite.all() or (view.claimed[view.wrong] == 0).all():
        return
    if view.is_elementwise:
        return
    wrong = view.wrong.reshape(view.shape)
    right = (view.right & ~view.silent).reshape(view.shape)
    for axis, length in enumerate(view.shape):
        steps, sure = any_along(wrong, axis), any_along(right, axis)
        if length > 1 and steps[:-1].all() and not steps[-1] and sure[-1] and not sure[:-1].any():
            fit = FIT_RECURRENCE[min(length, 3)] if view.flat.size > 2 else 0.0
            sentence = f"along axis {axis} only the last step is right: the gradient of a later"
            sentence += " step is not passed back to the earlier ones"
            evidence = f"steps 0 to {length - 2} are wrong, step {length - 1} is right"
            yield Diagnosis("missing-recurrence", sentence, fit, view.name, evidence)
            return
