"""A claimed tangent asked entry by entry, as a gradient: what is wrong then has an entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradcheck.directions import gaussian
from gradcheck.result import Finding
from gradcheck.trees import (
    Array,
    Arrays,
    is_differentiable,
    lone_tangent,
    named_outputs,
    tree_inner_product,
)

MOST_ENTRIES = 64
"""Entries of all inputs of a subject that is transposed: one tangent each, two for complex ones."""


def is_small(inputs: Mapping[str, Array]) -> bool:
    """Whether a subject may be transposed at these inputs."""
    return sum(array.size for array in inputs.values() if is_differentiable(array)) <= MOST_ENTRIES


REVERSED = -2.0
"""Tangents are tried at this multiple: a power of two, so that a linear claim follows exactly."""

LINEAR = 1e-6
"""Relative departure from linear that float32 does not explain."""


def not_linear(
    subject: Any, inputs: Mapping[str, Array], generator: np.random.Generator
) -> Finding | None:
    """A finding where the claimed tangent is no multiple of the tangents it is made from."""
    tangents = {
        name: gaussian(generator, array).astype(array.dtype)
        for name, array in inputs.items()
        if is_differentiable(array)
    }
    once, again = (
        named_outputs(subject.jvp(inputs, {k: factor * t for k, t in tangents.items()}))
        for factor in (1.0, REVERSED)
    )
    with np.errstate(all="ignore"):
        off = max(
            float(np.max(np.abs(again[k] - REVERSED * v), initial=0.0)) for k, v in once.items()
        )
        size = max(float(np.max(np.abs(v), initial=0.0)) for v in once.values())
    if not off > LINEAR * size:
        return None
    return Finding(
        "linear",
        f"jvp: at {REVERSED:g} times the tangents the claimed tangent is off by {off:.3g} from "
        f"{REVERSED:g} times itself. Expected it to be linear in the tangents. Do: multiply each "
        "tangent in, and nothing else.",
    )


class TransposedSubject:
    """The vjp that follows from a claimed jvp: ``<u, J e>`` for the unit vector of each entry.

    Parameters
    ----------
    subject : TangentSubject
        What claims tangents.

    Examples
    --------
    >>> from gradcheck.subject import FunctionSubject
    >>> square = FunctionSubject(
    ...     "square", lambda v: v["x"] ** 2, push_forward=lambda v, t: 2 * v["x"] * t["x"]
    ... )
    >>> claim = TransposedSubject(square).vjp({"x": np.array([1.0, 3.0])}, np.array([1.0, -1.0]))
    >>> claim["x"].tolist()
    [2.0, -6.0]
    """

    def __init__(self, subject: Any) -> None:
        self.subject = subject
        self.name: str = subject.name

    def value(self, inputs: Mapping[str, Array]) -> Any:
        """The subject's own value."""
        return self.subject.value(inputs)

    def vjp(self, inputs: Mapping[str, Array], cotangent: Any) -> Arrays:
        """One gradient for each differentiable input."""
        u = named_outputs(cotangent)
        moving = [name for name, array in inputs.items() if is_differentiable(array)]
        return {name: self._gradient(inputs, name, u) for name in moving}

    def _gradient(self, inputs: Mapping[str, Array], name: str, u: Arrays) -> Array:
        gradient = np.zeros_like(inputs[name])
        for flat in range(gradient.size):
            for unit in (1.0, 1j) if gradient.dtype.kind == "c" else (1.0,):
                tangent = np.zeros_like(gradient)
                tangent.reshape(-1)[flat] = unit
                pushed = self.subject.jvp(inputs, lone_tangent(inputs, name, tangent))
                gradient.reshape(-1)[flat] += unit * tree_inner_product(u, named_outputs(pushed))
        return gradient
