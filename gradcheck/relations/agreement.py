"""How far two arrays are apart, and how far they may be by rounding alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from gradcheck.trees import Array

ROUNDING = 1e3
"""Multiples of the machine epsilon allowed before noise is measured: sums of 1e6 terms, twice."""

COARSEST = 0.05
"""The allowance never exceeds this fraction: a thousand float16 epsilons would allow anything."""

LOW_PRECISION = 1e-5
"""Below this fraction of an array's size a disagreement may be float32 arithmetic inside."""

JITTER = 4.0
"""Units in the last place by which numbers are moved to see what rounding does."""

DIGITS = 2.0**9, 2.0**6, 2.0**3
"""The parity of this digit of a mantissa sends an entry up or down; float16 has it too. One digit
may send all entries of a small array the same way, and show no rounding."""

WAYS = len(DIGITS) + 1
"""Ways to move numbers: by a digit, which keeps ties, and last by place, which does not: where
all are equal, sums round as they are ordered."""

LARGE = 4096
"""Entries above which memory traffic costs more than the interpreter."""

WORDS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
"""Unsigned integers by their size in bytes."""

UNDERFLOW = 2.0**12 * 2.0**-1074
"""Subnormal numbers have an absolute rounding error; four thousand of it are no disagreement: a
number that was flushed may be multiplied afterwards, by the 745 beyond which exp underflows."""


def same_bits(left: Array, right: Array) -> bool:
    """Whether two arrays have the same shape, dtype and bytes (so nan equals nan, 0 is not -0).

    >>> same_bits(np.array([np.nan]), np.array([np.nan])), same_bits(np.ones(2), np.ones((1, 2)))
    (True, False)
    """
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if left.size <= LARGE:
        return left.tobytes() == right.tobytes()
    if left.dtype.kind == "c":
        return same_bits(left.real, right.real) and same_bits(left.imag, right.imag)
    words = WORDS.get(left.dtype.itemsize)
    if words is None:
        return left.tobytes() == right.tobytes()
    return bool((left.view(words) == right.view(words)).all())


def discrepancy(got: Array, expected: Array) -> float:
    """Largest absolute difference; ``inf`` for other shapes, or where only one is finite.

    >>> discrepancy(np.array([1.0, np.inf]), np.array([1.5, np.inf]))
    0.5
    >>> discrepancy(np.array([np.nan]), np.array([0.0]))
    inf
    """
    if got.shape != expected.shape:
        return float("inf")
    if got.size == 0 or (got.size <= LARGE and same_bits(got, expected)):
        return 0.0
    with np.errstate(all="ignore"):
        difference = np.subtract(got, expected, dtype=_wide(got.dtype, expected.dtype))
        worst = largest(difference)
        if math.isfinite(worst):
            return worst if worst > UNDERFLOW else 0.0
        agree = (got == expected) | (np.isnan(got) & np.isnan(expected))
        distance = np.where(agree, 0.0, np.abs(difference))
    return float(np.nan_to_num(distance, nan=np.inf, posinf=np.inf).max())


@cache
def _wide(left: np.dtype[Any], right: np.dtype[Any]) -> np.dtype[Any]:
    return np.result_type(left, right, np.float64)


def largest(array: Array) -> float:
    """Largest absolute value of a non-empty array, nan if there is one.

    >>> largest(np.array([1.0, -2.0]))
    2.0
    """
    if array.dtype.kind == "f" and array.size > LARGE:
        high, low = np.maximum.reduce(array, axis=None), np.minimum.reduce(array, axis=None)
        return max(float(high), -float(low))  # without an array of absolute values
    return float(np.abs(array).max())


def magnitude(array: Array) -> float:
    """Largest finite absolute value; 0 for an array without one.

    >>> magnitude(np.array([1.0, -3.0, np.inf]))
    3.0
    """
    if array.size == 0:
        return 0.0
    worst = largest(array)
    if math.isfinite(worst):
        return worst
    sizes = np.abs(array)
    return float(np.max(sizes, where=np.isfinite(sizes), initial=0.0))


def epsilon(arrays: Iterable[Array]) -> float:
    """Machine epsilon of the coarsest floating dtype among ``arrays``.

    >>> epsilon([np.ones(1), np.ones(1, np.float32), np.ones(1, int)]) == 2**-23
    True
    """
    kinds = {array.dtype for array in arrays if array.dtype.kind in "fc"}
    return max(map(_eps, kinds), default=2.0**-52)


@cache
def _eps(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).eps)


def allowance(eps: float) -> float:
    """Relative difference that rounding alone may leave.

    >>> allowance(2.0**-52) < 1e-12, allowance(2.0**-10)
    (True, 0.05)
    """
    return min(ROUNDING * eps, COARSEST)


def is_numeric(array: Array) -> bool:
    """Whether the entries are numbers that can be compared.

    >>> is_numeric(np.ones(1)), is_numeric(np.array(["a"]))
    (True, False)
    """
    return array.dtype.kind in "fciub"


def jittered(array: Array, way: int = 0) -> Array:
    """Every entry moved up or down by a few units in its last place, so that it rounds anew.

    Zeros stay zero; but for the last of the `WAYS` the direction depends on the entry's own digits,
    and ties stay tied.

    >>> x = np.array([1.0, 0.0, 1.0])
    >>> y = jittered(x); bool(y[0] == y[2] != 1.0), float(y[1])
    (True, 0.0)
    >>> y = jittered(np.ones(2), WAYS - 1); bool(y[0] == y[1])
    False
    """
    if array.dtype.kind not in "fc":
        return array
    with np.errstate(all="ignore"):
        odd = _odd_digits(array, DIGITS[way]) if way < len(DIGITS) else _odd_places(array)
        moved = array * (1 + JITTER * _eps(array.dtype) * (1 - 2 * odd))
    return np.asarray(moved, dtype=array.dtype)


def _odd_digits(array: Array, digit: float) -> Array:
    mantissa = np.frexp(array.real.astype(np.float64))[0]
    return np.asarray(np.floor(mantissa * digit) % 2)


def _odd_places(array: Array) -> Array:
    """The parity of the bits of each place (Thue and Morse): neighbouring rows seldom go alike."""
    bits = np.arange(array.size)
    for shift in (32, 16, 8, 4, 2, 1):
        bits ^= bits >> shift
    return np.asarray((bits & 1).reshape(array.shape), dtype=np.float64)


def worst_entry(got: Array, expected: Array) -> tuple[int, ...]:
    """Index of the entry where two arrays of one shape differ most."""
    with np.errstate(all="ignore"):
        distance = np.abs(np.subtract(got, expected, dtype=np.result_type(got, expected, float)))
        agree = (got == expected) | (np.isnan(got) & np.isnan(expected))
    distance = np.where(agree, 0.0, distance)
    flat = int(np.argmax(np.nan_to_num(distance, nan=np.inf, posinf=np.inf)))
    return tuple(int(i) for i in np.unravel_index(flat, got.shape))


def shown(name: str, got: Array, expected: Array) -> str:
    """Where two arrays differ most, in words: ``x[1]: got 2.0, expected 1.0``.

    >>> shown("x", np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    'x[1]: got 2.0, expected 1.0'
    """
    if got.shape != expected.shape:
        return f"{name}: got shape {got.shape}, expected {expected.shape}"
    index = worst_entry(got, expected)
    path = f"{name}[{', '.join(map(str, index))}]" if index else name
    return f"{path}: got {got[index].item()!r}, expected {expected[index].item()!r}"
