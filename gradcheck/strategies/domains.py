"""Which numbers an array may hold, and the short book of them that examples are spelled with.

A domain maps into its range; nothing is ever drawn and thrown away. Every book lists its numbers
from simple to strange, so that a smaller code is a simpler number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import InvalidArgument

Array = NDArray[Any]
Number = int | float | complex

GRID = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0)
"""Few and exactly representable, so that ties, zeros and cancellations happen all the time."""

MODERATE = (-3.0, 4.0, -4.0, 1.5, -1.5, 0.25, -0.25, 5.0, -5.0, 0.1, -0.1, 7.0, -7.0, 10.0, -10.0)
"""With GRID: where every function of practice is at ease."""

STRANGE = (
    *(-0.0, 1e-3, -1e-3, 1e-8, -1e-8),
    *(20.0, -20.0, 40.0, -40.0),  # sigmoid rounds to 1 beyond 37
    *(90.0, -90.0),  # exp overflows float32 at 88.7
    *(100.0, -100.0, 711.0, -711.0, 1e3, -1e3),  # exp overflows float64 at 709.8
    *(1e4, -1e4, 7e4, -7e4),  # the largest float16 is 65504
    *(1e-20, -1e-20, 1e6, -1e6, 1e-50, -1e-50),
    *(1e-150, -1e-150, 1e-300, -1e-300),  # squares underflow, their inverses overflow
)
"""No larger ones: beside 1e10 a one loses most of its digits, right code rounds it away, and no bug
of the corpus needs it. Whole arrays may be far larger, see `gradcheck.strategies.case.SCALES`."""

FRACTIONS = (0.5, 0.25, 0.75, 0.125, 0.9, 0.1, 0.375, 0.99, 0.01, 0.999, 0.001, 1 - 1e-8, 1e-8)
"""Positions inside a bounded interval, as a share of its width."""

BOOK_LENGTH = 256
"""One code is one byte."""

LARGEST_INTEGER = 100
"""Integers stand for exponents, counts and indices: 2**100 is strange enough."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers from ``low`` to ``high``; an open end is never taken."""

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False

    def holds(self, numbers: Array) -> Array:
        """Which of the numbers lie inside."""
        above = numbers > self.low if self.open_low else numbers >= self.low
        below = numbers < self.high if self.open_high else numbers <= self.high
        return np.asarray(above & below)

    @property
    def is_cone(self) -> bool:
        """Whether multiplying by a positive number stays inside."""
        return all(end == 0 or math.isinf(end) for end in (self.low, self.high))

    @property
    def is_line(self) -> bool:
        """Whether adding any number stays inside."""
        return math.isinf(self.low) and math.isinf(self.high)


INTERVALS = {
    "real": Interval(-math.inf, math.inf, True, True),
    "positive": Interval(0.0, math.inf, True, True),
    "nonnegative": Interval(0.0, math.inf, False, True),
    "unit": Interval(0.0, 1.0, True, True),
}
"""Domains that are intervals. ``unit`` leaves out both ends, where a logarithm has its poles."""

STRUCTURED = {
    "simplex": "real",
    "one_hot": "real",
    "distinct": "real",
    "diagonal": "real",
    "symmetric": "real",
    "spd": "real",
}
"""Domains that tie entries together, and the interval their free entries are drawn from."""


def interval(domain: Any) -> Interval:
    """The interval a domain draws its entries from.

    Raises
    ------
    InvalidArgument
        If the domain is neither a known name nor a pair ``(low, high)`` that holds a number.

    >>> interval((0, 2))
    Interval(low=0.0, high=2.0, open_low=False, open_high=False)
    """
    if isinstance(domain, str):
        return _named_interval(domain)
    low, high = _pair(domain)
    if not low <= high or low == math.inf or high == -math.inf:
        raise InvalidArgument(
            f"domain: got ({low}, {high}), which is empty, expected low <= high. Do: correct it."
        )
    return Interval(low, high, math.isinf(low), math.isinf(high))


def _named_interval(name: str) -> Interval:
    if name not in INTERVALS and name not in STRUCTURED:
        known = ", ".join([*INTERVALS, *STRUCTURED])
        raise InvalidArgument(
            f"domain: got {name!r}, expected {known} or (low, high). Do: correct it."
        )
    return INTERVALS[STRUCTURED.get(name, name)]


def _pair(domain: Any) -> tuple[float, float]:
    try:
        low, high = domain
        return float(low), float(high)
    except (TypeError, ValueError):
        raise InvalidArgument(
            f"domain: got {domain!r}, expected a name or a pair (low, high). Do: correct it."
        ) from None


