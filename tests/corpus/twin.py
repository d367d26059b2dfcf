"""A bug that shipped, or could have: one forward, a right backward and a wrong one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Point = dict[str, Any]
Pair = tuple[Callable[..., Any], Callable[..., Any]]


@dataclass(frozen=True)
class Twin:
    """One function with a right and a wrong backward.

    Attributes
    ----------
    id : str
        Short and stable; tests are named by it.
    source : str
        Public reports of the bug, as ``owner/repository#number``; ``""`` for one of our own making.
    cls : str
        The kind of mistake, in words.
    bug : str
        What the wrong backward does.
    forward : callable
        ``forward(*inputs, **options)``.
    right_backward, wrong_backward : callable
        ``backward(cotangent, *inputs, **options)``, one gradient per input.
    arguments : callable
        ``arguments(st)``: what an honest user of the function writes in a ``vjp_test`` line, where
        ``st`` is `gradcheck.strategies`. It describes the function's domain, never the bug.
    bug_point, generic_point : callable
        Inputs and options by name, fresh on every call: where the wrong backward is wrong, and
        where the function is smooth, moderate and finite.
    diagnosis : tuple of str
        Names of `gradcheck.diagnosis.DIAGNOSES` that are true of this bug, the best first.
    wrong_pair : callable, optional
        For a wrong twin with state of its own: returns a new (forward, backward).
    symptom : callable, optional
        For a bug that one call at one point does not show: ``symptom(pair, point)`` is whether
        this pair has it.
    smooth_at_bug : bool
        Whether the bug point can be differentiated numerically, entry by entry.
    """

    id: str
    source: str
    cls: str
    bug: str
    forward: Callable[..., Any]
    right_backward: Callable[..., Any]
    wrong_backward: Callable[..., Any]
    arguments: Callable[[Any], dict[str, Any]]
    bug_point: Callable[[], Point]
    generic_point: Callable[[], Point]
    diagnosis: tuple[str, ...]
    wrong_pair: Callable[[], Pair] | None = None
    symptom: Callable[[Pair, Point], bool] | None = None
    smooth_at_bug: bool = True

    def right(self) -> Pair:
        """The right forward and backward."""
        return self.forward, self.right_backward

    def wrong(self) -> Pair:
        """The wrong forward and backward; new state, if they have any."""
        if self.wrong_pair is not None:
            return self.wrong_pair()
        return self.forward, self.wrong_backward


@dataclass(frozen=True)
class Alarm:
    """Right code that was reported as wrong: it must never be WRONG.

    The attributes are those of `Twin`; ``why`` says why the code is right, and the first of
    ``points`` is a generic one, the others those where somebody, or some checker, was misled.
    """

    id: str
    source: str
    why: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    arguments: Callable[[Any], dict[str, Any]]
    points: Callable[[], tuple[Point, ...]]


def inputs_of(point: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays of a point."""
    return {name: value for name, value in point.items() if isinstance(value, np.ndarray)}


def options_of(point: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a point: all that is not an array."""
    return {name: value for name, value in point.items() if not isinstance(value, np.ndarray)}


def bind(pair: Pair, point: Mapping[str, Any]) -> Pair:
    """The pair with the options of a point fixed: functions of arrays only."""
    options = options_of(point)
    forward, backward = pair
    return (partial(forward, **options), partial(backward, **options)) if options else pair


def normal(seed: int, *shape: int, scale: float = 1.0) -> Array:
    """Standard normal entries from a seed: a generic point."""
    return np.asarray(scale * np.random.default_rng(seed).standard_normal(shape))


def total(array: Array, like: Array) -> Array:
    """Sum over the axes along which ``like`` was broadcast to the shape of ``array``."""
    array = array.sum(axis=tuple(range(array.ndim - like.ndim)))
    stretched = tuple(i for i, n in enumerate(like.shape) if n == 1 and array.shape[i] != 1)
    return np.asarray(array.sum(axis=stretched, keepdims=True)).reshape(like.shape)


def two_ways(
    id: str, cls: str, forward: Callable[..., Any], backward: Callable[..., Any], **rest: Any
) -> Twin:
    """A twin of our own making whose ``backward(..., right=True or False)`` is both halves."""
    halves = partial(backward, right=True), partial(backward, right=False)
    return Twin(
        id, "", cls, forward=forward, right_backward=halves[0], wrong_backward=halves[1], **rest
    )
