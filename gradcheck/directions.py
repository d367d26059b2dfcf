"""Directions and cotangents: Gaussian, and scaled to the coordinates they move."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from scipy.special import ndtri

from gradcheck.trees import BLOCK, Array, blocks

SMALLEST_SHARE = 2.0**-7
"""A coordinate moves with at least this share of the typical size of its array: zeros must move,
and a stray 1e-8 among ones must not be drowned in the rounding of the function."""

AS_GOOD_AS_ZERO = 1e-200
"""An array of nothing but smaller numbers is taken for zeros: such numbers come from a search for
special values, not from a unit of measurement, and steps of their size would underflow."""

OFF_GRID = 0.87431
"""Coordinate steps are no round numbers: a function's last bits should show its own grain."""

LAST_PLACE = np.uint16(4095)
"""The last of the places that 12 bits can name."""

UNEVEN = 0.382
"""Place of each number within its share of probability. In the middle (0.5) the largest number and
the smallest would be opposites, and a maximum would change alike both ways."""

OFFSET_SHARE = 2.0**-36
"""Shortest scale of numbers that share a large offset: sixteen bits must be left to step by."""

SQUARES = 1e-140
"""Between this and its inverse, sums of squares stay in range."""

LARGE = 512
"""From this many entries on, normal numbers are looked up by 12 random bits each: here as fast as
drawing them, for large arrays many times as fast. Their 4096 distinct values are still far from the
two of Rademacher's."""

SCATTERED = 1024
"""Entries of a large array that a direction moves where only a gross error is looked for."""

FIRST_ENTRIES = 64
"""Of a large array: enough to show that its entries are not all near each other."""


class _Hashed(ISeedSequence):
    """A seed that was hashed before."""

    def __init__(self, words: Array) -> None:
        self.words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Array:
        """The words, all that the one generator below asks for."""
        assert (n_words, np.dtype(dtype)) == (self.words.size, self.words.dtype)
        return self.words


@lru_cache(maxsize=64)
def _hashed(seed: int) -> _Hashed:
    return _Hashed(np.random.SeedSequence(seed).generate_state(4, np.uint64))


def seeded(seed: int) -> np.random.Generator:
    """`numpy.random.default_rng`, which takes ten times as long to hash the same seed again.

    >>> bool(seeded(3).random() == np.random.default_rng(3).random())
    True
    """
    bits = np.random.PCG64(_hashed(int(seed)))  # type: ignore[arg-type]  # no seed in the stubs
    return np.random.Generator(bits)


def coordinate_scales(x: Array) -> Array:
    """Size of each entry, or the least share of its array; 0 for entries that are infinite.

    >>> coordinate_scales(np.array([5.0, 0.0, -0.3])).round(4).tolist()
    [5.0, 0.0226, 0.3]
    """
    size = np.asarray(np.abs(x), dtype=np.float64)
    largest = float(np.maximum.reduce(size, axis=None, initial=0.0))
    finite: Any = True
    if not math.isfinite(largest):
        finite = np.isfinite(size)
        size = np.where(finite, size, 0.0)
        largest = float(size.max(initial=0.0))
    if largest < AS_GOOD_AS_ZERO:
        return np.where(finite, np.ones(x.shape), 0.0)
    flat = size.reshape(-1)
    if SQUARES < largest < 1 / SQUARES:
        typical = math.sqrt(float(flat @ flat) / flat.size)
    else:  # squares would leave the range
        typical = largest * math.sqrt(float(np.mean((flat / largest) ** 2)))
    least = SMALLEST_SHARE * typical
    scales = np.maximum(size, least, out=size if size.ndim else None)
    if _has_offset(x, least):
        # Numbers far from zero and near each other: what they are made of is their differences.
        scales = np.full(x.shape, max(_spread(x), OFFSET_SHARE * typical))
    return scales if finite is True else np.where(finite, scales, 0.0)


