"""A function of many arrays seen along one direction: ``g(t) = <u, f(x + t v) - f(x)>``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.linalg.blas import dasum

from gradcheck.trees import BLOCK, Array, Arrays, blocks, named_outputs

Inputs = Mapping[str, Array]


UNDERFLOW = 2.0**-1074
"""Rounding error of a value that underflows, zero included."""


class Ray:
    """The projection of a subject on one direction and one cotangent.

    Parameters
    ----------
    value : callable
        ``value(inputs) -> output``. An exception near the point counts as "not defined there".
    inputs : mapping of str to array
        The point ``x``.
    direction : mapping of str to array
        ``v``: the inputs that move, and how.
    cotangent : mapping of str to array
        ``u``, by output name, real or complex. The projection is ``Re sum(conj(u) * f)``.
    centre : mapping of str to array, optional
        ``f(x)``, when it is known already.
    rounding : float, optional
        `rounding_of` the cotangent and ``f(x)``, when it is known already.

    Examples
    --------
    >>> ray = Ray(lambda a: a["x"] ** 2, {"x": np.array([3.0])}, {"x": np.ones(1)},
    ...           {"out": np.ones(1)})
    >>> ray.offset(1.0)
    7.0
    """

    __slots__ = (
        "_centre",
        "_full",
        "_lengths",
        "_moving",
        "_rounding",
        "cotangent",
        "direction",
        "failures",
        "inputs",
        "last",
        "moved",
        "odd_outputs",
        "places",
        "rounding_at_centre",
        "value",
    )

    def __init__(
        self,
        value: Callable[[Inputs], Any],
        inputs: Inputs,
        direction: Inputs,
        cotangent: Inputs,
        centre: Arrays | None = None,
        rounding: float | None = None,
    ) -> None:
        self.value = value
        self.inputs = inputs
        self.direction = direction
        self.cotangent = cotangent
        self.failures: list[Exception] = []
        self.odd_outputs: list[str] = []
        self.places = 1.0
        self.moved: Arrays = {}
        self.last: Arrays | None = None
        self._centre = centre
        self._moving: Arrays = {}
        self.rounding_at_centre = rounding
        self._rounding = rounding
        self._full = rounding
        self._lengths: dict[str, tuple[float, float]] | None = None

    @property
    def centre(self) -> Arrays:
        """``f(x)`` by output name; evaluated on first use if it was not handed in."""
        if self._centre is None:
            with np.errstate(all="ignore"):
                self._centre = named_outputs(self.value(self.inputs))
        return self._centre

    def at(self, step: float, *, spend: bool = False) -> Inputs:
        """The inputs at ``x + step * v``; in the memory of ``v`` where that is to be spent."""
        moved = dict(self.inputs)
        for name, v in self.direction.items():
            in_place = spend and v.ndim > 0
            x, shift = (
                self.inputs[name],
                np.asarray(np.multiply(v, step, out=v if in_place else None)),
            )
            reusable = shift.ndim > 0 and shift.dtype == x.dtype
            moved[name] = np.asarray(np.add(x, shift, out=shift if reusable else None))
        return moved

    def missed(self, step: float) -> float:
        """Share of a step that rounding takes: how far ``x + step v`` is from where it should be.

        >>> ray = Ray(lambda a: a["x"], {"x": np.full(1, 1e10)}, {"x": np.ones(1)},
        ...           {"out": np.ones(1)})
        >>> ray.missed(1.0), ray.missed(1e-7)
        (0.0, 1.0)
        """
        missed = asked = 0.0
        with np.errstate(all="ignore"):
            if self._lengths is None:
                self._lengths = {name: _lengths(v) for name, v in self.direction.items()}
            for name, (length, squares) in self._lengths.items():
                longest = step * length
                if longest > 0.0:  # beside the longest, squares do not underflow
                    x, wanted = self.inputs[name], np.asarray(step * self.direction[name])
                    missed += _squares((((x + wanted) - x) - wanted) / longest) * longest
                    asked += squares * longest
        return math.sqrt(missed / asked) if asked > 0.0 and math.isfinite(missed) else 0.0

    def outputs(self, step: float) -> Arrays | None:
        """``f(x + step v)`` by output name, or ``None`` where the function raises."""
        with np.errstate(all="ignore"):
            return self._outputs(step)

    def last_outputs(self, step: float) -> Arrays | None:
        """`outputs` for the last time: the direction is spent, for it is as large as the inputs."""
        with np.errstate(all="ignore"):
            return self._outputs(step, spend=True)

    def _outputs(self, step: float, *, spend: bool = False) -> Arrays | None:
        try:
            outputs = named_outputs(self.value(self.at(step, spend=spend)))
        except Exception as error:  # the domain may end here; whoever asked decides what it means
            self.failures.append(error)
            return None
        return outputs if self._same_structure(outputs) else None

    def difference(self, left: Arrays | None, right: Arrays | None) -> float:
        """``<u, left - right>``, 0 where both hold the same infinity, NaN where undefined."""
        with np.errstate(all="ignore"):
            return self.change(left, right)

    def change(self, left: Arrays | None, right: Arrays | None) -> float:
        """`difference`, for callers who silence floating-point errors themselves."""
        if left is None or right is None:
            return math.nan
        total = 0.0
        for name, u in self.cotangent.items():
            total += _projected_difference(u, left[name], right[name])
        return total

    def pair(self, step: float) -> float:
        """``g(step) - g(-step)``: two forwards."""
        return self.central(step)[0]

    def central(self, step: float) -> tuple[float, Arrays | None]:
        """`pair`, and the outputs at ``x + step v``."""
        with np.errstate(all="ignore"):
            plus, minus = self._outputs(step), self._outputs(-step)
            return self.change(plus, minus), plus

    def offset(self, step: float) -> float:
        """``g(step) = <u, f(x + step v) - f(x)>``: one forward; notes which outputs move.

        ``last`` is what came out, and ``moved`` what of it differs from the centre.
        """
        self.last = outputs = self.outputs(step)
        if outputs is not None:
            self._note_moving(outputs)
        return self.difference(outputs, self.centre)

    def _note_moving(self, outputs: Arrays) -> None:
        for name in self.cotangent:
            self.moved[name] = moves = outputs[name] != self.centre[name]
            known = self._moving.get(name)
            if known is not None:
                moves = known | moves
                if np.array_equal(moves, known):
                    continue
            self._moving[name] = moves
            self._rounding = None

    def rounding(self) -> float:
        """Noise that any output has: ``places`` last places of every term of ``<u, f(x)>``.

        Once `offset` was asked, of those terms only that have been seen to move.
        """
        if self._rounding is None:
            self._rounding = rounding_of(self._weights(), self.centre)
        return self.places * self._rounding

    def rounding_beside(self, outputs: Arrays) -> float:
        """Last places of all terms a short step away: those at the point, if they are known."""
        known = self.rounding_at_centre
        return rounding_of(self.cotangent, outputs) if known is None else known

    def hidden(self) -> float:
        """How far the terms that never moved may have moved unseen: their own last places."""
        if self._full is None:
            self._full = rounding_of(self.cotangent, self.centre)
        return max(0.0, self.places * self._full - self.rounding())

    def _weights(self) -> Arrays:
        """The cotangent of the outputs that move; of all, while none was seen to."""
        if not any(moves.any() for moves in self._moving.values()):
            return dict(self.cotangent)
        return {name: np.where(self._moving[name], u, 0.0) for name, u in self.cotangent.items()}

    def moving_size(self, step: float) -> float:
        """Root sum of squares of the terms of ``<u, f>`` that differ after ``step v``.

        Their size is that at ``x``, or at the other point where they vanish at ``x``.

        >>> ray = Ray(lambda a: a["x"] ** 2, {"x": np.array([3.0, 9.0])}, {"x": np.array([1.0, 0])},
        ...           {"out": np.ones(2)})
        >>> ray.moving_size(1.0)
        9.0
        """
        outputs = self.outputs(step)
        if outputs is None:
            return float("inf")
        total = 0.0
        for name, u in self.cotangent.items():
            here, there = self.centre[name], outputs[name]
            moves = (here != there) & np.isfinite(here) & np.isfinite(there)
            sizes = np.where(moves, np.abs(np.where(here == 0, there, here)), 0.0)
            total += float(np.sum((np.abs(u) * sizes) ** 2))
        return math.sqrt(total)

    def _same_structure(self, outputs: Arrays) -> bool:
        for name, u in self.cotangent.items():
            found = outputs.get(name)
            if found is None or found.shape != u.shape or found.dtype.kind not in "fciub":
                got = "nothing" if found is None else f"{found.dtype}{list(found.shape)}"
                self.odd_outputs.append(
                    f"output {name!r} is {got} near the point, but {list(u.shape)} at it"
                )
                return False
        return True


def _lengths(v: Array) -> tuple[float, float]:
    """Longest entry, and the sum of squares beside it."""
    longest = float(np.max(np.abs(v), initial=0.0))
    return longest, _squares(v / longest) if longest > 0.0 else 0.0


def _squares(array: Array) -> float:
    if array.dtype.kind == "c":
        return float(np.sum(np.abs(array) ** 2))
    return float(np.sum(array * array))


def _projected_difference(u: Array, left: Array, right: Array) -> float:
    if u.size <= BLOCK:
        total = float(np.vdot(u, _change(left, right)).real)
    else:
        weights, ends, starts = u.reshape(-1), left.reshape(-1), right.reshape(-1)
        total = sum(
            float(np.vdot(weights[part], _change(ends[part], starts[part])).real)
            for part in blocks(u.size)
        )
    if math.isfinite(total):
        return total
    # inf - inf is undefined, but an output that stays at the same infinity does not move.
    still = (left == right) | (u == 0)
    return float(np.real(np.vdot(u, np.where(still, 0, _change(left, right)))))


def _change(left: Array, right: Array) -> Array:
    change = left - right if left.dtype.kind in "fc" else left.astype(float) - right
    return change.astype(np.float64) if change.dtype.itemsize < 8 else change


def _sum_of_sizes(array: Array) -> float:
    if array.size > 0 and array.dtype == np.float64:
        return float(dasum(array.reshape(-1)))
    return float(np.add.reduce(np.abs(array), axis=None))


def rounding_of(cotangent: Inputs, outputs: Inputs) -> float:
    """One unit in the last place of every finite term of ``<u, f>``, added up.

    >>> rounding_of({"out": np.ones(1)}, {"out": np.array([1.0])}) == 2.0**-52
    True
    """
    total = 0.0
    with np.errstate(all="ignore"):
        for name, u in cotangent.items():
            output = outputs[name]
            if output.dtype.kind not in "fc":
                continue
            terms, size = _sum_of_sizes(u * output), _sum_of_sizes(u)
            if not math.isfinite(terms):
                terms = float(np.sum(np.abs(u) * np.abs(output), where=np.isfinite(output)))
            total += float(np.finfo(output.dtype).eps) * terms + UNDERFLOW * max(1.0, size)
    return total
