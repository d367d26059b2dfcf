"""Run a training loop epoch by epoch and write down what it did, whatever it does."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradcheck.errors import InvalidArgument
from gradcheck.result import Epoch, TrainingTrace, Update
from gradcheck.training.cost import (
    Cost,
    Objective,
    copied,
    displacement,
    float_arrays,
    is_objective,
    norm,
)
from gradcheck.training.progress import progress_bar
from gradcheck.trees import Arrays

FIRST_UPDATES = 6
"""Updates kept from the start: enough to fit an optimiser's rule, few enough for big networks."""

Parameters = Mapping[str, Any] | Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Loop:
    """A training loop and the windows it offers; only ``step`` is needed.

    Attributes
    ----------
    step : callable
        ``step() -> loss``; runs one epoch. Losses after the update, before it, or averaged over
        batches are all fine.
    parameters : mapping or callable, optional
        Live named arrays that the step changes in place, or ``parameters() -> mapping``.
    objective : callable or Subject, optional
        ``objective(parameters) -> (loss, gradients)`` on the training data, at any parameters, or a
        subject whose inputs are the parameters. With it the gradient is checked on the spot and a
        failure can be explained.
    held_out : callable, optional
        ``held_out() -> loss`` on data that is not trained on.
    initial_loss : float, optional
        The loss before the first update; that of ``objective`` when not given.
    promises : mapping, optional
        Keyword arguments for `check_training` that belong to this loop; those given there win.
    name : str
        Shown in reports, as "training" where it is empty.
    updates : callable, optional
        ``updates() -> sequence of Update`` with the gradients used; `descend` provides it.
    """

    step: Callable[[], Any]
    parameters: Parameters | None = None
    objective: Objective | None = None
    held_out: Callable[[], float] | None = None
    initial_loss: float | None = None
    promises: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    updates: Callable[[], Sequence[Update]] | None = None


def train(
    step: Callable[[], Any] | Loop,
    epochs: int,
    *,
    parameters: Parameters | None = None,
    objective: Objective | None = None,
    held_out: Callable[[], float] | None = None,
    initial_loss: float | None = None,
    progress: bool | None = None,
    name: str = "",
) -> TrainingTrace:
    """Run a training loop and keep what it did.

    The loop may belong to any framework. It is stopped, and the trace up to there is returned with
    the reason in ``stopped``, when a step raises, returns something that is no number, or returns
    a loss that is not finite.

    Parameters
    ----------
    step : callable or Loop
        ``step() -> loss``; runs one epoch.
    epochs : int
        At least 1.
    parameters, objective, held_out, initial_loss, name
        Windows into the loop: see `Loop`, whose own they replace.
    progress : bool, optional
        A bar on stderr, by tqdm; by default only on a terminal.

    Returns
    -------
    TrainingTrace

    Raises
    ------
    InvalidArgument
        If ``step`` cannot be called or ``epochs`` is not a positive integer.

    Examples
    --------
    >>> w = np.array([4.0])
    >>> def step():
    ...     w[...] -= 0.25 * 2 * w
    ...     return float(w[0] ** 2)
    >>> train(step, epochs=3, initial_loss=16.0).losses
    (4.0, 1.0, 0.25)
    """
    windows: dict[str, Any] = {
        "parameters": parameters,
        "objective": objective,
        "held_out": held_out,
        "initial_loss": initial_loss,
        "name": name or None,
    }
    given = {window: value for window, value in windows.items() if value is not None}
    loop = replace(step if isinstance(step, Loop) else Loop(step), **given)
    _require_loop(loop)
    require_epochs(epochs)
    recorder = _Recorder(loop)
    with progress_bar(epochs, recorder.name, progress) as advance:
        while recorder.goes_on(epochs):
            recorder.run_epoch()
            advance(recorder.last_loss)
    return recorder.trace(epochs)


def _require_loop(loop: Loop) -> None:
    if not callable(loop.step):
        raise InvalidArgument(
            f"step: got {type(loop.step).__name__}; expected a callable that runs one epoch and "
            "returns its loss"
        )
    for window in ("held_out", "updates"):
        require(window, getattr(loop, window), callable, "a callable")
    require("objective", loop.objective, is_objective, "a callable or a subject")
    require("initial_loss", loop.initial_loss, is_number, "a number")
    if loop.objective is not None and loop.parameters is None and loop.updates is None:
        raise InvalidArgument(
            "objective: given, but no parameters to call it at; give parameters= as well"
        )


def require(name: str, value: Any, fits: Callable[[Any], bool], expected: str) -> None:
    """Raise InvalidArgument unless an optional argument is left out or fits."""
    if value is not None and not fits(value):
        raise InvalidArgument(f"{name}: got {value!r:.60}; expected {expected}, or leave it out")


def is_number(value: Any) -> bool:
    """Whether a value can be used as a number.

    >>> is_number(np.float32(0.5)), is_number(np.array(0.5)), is_number("0.5")
    (True, True, False)
    """
    return hasattr(value, "__float__") and np.shape(value) == ()


def require_epochs(epochs: Any) -> None:
    """Raise InvalidArgument unless ``epochs`` is a positive integer."""
    whole = isinstance(epochs, (int, np.integer)) and not isinstance(epochs, bool)
    if not whole or epochs < 1:
        raise InvalidArgument(f"epochs: got {epochs!r}; expected an integer of at least 1")


