"""One line for a property test of a training loop, over random networks, data and seeds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from gradcheck.errors import InvalidArgument
from gradcheck.recording import PROPERTY_MARK
from gradcheck.result import TrainingTrace
from gradcheck.strategies.training import training_property
from gradcheck.training.loop import Loop, require_epochs, train
from gradcheck.training.verdict import assert_training, make_promises

TWIN_EPOCHS = 3
"""Epochs of the second run that shows whether the seed rules everything."""


def training_test(
    factory: Callable[..., Loop | Callable[[], Any] | TrainingTrace],
    /,
    *,
    epochs: int,
    promises: Mapping[str, Any] | None = None,
    examples: int | None = None,
    axes: Mapping[str, Any] | None = None,
    same_seed: bool = True,
    name: str = "",
    **draws: Any,
) -> Callable[[], None]:
    """A property test: every drawn training keeps its promises.

    Parameters
    ----------
    factory : callable
        ``factory(**drawn)`` returns a fresh loop: a step, or a `Loop` with windows and promises of
        its own (`descent_loop` makes one of an objective and an optimiser).
    epochs : int
        Epochs of each training.
    promises : mapping, optional
        Keyword arguments for `check_training`; those of the loop come first.
    examples : int, optional
        Trainings to draw; by default as many as the profile asks for.
    axes : mapping, optional
        Sizes of named axes, for shapes among the draws.
    same_seed : bool
        Make each loop a second time, and demand that it starts the same way.
    name : str
        Of the test; that of ``factory`` by default.
    **draws : shape or strategy
        The arguments of ``factory``: Hypothesis strategies, strategies of `gradcheck.strategies`,
        or shapes such as ``"n d"``. A seed and some sizes are often enough.

    Returns
    -------
    callable
        A test function without arguments. It raises `TrainingFailed` for the smallest failing
        training that was found.

    Examples
    --------
    >>> import numpy as np
    >>> from hypothesis import strategies as st
    >>> from gradcheck.training import descent_loop
    >>> def least_squares(seed, d):
    ...     x, y = np.random.default_rng(seed).standard_normal((2, 20, d))
    ...     def objective(p):
    ...         r = x @ p["w"] - y
    ...         return float(np.mean(r**2)), {"w": 2 * x.T @ r / r.size}
    ...     return descent_loop(objective, {"w": np.zeros((d, d))}, update=None)
    >>> test_least_squares = training_test(
    ...     least_squares, epochs=10, promises={"expect": "monotone"}, examples=5,
    ...     seed=st.integers(0, 99), d=st.integers(1, 4),
    ... )
    >>> test_least_squares()
    """
    require_epochs(epochs)
    if not callable(factory):
        raise InvalidArgument(
            f"factory: got {type(factory).__name__}; expected a callable that makes a loop"
        )
    if not draws:
        raise InvalidArgument("no draws: give one strategy per argument of the factory")
    make_promises(promises or {})
    label = name or str(getattr(factory, "__name__", "training"))

    def body(drawn: Mapping[str, Any]) -> None:
        __tracebackhide__ = True
        trace, own = _trained(factory(**drawn), epochs, label)
        twin = _trained(factory(**drawn), min(epochs, TWIN_EPOCHS), label)[0] if same_seed else None
        assert_training(trace, **{**(promises or {}), "twin": twin, **own})

    test = training_property(body, draws, name=_identifier(label), examples=examples, axes=axes)
    test.__name__ = test.__qualname__ = f"test_{_identifier(label)}"
    test.__doc__ = f"Property test of the training {label}."
    setattr(test, PROPERTY_MARK, "")
    return test


def _trained(
    made: Loop | Callable[[], Any] | TrainingTrace, epochs: int, name: str
) -> tuple[TrainingTrace, Mapping[str, Any]]:
    if isinstance(made, TrainingTrace):
        return made, {}
    loop = made if isinstance(made, Loop) else Loop(made, name=name)
    return train(loop, epochs, progress=False), loop.promises


def _identifier(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_")
