"""All arguments of one function at once: structure first, then shapes, then recipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from gradcheck.errors import InvalidArgument
from gradcheck.strategies.arrays import (
    REGIMES,
    ArraySpec,
    Recipe,
    array,
    recipe_of,
    spec_of,
)
from gradcheck.strategies.recipes import Array, coded_array
from gradcheck.strategies.shapes import (
    DISTINCT_PLANS,
    ELLIPSIS,
    Axes,
    Bounds,
    Choose,
    Shape,
    Sizes,
    axis_names,
    choose_sizes,
    sharing,
)

SCALES = (1e3, 1e16, 1e10, 1e-3, 1e16, 1e3, 1e16, 1e-8, 30.0, 1e-50)
"""Magnitudes at which exponentials saturate, differences cancel and squares underflow. Beyond 1e16,
where a one is lost beside them, right code of a few factors overflows and no wrong code is new."""

SCALES_OF_TIES = (1e3, 1e16, 1e10, 1e16)
"""Nothing is new in small ties; at 1e16 ``exp(x - logsumexp(x))`` credits each of them in full."""

OFFSETS = (711.0, -711.0, 1e3, -1e3, 1e5, 1e10)
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
    *(Mood("generic"),) * 5,
    *(Mood("ties"),) * 2,
    *(Mood("sparse"),) * 2,
    *(Mood(),) * 5,
    *(Mood("generic", scaled=True), Mood("grid", scaled=True), Mood("ties", scaled=True)) * 2,
    *(Mood("ties", scaled=True),) * 2,
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
    recipes : mapping of str to str
        Expressions for the arrays.
    subject : object, optional
        What was drawn to be checked, where that differs between examples.
    """

    arrays: Mapping[str, Array]
    options: Mapping[str, Any]
    sizes: Sizes
    seed: int
    recipes: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    subject: Any = None

    def __repr__(self) -> str:
        if self.subject is not None:
            return f"Case({self.subject!r}, seed={self.seed})"
        drawn = [f"{name}={self.recipes[name]}" for name in self.arrays]
        drawn += [f"{name}={value!r}" for name, value in self.options.items()]
        return f"Case({', '.join([*drawn, f'seed={self.seed}'])})"

    @property
    def inputs(self) -> dict[str, Array]:
        """All arrays, those that other strategies drew too."""
        drawn = {name: v for name, v in self.options.items() if isinstance(v, np.ndarray)}
        return {**self.arrays, **drawn}

    @property
    def keywords(self) -> dict[str, Any]:
        """The options that are no arrays."""
        return {name: v for name, v in self.options.items() if not isinstance(v, np.ndarray)}

    @property
    def entries(self) -> int:
        """How many numbers all arrays hold."""
        return sum(array.size for array in self.inputs.values())

    @property
    def is_written_in_full(self) -> bool:
        """Whether the ``repr`` says all that a check depends on."""
        return self.subject is None and all(map(_is_plain, self.options.values()))


PLAIN = (bool, int, float, complex, str, bytes, type(None))
"""Types whose ``repr`` tells one value from every other."""


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return type(value) in PLAIN


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
                f"{name}: got {given!r}, expected a shape such as 'n d' or a strategy. "
                f"Do: for a constant write hypothesis.strategies.just({given!r})."
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
            f"axes: got {unknown[0]!r}, which no argument has, expected some of "
            f"{', '.join(known) or 'none'}. Do: correct the name."
        )


@st.composite
def subject_cases(draw: DrawFn, subjects: SearchStrategy[Any]) -> Case:
    """Drawn subjects, each with its own ``inputs``."""
    subject = draw(subjects)
    return Case(subject.inputs, {}, {}, draw(_SEED), subject=subject)


_SEED = st.sampled_from(range(256))


@st.composite
def _cases(
    draw: DrawFn,
    specs: Mapping[str, ArraySpec],
    options: Mapping[str, SearchStrategy[Any]],
    shapes: Sequence[Shape],
    axes: Axes,
) -> Case:
    genome = Genome(draw(_genomes(genome_length(len(specs), len(axis_names(shapes))))))

    def with_options(sizes: Sizes) -> dict[str, Any]:
        sizes |= {n: draw(b) for n, b in axes.bounds.items() if isinstance(b, SearchStrategy)}
        with sharing(sizes, axes):
            return {name: draw(strategy) for name, strategy in options.items()}

    return _carried_out(genome, specs, shapes, axes, with_options)


