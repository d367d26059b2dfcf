"""An array as a short recipe: few bytes that print, shrink, and give the same array anywhere.

Hypothesis draws the recipe, not the entries: ten thousand entries cost as much as ten. The numbers
of an entry depend on its index and on the recipe only, so that a smaller shape keeps the entries
it still has.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import InvalidArgument
from gradcheck.strategies import domains
from gradcheck.strategies.domains import Interval, Number
from gradcheck.strategies.layouts import with_layout

Array = NDArray[Any]
Domain = str | tuple[float, float]

CODES = 64
"""Most codes of one recipe, and the entries that take them in turn; beyond, a hash chooses."""

DISTINCT_GAP = 0.125
"""Distance of neighbours in a domain without ties: far beyond any differencing step."""

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


def coded_array(
    shape: Sequence[int],
    *,
    seed: int = 0,
    codes: bytes = b"\0",
    continuous: bool = False,
    dtype: str = "float64",
    domain: Domain = "real",
    scale: float = 1.0,
    offset: float = 0.0,
    include: tuple[Number, ...] = (),
    layout: str = "C",
) -> Array:
    """The array a recipe describes.

    Parameters
    ----------
    shape : sequence of int
    seed : int
        Chooses the codes of entries beyond the first 64, and the jitter of a continuous array.
    codes : bytes
        At most 64 codes of numbers, taken in turn: one code gives a constant array. Code 0 is the
        simplest number of the domain: 0.0 wherever that is allowed.
    continuous : bool
        False gives ties and exact zeros; True moves every number other than zero by up to half
        of its distance to the ends of the domain.
    dtype : str
        A float, complex, integer or boolean dtype.
    domain : str or (low, high)
        ``real``, ``positive``, ``nonnegative``, ``unit`` (open), closed bounds, or a structure:
        ``simplex`` and ``one_hot`` along the last axis, ``distinct``; ``diagonal``,
        ``symmetric`` and ``spd`` over the last two axes.
    scale, offset : float
        Every number is multiplied by ``scale``, then moved by ``offset``.
    include : tuple of numbers
        Further numbers, among the first codes: ``-inf``, or a threshold of the function.
    layout : str
        See `with_layout`.

    Returns
    -------
    ndarray

    Raises
    ------
    InvalidArgument
        If the domain, the dtype or the layout is unknown, or the domain is empty.

    Examples
    --------
    >>> coded_array((2, 2), codes=b"\\x01\\x02\\x00\\x03")
    array([[ 1., -1.],
           [ 0.,  2.]])
    >>> coded_array((3,), codes=b"\\x01", domain="simplex")
    array([0.33333333, 0.33333333, 0.33333333])
    """
    kind = _dtype(dtype)
    recipe = _Recipe(tuple(shape), seed, _numbered(codes), continuous, kind, scale, offset, include)
    with np.errstate(all="ignore"):
        array = _STRUCTURES.get(domain, _Recipe.plain)(recipe, domain)
    return array if layout == "C" else with_layout(array, layout)


def _dtype(dtype: Any) -> np.dtype[Any]:
    try:
        kind: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind.kind not in "fciub":
        raise InvalidArgument(
            f"dtype: got {dtype!r}, expected one of numbers or bool. Do: correct it."
        )
    return kind


def _numbered(codes: bytes) -> Array:
    if not 0 < len(codes) <= CODES:
        raise InvalidArgument(f"codes: got {len(codes)}, expected 1 to {CODES}. Do: correct it.")
    return np.frombuffer(codes, np.uint8).astype(np.intp)


class _Recipe:
    """One recipe being carried out."""

    def __init__(
        self,
        shape: tuple[int, ...],
        seed: int,
        codes: Array,
        continuous: bool,
        dtype: np.dtype[Any],
        scale: float,
        offset: float,
        include: tuple[Number, ...],
    ) -> None:
        self.shape = shape
        self.seed = seed
        self.codes = codes
        self.continuous = continuous
        self.dtype = dtype
        self.scale = scale
        self.offset = offset
        self.include = include

    def plain(self, domain: Domain) -> Array:
        """Independent entries of an interval."""
        bounds = domains.interval(domain)
        if self.dtype.kind == "b":
            return np.asarray(self.raw(self.shape) % 2 == 1)
        if self.dtype.kind == "c":
            return self.complex(bounds)
        return self.entries(self.shape, bounds)

    def complex(self, bounds: Interval) -> Array:
        part = np.empty(0, self.dtype).real.dtype
        real = self.entries(self.shape, bounds, part)
        imaginary = self.entries(self.shape, bounds, part, salt=1)
        return np.asarray(real + 1j * imaginary).astype(self.dtype, copy=False)

    def raw(self, shape: tuple[int, ...], salt: int = 0) -> Array:
        """The code of every entry."""
        codes = self.codes[::-1] if salt else self.codes
        return np.asarray(codes[_places(shape, self.seed) % len(codes)])

    def entries(
        self,
        shape: tuple[int, ...],
        bounds: Interval,
        dtype: np.dtype[Any] | None = None,
        salt: int = 0,
    ) -> Array:
        """Numbers of the interval, coded, jittered, scaled and shifted."""
        dtype = self.dtype if dtype is None else dtype
        book = domains.codebook(bounds, dtype.str, self.include).numbers
        numbers = np.asarray(book[self.raw(shape, salt) % len(book)])
        if dtype.kind in "iu":
            return numbers
        if self.continuous:
            numbers = _jittered(numbers, bounds, _uniform(shape, self.seed + salt))
        return _into(bounds, numbers, self._moved(numbers, bounds), dtype)

    def _moved(self, numbers: Array, bounds: Interval) -> Array:
        if self.scale != 1 and bounds.is_cone:
            numbers = numbers.astype(np.float64) * self.scale
        if self.offset != 0 and bounds.is_line:
            numbers = numbers.astype(np.float64) + self.offset
        return numbers

    def one_hot(self, _: Domain) -> Array:
        """One entry of the last axis is 1, the others are 0."""
        *rows, classes = _last_axes(self.shape, 1, "one_hot")
        hot = self.raw(tuple(rows)) % max(classes, 1)
        return np.asarray(hot[..., np.newaxis] == np.arange(classes)).astype(self.dtype)

    def simplex(self, _: Domain) -> Array:
        """Positive numbers that sum to 1 along the last axis."""
        _last_axes(self.shape, 1, "simplex")
        parts = self.entries(self.shape, domains.INTERVALS["positive"], np.dtype(np.float64))
        shares = parts / parts.max(axis=-1, keepdims=True, initial=0)
        shares = shares / shares.sum(axis=-1, keepdims=True)
        return np.asarray(np.maximum(shares, np.finfo(self.dtype).tiny).astype(self.dtype))

    def distinct(self, _: Domain) -> Array:
        """No two entries closer than DISTINCT_GAP (times the scale)."""
        numbers = np.atleast_1d(self.entries(self.shape, domains.INTERVALS["real"])).ravel()
        return _spread_apart(numbers, DISTINCT_GAP * self.scale).reshape(self.shape)

    def diagonal(self, _: Domain) -> Array:
        """Zero beside the diagonal of the last two axes."""
        size = _square(self.shape, "diagonal")
        entries = self.entries(self.shape, domains.INTERVALS["real"])
        return np.where(np.eye(size, dtype=bool), entries, np.zeros((), self.dtype))

    def symmetric(self, _: Domain) -> Array:
        """Equal to its transpose over the last two axes."""
        _square(self.shape, "symmetric")
        lower = np.tril(self.entries(self.shape, domains.INTERVALS["real"]))
        return np.asarray(lower + np.swapaxes(np.tril(lower, -1), -1, -2))

    def spd(self, _: Domain) -> Array:
        """Symmetric positive definite: unit lower triangles around a positive diagonal."""
        size = _square(self.shape, "spd")
        below = np.tril(self.entries(self.shape, Interval(-2, 2)), -1)
        squares = self.entries(self.shape, domains.INTERVALS["positive"])
        diagonal = np.diagonal(squares, axis1=-2, axis2=-1)[..., np.newaxis, :]
        factor = np.eye(size, dtype=self.dtype) + below
        product = (factor * diagonal) @ np.swapaxes(factor, -1, -2)
        return np.asarray((product + np.swapaxes(product, -1, -2)) / 2).astype(self.dtype)


_STRUCTURES: dict[Any, Any] = {
    "one_hot": _Recipe.one_hot,
    "simplex": _Recipe.simplex,
    "distinct": _Recipe.distinct,
    "diagonal": _Recipe.diagonal,
    "symmetric": _Recipe.symmetric,
    "spd": _Recipe.spd,
}


def _last_axes(shape: tuple[int, ...], count: int, domain: str) -> tuple[int, ...]:
    if len(shape) < count:
        raise InvalidArgument(
            f"shape: got {shape}, expected at least {count} axes for {domain!r}. Do: add them."
        )
    return shape


def _square(shape: tuple[int, ...], domain: str) -> int:
    *_, rows, columns = _last_axes(shape, 2, domain)
    if rows != columns:
        raise InvalidArgument(
            f"shape: got {shape}, expected a square matrix for {domain!r}. Do: correct it."
        )
    return columns


def _jittered(numbers: Array, bounds: Interval, uniform: Array) -> Array:
    """Numbers moved by up to half of their room; those on an end, at zero or infinite stay."""
    room = np.minimum(np.abs(numbers), np.minimum(numbers - bounds.low, bounds.high - numbers))
    room = np.where(np.isfinite(room), room, 0)
    return np.asarray(numbers + room * (uniform - 0.5))


def _into(bounds: Interval, asked: Array, numbers: Array, dtype: np.dtype[Any]) -> Array:
    """Numbers in their dtype; those that moving or rounding took out go to the ends."""
    info = np.finfo(dtype)
    low = _inner(bounds.low, bounds.open_low, dtype, np.inf)
    high = _inner(bounds.high, bounds.open_high, dtype, -np.inf)
    finite = np.clip(numbers, max(low, info.min), min(high, info.max))
    return np.where(np.isinf(asked), asked, finite).astype(dtype, copy=False)


@lru_cache(maxsize=256)
def _inner(end: float, is_open: bool, dtype: np.dtype[Any], inwards: float) -> float:
    if np.isinf(end) or not is_open:
        return end
    # A subnormal is no honest member of an open interval: its inverse overflows.
    if end == 0:
        return float(np.copysign(np.finfo(dtype).tiny, inwards))
    return float(np.nextafter(dtype.type(end), dtype.type(inwards)))


def _spread_apart(numbers: Array, gap: float) -> Array:
    order = np.argsort(numbers, kind="stable")
    steps = gap * np.arange(numbers.size)
    apart = np.empty_like(numbers)
    apart[order] = np.maximum.accumulate(numbers[order] - steps) + steps
    return apart


def _places(shape: tuple[int, ...], seed: int) -> Array:
    """Position of every entry's code, the same for the same index in any shape."""
    places, beyond = _grid_places(shape)
    if beyond is None:
        return places
    hashed = (_scrambled(_keys(shape), 2 * seed) % np.uint64(CODES)).astype(np.intp)
    return np.where(beyond, hashed, places)


