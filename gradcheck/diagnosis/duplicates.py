"""Several contributions to one entry, of which only one was kept."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np

from gradcheck.diagnosis.evidence import View
from gradcheck.diagnosis.ratio import constant_ratio
from gradcheck.result import Case, Diagnosis
from gradcheck.trees import Array

FIT_INDEX = {1: 0.9, 2: 0.95}
FIT_NO_CONTRAST = 0.82
FIT_KEPT = 0.955
"""Nothing to compare with, but each claim is one of the contributions that an index adds up."""

FIT_SUBSET = {1: 0.86, 2: 0.93}
SHARP = 1e-6
"""Relative error bound above which an estimate is near some sum of elements by chance."""

MOST_ADDENDS = 4
MOST_SUMS = 20_000
"""Sums tried per entry: at the agreement demanded, so many hit a number by chance once in 5000."""


def repeated_index(view: View) -> Iterator[Diagnosis]:
    """Wrong exactly where an index array names the same entry twice."""
    if not view.shape or not view.finite.all():
        return
    for names, counts in index_counts(view.case, view.shape[0]):
        uses = view.pick(counts.reshape([-1, *[1] * (len(view.shape) - 1)]))
        repeated = uses > 1
        judged = view.wrong | (view.right & (uses > 0))
        if _contradicted(view, uses) or view.silent[view.wrong].any():
            continue
        if (view.wrong == repeated)[judged].all() and (view.wrong <= repeated).all():
            yield _repeated(view, names, bool((view.right & (uses == 1)).any()))
            return


def _contradicted(view: View, uses: Array) -> bool:
    """Whether all claims are off by one factor, and it is not the number of uses."""
    ratio = constant_ratio(view)
    if ratio is None or ratio.entries < 2:
        return False
    return not np.allclose(ratio.value * uses[view.wrong], 1.0, rtol=1e-6)


def _repeated(view: View, names: str, contrast: bool) -> Diagnosis:
    kept = next(one_of_several(view), None) is not None
    alone = FIT_KEPT if kept else FIT_NO_CONTRAST
    fit = FIT_INDEX[min(int(view.wrong.sum()), 2)] if contrast else alone
    sentence = f"entries that {names} names more than once keep one contribution: assigned, not"
    sentence += " added (np.add.at)"
    evidence = "wrong exactly where an index is repeated"
    return Diagnosis("assigned-not-added", sentence, fit, view.name, evidence)


def index_counts(case: Case, length: int) -> Iterator[tuple[str, Array]]:
    """How often each index array, and all of them together, name each of ``length`` positions."""
    found = {
        name: np.bincount(np.ravel(array) % max(length, 1), minlength=length)
        for name, array in case.inputs.items()
        if array.dtype.kind in "iu" and array.size and _is_index(array, length)
    }
    yield from found.items()
    if len(found) > 1:
        yield " and ".join(found), np.sum(list(found.values()), axis=0)


def _is_index(array: Array, length: int) -> bool:
    return bool(length and array.min() >= -length and array.max() < length)


def one_of_several(view: View) -> Iterator[Diagnosis]:
    """Each wrong claim is one element of the cotangent, each estimate a sum of it and others."""
    wrong = np.flatnonzero(view.wrong)
    sharp = [int(i) for i in wrong if view.error[i] <= SHARP * abs(view.estimate[i])]
    if not sharp or np.iscomplexobj(view.claimed) or not view.finite.all():
        return
    for cotangent in view.case.cotangent.values():
        if cotangent.size >= 2 and not np.iscomplexobj(cotangent):
            met = all(_is_kept(view, int(i), cotangent) for i in wrong)
            if met and all(_is_sum(view, i, cotangent) for i in sharp):
                fit = FIT_SUBSET[min(len(sharp), 2)]
                sentence = "claimed is one of the contributions whose sum is due: where windows"
                sentence += " or indices meet, the gradient is assigned, not added"
                evidence = "each claim is one element of the cotangent, each estimate a sum of some"
                yield Diagnosis("assigned-not-added", sentence, fit, view.name, evidence)
                return


def _elements(view: View, entry: int, cotangent: Array) -> Array:
    """Cotangent elements that may reach an entry: those of its row where rows correspond."""
    if len(view.shape) > 1 and cotangent.ndim > 1 and len(cotangent) == view.shape[0]:
        cotangent = cotangent[view.flat[entry] // int(np.prod(view.shape[1:]))]
    return np.unique(np.ravel(cotangent))


def _is_kept(view: View, entry: int, cotangent: Array) -> bool:
    elements = _elements(view, entry, cotangent)
    return bool(np.isclose(elements, view.claimed[entry], rtol=1e-9, atol=0).any())


def _is_sum(view: View, entry: int, cotangent: Array) -> bool:
    elements = _elements(view, entry, cotangent)
    claimed, estimate = view.claimed[entry], view.estimate[entry]
    others = elements[~np.isclose(elements, claimed, rtol=1e-9, atol=0)]
    room = 3 * view.error[entry] + 1e-9 * abs(estimate)
    return any((np.abs(sums - (estimate - claimed)) <= room).any() for sums in _sums(others))


def _sums(elements: Array) -> Iterator[Array]:
    spent = 0
    for count in range(1, MOST_ADDENDS):
        spent += comb(elements.size, count)
        if count > elements.size or spent > MOST_SUMS:
            return
        groups = np.array(list(combinations(range(elements.size), count)), dtype=int)
        yield elements[groups].sum(axis=1)
