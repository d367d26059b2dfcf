"""The shape language: ``"n d"`` names axes, and axes of one name have one size in one test.

Integers are literal sizes, a leading ``...`` stands for any leading axes, ``""`` is a scalar.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeGuard

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from gradcheck.errors import InvalidArgument

SMALL = (1, 8)
"""Sizes of nearly every example: odd, even, one, a power of two, all in reach of shrinking."""

THRESHOLDS = (9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 769, 1025)
"""Where blocks end, unrolled loops change over and small counters overflow."""

LARGE_THRESHOLDS = (2049, 4097, 10_000, 32_769, 65_537, 70_001)
"""float16 counts to 2048 and ends at 65504, int16 at 32767: drawn where ``axes=`` allows them."""

DEFAULT_LARGEST = 129
"""A forward may loop in Python over an axis: more only for an axis whose bounds allow it."""

MOST_ENTRIES = 4096
"""Entries that an unasked-for threshold may give one array; a matrix of it is still cheap."""

ELLIPSIS = "..."

Bounds = int | tuple[int, int] | Sequence[int] | SearchStrategy[int]
Sizes = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """A parsed shape: names and literal sizes, and whether any leading axes go first."""

    axes: tuple[str | int, ...]
    leading: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Named axes in order of appearance, the leading ones as ``"..."``."""
        named = tuple(axis for axis in self.axes if isinstance(axis, str))
        return (ELLIPSIS, *named) if self.leading else named

    def resolve(self, sizes: Mapping[str, Any]) -> tuple[int, ...]:
        """The shape under the drawn sizes."""
        own = tuple(axis if isinstance(axis, int) else sizes[axis] for axis in self.axes)
        return (*sizes[ELLIPSIS], *own) if self.leading else own

    def __str__(self) -> str:
        return " ".join([*([ELLIPSIS] if self.leading else []), *map(str, self.axes)])


@cache
def parse_shape(text: Any) -> Shape:
    """A shape of the shape language; tuples of names and sizes are taken too.

    Raises
    ------
    InvalidArgument
        If it is no such shape.

    >>> parse_shape("... n 3")
    Shape(axes=('n', 3), leading=True)
    """
    tokens = text.split() if isinstance(text, str) else _tokens(text)
    leading = tokens[:1] == [ELLIPSIS]
    return Shape(tuple(_axis(token, text) for token in tokens[leading:]), leading)


def _tokens(shape: Any) -> list[Any]:
    if isinstance(shape, Shape):
        return [*([ELLIPSIS] if shape.leading else []), *shape.axes]
    if isinstance(shape, int) or not isinstance(shape, Iterable):
        raise InvalidArgument(
            f"shape: got {shape!r}, expected a text such as 'n d', or a tuple. Do: correct it."
        )
    return [ELLIPSIS if axis is Ellipsis else axis for axis in shape]


def _axis(token: Any, shape: Any) -> str | int:
    if isinstance(token, int) and not isinstance(token, bool) and token >= 0:
        return token
    if isinstance(token, str) and re.fullmatch(r"\d+", token):
        return int(token)
    if isinstance(token, str) and token.isidentifier():
        return token
    raise InvalidArgument(
        f"shape: got {shape!r} with the axis {token!r}, expected names, sizes such as 3, and '...' "
        "only in front. Do: separate the axes by spaces."
    )


@dataclass(frozen=True, slots=True)
class Axes:
    """What the axes of one test may be: bounds by name."""

    bounds: Mapping[str, Bounds] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, bounds in self.bounds.items():
            _check_bounds(name, bounds)

    def small(self, name: str) -> Sequence[int]:
        """Sizes of an ordinary example; one for an axis whose size a strategy draws."""
        bounds = self.bounds.get(name, SMALL)
        if isinstance(bounds, SearchStrategy):
            return (1,)
        if isinstance(bounds, int):
            return (bounds,)
        if _is_range(bounds):
            return range(bounds[0], min(bounds[1], bounds[0] + SMALL[1] - 1) + 1)
        return bounds

    def smallest(self, name: str) -> int:
        """The size that no example goes below."""
        bounds = self.bounds.get(name, SMALL)
        if isinstance(bounds, int):
            return bounds
        if isinstance(bounds, SearchStrategy):
            return sys.maxsize
        return bounds[0] if _is_range(bounds) else sys.maxsize

    def thresholds(self, name: str) -> tuple[int, ...]:
        """Larger sizes at which code is known to break."""
        bounds = self.bounds.get(name, (SMALL[0], DEFAULT_LARGEST))
        if isinstance(bounds, (int, SearchStrategy)) or not _is_range(bounds):
            return ()
        low, high = bounds
        asked = (*LARGE_THRESHOLDS, high) if high > DEFAULT_LARGEST else ()
        return tuple(size for size in (*THRESHOLDS, *asked, *asked, *asked) if low <= size <= high)

    def plans(self) -> range:
        """Plans under which one axis is put on a threshold."""
        asked = any(_is_range(b) and b[1] >= 2 * SMALL[1] for b in self.bounds.values())
        return ASKED_PLANS if asked else THRESHOLD_PLANS

    def largest_array(self, name: str) -> int:
        """Entries that a threshold on this axis may give one array."""
        bounds: Any = self.bounds.get(name)
        return max(MOST_ENTRIES, bounds[1] if _is_range(bounds) else 0)


def _is_range(bounds: Any) -> TypeGuard[tuple[int, int]]:
    return isinstance(bounds, tuple) and len(bounds) == 2