class _Recorder:
    """The notebook of one run."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.name = loop.name or "training"
        self.losses: list[float] = []
        self.epochs: list[Epoch] = []
        self.stopped = ""
        self.error: BaseException | None = None
        self.first: list[Update] = []
        self.last: deque[Update] = deque(maxlen=2)
        self.worst: tuple[Update, ...] = ()
        self.worst_rise = 0.0
        self.now = read_parameters(loop.parameters)
        self.initial_loss = self._loss_before()

    def _loss_before(self) -> float | None:
        given, objective = self.loop.initial_loss, self.loop.objective
        if given is not None:
            return float(given)
        return None if objective is None or self.now is None else Cost(objective).value(self.now)

    @property
    def last_loss(self) -> float:
        return self.losses[-1] if self.losses else float("nan")

    def goes_on(self, epochs: int) -> bool:
        return not self.stopped and len(self.losses) < epochs

    def run_epoch(self) -> None:
        epoch, started = len(self.losses) + 1, time.perf_counter()
        try:
            loss, complaint = read_loss(self.loop.step())
            if loss is not None:
                self._note(loss, time.perf_counter() - started)
        except Exception as error:  # the loop is the user's: anything may come out of it
            if is_control_flow(error):
                raise
            self.error, complaint = error, f"the loop raised {_in_words(error)}"
        if complaint:
            self.stopped = f"in epoch {epoch}, {complaint}"

    def _note(self, loss: float, seconds: float) -> None:
        index = len(self.losses)
        before, self.now = self.now, read_parameters(self.loop.parameters)
        norms: dict[str, float] = {}
        distances: dict[str, float] = {}
        if before is not None and self.now is not None:
            _require_alike(before, self.now)
            self._keep(Update(index, before, self.now), loss)
            norms = {n: norm({n: a}) for n, a in float_arrays(self.now).items()}
            distances = {n: norm({n: d}) for n, d in displacement(before, self.now).items()}
        self.losses.append(loss)  # before anything else of the user's can fail
        self.epochs.append(Epoch(index, loss, seconds, norms, distances, self._held_out()))

    def _keep(self, update: Update, loss: float) -> None:
        if len(self.first) < FIRST_UPDATES:
            self.first.append(update)
        # A loss logged before its update shows the harm of the update before: both are kept.
        suspects = (*self.last, update)[-2:]
        self.last.append(update)
        known = self.losses[-1] if self.losses else self.initial_loss
        rise = loss - known if known is not None else 0.0
        if rise > self.worst_rise:
            self.worst_rise, self.worst = rise, suspects

    def _held_out(self) -> float | None:
        if self.loop.held_out is None:
            return None
        loss, complaint = read_loss(self.loop.held_out(), "held_out")
        if loss is None:
            raise InvalidArgument(complaint)
        return loss

    def trace(self, asked: int) -> TrainingTrace:
        return TrainingTrace(
            losses=tuple(self.losses),
            initial_loss=self.initial_loss,
            epochs=tuple(self.epochs),
            stopped=self.stopped,
            metadata={"name": self.name, "epochs_asked": int(asked)},
            updates=self._updates(),
            objective=self.loop.objective,
            promises=dict(self.loop.promises),
            error=self.error,
        )

    def _updates(self) -> tuple[Update, ...]:
        if self.loop.updates is not None:
            return tuple(self.loop.updates())
        kept = {update.epoch: update for update in (*self.first, *self.worst, *self.last)}
        return tuple(kept[epoch] for epoch in sorted(kept))


def read_parameters(parameters: Parameters | None) -> Arrays | None:
    """Copies of the live parameters, or ``None`` where the loop does not show them."""
    if parameters is None:
        return None
    live = parameters() if callable(parameters) else parameters
    if not isinstance(live, Mapping):
        raise InvalidArgument(
            f"parameters: got {type(live).__name__}; expected a mapping of names to arrays, or a "
            "callable that returns one"
        )
    try:
        return copied(live)
    except (
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:  # ragged, or a tensor that has a gradient
        raise InvalidArgument(
            f"parameters: got what NumPy cannot copy ({_in_words(error)}); expected arrays"
        ) from error


def _require_alike(before: Arrays, now: Arrays) -> None:
    then, later = _shapes(before), _shapes(now)
    if then != later:
        raise InvalidArgument(
            f"parameters: got {later}, which were {then} the epoch before; expected the same names "
            "and shapes all the time"
        )


def _shapes(arrays: Arrays) -> str:
    return ", ".join(f"{name} {array.shape}" for name, array in arrays.items())


def read_loss(value: Any, source: str = "step") -> tuple[float | None, str]:
    """The loss that a step returned, and what is wrong with it.

    >>> read_loss(0.5), read_loss(None)[1]
    ((0.5, ''), 'step returned None where a number was expected: return the loss')
    """
    if value is None:
        return None, f"{source} returned None where a number was expected: return the loss"
    shape = _shape(value)
    if shape:
        return None, (
            f"{source} returned an array of shape {shape} where a number was expected: "
            "return its mean, as a float"
        )
    if isinstance(value, (str, bytes, complex)) or not hasattr(value, "__float__"):
        return None, f"{source} returned {value!r:.40} where a number was expected"
    loss = float(value)
    return loss, "" if np.isfinite(loss) else f"the loss became {loss}"


def _shape(value: Any) -> tuple[int, ...]:
    try:
        return tuple(np.shape(value))
    except ValueError:  # nested lists of unequal length
        return (len(value),)


def is_control_flow(error: BaseException) -> bool:
    """Whether an exception is a message to Hypothesis, such as that of ``assume``."""
    return type(error).__module__.partition(".")[0] == "hypothesis"


def _in_words(error: BaseException) -> str:
    first_line = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first_line}".rstrip(": ")
