"""The same values in another memory layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import InvalidArgument

Array = NDArray[Any]


def _strided(array: Array) -> Array:
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def _reversed(array: Array) -> Array:
    back = (slice(None, None, -1),) * array.ndim
    return np.ascontiguousarray(array[back])[back]


def _offset(array: Array) -> Array:
    padded = np.zeros(array.size + 1, array.dtype)
    padded[1:] = array.ravel()
    return padded[1:].reshape(array.shape)


def _read_only(array: Array) -> Array:
    frozen = array.copy()
    frozen.flags.writeable = False
    return frozen


def _transposed(array: Array) -> Array:
    return np.ascontiguousarray(array.T).T


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "C": np.ascontiguousarray,
    "F": _transposed,
    "strided": _strided,
    "reversed": _reversed,
    "offset": _offset,
    "readonly": _read_only,
}
"""``F`` is what a transposed view of a C-ordered array is."""


def with_layout(array: Array, layout: str) -> Array:
    """A view with the values of ``array``, laid out as ``layout`` says.

    Parameters
    ----------
    array : ndarray
    layout : {"C", "F", "strided", "reversed", "offset", "readonly"}
        ``strided`` takes every second entry of a wider array, ``reversed`` has negative strides,
        ``offset`` starts inside a buffer, ``readonly`` refuses to be written to.

    >>> with_layout(np.arange(4.0).reshape(2, 2), "reversed").strides
    (-16, -8)
    """
    if layout not in LAYOUTS:
        raise InvalidArgument(
            f"layout: got {layout!r}, expected one of {', '.join(LAYOUTS)}. Do: correct it."
        )
    if array.ndim == 0 and layout != "readonly":
        return array
    return LAYOUTS[layout](array)
