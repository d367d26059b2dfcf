"""Strategies for one array: a shape in the shape language, a dtype and a domain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from numpy.typing import NDArray

from gradcheck.errors import InvalidArgument
from gradcheck.strategies import domains
from gradcheck.strategies.domains import Number
from gradcheck.strategies.layouts import LAYOUTS
from gradcheck.strategies.recipes import CODES, Domain, coded_array
from gradcheck.strategies.shapes import Shape, Sizes, draw_shape, draw_size, parse_shape

Array = NDArray[Any]
Recipe = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """What one array may be.

    ``categories`` makes it an array of integers below that axis or number.
    """

    shape: Shape
    dtype: str = "float64"
    domain: Domain = "real"
    include: tuple[Number, ...] = ()
    categories: str | int | None = None
    tables: dict[str, bytes] = field(default_factory=dict, compare=False)

    @property
    def is_real_line(self) -> bool:
        """Whether a common shift may move it."""
        return not self.is_exact and self.domain in ("real", "distinct")

    @property
    def is_exact(self) -> bool:
        """Whether it holds integers or truth values."""
        return np.dtype(self.dtype).kind in "iub"

    @property
    def is_complex(self) -> bool:
        """Whether it has an imaginary part."""
        return np.dtype(self.dtype).kind == "c"

    @property
    def is_square(self) -> bool:
        """Whether it is a matrix, or a stack of them, whose two axes have one name."""
        *_, rows, columns = (None, None, *self.shape.axes)
        return rows is not None and rows == columns and self.domain == "real"

    def names(self) -> tuple[Shape, ...]:
        """All shapes whose axes this array needs."""
        if isinstance(self.categories, str):
            return (self.shape, Shape((self.categories,)))
        return (self.shape,)

    def bounded(self, sizes: Sizes) -> Domain:
        """The domain under the drawn sizes."""
        if self.categories is None:
            return self.domain
        count = self.categories if isinstance(self.categories, int) else sizes[self.categories]
        return (0, max(count - 1, 0))

    def table(self, regime: str) -> bytes:
        """Translation of random bytes into codes under a regime."""
        return self.tables.get(regime) or self.tables["grid"]


def _spec(
    shape: Any,
    dtype: Any,
    domain: Domain,
    include: Sequence[Number],
    categories: str | int | None = None,
) -> ArraySpec:
    parsed = parse_shape(shape)
    kind = np.dtype(coded_array((), dtype=dtype).dtype)
    if parsed.axes and domain in ("diagonal", "spd", "symmetric"):
        _check_square(parsed, str(domain))
    return ArraySpec(
        parsed, kind.name, domain, tuple(include), categories, _tables(kind, domain, include)
    )


def _check_square(shape: Shape, domain: str) -> None:
    if len(shape.axes) < 2 or shape.axes[-1] != shape.axes[-2]:
        raise InvalidArgument(
            f"shape: got {str(shape)!r} for the domain {domain!r}, expected a square matrix. "
            "Do: name its last two axes alike, as in 'd d'."
        )


def _tables(kind: np.dtype[Any], domain: Domain, include: Sequence[Number]) -> dict[str, bytes]:
    bounds = domains.interval(domain)
    if domain in ("one_hot",) or kind.kind == "b":
        return {"grid": bytes(range(256))}
    if kind.kind == "c":
        kind = np.empty(0, kind).real.dtype
    positive = domains.INTERVALS["positive"] if domain in ("simplex", "spd") else bounds
    return domains.codebook(positive, kind.str, tuple(include)).tables


CODE_BYTES = st.binary(min_size=1, max_size=CODES)
"""Few bytes most of the time: a byte costs 2 µs to draw, and a short recipe shrinks well."""

_SEED = st.integers(0, 2**16 - 1)
_REGIME = st.sampled_from(range(16))
_LAYOUT = st.sampled_from(tuple(LAYOUTS))

REGIMES = (
    *("grid",) * 4,
    *("generic",) * 6,
    *("ties", "ties", "sparse", "sparse"),
    *("wide", "wide"),
)
"""Regime by drawn number. All but ``generic`` are exact: zeros, ties and strange magnitudes."""


def compact(recipe: Recipe) -> Recipe:
    """A recipe without the keywords that have their default value."""
    return {
        key: value for key, value in recipe.items() if key not in _PLAIN or value != _PLAIN[key]
    }


_PLAIN: Recipe = {
    "seed": 0,
    "codes": b"\0",
    "continuous": False,
    "dtype": "float64",
    "domain": "real",
    "scale": 1.0,
    "offset": 0.0,
    "include": (),
    "layout": "C",
}


def recipe_of(
    spec: ArraySpec,
    shape: tuple[int, ...],
    sizes: Sizes,
    raw: bytes,
    regime: str,
    seed: int,
    **further: Any,
) -> Recipe:
    """Keywords for `coded_array`, besides the shape."""
    continuous = regime == "generic" and not spec.is_exact
    return compact(
        {
            "seed": seed if continuous or math.prod(shape) > CODES else 0,
            "codes": raw.translate(spec.table(regime)),
            "continuous": continuous,
            "dtype": spec.dtype,
            "domain": spec.bounded(sizes),
            "include": spec.include,
            **further,
        }
    )


@st.composite
def _alone(draw: DrawFn, spec: ArraySpec, layouts: bool) -> Array:
    """One array outside of a property test: every choice its own."""
    shape = draw_shape(draw, spec.shape)
    sizes = (
        {spec.categories: draw_size(draw, spec.categories)}
        if isinstance(spec.categories, str)
        else {}
    )
    regime = REGIMES[draw(_REGIME)]
    seed = draw(_SEED)
    layout = draw(_LAYOUT) if layouts else "C"
    recipe = recipe_of(spec, shape, sizes, draw(CODE_BYTES), regime, seed, layout=layout)
    return draw(
        st.builds(coded_array, st.just(shape), **{k: st.just(v) for k, v in recipe.items()})
    )


def _strategy(spec: ArraySpec, layouts: bool) -> SearchStrategy[Array]:
    strategy = _alone(spec, layouts)
    strategy.gradcheck_spec = spec  # type: ignore[attr-defined]
    return strategy


def spec_of(strategy: Any) -> ArraySpec | None:
    """What `array` and its kin were asked for; None for any other strategy."""
    return getattr(strategy, "gradcheck_spec", None)


def array(
    shape: Any,
    *,
    dtype: Any = "float64",
    domain: Domain = "real",
    include: Sequence[Number] = (),
    layouts: bool = False,
) -> SearchStrategy[Array]:
    """Arrays of a shape, a dtype and a domain.

    Parameters
    ----------
    shape : str or tuple
        In the shape language: ``"n d"``, ``"... 3"``, ``""``. Axes of one name have one size in
        all arrays drawn for one example.
    dtype : dtype-like
    domain : str or (low, high)
        See `coded_array`.
    include : sequence of numbers
        Numbers that must turn up: ``-inf`` for masked logits, the threshold of a clamp.
    layouts : bool
        Whether to draw the memory layout too. Property tests do so by themselves.

    Returns
    -------
    SearchStrategy of ndarray

    Raises
    ------
    InvalidArgument
        At once, if the shape, the dtype or the domain is no such thing.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(array("n d"), lambda x: bool((x == 2).any()))
    array([[2.]])
    """
    return _strategy(_spec(shape, dtype, domain, include), layouts)


def positive(shape: Any, *, dtype: Any = "float64") -> SearchStrategy[Array]:
    """Arrays of numbers above zero."""
    return array(shape, dtype=dtype, domain="positive")


def probabilities(shape: Any, *, dtype: Any = "float64") -> SearchStrategy[Array]:
    """Arrays whose last axis holds positive numbers that sum to 1."""
    return array(shape, dtype=dtype, domain="simplex")


def one_hot(shape: Any, *, dtype: Any = "float64") -> SearchStrategy[Array]:
    """Arrays whose last axis holds a single 1 among zeros."""
    return array(shape, dtype=dtype, domain="one_hot")


def distinct(shape: Any, *, dtype: Any = "float64") -> SearchStrategy[Array]:
    """Arrays without ties: any two entries differ by at least an eighth."""
    return array(shape, dtype=dtype, domain="distinct")


def spd(shape: Any, *, dtype: Any = "float64") -> SearchStrategy[Array]:
    """Symmetric positive definite matrices; identities and repeated eigenvalues among them."""
    return array(shape, dtype=dtype, domain="spd")


def symmetric(shape: Any, *, dtype: Any = "float64") -> SearchStrategy[Array]:
    """Symmetric matrices; zero, diagonal and low-rank ones among them."""
    return array(shape, dtype=dtype, domain="symmetric")


def mask(shape: Any, *, dtype: Any = "bool") -> SearchStrategy[Array]:
    """Arrays of truth values, or of zeros and ones in another dtype."""
    domain: Domain = "real" if np.dtype(dtype).kind == "b" else (0, 1)
    if np.dtype(dtype).kind in "fc":
        return _strategy(_zeros_and_ones(shape, dtype), False)
    return array(shape, dtype=dtype, domain=domain)


def _zeros_and_ones(shape: Any, dtype: Any) -> ArraySpec:
    spec = _spec(shape, dtype, (0, 1), ())
    return ArraySpec(spec.shape, spec.dtype, (0, 1), (), None, {"grid": bytes((0, 1)) * 128})


def labels(shape: Any, *, classes: str | int, dtype: Any = "int64") -> SearchStrategy[Array]:
    """Arrays of class labels ``0 … classes - 1``, ``classes`` being an axis or a number."""
    return _categorical(shape, classes, dtype)


def indices(shape: Any, *, into: str | int, dtype: Any = "int64") -> SearchStrategy[Array]:
    """Arrays of valid indices into an axis, repeated ones among them."""
    return _categorical(shape, into, dtype)


def _categorical(shape: Any, categories: str | int, dtype: Any) -> SearchStrategy[Array]:
    if isinstance(categories, bool) or not isinstance(categories, (str, int)):
        raise InvalidArgument(
            f"categories: got {categories!r}, expected an axis or a number. Do: name an axis."
        )
    if isinstance(categories, str) and not categories.isidentifier():
        raise InvalidArgument(
            f"categories: got {categories!r}, expected the name of an axis. Do: correct it."
        )
    if isinstance(categories, int) and categories < 1:
        raise InvalidArgument(f"categories: got {categories}, expected at least 1. Do: correct it.")
    spec = _spec(shape, dtype, "real", (), categories)
    return _strategy(
        ArraySpec(spec.shape, spec.dtype, "real", (), categories, {"grid": bytes(range(256))}),
        False,
    )


@st.composite
def _size(draw: DrawFn, name: str) -> int:
    return int(draw_size(draw, name))


def size(axis: str) -> SearchStrategy[int]:
    """The size that a named axis has in this example.

    For options that depend on it: ``steps=size("t").flatmap(lambda t: integers(1, t))``.
    """
    if not axis.isidentifier():
        raise InvalidArgument(f"size: got {axis!r}, expected the name of an axis. Do: correct it.")
    return _size(axis)
