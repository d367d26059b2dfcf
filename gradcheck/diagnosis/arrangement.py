"""The right numbers in the wrong places: transposed, shifted, flipped, or under another name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from gradcheck.diagnosis.evidence import BOUNDS, View, precision_of, view_of
from gradcheck.result import Case, Diagnosis, EntryTable
from gradcheck.trees import Array

MOST_AXES = 4
"""Axes whose permutations are tried: 4! = 24."""

MOST_SHIFTS = 16
FIT_TRANSPOSED = {2: 0.9, 3: 0.97}
FIT_MOVED = {2: 0.7, 3: 0.9, 4: 0.95}
FIT_REORDERED = {2: 0.7, 3: 0.78, 4: 0.82}
FIT_OVERLAP = 0.9
FIT_SWAPPED = 0.94
FIT_BORROWED = {1: 0.5, 2: 0.72, 3: 0.78}
ENTRIES_TO_SHIFT = 3


def _distinct(view: View) -> int:
    """How many clearly different numbers the wrong entries hold: one number has no order."""
    values = view.estimate[view.wrong]
    scale = np.abs(values).max(initial=0.0)
    return int(np.unique(np.round(values / scale, 6)).size) if scale > 0 else 0


def transposed(view: View) -> Iterator[Diagnosis]:
    """The claim is right after its axes are permuted."""
    claimed = view.case.claimed[view.name]
    if claimed is None or not 2 <= len(view.shape) <= MOST_AXES or not view.finite.all():
        return
    for order in list(permutations(range(len(view.shape))))[1:]:
        moved = np.transpose(claimed, order)
        if moved.shape == view.shape and _is_estimate(view, moved):
            yield _transposed(view, f"axes {_axes(range(len(order)))} -> {_axes(order)}")
            return
    reshaped = np.asarray(claimed).ravel().reshape(view.shape[::-1]).T
    if _is_estimate(view, reshaped):
        yield _transposed(view, "reshaped where it must be transposed")


def _axes(order: tuple[int, ...] | range) -> str:
    return f"({', '.join(map(str, order))})"


def _transposed(view: View, how: str) -> Diagnosis:
    fit = FIT_TRANSPOSED[min(max(_distinct(view), 2), 3)]
    sentence = f"the claim is right after a transpose ({how})"
    return Diagnosis("transposed", sentence, fit, view.name, "every entry agrees after the move")


def _is_estimate(view: View, moved: Array) -> bool:
    return bool(view.agree(view.estimate, view.pick(moved), view.error).all())


def misaligned(view: View) -> Iterator[Diagnosis]:
    """The claim is right after a flip, a shift or another reordering."""
    claimed = view.case.claimed[view.name]
    if claimed is None or not view.finite.all() or _distinct(view) < 2:
        return
    for how, moved in moves(np.asarray(claimed)):
        if _is_estimate(view, moved):
            fit = FIT_MOVED[min(_distinct(view), 4)]
            sentence = f"the claim is right after it is {how}: entries land in the wrong places"
            yield Diagnosis("misaligned", sentence, fit, view.name, "every entry then agrees")
            return
    yield from _shifted_in(view, np.asarray(claimed))
    yield from _reordered(view)


def _shifted_in(view: View, claimed: Array) -> Iterator[Diagnosis]:
    """A shift after which what overlaps agrees: the rest was cut off, or came from elsewhere."""
    if not view.whole:
        return
    estimate, error = view.fill(view.estimate), view.fill(view.error)
    for axis, length in enumerate(view.shape):
        for by in [s for k in range(1, length // 2 + 1) for s in (k, -k)]:
            first, second = _overlap(view.shape, axis, by)
            left, right = claimed[first], estimate[second]
            room = BOUNDS * error[second] + view.precision * np.abs(right)
            if _told_apart(right) and (np.abs(left - right) <= room).all():
                sentence = f"the claim is right after it is shifted by {-by} along axis {axis}"
                sentence += ": a border, or padding, is not cut off where it must be"
                evidence = f"{right.size} of {estimate.size} entries overlap, and all agree"
                yield Diagnosis("misaligned", sentence, FIT_OVERLAP, view.name, evidence)
                return


def _overlap(
    shape: tuple[int, ...], axis: int, by: int
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where claim and estimate overlap when the claim lies ``by`` positions too far."""
    whole = [slice(None)] * len(shape)
    first, second = list(whole), list(whole)
    first[axis], second[axis] = (
        (slice(by, None), slice(None, -by))
        if by > 0
        else (
            slice(None, by),
            slice(-by, None),
        )
    )
    return tuple(first), tuple(second)