@dataclass(frozen=True)
class Codebook:
    """Numbers of one interval and dtype, from simple to strange, and tables that pick among them.

    A table translates 256 random bytes into codes of this book: the same bytes give ties under
    one table and magnitudes from all over the dtype under another.
    """

    numbers: Array
    asked_for: frozenset[float] = frozenset()
    """Numbers that no one calls moderate, but that lie all over an interval with ends."""

    @cached_property
    def tables(self) -> dict[str, bytes]:
        """Translation tables by regime.

        Small bytes mean the same code under every table, so that a failing example can shrink
        from a strange regime into a simple one without changing its numbers.
        """
        simple = list(range(min(len(GRID), len(self.numbers))))
        moderate = self._moderate() or simple
        first = [code if code in moderate else moderate[0] for code in simple]
        zero = simple[0]
        return {
            "grid": _table(simple),
            "ties": _table(simple[:2]),
            "sparse": _table([*simple[:3], *[zero] * 5]),
            "generic": bytes(1) + _table([*first, *moderate[len(simple) :]])[1:],
            "wide": _table(list(range(len(self.numbers)))),
        }

    def _moderate(self) -> list[int]:
        with np.errstate(all="ignore"):
            size = np.abs(self.numbers.astype(np.float64))
        moderate = (size >= 0.05) & (size <= 10)
        inside = np.isin(self.numbers, list(self.asked_for))
        return [int(code) for code in np.flatnonzero(moderate | inside)]


def _table(codes: list[int]) -> bytes:
    return bytes(codes[byte % len(codes)] for byte in range(BOOK_LENGTH))


@lru_cache(maxsize=256)
def codebook(bounds: Interval, dtype: str, include: tuple[Number, ...] = ()) -> Codebook:
    """The book of an interval, in one real dtype, with the numbers of ``include`` near its start.

    >>> codebook(INTERVALS["positive"], "float64").numbers[:4]
    array([1. , 2. , 0.5, 3. ])
    """
    kind = np.dtype(dtype)
    exact = kind.kind in "iu"
    found = _integers(bounds, kind) if exact else _reals(bounds, kind)
    book = _unique([*found[:1], *include, *found[1:]])[:BOOK_LENGTH]
    inside = () if exact else np.array(_inside(bounds)).astype(kind).tolist()
    return Codebook(np.array(book, dtype=kind), frozenset(inside))


def _reals(bounds: Interval, kind: np.dtype[Any]) -> list[float]:
    with np.errstate(all="ignore"):
        numbers = np.array(list(_candidates(bounds))).astype(kind)
        inside = numbers[bounds.holds(numbers) & np.isfinite(numbers)]
    if inside.size == 0:
        raise _empty(kind, bounds)
    return [float(number) for number in inside]


def _empty(kind: np.dtype[Any], bounds: Interval) -> InvalidArgument:
    return InvalidArgument(
        f"domain: got ({bounds.low}, {bounds.high}), in which lies no {kind}, expected at least "
        "one number. Do: widen it."
    )


def _candidates(bounds: Interval) -> Iterable[float]:
    if math.isinf(bounds.low) or math.isinf(bounds.high):
        finite = [end for end in (bounds.low, bounds.high) if end not in (0.0, *_INFINITE)]
        shifted = [end + number for end in finite for number in GRID]
        return [*GRID, *shifted, *MODERATE, *STRANGE]
    return [*GRID, bounds.low, bounds.high, *_inside(bounds), *MODERATE, *STRANGE]


def _inside(bounds: Interval) -> list[float]:
    """Numbers from all over an interval with two ends."""
    width = bounds.high - bounds.low
    return [bounds.low + width * share for share in FRACTIONS] if math.isfinite(width) else []


_INFINITE = (math.inf, -math.inf)


def _integers(bounds: Interval, kind: np.dtype[Any]) -> list[int]:
    limits = np.iinfo(kind)
    low = max(bounds.low + bounds.open_low, int(limits.min))
    high = min(bounds.high - bounds.open_high, int(limits.max))
    first = math.ceil(max(low, -LARGEST_INTEGER if low < 0 else low))
    last = math.floor(min(high, max(LARGEST_INTEGER, first) if math.isinf(bounds.high) else high))
    if first > last:
        raise _empty(kind, bounds)
    return _spread(first, last)


def _spread(first: int, last: int) -> list[int]:
    """Integers of a range, nearest zero first; of a long range both ends, and a grid between."""
    if last - first < BOOK_LENGTH:
        return sorted(range(first, last + 1), key=lambda number: (abs(number), number < 0))
    step = (last - first) // (BOOK_LENGTH // 2)
    ends = [end for i in range(BOOK_LENGTH // 4) for end in (first + i, last - i)]
    return _unique([*ends, *range(first, last, step)])


def _unique(numbers: Iterable[Any]) -> list[Any]:
    # 0.0 == -0.0, and both are wanted: the text tells them apart.
    return list({repr(number): number for number in numbers}.values())
