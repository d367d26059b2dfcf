"""Make a failing case smaller, in the language of arrays: fewer slices, simpler numbers.

Hypothesis shrinks the recipe; a recipe cannot say "the same without its third row". This can.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.strategies import domains
from gradcheck.strategies.arrays import ArraySpec
from gradcheck.strategies.case import Case
from gradcheck.strategies.recipes import Array
from gradcheck.strategies.shapes import ELLIPSIS, Axes

MOST_TRIALS = 250
"""Checks spent on one failure: a second for a small layer."""

SINGLE_SLICES = 9
"""Axes up to this size lose single slices; longer ones are halved first."""

SINGLE_ENTRIES = 12
"""Arrays up to this size get their entries simplified one by one."""


class Kind(enum.Enum):
    """What is reduced: how many numbers there are, or how long they are to write."""

    SMALLER = "smaller"
    SIMPLER = "simpler"


Fails = Callable[[Case], bool]


@dataclass
class _Search:
    fails: Fails
    specs: Mapping[str, ArraySpec]
    axes: Axes
    left: int

    def try_all(self, candidates: Iterator[Case]) -> Case | None:
        """The first candidate that still fails."""
        for candidate in candidates:
            if self.left <= 0:
                return None
            self.left -= 1
            if self.fails(candidate):
                return candidate
        return None


def reduced(
    case: Case,
    fails: Fails,
    specs: Mapping[str, ArraySpec],
    axes: Axes,
    most_trials: int = MOST_TRIALS,
    kinds: Collection[Kind] = tuple(Kind),
) -> Case:
    """The smallest case found that still fails.

    Parameters
    ----------
    case : Case
        Fails.
    fails : callable
        ``fails(case) -> bool``, for the same reason.
    specs : mapping of str to ArraySpec
        What the arrays may be: no candidate leaves its domain.
    axes : Axes
        Bounds of the named axes; no candidate goes below them.
    most_trials : int
        Calls of ``fails``.
    kinds : collection of Kind
        What is tried: to make it smaller, or simpler, or both.
    """
    search = _Search(fails, specs, axes, most_trials)
    start = case
    for kind, moves in (
        (Kind.SMALLER, _with_smaller_subject),
        (Kind.SMALLER, _without_leading_axes),
        (Kind.SMALLER, _without_slices),
        (Kind.SIMPLER, _with_simpler_arrays),
        (Kind.SIMPLER, _with_simpler_seed),
    ):
        if kind in kinds:
            case = _as_far_as_it_goes(search, case, moves)
    recipes = {
        name: text
        for name, text in start.recipes.items()
        if case.arrays[name] is start.arrays[name]
    }
    return replace(case, recipes=recipes)


def _as_far_as_it_goes(
    search: _Search, case: Case, moves: Callable[[_Search, Case], Iterator[Case]]
) -> Case:
    while True:
        found = search.try_all(moves(search, case))
        if found is None:
            return case
        case = found


def _with_smaller_subject(_: _Search, case: Case) -> Iterator[Case]:
    for subject in getattr(case.subject, "smaller", tuple)():
        yield replace(case, subject=subject, arrays=subject.inputs)


def _without_leading_axes(search: _Search, case: Case) -> Iterator[Case]:
    leading = case.sizes.get(ELLIPSIS, ())
    for axis, size in enumerate(leading):
        for index in range(min(size, 3)):
            arrays = {
                name: array.take(index, axis=axis) if search.specs[name].shape.leading else array
                for name, array in case.arrays.items()
            }
            rest = leading[:axis] + leading[axis + 1 :]
            yield replace(case, arrays=arrays, sizes={**case.sizes, ELLIPSIS: rest})


def _without_slices(search: _Search, case: Case) -> Iterator[Case]:
    for name, size in case.sizes.items():
        if name == ELLIPSIS:
            continue
        smallest = search.axes.smallest(name)
        for kept in _smaller_selections(size):
            if len(kept) >= smallest:
                yield _keeping(search.specs, case, name, kept)


def _smaller_selections(size: int) -> Iterator[list[int]]:
    """Indices to keep: one, a half, three quarters, all but one."""
    everything = list(range(size))
    if size > 2:
        yield from ([0], [size - 1], everything[: size // 2], everything[size // 2 :])
    if size > SINGLE_SLICES:
        quarter = size // 4
        for start in range(0, size, quarter):
            yield everything[:start] + everything[start + quarter :]
        return
    for index in range(size):
        yield everything[:index] + everything[index + 1 :]


def _keeping(specs: Mapping[str, ArraySpec], case: Case, name: str, kept: list[int]) -> Case:
    arrays = {
        key: _kept(specs[key], array, name, kept) if key in specs else array
        for key, array in case.arrays.items()
    }
    return replace(case, arrays=arrays, sizes={**case.sizes, name: len(kept)})


def _kept(spec: ArraySpec, array: Array, name: str, kept: list[int]) -> Array:
    first = array.ndim - len(spec.shape.axes)
    for position, axis in enumerate(spec.shape.axes):
        if axis == name:
            array = array.take(kept, axis=first + position)
    if spec.categories == name:
        # Labels of categories that are gone become the first that is left.
        new = np.zeros(max([*kept, int(array.max(initial=0))]) + 1, array.dtype)
        new[kept] = np.arange(len(kept))
        array = new[array]
    return _restored(spec, array)


def _restored(spec: ArraySpec, array: Array) -> Array:
    """Bring an array that lost columns back into its domain."""
    if spec.domain == "simplex" and array.size:
        return np.asarray(array / array.sum(axis=-1, keepdims=True, dtype=array.dtype))
    if spec.domain == "one_hot" and array.size:
        lost = array.sum(axis=-1) == 0
        array = array.copy()
        array[..., 0] = np.where(lost, 1, array[..., 0])
    return array


def _with_simpler_arrays(search: _Search, case: Case) -> Iterator[Case]:
    for name, array in case.arrays.items():
        spec = search.specs.get(name)
        if spec is None or spec.categories is not None or spec.domain in domains.STRUCTURED:
            continue
        if np.dtype(array.dtype).kind not in "fi":
            continue
        for candidate in _simpler(spec, array):
            yield replace(case, arrays={**case.arrays, name: candidate})


def _simpler(spec: ArraySpec, array: Array) -> Iterator[Array]:
    """Arrays with more of the simplest numbers, and shorter decimals."""
    bounds = domains.interval(spec.domain)
    simple = domains.codebook(bounds, array.dtype.str).numbers[:2]
    for number in simple:
        if _complexity(np.full_like(array, number)) < _complexity(array):
            yield np.full_like(array, number)
    if array.size > SINGLE_ENTRIES:
        return
    for index in np.ndindex(array.shape):
        for number in (*simple, *_shorter(array[index])):
            inside = bounds.holds(np.asarray(number, array.dtype))
            if inside and _complexity(number) < _complexity(array[index]):
                candidate = array.copy()
                candidate[index] = number
                yield candidate


def _shorter(number: Any) -> Iterator[float]:
    """The number rounded: to an integer, and to one and two digits."""
    value = float(number)
    if not np.isfinite(value) or value == 0:
        return
    if abs(value) < 1e6:
        yield float(round(value))
    for digits in (1, 2):
        yield float(f"{value:.{digits}g}")


def _complexity(numbers: Any) -> tuple[float, float]:
    """How long the numbers are to write, and how large; zero is simplest, then one."""
    array = np.atleast_1d(numbers).astype(np.float64)
    written = sum(0 if value == 0 else len(repr(float(value))) for value in array.flat)
    return float(written), float(np.sum(np.abs(np.where(np.isfinite(array), array, 0))))


def _with_simpler_seed(_: _Search, case: Case) -> Iterator[Case]:
    for seed in (0, 1, 2):
        if seed < case.seed:
            yield replace(case, seed=seed)