def _told_apart(values: Array) -> bool:
    scale = float(np.abs(values).max(initial=0.0))
    different = np.unique(np.round(values / scale, 6)) if scale > 0 else values[:0]
    return bool(different.size >= ENTRIES_TO_SHIFT)


def moves(array: Array) -> Iterator[tuple[str, Array]]:
    """The array flipped and shifted along each axis (wrapped, then filled with zeros)."""
    for axis, length in enumerate(array.shape):
        yield f"flipped along axis {axis}", np.flip(array, axis)
        for shift in range(1, min(length, MOST_SHIFTS)):
            for by in (shift, -shift):
                yield f"rolled by {by} along axis {axis}", np.roll(array, by, axis)
                yield f"shifted by {by} along axis {axis}", _shifted(array, by, axis)


def _shifted(array: Array, by: int, axis: int) -> Array:
    moved = np.roll(array, by, axis)
    lost = [slice(None)] * array.ndim
    lost[axis] = slice(0, by) if by > 0 else slice(by, None)
    moved[tuple(lost)] = 0
    return moved


def _reordered(view: View) -> Iterator[Diagnosis]:
    if not view.whole or np.iscomplexobj(view.claimed):
        return
    order, other = np.argsort(view.claimed), np.argsort(view.estimate)
    left, right, error = view.claimed[order], view.estimate[other], view.error[other]
    room = BOUNDS * error + view.precision * np.abs(right)
    if (np.abs(left - right) <= room).all():
        sentence = "the claim holds the right numbers in another order"
        evidence = f"sorted, all {view.flat.size} entries agree"
        fit = FIT_REORDERED[min(max(_distinct(view), 2), 4)]
        yield Diagnosis("misaligned", sentence, fit, view.name, evidence)


def swapped(case: Case) -> Iterator[Diagnosis]:
    """The claim for one input is the estimate for another."""
    wrong = [name for name, table in case.entries.items() if table.wrong.any()]
    for name in wrong:
        for other in case.entries:
            if other != name and _holds(case, name, other):
                both = other in wrong and _holds(case, other, name)
                if not both:
                    yield from _borrowed(case, name, other)
                elif name < other:
                    yield _exchanged(name, other)


def _exchanged(name: str, other: str) -> Diagnosis:
    sentence = f"the gradients of {name} and {other} have changed places"
    evidence = f"the claim for {name} is the estimate for {other}, and the other way round"
    return Diagnosis("swapped-gradients", sentence, FIT_SWAPPED, f"{name}, {other}", evidence)


def _borrowed(case: Case, name: str, other: str) -> Iterator[Diagnosis]:
    fit = FIT_BORROWED[min(int(case.entries[name].flat.size), 3)]
    sentence = f"the claim for {name} is the gradient of {other}"
    evidence = f"it equals the estimate for {other} in every entry measured"
    yield Diagnosis("swapped-gradients", sentence, fit, name, evidence)


def _holds(case: Case, name: str, other: str) -> bool:
    """Whether the claim for ``name`` is the estimate for ``other``, shape and all."""
    claimed, table = case.claimed.get(name), case.entries[other]
    if claimed is None or np.shape(claimed) != tuple(table.shape) or not table.flat.size:
        return False
    own = view_of(case, name)
    if own is not None and (own.claimed == 0).all():
        return False
    return _matches_table(claimed, table, precision_of(claimed, case.inputs.get(other)))


def _matches_table(claimed: Array, table: EntryTable, precision: float) -> bool:
    values = np.ravel(claimed)[table.flat]
    room = BOUNDS * np.abs(table.error) + precision * np.abs(table.estimate)
    with np.errstate(invalid="ignore"):
        return bool((np.abs(values - table.estimate) <= room).all())
