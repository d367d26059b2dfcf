"""Named arrays: names to arrays, flattening, and the inner product of the space they live in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]

SINGLE_OUTPUT = "out"
"""Name given to the output of a function that returns one array."""


SUMMED = 4096
"""Entries from which on a sum is cheaper than an array of what is finite."""


def is_differentiable(array: Array) -> bool:
    """Whether an array has a float or complex dtype.

    >>> is_differentiable(np.ones(2)), is_differentiable(np.ones(2, int))
    (True, False)
    """
    return array.dtype.kind in "fc"


def all_finite(array: Array) -> bool:
    """Whether no entry is infinite or NaN; one pass over the memory where none is.

    >>> all_finite(np.ones(2)), all_finite(np.array([np.inf, -np.inf]))
    (True, False)
    """
    if array.dtype.kind not in "fc":
        return True
    if array.size > SUMMED:
        with np.errstate(all="ignore"):  # what is infinite stays so in a sum, or makes it NaN
            total = np.add.reduce(array, axis=None)
        if np.isfinite(total):
            return True
    return bool(np.logical_and.reduce(np.isfinite(array), axis=None))


def named_outputs(output: Any) -> Arrays:
    """An output (array, sequence or mapping of arrays) as named arrays, without copying.

    >>> sorted(named_outputs((np.ones(2), np.zeros(1))))
    ['out[0]', 'out[1]']
    """
    if type(output) is np.ndarray:
        return {SINGLE_OUTPUT: output}
    if isinstance(output, Mapping):
        return {str(name): np.asarray(value) for name, value in output.items()}
    if isinstance(output, (tuple, list)):
        return {f"{SINGLE_OUTPUT}[{i}]": np.asarray(value) for i, value in enumerate(output)}
    return {SINGLE_OUTPUT: np.asarray(output)}


def like_output(tree: Mapping[str, Array], output: Any) -> Any:
    """Named arrays back in the structure of ``output``: the inverse of `named_outputs`.

    >>> like_output({"out": np.ones(2)}, np.zeros(2))
    array([1., 1.])
    """
    if isinstance(output, Mapping):
        return {name: tree[str(name)] for name in output}
    if isinstance(output, (tuple, list)):
        return tuple(tree[f"{SINGLE_OUTPUT}[{i}]"] for i in range(len(output)))
    return tree[SINGLE_OUTPUT]


BLOCK = 8192
"""Numbers worked at together: few enough to stay in the cache while several passes go over them,
and for BLAS not to wake its threads."""


def blocks(size: int) -> Iterator[slice]:
    """Slices of `BLOCK` entries that make up ``size`` of them.

    >>> [part.stop for part in blocks(10_000)]
    [8192, 10000]
    """
    return (slice(start, min(start + BLOCK, size)) for start in range(0, size, BLOCK))


def inner_product(left: Array, right: Array) -> float:
    """Real inner product ``Re sum(conj(left) * right)``, accumulated in float64 or wider.

    >>> inner_product(np.array([1j, 2.0]), np.array([3j, 1.0]))
    5.0
    """
    left, right = np.asarray(left), np.asarray(right)
    wide = np.result_type(left.dtype, right.dtype, np.float64)
    product = np.vdot(left.astype(wide, copy=False), right.astype(wide, copy=False))
    return float(np.real(product))


def tree_inner_product(left: Mapping[str, Array], right: Mapping[str, Array]) -> float:
    """Sum of `inner_product` over the names of ``left``."""
    return sum(inner_product(array, right[name]) for name, array in left.items())


def lone_tangent(inputs: Mapping[str, Array], name: str, tangent: Array) -> Arrays:
    """Tangents of all differentiable inputs: ``tangent`` for the named one, zero for the others.

    >>> lone_tangent({"x": np.ones(1), "w": np.ones(2)}, "x", np.full(1, 3.0))["w"].tolist()
    [0.0, 0.0]
    """
    still = {k: np.zeros_like(array) for k, array in inputs.items() if is_differentiable(array)}
    return still | {name: tangent}


def ravel(tree: Mapping[str, Array]) -> Array:
    """All arrays as one vector, in the order of the mapping.

    >>> ravel({"w": np.eye(2), "b": np.zeros(1)})
    array([1., 0., 0., 1., 0.])
    """
    parts = [np.ravel(array) for array in tree.values()]
    return np.concatenate(parts) if parts else np.zeros(0)


def unravel(vector: Array, like: Mapping[str, Array]) -> Arrays:
    """A vector cut into the names and shapes of ``like``: the inverse of `ravel`.

    >>> unravel(np.arange(3.0), {"w": np.zeros((1, 2)), "b": np.zeros(())})["b"]
    array(2.)
    """
    tree: Arrays = {}
    start = 0
    for name, array in like.items():
        tree[name] = vector[start : start + array.size].reshape(array.shape)
        start += array.size
    return tree


def multi_index(flat: int, shape: Sequence[int]) -> tuple[int, ...]:
    """C-order position as a multi-index of plain integers.

    >>> multi_index(5, (2, 3))
    (1, 2)
    """
    return tuple(int(i) for i in np.unravel_index(flat, tuple(shape))) if shape else ()