def _carried_out(
    genome: Genome,
    specs: Mapping[str, ArraySpec],
    shapes: Sequence[Shape],
    axes: Axes,
    with_options: Callable[[Sizes], dict[str, Any]],
) -> Case:
    """The case that a genome describes; ``with_options`` completes sizes, and draws the rest."""
    mood = MOODS[genome.below(len(MOODS))]
    seed = 256 * genome.below(256) + genome.below(256)
    common = _magnitude(mood, genome.below(256))
    sizes = choose_sizes(genome.below, shapes, axes)
    drawn = with_options(sizes)
    genes = {name: _Gene.read(genome) for name in specs}
    if mood.alike and genes:
        genes = dict.fromkeys(genes, next(iter(genes.values())))
    recipes = {}
    for position, (name, spec) in enumerate(specs.items()):
        shape = spec.shape.resolve(sizes)
        regime, magnitude = genes[name].own() if mood.regime is None else (mood.regime, common)
        own_seed = seed if mood.alike else seed + position
        further = {**magnitude, **genes[name].pattern(spec)}
        recipe = recipe_of(spec, shape, sizes, genes[name].codes, regime, own_seed, **further)
        recipes[name] = (shape, recipe)
    arrays = {name: coded_array(shape, **keys) for name, (shape, keys) in recipes.items()}
    texts = {name: _text(shape, keys) for name, (shape, keys) in recipes.items()}
    return Case(arrays, drawn, sizes, seed, texts)


def opening(specs: Mapping[str, ArraySpec], axes: Axes, choose: Choose) -> Case | None:
    """A case of different numbers of ordinary size, along axes of different small sizes.

    Most bugs show in it at once, where the first that Hypothesis draws is the simplest there is:
    zeros, of size one. ``None`` where a strategy draws the size of an axis.

    Parameters
    ----------
    choose : callable
        ``choose(n)`` chooses one of ``n``.
    """
    if any(isinstance(bounds, SearchStrategy) for bounds in axes.bounds.values()):
        return None
    shapes = [shape for spec in specs.values() for shape in spec.names()]
    head = [MOODS.index(Mood("generic")), choose(256), choose(256), 0]
    sizes = [DISTINCT_PLANS[0], 0, 0]
    for name in axis_names(shapes):
        sizes += [0, 0, 0] if name == ELLIPSIS else [1 + choose(OPENING_SIZES)]
    genes = []
    for _ in specs:
        genes += [0, 0, 0, GENE_CODES - 1, *(choose(256) for _ in range(GENE_CODES))]
    genome = Genome(bytes([*head, *sizes, *genes]))
    return _carried_out(genome, specs, shapes, axes, lambda _: {})


OPENING_SIZES = 3
"""Sizes of an axis of the first case: by default 2, 3 and 4, or the next that is free."""


GENE_CODES = 12
"""Codes of one array; a longer array takes them in turn. A byte costs 2 µs to draw."""


class Genome:
    """Random bytes, read as small choices.

    One draw of bytes for all arrays, because Hypothesis spends most of its examples on copies of
    parts of earlier ones where an example has many draws of one kind: of fifty examples, twelve
    would be new. Every choice has its place in the bytes, so that shrinking one moves no other.
    """

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.position = 0

    def below(self, count: int) -> int:
        """A number below ``count``, at most 256."""
        self.position += 1
        return self.raw[self.position - 1] % count

    def codes(self) -> bytes:
        """Between 1 and GENE_CODES codes."""
        count = 1 + self.below(GENE_CODES)
        start = self.position
        self.position += GENE_CODES
        return self.raw[start : start + count]


def genome_length(arrays: int, axes: int) -> int:
    """Bytes that the choices for so many arrays and axes take at most."""
    return 4 + 3 + 3 * axes + arrays * (3 + 1 + GENE_CODES)


@cache
def _genomes(length: int) -> SearchStrategy[bytes]:
    return st.binary(min_size=length, max_size=length)


@dataclass(frozen=True, slots=True)
class _Gene:
    """What the genome says about one array."""

    regime: int
    magnitude: int
    structure: int
    codes: bytes

    @classmethod
    def read(cls, genome: Genome) -> _Gene:
        return cls(genome.below(len(REGIMES)), genome.below(256), genome.below(8), genome.codes())

    def pattern(self, spec: ArraySpec) -> dict[str, str]:
        """A structure for a plain square matrix, at which factorisations degenerate."""
        return _PATTERNS.get(self.structure, {}) if spec.is_square and not spec.is_exact else {}

    def own(self) -> tuple[str, dict[str, float]]:
        """A regime of its own, and one time in four a magnitude of its own."""
        scaled = self.magnitude >= 192
        scale = {"scale": SCALES[self.magnitude % len(SCALES)]} if scaled else {}
        return REGIMES[self.regime], scale


_PATTERNS = {6: {"domain": "symmetric"}, 7: {"domain": "diagonal"}}
"""One square matrix in four is symmetric: diagonals, identities and repeated eigenvalues."""


def _magnitude(mood: Mood, choice: int) -> dict[str, float]:
    """The magnitude that all arrays have in common."""
    if mood.scaled:
        scales = SCALES_OF_TIES if mood.regime == "ties" else SCALES
        return {"scale": scales[choice % len(scales)]}
    return {"offset": OFFSETS[choice % len(OFFSETS)]} if mood.shifted else {}


def _text(shape: tuple[int, ...], recipe: Recipe) -> str:
    given = "".join(f", {key}={value!r}" for key, value in recipe.items())
    return f"coded_array({shape}{given})"
