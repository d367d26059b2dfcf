"""JAX functions as subjects: NumPy arrays at the border, 64-bit inside."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradcheck.backends.claims import checked_output
from gradcheck.backends.signatures import Call, in_call_order
from gradcheck.errors import InvalidSubject
from gradcheck.subject import Claim, FunctionSubject, Inputs
from gradcheck.trees import Array, is_differentiable

try:
    import jax
except ImportError:
    jax = None


def jax_subject(
    function: Callable[..., Any],
    *,
    options: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> FunctionSubject:
    """A JAX function, typically a ``jax.custom_vjp``, as a subject with its vjp and its jvp.

    Runs with 64-bit numbers, whatever the process is configured for: in 32 bits a finite
    difference sees half the digits.

    Parameters
    ----------
    function : callable
        Of arrays, by position; returns an array, or a tuple or dict of arrays.
    options : mapping, optional
        Passed by keyword, not differentiated.
    name : str, optional
        Shown in reports.

    Raises
    ------
    InvalidSubject
        Where JAX is not installed.
    """
    if jax is None:
        raise InvalidSubject(
            "jax: got no such package, expected it for a JAX function. "
            "Do: pip install 'gradcheck[bench]', or pip install jax."
        )
    work = _Jax(function, dict(options or {}))
    label = name or str(getattr(function, "__name__", type(function).__name__))
    forward_only = type(function).__name__ == "custom_vjp"  # has no jvp by construction
    return FunctionSubject(
        label, work.value, work.claim, push_forward=None if forward_only else work.push_forward
    )


class _Jax:
    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self.function, self.options = function, options
        self.signature = Call(function, "forward")

    def split(self, inputs: Inputs) -> tuple[tuple[str, ...], list[Any], Callable[..., Any]]:
        """Differentiable names, their arrays, and the function of these alone."""
        order = in_call_order(self.signature, tuple(inputs))
        floats = tuple(key for key in order if is_differentiable(np.asarray(inputs[key])))

        def of_floats(*arrays: Any) -> Any:
            given = {**inputs, **dict(zip(floats, arrays, strict=True))}
            return self.function(*(given[key] for key in order), **self.options)

        return floats, [jax.numpy.asarray(inputs[key]) for key in floats], of_floats

    def value(self, inputs: Inputs) -> Any:
        with _in_64_bits():
            _, arrays, function = self.split(inputs)
            return checked_output(_arrays(function(*arrays)))

    def claim(self, inputs: Inputs, cotangent: Any) -> Claim:
        with _in_64_bits():
            floats, arrays, function = self.split(inputs)
            output, pull_back = jax.vjp(function, *arrays)
            leaves, structure = jax.tree_util.tree_flatten(output)
            bars = jax.tree_util.tree_leaves(cotangent)
            cast = [_bar(bar, leaf) for bar, leaf in zip(bars, leaves, strict=True)]
            grads = pull_back(jax.tree_util.tree_unflatten(structure, cast))
            found = dict(zip(floats, map(np.array, grads), strict=True))
            # JAX's pairing of a complex vector with its cotangent does not conjugate.
            return {key: _conjugated(found.get(key)) for key in inputs}

    def push_forward(self, inputs: Inputs, tangents: Inputs) -> Any:
        with _in_64_bits():
            floats, arrays, function = self.split(inputs)
            directions = [jax.numpy.asarray(tangents[key]) for key in floats]
            return _arrays(jax.jvp(function, tuple(arrays), tuple(directions))[1])


def _in_64_bits() -> Any:
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    return importlib.import_module("jax.experimental").enable_x64()  # before JAX 0.8


def _arrays(tree: Any) -> Any:
    if isinstance(tree, (tuple, list)):
        return tuple(np.array(part) for part in tree)
    if isinstance(tree, Mapping):
        return {key: np.array(part) for key, part in tree.items()}
    return np.array(tree)


def _bar(bar: Any, leaf: Any) -> Any:
    return jax.numpy.asarray(np.conj(bar)).astype(leaf.dtype).reshape(leaf.shape)


def _conjugated(grad: Array | None) -> Array | None:
    return None if grad is None else np.conj(grad)
