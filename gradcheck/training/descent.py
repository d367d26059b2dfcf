"""Gradient descent that the harness runs itself, with a step that Armijo's rule makes safe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck.errors import InvalidArgument
from gradcheck.result import TrainingTrace, Update
from gradcheck.subject import Subject
from gradcheck.training.cost import Cost, copied, is_objective, moved
from gradcheck.training.loop import FIRST_UPDATES, Loop, train
from gradcheck.trees import Array, Arrays, tree_inner_product

SUFFICIENT = 1e-4
"""Share of the promised fall that a safe step must deliver (Nocedal & Wright 2006, eq. 3.4)."""

HALVINGS = 60
"""Step halvings, or doublings, tried: from 1 to the last place of a float64, and as far up."""

AnyObjective = Callable[..., tuple[Any, Mapping[str, Any]]] | Subject
"""``objective(parameters)``, ``objective(parameters, batch)``, or a subject of the parameters."""

UpdateRule = Callable[[Arrays, Arrays], Mapping[str, Any] | None]
"""``update(parameters, gradients)``: returns the new parameters, or changes them in place."""


@dataclass(frozen=True, slots=True)
class SafeStep:
    """A step length along minus the gradient, and the fall it gives; both 0 where none falls."""

    length: float
    fall: float


def safe_step(
    cost: Cost, parameters: Mapping[str, Array], start: float = 1.0, noise: float = 0.0
) -> SafeStep:
    """The longest step ``start * 2**k`` that passes Armijo's rule.

    ``L(θ - ηg) <= L(θ) - 1e-4 η |g|²`` (Armijo 1966). For a smooth objective and its own gradient
    a short enough step always passes, so a gradient along which none does is wrong, zero, or at a
    kink. ``noise`` is how much of a fall the rounding of the loss can feign.

    Examples
    --------
    >>> bowl = Cost(lambda p: (float(p["w"] @ p["w"]), {"w": 2 * p["w"]}))
    >>> safe_step(bowl, {"w": np.array([3.0])})
    SafeStep(length=0.5, fall=9.0)
    """
    here, gradients = cost(parameters)
    steepness = tree_inner_product(gradients, gradients)
    downhill = {name: -gradient for name, gradient in gradients.items()}
    if not (0 < steepness < np.inf and np.isfinite(here)):
        return SafeStep(0.0, 0.0)

    def fall(length: float) -> float:
        return here - cost.probe(moved(parameters, downhill, length))

    def passes(length: float) -> bool:
        return fall(length) > max(SUFFICIENT * length * steepness, noise)

    length = _longest(passes, start)
    return SafeStep(length, fall(length)) if length else SafeStep(0.0, 0.0)


def _longest(passes: Callable[[float], bool], start: float) -> float:
    length = start
    if passes(length):
        for _ in range(HALVINGS):
            if not passes(2 * length):
                return length
            length *= 2
        return length
    for _ in range(HALVINGS):
        length /= 2
        if passes(length):
            return length
    return 0.0


def descend(
    objective: AnyObjective,
    parameters: Mapping[str, Array],
    update: UpdateRule | float | None,
    epochs: int,
    *,
    batches: Sequence[Any] | Callable[[int], Iterable[Any]] | None = None,
    held_out: Callable[[Mapping[str, Array]], float] | None = None,
    progress: bool | None = None,
    name: str = "",
) -> TrainingTrace:
    """Train an objective with an optimiser, and keep what every update did.

    Parameters
    ----------
    objective : callable or Subject
        ``objective(parameters) -> (loss, gradients)``, or ``objective(parameters, batch)`` where
        ``batches`` are given. Both mappings are keyed by parameter name. A subject's inputs are the
        parameters, and its value is the loss.
    parameters : mapping of str to array
        The start; not changed.
    update : callable, float or None
        ``update(parameters, gradients)`` returns the new parameters, or changes them in place. A
        number is the rate of plain gradient descent; ``None`` takes a safe step, found by Armijo's
        rule before every update.
    epochs : int
    batches : sequence or callable, optional
        The batches of an epoch, or ``batches(epoch)`` that makes them. The loss of an epoch is then
        the mean of its batches' losses before their updates; without, it is the loss afterwards.
    held_out : callable, optional
        ``held_out(parameters) -> loss`` on data that is not trained on.
    progress, name
        See `train`.

    Returns
    -------
    TrainingTrace

    Examples
    --------
    >>> bowl = lambda p: (float(p["w"] @ p["w"]), {"w": 2 * p["w"]})
    >>> descend(bowl, {"w": np.array([4.0])}, 0.25, epochs=3).losses
    (4.0, 1.0, 0.25)
    """
    loop = descent_loop(
        objective, parameters, update, batches=batches, held_out=held_out, name=name
    )
    return train(loop, epochs, progress=progress)


def descent_loop(
    objective: AnyObjective,
    parameters: Mapping[str, Array],
    update: UpdateRule | float | None,
    *,
    batches: Sequence[Any] | Callable[[int], Iterable[Any]] | None = None,
    held_out: Callable[[Mapping[str, Array]], float] | None = None,
    promises: Mapping[str, Any] | None = None,
    name: str = "",
) -> Loop:
    """The loop that `descend` runs, for `train` and `training_test`; the arguments are the same.

    ``promises`` are keyword arguments for `check_training` that belong to this loop.

    Examples
    --------
    >>> bowl = lambda p: (float(p["w"] @ p["w"]), {"w": 2 * p["w"]})
    >>> train(descent_loop(bowl, {"w": np.array([4.0])}, update=0.25), epochs=2).losses
    (4.0, 1.0)
    """
    _require_objective(objective, batches)
    run = _Descent(objective, copied(parameters), _rule(update, batches), batches)
    return Loop(
        run.epoch,
        parameters=lambda: run.parameters,
        objective=objective if batches is None else run.whole,
        held_out=None if held_out is None else lambda: held_out(copied(run.parameters)),
        promises=dict(promises or {}),
        name=name,
        updates=lambda: [*run.first, *run.last],
    )


def _require_objective(objective: Any, batches: Any) -> None:
    if not is_objective(objective) or (batches is not None and not callable(objective)):
        takes = "(parameters, batch)" if batches is not None else "(parameters), or a subject"
        raise InvalidArgument(
            f"objective: got {type(objective).__name__}; expected a callable of {takes}"
        )


def _rule(update: UpdateRule | float | None, batches: Any) -> UpdateRule | None:
    if update is None:
        if batches is not None:
            raise InvalidArgument(
                "update=None takes safe steps on the whole objective; got batches too: "
                "leave them out, or give an update rule"
            )
        return None
    if callable(update):
        return update
    if isinstance(update, (int, float)) and update > 0:
        rate = float(update)
        return lambda parameters, gradients: {
            name: (array - rate * gradients[name]).astype(array.dtype)
            for name, array in parameters.items()
        }
    raise InvalidArgument(f"update: got {update!r}; expected a callable, a positive rate or None")


@dataclass(slots=True)
class _Descent:
    """The state of one run of `descend`."""

    objective: AnyObjective
    parameters: Arrays
    rule: UpdateRule | None
    batches: Sequence[Any] | Callable[[int], Iterable[Any]] | None
    done: int = 0
    length: float = 1.0
    known: tuple[float, Arrays] | None = None
    opening: list[Any] | None = None
    first: list[Update] = field(default_factory=list)
    last: list[Update] = field(default_factory=list)

    def epoch(self) -> float:
        with np.errstate(all="ignore"):  # a run that diverges is a result, not a warning
            loss = self._on_all_data() if self.batches is None else self._in_batches()
        self.done += 1
        return loss

    def _on_all_data(self) -> float:
        _, gradients = self.known or Cost(self.objective)(self.parameters)
        self._update(gradients)
        self.known = Cost(self.objective)(self.parameters)
        return self.known[0]

    def _in_batches(self) -> float:
        losses = []
        for batch in self._batches_of(self.done):
            loss, gradients = self._on(batch, self.parameters)
            self._update(gradients)
            losses.append(loss)
        return float(np.mean(losses))

    def whole(self, parameters: Mapping[str, Array]) -> tuple[float, Arrays]:
        """Mean over the batches of the first epoch: loss and gradients on all the data."""
        answers = [self._on(batch, parameters) for batch in self._batches_of(0)]
        loss = float(np.mean([loss for loss, _ in answers]))
        names = answers[0][1]
        return loss, {n: np.mean([g[n] for _, g in answers], axis=0) for n in names}

    def _batches_of(self, epoch: int) -> list[Any]:
        if epoch == 0:  # made once: a generator would cut the data anew for every evaluation
            self.opening = self.opening or self._made(0)
            return self.opening
        return self._made(epoch)

    def _made(self, epoch: int) -> list[Any]:
        assert self.batches is not None
        return list(self.batches(epoch) if callable(self.batches) else self.batches)

    def _on(self, batch: Any, parameters: Mapping[str, Array]) -> tuple[float, Arrays]:
        assert callable(self.objective)
        objective = self.objective
        return Cost(lambda given: objective(given, batch))(parameters)

    def _update(self, gradients: Arrays) -> None:
        before = self.parameters
        mutable = copied(before)
        returned = self._new_parameters(mutable, copied(gradients))
        self.parameters = copied(mutable if returned is None else returned)
        self._keep(Update(self.done, before, self.parameters, gradients))

    def _new_parameters(self, mutable: Arrays, gradients: Arrays) -> Mapping[str, Any] | None:
        if self.rule is not None:
            return self.rule(mutable, gradients)
        found = safe_step(Cost(self.objective), self.parameters, self.length)
        self.length = found.length or self.length
        return moved(mutable, {n: -g for n, g in gradients.items()}, found.length)

    def _keep(self, update: Update) -> None:
        if len(self.first) < FIRST_UPDATES:
            self.first.append(update)
        else:
            self.last = [*self.last[-1:], update]
