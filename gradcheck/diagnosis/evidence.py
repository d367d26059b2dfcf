"""What the hypotheses look at: the entries of one named input, and when two numbers agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.result import Case, EntryTable
from gradcheck.trees import Array

Mask = NDArray[np.bool_]

PRECISION_POWER = 0.4
"""Two numbers agree within eps**0.4 (6e-7 in float64): far above the rounding of a sum, far below
what a coincidence reaches."""

CAP = 0.02
"""A hypothesis must explain at least 98 % of a mismatch, however small the mismatch is."""

VAGUE = 0.01
"""An error bound above this share of the derivatives around says that an entry is undecided."""

NOTHING = 1e-9
"""A derivative below this share of the largest one around is none."""

BOUNDS = 3.0
"""How many error bounds of the estimate a prediction may be off."""


@dataclass(frozen=True)
class View:
    """Claimed and estimated entries of one named input, one-dimensional and aligned with ``flat``.

    Entries whose estimate is unknown (no finite value or bound) are left out. ``wrong`` marks the
    entries judged WRONG; ``right`` those that agree, the rest is undecided. What follows from these
    is worked out once, for dozens of hypotheses ask for it.
    """

    case: Case
    name: str
    shape: tuple[int, ...]
    flat: Array
    claimed: Array
    estimate: Array
    error: Array
    wrong: Mask
    whole: bool

    @cached_property
    def precision(self) -> float:
        """Relative difference below which two numbers count as equal, from the claim's dtype."""
        return precision_of(self.case.claimed.get(self.name), self.case.inputs.get(self.name))

    @cached_property
    def mismatch(self) -> Array:
        """Claimed minus estimated."""
        return np.asarray(self.claimed - self.estimate)

    @cached_property
    def right(self) -> Mask:
        """Entries where claim and estimate agree, and the estimate knows what it says."""
        room = BOUNDS * self.error + self.precision * np.abs(self.estimate)
        with np.errstate(invalid="ignore"):
            agree = np.abs(self.mismatch) <= room
        return np.asarray(~self.wrong & ~self.vague & agree)

    @cached_property
    def is_elementwise(self) -> bool:
        """Whether each entry is known to reach one output entry only, and shares it with none."""
        known = self.case.jacobians.get(self.name)
        if known is None:
            return False
        floor = BOUNDS * known.error + NOTHING * np.abs(known.estimate).max(initial=0.0)
        paths = (np.abs(known.estimate) > floor) | (known.claimed != 0)
        return bool(max(paths.sum(axis=0).max(), paths.sum(axis=1).max()) <= 1)

    @cached_property
    def vague(self) -> Mask:
        """Entries whose estimate has a bound as large as what it estimates: kinks, noise."""
        size = np.abs(self.estimate)
        return np.asarray(self.error > VAGUE * (size + size.max(initial=0.0)))

    @cached_property
    def finite(self) -> Mask:
        """Entries whose claim is finite."""
        return np.asarray(np.isfinite(self.claimed))

    @cached_property
    def silent(self) -> Mask:
        """Entries whose derivative is zero as far as the estimate can see."""
        return np.asarray(np.abs(self.estimate) <= BOUNDS * self.error + np.finfo(float).tiny)

    @cached_property
    def _most(self) -> Array:
        """A share of what is to be explained, beyond which nothing agrees, however imprecise."""
        return np.where(self.wrong & self.finite, CAP * np.abs(self.mismatch), np.inf)

    def agree(self, left: Array, right: Array, error: Array | float = 0.0) -> Mask:
        """Where two predictions of one number agree, given a bound on their error."""
        with np.errstate(invalid="ignore", over="ignore"):
            scale = np.maximum(np.abs(left), np.abs(right))
            room = np.minimum(self.precision * scale, self._most) + BOUNDS * np.asarray(error)
            return np.asarray(np.abs(left - right) <= room)

    def explains(self, prediction: Array, error: Array | float = 0.0) -> Mask:
        """Where ``prediction`` is what was claimed."""
        return self.agree(self.claimed, prediction, error)

    def pick(self, array: Array) -> Array:
        """Entries of an array that broadcasts to the input, aligned with this view."""
        return np.asarray(np.broadcast_to(array, self.shape).ravel()[self.flat])

    def fill(self, values: Array, rest: Any = 0) -> Array:
        """Values aligned with this view, back in the shape of the input."""
        array = np.full(int(np.prod(self.shape, dtype=np.int64)), rest, dtype=values.dtype)
        array[self.flat] = values
        return array.reshape(self.shape)


def precision_of(claimed: Array | None, value: Array | None) -> float:
    """Relative agreement to expect of numbers with the coarser dtype of claim and input.

    >>> precision_of(np.ones(1), None) < 1e-6 < precision_of(np.ones(1, np.float32), None)
    True
    """
    coarse = float(np.finfo(np.float64).eps)
    for array in (claimed, value):
        if array is not None and array.dtype.kind in "fc":
            coarse = max(coarse, float(np.finfo(array.dtype).eps))
    return float(coarse**PRECISION_POWER)


def suspects(case: Case) -> Iterator[View]:
    """One view per named input that has a wrong entry and a claim of its own shape."""
    for name in case.entries:
        view = view_of(case, name)
        if view is not None and view.wrong.any():
            yield view


def view_of(case: Case, name: str) -> View | None:
    """The view of one named input; ``None`` without a claim of the input's shape, or entries."""
    table = case.entries.get(name)
    claimed = case.claimed.get(name)
    if table is None or claimed is None or np.shape(claimed) != tuple(table.shape):
        return None
    known = np.isfinite(table.estimate) & np.isfinite(table.error)
    return _restrict(case, name, table, known) if known.any() else None


def _restrict(case: Case, name: str, table: EntryTable, known: Mask) -> View:
    return View(
        case=case,
        name=name,
        shape=tuple(table.shape),
        flat=np.asarray(table.flat, dtype=np.int64)[known],
        claimed=_wide(table.claimed[known]),
        estimate=_wide(table.estimate[known]),
        error=np.abs(table.error[known]).astype(np.float64),
        wrong=np.asarray(table.wrong[known], dtype=bool),
        whole=bool(table.complete and known.all()),
    )


def _wide(array: Array) -> Array:
    kind = np.complex128 if np.iscomplexobj(array) else np.float64
    return np.asarray(array).astype(kind)