@lru_cache(maxsize=512)
def _grid_places(shape: tuple[int, ...]) -> tuple[Array, Array | None]:
    """Positions inside the cube of the first cells, and which entries lie beyond it."""
    ranks = _ranks(len(shape))
    indices = np.indices(shape, sparse=True)
    last = ranks.shape[0] - 1 if ranks.ndim else 0
    places = np.asarray(ranks[tuple(np.minimum(index, last) for index in indices)])
    beyond = places >= CODES
    for index in indices:
        beyond = beyond | (index > last)
    return places, (beyond if beyond.any() else None)


@lru_cache(maxsize=32)
def _ranks(ndim: int) -> Array:
    """Cells of a cube counted shell by shell: a small array uses small positions only."""
    side = _SIDES.get(ndim, 1)
    cells = np.indices((side,) * ndim)
    shell = cells.max(axis=0, initial=0) if ndim else np.zeros(())
    ranks = np.empty(shell.size, np.intp)
    ranks[np.argsort(shell.ravel(), kind="stable")] = np.arange(shell.size)
    return ranks.reshape(shell.shape)


_SIDES = {1: 64, 2: 8, 3: 4, 4: 3, 5: 3, 6: 2}
"""Side of the smallest cube of at least CODES cells, by number of axes."""


@lru_cache(maxsize=64)
def _keys(shape: tuple[int, ...]) -> Array:
    """A number for every index, the same in any shape."""
    key = np.zeros(shape, np.uint64)
    for axis, index in enumerate(np.indices(shape, sparse=True)):
        weight = np.array(pow(_GOLDEN, axis + 1, _MASK + 1), np.uint64)
        key = key + (index.astype(np.uint64) + np.array(axis + 1, np.uint64)) * weight
    return key


def _scrambled(keys: Array, salt: int) -> Array:
    """SplitMix64 (Steele, Lea, Flood 2014), which gives the same numbers on every platform."""
    start = np.array((salt * _GOLDEN + _GOLDEN) & _MASK, np.uint64)
    z = keys ^ start
    z = (z ^ (z >> np.uint64(30))) * np.array(0xBF58476D1CE4E5B9, np.uint64)
    z = (z ^ (z >> np.uint64(27))) * np.array(0x94D049BB133111EB, np.uint64)
    return np.asarray(z ^ (z >> np.uint64(31)))


def _uniform(shape: tuple[int, ...], seed: int) -> Array:
    """Numbers in [0, 1), one for every entry."""
    return np.asarray((_scrambled(_keys(shape), 2 * seed + 1) >> np.uint64(11)) * 2.0**-53)
