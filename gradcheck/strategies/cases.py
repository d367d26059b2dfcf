"""All arguments of one function at once: structure first, then shapes, then recipes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from gradcheck.errors import InvalidArgument
from gradcheck.strategies.arrays import (
    CODE_BYTES,
    REGIMES,
    ArraySpec,
    Recipe,
    array,
    recipe_of,
    spec_of,
)
from gradcheck.strategies.recipes import Array, coded_array
from gradcheck.strategies.shapes import Axes, Bounds, Shape, Sizes, draw_sizes, sharing

SCALES = (30.0, 1e-3, 1e3, 1e-8, 1e10, 1e-20, 1e50, 1e-100, 1e100)
"""Magnitudes at which exponentials saturate, differences cancel and squares overflow."""

OFFSETS = (30.0, -30.0, 711.0, -711.0, 1e3, -1e3, 1e5, 1e10)
"""Shifts that leave differences alone: exp overflows beyond 709.8, sums round beyond 1e10."""


@dataclass(frozen=True, slots=True)
class Mood:
    """How the arrays of one example go together.

    A bug often needs all inputs to be tame but one zero, or all of them shifted together: moods
    drawn for the whole example reach such points, entries drawn one by one do not.
    """

    regime: str | None = None
    scaled: bool = False
    shifted: bool = False
    alike: bool = False


MOODS = (
    *(Mood("grid"),) * 6,
    *(Mood("generic"),) * 9,
    *(Mood("ties"),) * 2,
    *(Mood("sparse"),) * 2,
    *(Mood(),) * 6,
    *(Mood("generic", scaled=True),) * 2,
    Mood("grid", scaled=True),
    *(Mood("generic", shifted=True), Mood("grid", shifted=True)),
    *(Mood("grid", alike=True), Mood("generic", alike=True)),
)
"""Mood by drawn number. ``alike`` gives all arrays the same entries at the same indices."""


@dataclass(frozen=True, slots=True)
class Case:
    """Drawn arguments of one function.

    Attributes
    ----------
    arrays : mapping of str to ndarray
    options : mapping of str to object
        What the other strategies drew.
    sizes : mapping of str to int
        The size of every named axis.
    seed : int
        For whatever else the example needs: directions, cotangents.
    """

    arrays: Mapping[str, Array]
    options: Mapping[str, Any]
    sizes: Sizes
    seed: int
    recipes: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __repr__(self) -> str:
        drawn = [f"{name}={self.recipes[name]}" for name in self.arrays]
        drawn += [f"{name}={value!r}" for name, value in self.options.items()]
        return f"Case({', '.join([*drawn, f'seed={self.seed}'])})"


_MOOD = st.sampled_from(range(len(MOODS)))
_PLAN = st.sampled_from(range(16))
_SCALE = st.sampled_from(SCALES)
_OFFSET = st.sampled_from(OFFSETS)
_SEED = st.integers(0, 2**16 - 1)


def specs_and_options(
    arguments: Mapping[str, Any],
) -> tuple[dict[str, ArraySpec], dict[str, SearchStrategy[Any]]]:
    """Arguments told apart: arrays of this package, and all other strategies.

    Raises
    ------
    InvalidArgument
        If an argument is neither a shape nor a strategy.
    """
    specs: dict[str, ArraySpec] = {}
    options: dict[str, SearchStrategy[Any]] = {}
    for name, given in arguments.items():
        strategy = array(given) if isinstance(given, (str, tuple)) else given
        if not isinstance(strategy, SearchStrategy):
            raise InvalidArgument(
                f"argument {name!r} is {given!r}: expected a shape such as 'n d' or a strategy; "
                f"for a constant write hypothesis.strategies.just({given!r})"
            )
        spec = spec_of(strategy)
        if spec is None:
            options[name] = strategy
        else:
            specs[name] = spec
    return specs, options


def cases(
    arguments: Mapping[str, Any], *, axes: Mapping[str, Bounds] | None = None
) -> SearchStrategy[Case]:
    """Draw all arguments of one function together.

    Parameters
    ----------
    arguments : mapping of str to shape or strategy
        A string is a shape of `array`; any other strategy draws an option (or an array of its
        own making).
    axes : mapping of str to bounds, optional
        Sizes of named axes: a size, ``(smallest, largest)``, a list, or a strategy.

    Raises
    ------
    InvalidArgument
        If ``axes`` names an axis that no argument has, or an argument is no strategy.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(cases({"x": "n d", "b": "d"}), lambda case: case.sizes["d"] > 1)
    Case(x=coded_array((1, 2)), b=coded_array((2,)), seed=0)
    """
    specs, options = specs_and_options(arguments)
    shapes = [shape for spec in specs.values() for shape in spec.names()]
    _check_axes(shapes, axes or {}, bool(options))
    return _cases(specs, options, shapes, Axes(dict(axes or {})))


def _check_axes(shapes: Sequence[Shape], bounds: Mapping[str, Bounds], more: bool) -> None:
    known = sorted({name for shape in shapes for name in shape.names})
    unknown = [name for name in bounds if name not in known]
    if unknown and not more:
        raise InvalidArgument(
            f"axes= names the axis {unknown[0]!r}, which no argument has: "
            f"expected one of {', '.join(known) or 'none, as no argument names an axis'}"
        )


@st.composite
def _cases(
    draw: DrawFn,
    specs: Mapping[str, ArraySpec],
    options: Mapping[str, SearchStrategy[Any]],
    shapes: Sequence[Shape],
    axes: Axes,
) -> Case:
    mood = MOODS[draw(_MOOD)]
    sizes = draw_sizes(draw, shapes, axes)
    seed = draw(_SEED)
    with sharing(sizes, axes):
        drawn = {name: draw(strategy) for name, strategy in options.items()}
    recipes = _draw_recipes(draw, specs, sizes, mood, seed)
    arrays = {name: coded_array(shape, **keys) for name, (shape, keys) in recipes.items()}
    texts = {name: _text(shape, keys) for name, (shape, keys) in recipes.items()}
    return Case(arrays, drawn, sizes, seed, texts)


def _draw_recipes(
    draw: DrawFn,
    specs: Mapping[str, ArraySpec],
    sizes: Sizes,
    mood: Mood,
    seed: int,
) -> dict[str, tuple[tuple[int, ...], Recipe]]:
    """One recipe per array, as its shape and keywords."""
    common = _common(draw, mood)
    shapes = {name: spec.shape.resolve(sizes) for name, spec in specs.items()}
    plans = {name: _own(draw) if mood.regime is None else (mood.regime, common) for name in specs}
    raw = _draw_bytes(draw, specs, mood)
    recipes = {}
    for position, (name, spec) in enumerate(specs.items()):
        regime, changes = plans[name]
        salt = 0 if mood.alike else position
        keywords = recipe_of(spec, shapes[name], sizes, raw[name], regime, seed + salt, **changes)
        recipes[name] = (shapes[name], keywords)
    return recipes


def _draw_bytes(draw: DrawFn, names: Iterable[str], mood: Mood) -> dict[str, bytes]:
    if mood.alike:
        return dict.fromkeys(names, draw(CODE_BYTES))
    return {name: draw(CODE_BYTES) for name in names}


def _common(draw: DrawFn, mood: Mood) -> dict[str, float]:
    if mood.scaled:
        return {"scale": draw(_SCALE)}
    return {"offset": draw(_OFFSET)} if mood.shifted else {}


def _own(draw: DrawFn) -> tuple[str, dict[str, float]]:
    """A regime of its own for one array, and one time in four a magnitude of its own."""
    regime = REGIMES[draw(_PLAN)]
    return regime, ({"scale": draw(_SCALE)} if draw(_PLAN) >= 12 else {})


def _text(shape: tuple[int, ...], recipe: Recipe) -> str:
    given = "".join(f", {key}={value!r}" for key, value in recipe.items())
    return f"coded_array({shape}{given})"