def _has_offset(x: Array, least: float) -> bool:
    """Whether real entries are all nearer to each other than ``least``, but not all the same."""
    if x.size < 2 or x.dtype.kind != "f":
        return False
    if abs(float(x.item(0)) - float(x.item(-1))) >= least:
        return False  # as nearly always; the rest need not be read
    if x.size > LARGE and _spread(x.flat[:FIRST_ENTRIES]) >= least:
        return False
    return 0.0 < _spread(x) < least


def _spread(x: Array) -> float:
    """Largest distance between real entries; 0 where some are not finite."""
    spread = float(x.max()) - float(x.min())
    return spread if math.isfinite(spread) else 0.0


@cache
def _quantiles() -> Array:
    """Standard normal numbers at 4096 equally likely places."""
    return np.asarray(ndtri((np.arange(4096) + UNEVEN) / 4096))


def gaussian(generator: np.random.Generator, like: Array) -> Array:
    """Standard normal numbers in the shape of ``like``, complex where it is complex."""
    drawn: Array = _normal(generator, like)
    if like.dtype.kind == "c":
        drawn = drawn + 1j * _normal(generator, like)
    return drawn


def _normal(generator: np.random.Generator, like: Array) -> Array:
    if like.size < LARGE:
        return np.asarray(generator.standard_normal(like.shape))
    places = _random_places(generator, like.size)
    if like.size <= BLOCK:
        return _quantiles().take(places & LAST_PLACE, mode="clip").reshape(like.shape)
    drawn = np.empty(like.size)
    for part in blocks(like.size):
        _quantiles().take(places[part] & LAST_PLACE, out=drawn[part], mode="clip")
    return drawn.reshape(like.shape)


def _random_places(generator: np.random.Generator, count: int) -> Array:
    """So many random uint16: four to each word that the generator makes."""
    words = generator.bit_generator.random_raw(-(-count // 4))
    return words.view(np.uint16)[:count]


def direction(generator: np.random.Generator, x: Array) -> Array:
    """A Gaussian direction, scaled per coordinate."""
    return _scaled_to(x, gaussian(generator, x))


def scattered_direction(generator: np.random.Generator, x: Array) -> tuple[Any, Array]:
    """Where entries move, and how far: one of each stretch of a large array, that much farther.

    As random as it takes to see a gross error. The places index the entries in C order.
    """
    stretch = x.size // SCATTERED
    if stretch < 2:
        return slice(None), direction(generator, x).reshape(-1)
    places = np.arange(SCATTERED) * stretch + generator.integers(stretch, size=SCATTERED)
    return places, math.sqrt(stretch) * direction(generator, x.reshape(-1)[places])


def _scaled_to(x: Array, drawn: Array) -> Array:
    """Drawn numbers times the scales of their coordinates, in the memory of the former."""
    least = _least_scale(x) if x.size > BLOCK else None
    if least is None:
        scales = coordinate_scales(x)
        return np.asarray(np.multiply(drawn, scales, out=drawn if drawn.ndim else None))
    flat, moved = x.reshape(-1), drawn.reshape(-1)
    for part in blocks(x.size):
        moved[part] *= np.maximum(np.abs(flat[part]), least)
    return drawn


def _least_scale(x: Array) -> float | None:
    """The least of `coordinate_scales`, where the others are the sizes of the entries."""
    if x.dtype not in (np.float64, np.complex128):
        return None
    flat = x.reshape(-1)
    squares = sum(float(np.vdot(flat[part], flat[part]).real) for part in blocks(x.size))
    typical = math.sqrt(squares / x.size)
    if not (typical > SQUARES and math.sqrt(squares) < 1 / SQUARES):
        return None
    least = SMALLEST_SHARE * typical
    return None if _has_offset(x, least) else least


def along(x: Array, flat: int, size: float, part: str = "real") -> Array:
    """A direction that moves one entry of ``x`` only, by a length near ``size``."""
    moved = np.zeros(x.shape, dtype=np.complex128 if x.dtype.kind == "c" else np.float64)
    moved.reshape(-1)[flat] = size * OFF_GRID * (1j if part == "imag" else 1.0)
    return moved
