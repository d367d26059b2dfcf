"""A type for annotations: an array whose axes are named."""

from __future__ import annotations

from typing import Generic, TypeVar

from gradcheck.strategies.registration import register

Axes = TypeVar("Axes")


class Shaped(Generic[Axes]):
    """An ndarray of a shape in the shape language, for annotations.

    >>> from typing import Literal
    >>> from hypothesis import find, strategies
    >>> find(strategies.from_type(Shaped[Literal["n 2"]]), lambda x: bool((x > 0).all()))
    array([[1., 1.]])
    """


register()
