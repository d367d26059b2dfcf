"""One point of one check: the counted subject, what it claims there, and rays through it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck.compare import claimed_slope
from gradcheck.directions import gaussian
from gradcheck.errors import InvalidSubject
from gradcheck.oracles import Ray, complex_step_value, estimate_slope, noise_level, quick_slope
from gradcheck.oracles.ray import rounding_of
from gradcheck.relations.agreement import magnitude
from gradcheck.result import Evaluations
from gradcheck.subject import Inputs
from gradcheck.trees import (
    Array,
    Arrays,
    inner_product,
    like_output,
    lone_tangent,
    named_outputs,
    tree_inner_product,
)

ABOVE_ROUNDING = 64.0
"""Noise beyond so many last places of the outputs is more than the rounding of a few operations."""

EPS = float(np.finfo(np.float64).eps)
"""Relative rounding of float64, in which points are worked at."""

COARSE_PLACE = 2.0**-10
"""Beyond 4e12 sums with numbers near one lose half of their digits, and products all."""

ANALYTIC = 1e-5
"""To this a complex step and a central difference agree where both work."""

TELLING = 1e-3
"""A difference that does not know the slope to this cannot tell whether a complex step is right."""

UNDERFLOWN = {8: 710.0, 4: 88.0, 2: 4.0}
"""Smallest normal numbers that a claim may be off by, by bytes of the real part: where exp(-710) is
a subnormal number or 0, it may be multiplied by the 710 afterwards. Those of float16 are so large
that products of them would be a bug's size, too."""

WIDE = {"f": np.dtype(np.float64), "c": np.dtype(np.complex128)}


class Counted:
    """A subject that counts its calls: those of the estimates apart from those of the relations."""

    def __init__(self, subject: Any) -> None:
        self.subject = subject
        self.name: str = getattr(subject, "name", type(subject).__name__)
        self.relating = False
        self.reshaped = False
        self._counts = [0, 0, 0, 0]

    def value(self, inputs: Inputs) -> Any:
        self._counts[2 if self.relating else 0] += 1
        return self.subject.value(inputs)

    def vjp(self, inputs: Inputs, cotangent: Any) -> Any:
        self._counts[3 if self.relating else 1] += 1
        # Views: ``y_bar.shape = ...`` in a backward must not change the arrays of the check.
        views = {name: u.view() for name, u in named_outputs(cotangent).items()}
        shapes = [u.shape for u in views.values()]
        claim = self.subject.vjp(inputs, like_output(views, cotangent))
        self.reshaped |= shapes != [u.shape for u in views.values()]
        return claim

    def jvp(self, inputs: Inputs, tangents: Inputs) -> Any:
        self._counts[3 if self.relating else 1] += 1
        return self.subject.jvp(inputs, tangents)

    @property
    def evaluations(self) -> Evaluations:
        return Evaluations(*self._counts)