def _check_bounds(name: str, bounds: Any) -> None:
    expected = (
        "expected a size, (smallest, largest), a list of sizes or a strategy. Do: correct it."
    )
    if isinstance(bounds, SearchStrategy):
        return
    sizes = (bounds,) if isinstance(bounds, int) else bounds
    if not isinstance(sizes, Sequence) or isinstance(sizes, str) or not sizes:
        raise InvalidArgument(f"axes: got {bounds!r} for the axis {name!r}, {expected}")
    if any(not isinstance(size, int) or isinstance(size, bool) or size < 0 for size in sizes):
        raise InvalidArgument(f"axes: got {bounds!r} for the axis {name!r}, {expected}")
    if _is_range(bounds) and bounds[0] > bounds[1]:
        raise InvalidArgument(
            f"axes: got {bounds!r} for the axis {name!r}, between which lies no size, {expected}"
        )


DISTINCT_PLANS = range(12, 30)
"""Plans under which every axis gets a size of its own: half of all."""

THRESHOLD_PLANS = range(30, 32)
"""Plans under which one axis is large: one example in sixteen."""

ASKED_PLANS = range(22, 32)
"""The same where ``axes=`` asks for sizes that other plans do not have."""


PLANS = 32
"""How many plans there are."""

LARGEST_LEADING = 4
"""Size of an axis that ``...`` stands for; there are up to two."""

Choose = Callable[[int], int]
"""``choose(n)`` chooses one of ``n``."""


def choose_sizes(choose: Choose, shapes: Sequence[Shape], axes: Axes) -> Sizes:
    """Sizes for all named axes of some shapes.

    Half of the plans make all sizes differ, so that a transpose, a swapped axis or a wrong divisor
    cannot hide; one in sixteen puts one axis on a threshold. The number of choices depends on the
    names only.
    """
    plan, which_axis, which_size = choose(PLANS), choose(256), choose(256)
    sizes: Sizes = {}
    for name in axis_names(shapes):
        chosen = _choose_size(choose, name, axes)
        if plan in DISTINCT_PLANS and name not in axes.bounds and name != ELLIPSIS:
            chosen = _unused(chosen, sizes)
        sizes[name] = chosen
    if plan in axes.plans():
        _enlarge(which_axis, which_size, sizes, shapes, axes)
    return sizes


def _choose_size(choose: Choose, name: str, axes: Axes) -> Any:
    if name == ELLIPSIS:
        count, *leading = choose(3), choose(LARGEST_LEADING) + 1, choose(LARGEST_LEADING) + 1
        return tuple(leading[:count])
    small = axes.small(name)
    return small[choose(len(small))]


def axis_names(shapes: Sequence[Shape]) -> tuple[str, ...]:
    """Names of all axes, in order of appearance."""
    return tuple(dict.fromkeys(name for shape in shapes for name in shape.names))


def _unused(drawn: Any, sizes: Sizes) -> Any:
    taken = {size for size in sizes.values() if isinstance(size, int)}
    while drawn in taken:
        drawn += 1
    return drawn


def _enlarge(
    which_axis: int, which_size: int, sizes: Sizes, shapes: Sequence[Shape], axes: Axes
) -> None:
    """Put one axis on a threshold, the largest arrays staying affordable."""
    names = [name for name in sizes if name != ELLIPSIS and axes.thresholds(name)]
    if not names:
        return
    name = names[which_axis % len(names)]
    fitting = [size for size in axes.thresholds(name) if _fits(name, size, sizes, shapes, axes)]
    if fitting:
        sizes[name] = fitting[which_size % len(fitting)]


def _fits(name: str, size: int, sizes: Sizes, shapes: Sequence[Shape], axes: Axes) -> bool:
    larger = {**sizes, name: size}
    return all(_entries(shape, larger) <= axes.largest_array(name) for shape in shapes)


def _entries(shape: Shape, sizes: Sizes) -> int:
    entries = 1
    for size in shape.resolve(sizes):
        entries *= size
    return entries


_CURRENT: ContextVar[tuple[Sizes, Axes] | None] = ContextVar("sizes of this example", default=None)


@contextmanager
def sharing(sizes: Sizes, axes: Axes) -> Iterator[None]:
    """While open, every strategy of this package draws its shapes with these sizes."""
    token = _CURRENT.set((sizes, axes))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def draw_shape(draw: DrawFn, shape: Shape) -> tuple[int, ...]:
    """A shape for one array, agreeing with the others of the same test about named axes."""
    return shape.resolve({name: draw_size(draw, name) for name in shape.names})


def draw_size(draw: DrawFn, name: str) -> Any:
    """The size of one named axis in this example."""
    current = _CURRENT.get()
    if current is None:
        return draw(_shared(name))
    sizes, axes = current
    if name not in sizes:
        sizes[name] = draw(_alone(name, axes))
    return sizes[name]


@cache
def _shared(name: str) -> SearchStrategy[Any]:
    return st.shared(_alone(name, Axes()), key=f"gradcheck axis {name}")


@st.composite
def _alone(draw: DrawFn, name: str, axes: Axes) -> Any:
    shape = Shape((), leading=True) if name == ELLIPSIS else Shape((name,))
    return choose_sizes(lambda count: draw(_below(count)), [shape], axes)[name]


@cache
def _below(count: int) -> SearchStrategy[int]:
    # Hypothesis' integers() prefers both ends: one example in five would have size 1.
    return st.sampled_from(range(count))
