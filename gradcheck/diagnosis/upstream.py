"""How the claim depends on the upstream gradient: not at all, or on one element of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnosis.arithmetic import truncates
from gradcheck.diagnosis.evidence import View
from gradcheck.diagnosis.features import alignments
from gradcheck.result import Case, Diagnosis
from gradcheck.trees import Array

SAME = 1e-9
"""Two claims are the same number when they differ by less than this fraction of it."""

FIT_IGNORED = 0.98
FIT_ONE = 0.9
FIT_ONE_OUTPUT = 0.87


def ignores_cotangent(view: View) -> Iterator[Diagnosis]:
    """Another cotangent gives the same claim."""
    second = second_claim(view)
    if second is None or not view.finite.all() or not _cotangent_moved(view.case):
        return
    if (view.claimed == 0).all() or not same(view.claimed, second).all():
        return
    if truncates(view):
        return  # whole numbers are the same for many a cotangent
    sentence = "the claim does not depend on the upstream gradient: it is never multiplied by it"
    evidence = "two different cotangents gave the same claim, entry by entry"
    yield Diagnosis("ignores-cotangent", sentence, FIT_IGNORED, view.name, evidence)


def follows_one_output(view: View) -> Iterator[Diagnosis]:
    """Of several outputs, the claim follows the cotangent of one, entry by entry."""
    second, others = second_claim(view), view.case.second_cotangent or {}
    if second is None or len(view.case.cotangent) < 2 or (view.claimed != 0).sum() < 2:
        return
    for name, g in view.case.cotangent.items():
        if name not in others:
            continue
        pairs = zip(alignments(g, view.shape), alignments(others[name], view.shape), strict=True)
        for (_, first), (_, other) in pairs:
            followed = same(view.claimed * view.pick(other), second * view.pick(first))
            if followed.all() and view.finite.all():
                sentence = f"only the upstream gradient of {name} is used, that of the other"
                sentence += " outputs is not"
                evidence = "another cotangent moves every claimed entry with this output alone"
                fit = FIT_ONE_OUTPUT
                yield Diagnosis("ignores-cotangent", sentence, fit, view.name, evidence)
                return


def one_for_all(view: View) -> Iterator[Diagnosis]:
    """The whole claim follows one element of the cotangent."""
    second = second_claim(view)
    pair = _cotangent_pair(view.case)
    if second is None or pair is None or not view.finite.all() or (view.claimed != 0).sum() < 2:
        return
    if not view.claimed[view.wrong].any():
        return  # what is claimed is right: it may well follow one element only
    first, other = pair
    for place, words in ((0, "first"), (-1, "last")):
        if same(view.claimed * other[place], second * first[place]).all():
            sentence = f"only the {words} element of the upstream gradient is used, for everything"
            evidence = f"the claim follows element {place} of the cotangent, and no other"
            yield Diagnosis("one-cotangent-for-all", sentence, FIT_ONE, view.name, evidence)
            return


def second_claim(view: View) -> Array | None:
    """The claim for the second cotangent, aligned with the view."""
    claim = (view.case.second_claim or {}).get(view.name)
    if claim is None or np.shape(claim) != view.shape:
        return None
    return np.ravel(claim)[view.flat]


def same(left: Array, right: Array) -> Array:
    """Where two claims are the same number but for rounding.

    >>> bool(same(np.array(1.0), np.array(1.0 + 1e-15)))
    True
    """
    with np.errstate(invalid="ignore"):
        room = SAME * np.maximum(np.abs(left), np.abs(right))
        return np.asarray(np.abs(left - right) <= room)


def _cotangent_moved(case: Case) -> bool:
    second = case.second_cotangent or {}
    return any(
        name in second and not np.array_equal(array, second[name])
        for name, array in case.cotangent.items()
    )


def _cotangent_pair(case: Case) -> tuple[Array, Array] | None:
    second = case.second_cotangent or {}
    if len(case.cotangent) != 1 or set(second) != set(case.cotangent):
        return None
    (name,) = case.cotangent
    first, other = np.ravel(case.cotangent[name]), np.ravel(second[name])
    return (first, other) if first.size > 1 and first.shape == other.shape else None