@dataclass(slots=True)
class Point:
    """Where a subject is checked, and what is known there.

    ``inputs`` are the arrays as handed to the subject; ``work`` holds the same numbers with every
    low-precision float widened, so that a subject which computes in the dtype of its inputs is
    estimated in float64. ``claims`` holds one gradient per differentiable input that has one.
    ``ruined`` tells that last places of the inputs were seen to change a slope by more than any
    error looked for.
    """

    subject: Counted
    inputs: Arrays
    work: Arrays
    output: Any
    cotangent: Arrays
    claims: Arrays
    rtol: Mapping[str, float]
    generator: np.random.Generator
    known_centre: Arrays | None = None
    forward_mode: bool = False
    _places: float | None = None
    _rounded: tuple[Arrays, float] | None = None
    wobble: Arrays | None = field(default=None)
    ruined: bool = False
    _analytic: dict[str, bool | None] = field(default_factory=dict)

    def ray(self, direction: Inputs, cotangent: Arrays | None = None) -> Ray:
        """The function along ``direction``."""
        u = self.cotangent if cotangent is None else cotangent
        rounding = self._rounding_at_centre() if cotangent is None else None
        return Ray(self.subject.value, self.work, direction, u, self.known_centre, rounding)

    def _rounding_at_centre(self) -> float | None:
        """What all rays with the point's cotangent share; ``None`` where it is not known."""
        centre = self.known_centre
        if centre is None:
            return None
        if self._rounded is None or self._rounded[0] is not centre:
            self._rounded = centre, rounding_of(self.cotangent, centre)
        return self._rounded[1]

    def centred_ray(self, direction: Inputs, cotangent: Arrays | None = None) -> Ray:
        """`ray`, with ``f(x)`` evaluated once for all rays through the point."""
        ray = self.ray(direction, cotangent)
        self.known_centre = ray.centre
        return ray

    def noise(self, ray: Ray) -> float:
        """Measured noise of the projected function beyond the rounding of its outputs.

        The first ray asked speaks for the others where it found nothing but rounding: so many last
        places of the outputs that move. More is measured on each ray anew, for what looks like
        noise along one may be a singularity there.
        """
        if self._places is None:
            noise = noise_level(ray.offset)
            rounding = ray.rounding()
            self._places = noise / rounding if rounding > 0.0 else 1.0
            return noise
        if self._places > ABOVE_ROUNDING:
            return noise_level(ray.offset)
        ray.places = max(1.0, self._places)
        return 0.0

    def is_analytic(self, names: Sequence[str]) -> bool | None:
        """Whether the complex step can be trusted in these inputs; ``None`` where there is none.

        Complex step and difference are compared where no number is extreme and both are sharp:
        what drops the imaginary part or conjugates it shows there.
        """
        for name in names:
            if name not in self._analytic:
                self._analytic[name] = self._agrees_when_tame(name)
        known = [self._analytic[name] for name in names]
        return False if False in known else None if None in known else True

    def _agrees_when_tame(self, name: str) -> bool | None:
        tame = {k: tamed(self.generator, x) for k, x in self.work.items()}
        v = gaussian(self.generator, tame[name])
        ray = Ray(self.subject.value, tame, {name: v}, self.cotangent)
        try:
            seen = complex_step_value(ray)
            if seen is None:
                return None
            measured = quick_slope(ray)
            if measured.error > ANALYTIC * abs(seen):  # beside an offset
                measured = estimate_slope(ray, target=ANALYTIC * abs(seen))
        except Exception as error:  # a domain that does not hold these numbers
            if is_steering(error):
                raise
            return None
        size = max(abs(seen), abs(measured.value))
        if not measured.error <= TELLING * size < math.inf:
            return None
        return abs(seen - measured.value) <= ANALYTIC * size + measured.error

    def slope(self, name: str, direction: Array) -> float:
        """The claimed directional derivative along ``direction`` of one input."""
        if self.forward_mode:
            return self._pushed(name, direction)
        with np.errstate(all="ignore"):
            return inner_product(self.claims[name], direction)

    def rounding(self, name: str, direction: Array) -> float:
        """What rounding may have cost `slope`."""
        if self.forward_mode:
            return 0.0
        with np.errstate(all="ignore"):
            return claimed_slope(self.claims[name], direction).rounding

    def has_coarse_places(self) -> bool:
        """Whether some input is so large that its last place is not small beside one."""
        largest = max((magnitude(self.work[name]) for name in self.rtol), default=0.0)
        return largest * EPS >= COARSE_PLACE

    def coarseness(self, names: Sequence[str]) -> float:
        """How many last places of float64 the coarsest claim for these inputs has for its own."""
        dtypes = [self.claims[name].dtype for name in names if name in self.claims]
        coarsest = max((float(np.finfo(d).eps) for d in dtypes if d.kind in "fc"), default=EPS)
        return coarsest / EPS

    def underflow(self, name: str, direction: Array) -> float:
        """What underflow may take from a claimed slope: functions flush numbers to zero early."""
        dtype = self.claims[name].dtype if name in self.claims else np.dtype(np.float64)
        if dtype.kind not in "fc":
            return 0.0
        limits = np.finfo(dtype)
        flushed = UNDERFLOWN.get(limits.dtype.itemsize, 0.0) * float(limits.tiny)
        return flushed * float(np.abs(direction).sum())

    def _pushed(self, name: str, direction: Array) -> float:
        tangent = np.asarray(direction, dtype=self.work[name].dtype)
        pushed = self._tangent(lone_tangent(self.work, name, tangent))
        return float(tree_inner_product(self.cotangent, pushed))

    def _tangent(self, tangents: Arrays) -> Arrays:
        """The claimed tangent of every output, refused where it has not the output's shape."""
        try:
            pushed = named_outputs(self.subject.jvp(self.inputs, tangents))
        except Exception as error:
            if is_steering(error):
                raise
            raise InvalidSubject(
                f"jvp: {self.subject.name} raised {type(error).__name__}: {error} at the given "
                "inputs. Expected a tangent. Do: make it accept them, or choose other inputs."
            ) from error
        for name, u in self.cotangent.items():
            got = pushed.get(name, np.empty(0, object))
            if got.shape != u.shape or got.dtype.kind not in "fciub":
                raise InvalidSubject(
                    f"jvp: got {got.dtype}{list(got.shape)} as the tangent of {name!r}, expected "
                    f"numbers of the shape {list(u.shape)} of the output. Do: return its tangent."
                )
        return pushed

    def vjp(self, inputs: Inputs, cotangent: Arrays | None = None) -> Mapping[str, Any]:
        """The subject's claim at other inputs, for named cotangents."""
        u = self.cotangent if cotangent is None else cotangent
        return self.subject.vjp(inputs, shaped_cotangent(u, self.output))  # type: ignore[no-any-return]


def is_steering(error: Exception) -> bool:
    """Whether an exception is Hypothesis's own: ``assume()`` is no fact about the subject."""
    return type(error).__module__.split(".")[0] == "hypothesis"


def tamed(generator: np.random.Generator, x: Array) -> Array:
    """Numbers of the same signs and between a fifth and one; what is no real float as it is."""
    if x.dtype.kind != "f":
        return x
    sizes = 0.3 + 0.5 * np.abs(np.tanh(x))
    jitter = 1.0 + 0.2 * generator.uniform(-1.0, 1.0, x.shape)
    return np.asarray(np.where(x < 0, -sizes, sizes) * jitter)


def widened(inputs: Inputs) -> Arrays:
    """The same numbers, low-precision floats as float64 and complex64 as complex128.

    >>> widened({"x": np.ones(1, np.float16), "n": np.ones(1, int)})["x"].dtype
    dtype('float64')
    """
    work = {}
    for name, array in inputs.items():
        wide = WIDE.get(array.dtype.kind)
        narrow = wide is not None and array.dtype.itemsize < wide.itemsize
        work[name] = array.astype(wide) if narrow else array
    return work


def shaped_cotangent(cotangent: Arrays, output: Any) -> Any:
    """Named cotangents in the structure, and the dtypes, of the output they belong to."""
    outputs = named_outputs(output)
    cast = {}
    for name, u in cotangent.items():
        dtype = outputs[name].dtype
        cast[name] = u.astype(dtype) if dtype.kind in "fc" and dtype != u.dtype else u
    return like_output(cast, output)
