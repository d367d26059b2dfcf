"""Gradients of another shape than their input, and broadcast axes that were not summed over."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnosis.evidence import BOUNDS, View, precision_of
from gradcheck.diagnosis.features import cotangent_words, output_words
from gradcheck.diagnosis.upstream import same, second_claim
from gradcheck.result import Case, Diagnosis, EntryTable
from gradcheck.trees import Array

FIT_SUMS = 0.97
FIT_BROADCASTS = 0.8
FIT_RESHAPED = 0.94
FIT_SHAPE = 0.6
FIT_ONE_ROW = 0.95
FIT_FOLLOWS = {1: 0.72, 2: 0.91}
FIT_WRONG_AXIS = 0.93


def wrong_shape(case: Case) -> Iterator[Diagnosis]:
    """The claim has not the shape of its input: which axes are too many, or were moved?"""
    for name, value in case.inputs.items():
        claimed = case.claimed.get(name)
        if claimed is not None and np.shape(claimed) != np.shape(value):
            yield _explained(case, name, np.asarray(claimed), np.shape(value))


def _explained(case: Case, name: str, claimed: Array, shape: tuple[int, ...]) -> Diagnosis:
    table = case.entries.get(name)
    shapes = f"the claim has shape {claimed.shape}, {name} has {shape}"
    if stretches(shape, claimed.shape):
        fit = FIT_SUMS if _is(table, unbroadcast(claimed, shape), claimed) else FIT_BROADCASTS
        axes = ", ".join(str(axis) for axis in stretched_axes(shape, claimed.shape))
        sentence = f"the gradient of {name} is not summed over the broadcast axis (axis {axes})"
        return Diagnosis("broadcast-not-summed", sentence, fit, name, shapes)
    if claimed.shape == shape[::-1] and _is(table, claimed.T, claimed):
        sentence = f"the gradient of {name} is the transpose of what it must be"
        return Diagnosis("transposed", sentence, FIT_SUMS, name, shapes)
    if claimed.size == int(np.prod(shape)) and _is(table, claimed.reshape(shape), claimed):
        sentence = f"the gradient of {name} holds the right numbers in another shape: reshape it"
        return Diagnosis("wrong-shape", sentence, FIT_RESHAPED, name, shapes)
    sentence = f"the gradient of {name} must have the shape of {name}"
    return Diagnosis("wrong-shape", sentence, FIT_SHAPE, name, shapes)


def stretches(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Whether broadcasting takes the first shape to the second.

    >>> stretches((2,), (3, 2)), stretches((3,), (3, 2))
    (True, False)
    """
    try:
        return np.broadcast_shapes(small, large) == large
    except ValueError:
        return False


def stretched_axes(small: tuple[int, ...], large: tuple[int, ...]) -> tuple[int, ...]:
    """Axes of the larger shape that broadcasting made; none where it is not broadcasting.

    >>> stretched_axes((1, 2), (4, 3, 2))
    (0, 1)
    """
    if not stretches(small, large):
        return ()
    extra = len(large) - len(small)
    kept = enumerate(small, start=extra)
    return (*range(extra), *(axis for axis, n in kept if n == 1 and large[axis] != 1))


def unbroadcast(array: Array, shape: tuple[int, ...]) -> Array:
    """Sum over the axes along which ``shape`` was broadcast: the adjoint of broadcasting.

    >>> unbroadcast(np.ones((3, 2)), (1, 2))
    array([[3., 3.]])
    """
    axes = stretched_axes(shape, array.shape)
    return np.asarray(array.sum(axis=axes)).reshape(shape)


def _is(table: EntryTable | None, corrected: Array, claimed: Array) -> bool:
    if table is None or not table.flat.size:
        return False
    values = np.ravel(corrected)[table.flat]
    room = BOUNDS * table.error + precision_of(claimed, None) * np.abs(values)
    with np.errstate(invalid="ignore"):
        return bool((np.abs(values - table.estimate) <= room).all())


def one_row_only(view: View) -> Iterator[Diagnosis]:
    """The claim follows one row of a cotangent that has more axes than the input."""
    second = second_claim(view)
    if second is None or not view.finite.all() or (view.claimed == 0).all():
        return
    for name, g in view.case.cotangent.items():
        other = (view.case.second_cotangent or {}).get(name)
        axes = stretched_axes(view.shape, g.shape)
        if other is None or not axes or g.size < 2 or 0 in g.shape:
            continue
        for place, which in ((0, "first"), (-1, "last")):
            row, other_row = (view.pick(one_row(a, axes, place, view.shape)) for a in (g, other))
            if same(view.claimed * other_row, second * row).all():
                sentence = f"claimed follows the {which} row of {cotangent_words(name)} only: the"
                sentence += " contributions of the others are not added"
                evidence = f"another cotangent moves it with that row, over axis {axes[0]}"
                fit = FIT_FOLLOWS[min(int((view.claimed != 0).sum()), 2)]
                yield Diagnosis("broadcast-not-summed", sentence, fit, view.name, evidence)
                return


def one_row(array: Array, axes: tuple[int, ...], place: int, shape: tuple[int, ...]) -> Array:
    """The part of an array at one place of the given axes, in a shape without them.

    >>> one_row(np.array([[1.0, 2.0], [3.0, 4.0]]), (0,), -1, (2,))
    array([3., 4.])
    """
    where = tuple(place if axis in axes else slice(None) for axis in range(array.ndim))
    return np.asarray(array[where]).reshape(shape)


def not_summed(view: View) -> Iterator[Diagnosis]:
    """The estimate is a sum over a broadcast axis, the claim one element of it, or another sum."""
    if not view.finite.all():
        return
    for words, summand in summands(view):
        axes = stretched_axes(view.shape, summand.shape)
        if not axes or 0 in summand.shape:
            continue
        total = view.pick(unbroadcast(summand, view.shape))
        if view.agree(view.estimate, total, view.error).all():
            yield from _part_of_sum(view, words, summand, axes)
            return


def _part_of_sum(
    view: View, words: str, summand: Array, axes: tuple[int, ...]
) -> Iterator[Diagnosis]:
    for place, which in ((0, "first"), (-1, "last")):
        if view.explains(view.pick(one_row(summand, axes, place, view.shape))).all():
            sentence = f"claimed is the {which} row of {words}, which must be summed over the batch"
            evidence = f"the estimate is the sum over axis {', '.join(map(str, axes))}"
            yield Diagnosis("broadcast-not-summed", sentence, FIT_ONE_ROW, view.name, evidence)
            return
    for axis in range(summand.ndim):
        other = np.asarray(summand.sum(axis=axis))
        if other.shape == view.shape and view.explains(view.pick(other)).all():
            sentence = f"claimed is the sum of {words} over axis {axis}, not over axis {axes[0]}"
            evidence = "every entry agrees with that sum"
            yield Diagnosis("broadcast-not-summed", sentence, FIT_WRONG_AXIS, view.name, evidence)
            return


def summands(view: View) -> Iterator[tuple[str, Array]]:
    """Arrays a gradient may be a sum of: a cotangent, or its product with an input or output."""
    case = view.case
    others = {**case.inputs, **{output_words(k): v for k, v in case.output.items()}}
    for name, g in case.cotangent.items():
        yield cotangent_words(name), g
        for other, value in others.items():
            if value.dtype.kind in "fc" and stretches(value.shape, g.shape) and g.ndim:
                with np.errstate(all="ignore"):
                    yield f"{cotangent_words(name)} * {other}", g * value
