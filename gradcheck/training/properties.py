"""One line for a property test of a training loop, over random networks, data and seeds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gradcheck.errors import InvalidArgument
from gradcheck.one_liner import TestFunction, as_test, identifier, module_of
from gradcheck.recording import record
from gradcheck.result import TrainingResult, TrainingTrace
from gradcheck.strategies.training import training_property
from gradcheck.training.loop import Loop, require_epochs, train
from gradcheck.training.verdict import failed, judged, make_promises

TWIN_EPOCHS = 3
"""Epochs of the second run that shows whether the seed rules everything."""

Made = Loop | Callable[[], Any] | TrainingTrace
"""What a factory may return."""


def training_test(
    factory: Callable[..., Made],
    /,
    *,
    epochs: int,
    promises: Mapping[str, Any] | None = None,
    examples: int | None = None,
    axes: Mapping[str, Any] | None = None,
    same_seed: bool = True,
    name: str = "",
    **draws: Any,
) -> TestFunction:
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
    if examples is not None and examples < 1:
        raise InvalidArgument(f"examples: got {examples}; expected at least 1")
    make_promises(promises or {})
    drawn = _Drawn(factory, epochs, promises or {}, same_seed, name or _name_of(factory))
    caller = sys._getframe(1)
    unique = identifier(f"{module_of(caller)} {drawn.label}")
    run = training_property(drawn.keeps_promises, draws, name=unique, examples=examples, axes=axes)
    return as_test(run, drawn.label, caller)


def _name_of(factory: Callable[..., Any]) -> str:
    return str(getattr(factory, "__name__", "training"))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A training whose arguments are drawn."""

    factory: Callable[..., Made]
    epochs: int
    promises: Mapping[str, Any]
    same_seed: bool
    label: str

    def keeps_promises(self, arguments: Mapping[str, Any], written: str) -> None:
        """Train, and raise `TrainingFailed` unless every promise is kept."""
        __tracebackhide__ = True
        call = f"{self._factory_name}({written})"
        try:
            made = self.factory(**arguments)
            result = self._judged(made, arguments)
        except Exception as error:
            error.add_note(f"drawn: {call}")
            raise
        if not result:
            result = replace(result, reproduce=self._reproduction(call, made, result))
        record(result)
        if not result:
            raise failed(result) from result.trace.error

    def _judged(self, made: Made, arguments: Mapping[str, Any]) -> TrainingResult:
        trace = self._trained(made, self.epochs)
        twin = None
        if self.same_seed:
            twin = self._trained(self.factory(**arguments), self._twin_epochs)
        return judged(trace, {**self.promises, "twin": twin, **trace.promises})

    def _trained(self, made: Made, epochs: int) -> TrainingTrace:
        if isinstance(made, TrainingTrace):
            return made
        loop = made if isinstance(made, Loop) else Loop(made)
        return train(loop, epochs, progress=False, name=loop.name or self.label)

    @property
    def _twin_epochs(self) -> int:
        return min(self.epochs, TWIN_EPOCHS)

    @property
    def _factory_name(self) -> str:
        name = _name_of(self.factory)
        return name if name.isidentifier() else "factory"

    def _reproduction(self, call: str, made: Made, result: TrainingResult) -> str:
        """A line that trains and fails the same way."""
        given = [
            f"{name}={_written(name, value)}"
            for name, value in self.promises.items()
            if name not in result.trace.promises
        ]
        if any(finding.name == "seed-not-reproduced" for finding in result.findings):
            given.append(f"twin={_trained_in_words(call, made, self._twin_epochs)}")
        arguments = [_trained_in_words(call, made, self.epochs), *given]
        return f"gradcheck.assert_training({', '.join(arguments)})"


def _trained_in_words(call: str, made: Made, epochs: int) -> str:
    return call if isinstance(made, TrainingTrace) else f"gradcheck.train({call}, epochs={epochs})"


def _written(name: str, value: Any) -> str:
    """A promise as it is written in a call: a number or a word as itself, all else by its name."""
    return repr(value) if type(value) in (bool, int, float, str) else name
