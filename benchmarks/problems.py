"""One function with its claimed derivative at one point, in the forms that the peers ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tests.corpus.twin import bind, inputs_of


@dataclass(frozen=True)
class Problem:
    """A forward, a claimed backward and the arrays where it is checked.

    Attributes
    ----------
    name : str
    forward : callable
        ``forward(*inputs) -> array, or tuple of arrays``.
    backward : callable
        ``backward(cotangent, *inputs) -> gradients``, one per input.
    inputs : dict of str to ndarray
    kinks : {"strict", "lenient"}
        What `gradcheck.check_vjp` is told; nobody else can be told such a thing.
    """

    name: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    inputs: dict[str, Any]
    kinks: str = "strict"

    @property
    def entries(self) -> int:
        """Numbers in all inputs."""
        return sum(np.size(array) for array in self.inputs.values())

    def counted(self) -> tuple[Problem, Counts]:
        """The same problem, and the counts of the calls it gets from now on."""
        counts = Counts()

        def forward(*arrays):
            counts.forwards += 1
            return self.forward(*arrays)

        def backward(cotangent, *arrays):
            counts.backwards += 1
            return self.backward(cotangent, *arrays)

        return replace(self, forward=forward, backward=backward), counts

    def smooth_form(self) -> SmoothForm:
        """A function of the differentiable arrays only, with one array as its output."""
        return SmoothForm(self)

    def scalar_form(self) -> ScalarForm:
        """A real function of one real vector: ``<u, forward>`` with a fixed random ``u``."""
        return ScalarForm(self)


@dataclass
class Counts:
    """Calls of a problem's functions."""

    forwards: int = 0
    backwards: int = 0


def problem(name, pair, point, kinks="strict"):
    """A problem from a pair of functions and a point with options."""
    return Problem(name, *bind(pair, point), inputs_of(point), kinks)


def is_float(array):
    return np.asarray(array).dtype.kind in "fc"


class SmoothForm:
    """Functions of float arrays with one output array: what a framework can differentiate.

    Other arrays (labels, masks) are fixed. Several outputs are joined to one vector.
    """

    def __init__(self, problem):
        self._problem = problem
        self._all = [np.asarray(array) for array in problem.inputs.values()]
        self._moving = [i for i, array in enumerate(self._all) if is_float(array)]
        self.arrays = [self._all[i].copy() for i in self._moving]
        self._parts: tuple[Any, ...] = ()  # of the last output; every checker calls forward first

    def _full(self, arrays):
        full = [array.copy() if not is_float(array) else array for array in self._all]
        for i, array in zip(self._moving, arrays, strict=True):
            full[i] = array
        return full

    def forward(self, *arrays):
        output = self._problem.forward(*self._full(arrays))
        self._parts = output if isinstance(output, tuple) else ()
        if self._parts:
            return np.concatenate([np.ravel(part) for part in output if is_float(part)])
        return np.asarray(output)

    def backward(self, cotangent, *arrays):
        """One gradient per float array; ``None`` where the claim is none."""
        full = self._full(arrays)
        claims = self._problem.backward(self._split(cotangent), *full)
        claims = tuple(claims.values()) if isinstance(claims, dict) else claims
        claims = claims if isinstance(claims, (tuple, list)) else (claims,)
        return [None if claims[i] is None else np.asarray(claims[i]) for i in self._moving]

    def backward_as_zeros(self, cotangent, *arrays):
        """As `backward`, with zeros for ``None``."""
        claims = self.backward(cotangent, *arrays)
        return [np.zeros_like(x) if g is None else g for x, g in zip(arrays, claims, strict=True)]

    def _split(self, cotangent):
        if not self._parts:
            return cotangent
        split, start = [], 0
        for part in self._parts:
            piece = cotangent[start : start + part.size].reshape(part.shape)
            split.append(piece if is_float(part) else np.zeros(part.shape))
            start += part.size if is_float(part) else 0
        return tuple(split)


class ScalarForm:
    """A real function of one real vector in float64: what SciPy and its kin can differentiate.

    A complex array is its real parts followed by its imaginary ones.
    """

    def __init__(self, problem):
        self._form = problem.smooth_form()
        self._shapes = [array.shape for array in self._form.arrays]
        self._complex = [array.dtype.kind == "c" for array in self._form.arrays]
        self.start = np.concatenate([np.zeros(0), *map(_as_reals, self._form.arrays)])
        output = self._form.forward(*self._unpacked(self.start))
        rng = np.random.default_rng(0)
        self._cotangent = rng.standard_normal(output.shape)
        if output.dtype.kind == "c":
            self._cotangent = self._cotangent + 1j * rng.standard_normal(output.shape)

    def _unpacked(self, vector):
        arrays, start = [], 0
        for shape, is_complex in zip(self._shapes, self._complex, strict=True):
            size = int(np.prod(shape))
            parts = vector[start : start + size * (1 + is_complex)].astype(float)
            array = parts[:size] + 1j * parts[size:] if is_complex else parts.copy()
            arrays.append(array.reshape(shape))
            start += len(parts)
        return arrays

    def value(self, vector):
        """``<u, forward>`` at a vector."""
        output = self._form.forward(*self._unpacked(np.asarray(vector)))
        return float(np.sum(np.real(np.conj(self._cotangent) * output)))

    def gradient(self, vector):
        """The claimed gradient at a vector."""
        arrays = self._unpacked(np.asarray(vector))
        claims = self._form.backward_as_zeros(self._cotangent, *arrays)
        for x, g in zip(arrays, claims, strict=True):
            if g.shape != x.shape:
                raise ValueError(f"gradient of shape {g.shape} for an input of shape {x.shape}")
        return np.concatenate([np.zeros(0), *map(_as_reals, claims)])


def _as_reals(array):
    flat = np.ravel(array)
    return np.concatenate([flat.real, flat.imag]) if flat.dtype.kind == "c" else flat.astype(float)
