"""What a training run is held to, and the run itself with everything that was measured on it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from gradcheck.checking import check
from gradcheck.errors import InvalidArgument
from gradcheck.result import CheckResult, TrainingTrace, Update, Verdict
from gradcheck.subject import FunctionSubject, Inputs, Subject
from gradcheck.training.convex import Optimum
from gradcheck.training.cost import Cost, Objective, all_finite, float_arrays, is_objective, norm
from gradcheck.training.descent import SafeStep, safe_step
from gradcheck.training.line import Line
from gradcheck.training.loop import Loop, is_number, require
from gradcheck.training.steps import Use, use_of_gradient
from gradcheck.training.trends import NULL_SERIES, SIGNIFICANCE, trend
from gradcheck.trees import Array, Arrays, is_differentiable

GAP = 0.01
"""Share of the way from the first loss to the optimum that may be left at the end."""

START_RTOL = 0.2
"""How far a first loss may be from theory: logits with variance 1 raise log 10 by 20 %."""

MARGIN = 0.15
"""How far below a constant guess a loss must get before it counts as learned.

Of 200 small classifiers whose 256 labels were shuffled, 9 agreed with the truth by chance well
enough to get 10 % below, and 2 to get 15 %.
"""


NUMBERS = ("level", "gradient_level", "expected_start", "guessing", "small_batch_level")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What the run is held to; `check_training` says what each means."""

    expect: Literal["trend", "monotone", "nothing"] = "trend"
    significance: float = SIGNIFICANCE
    full_batch: bool = False
    level: float | None = None
    gradient_level: float | None = None
    optimum: Optimum | float | None = None
    gap: float = GAP
    expected_start: float | None = None
    start_rtol: float = START_RTOL
    guessing: float | None = None
    margin: float = MARGIN
    objective: Objective | None = None
    gradient_check: Callable[[], CheckResult] | None = None
    small_batch: Objective | None = None
    small_batch_level: float | None = None
    twin: TrainingTrace | None = None
    frozen: Collection[str] = ()
    retrain: Callable[[float], Callable[[], Any] | Loop] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.expect not in ("trend", "monotone", "nothing"):
            raise InvalidArgument(
                f"expect: got {self.expect!r}; expected 'trend', 'monotone' or 'nothing'"
            )
        if not 1 / NULL_SERIES <= self.significance < 1:
            raise InvalidArgument(
                f"significance: got {self.significance!r}; expected a number from "
                f"1/{NULL_SERIES} to 1"
            )
        for name in ("gap", "start_rtol", "margin"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise InvalidArgument(f"{name}: got {value!r}; expected a number between 0 and 1")
        for name in ("objective", "small_batch"):
            require(name, getattr(self, name), is_objective, "a callable or a subject")
        for name in ("gradient_check", "retrain"):
            require(name, getattr(self, name), callable, "a callable")
        for name in NUMBERS:
            require(name, getattr(self, name), is_number, "a number")
        require("optimum", self.optimum, _is_optimum, "a number or an Optimum")
        require("twin", self.twin, _is_trace, "the TrainingTrace of another run")
        require("frozen", self.frozen, _are_names, "a collection of parameter names")

    @property
    def is_full_batch(self) -> bool:
        """Whether every epoch is one update on all the data."""
        return self.full_batch or self.expect == "monotone"

    @property
    def optimal_loss(self) -> float | None:
        """The least loss there is, where it is known."""
        return self.optimum.loss if isinstance(self.optimum, Optimum) else self.optimum


def _is_optimum(value: Any) -> bool:
    return isinstance(value, Optimum) or is_number(value)


def _is_trace(value: Any) -> bool:
    return isinstance(value, TrainingTrace)


def _are_names(value: Any) -> bool:
    # In a string each letter would be a name.
    return isinstance(value, Collection) and not isinstance(value, str)


class Run:
    """A trace and its promises, with what is measured on them: each thing once, on demand."""

    def __init__(self, trace: TrainingTrace, promises: Promises) -> None:
        self.trace = trace
        self.promises = promises
        self.objective = promises.objective or trace.objective
        if promises.objective is not None and not trace.updates:
            raise InvalidArgument(
                "objective: given, but the trace shows no parameters to call it at; give "
                "parameters= to train as well"
            )
        known = self.objective is not None and trace.updates
        self.cost = Cost(self.objective) if known else None

    @property
    def losses(self) -> list[float]:
        """The losses that are finite, in order: all, or all but the last."""
        return [loss for loss in self.trace.losses if np.isfinite(loss)]

    @property
    def series(self) -> list[float]:
        """Initial loss, then the finite losses; a first loss logged before its update once."""
        start, losses = self.trace.initial_loss, self.losses
        if start is None or not np.isfinite(start) or (losses and np.isclose(start, losses[0])):
            return losses
        return [start, *losses]

    @cached_property
    def shows_old_arrays(self) -> bool:
        """Whether the losses fall while no parameter that is shown moves."""
        still = all(
            np.array_equal(array, update.after[name])
            for update in self.trace.updates
            for name, array in float_arrays(update.before).items()
        )
        return bool(self.trace.updates) and still and trend(self.losses).falls()

    @cached_property
    def updates(self) -> tuple[Update, ...]:
        """Updates from finite parameters to finite parameters; none of arrays no longer used."""
        if self.shows_old_arrays:
            return ()
        kept = (u for u in self.trace.updates if all_finite(u.before) and all_finite(u.after))
        return tuple(kept)

    @property
    def start(self) -> Arrays | None:
        """Parameters before the first update."""
        return dict(self.trace.updates[0].before) if self.trace.updates else None

    @property
    def end(self) -> Arrays | None:
        """Parameters after the last update that left them finite."""
        return dict(self.updates[-1].after) if self.updates else self.start

    @cached_property
    def use(self) -> Use:
        """What the updates do with the gradient."""
        return use_of_gradient(self.updates, self.cost)

    @cached_property
    def gradient_checks(self) -> dict[str, CheckResult]:
        """The gradient checked on the spot: "given", or at the "start" and the "end"."""
        if self.promises.gradient_check is not None:
            return {"given": self.promises.gradient_check()}
        return {when: self._checked(point) for when, point in self.checked_points.items()}

    @cached_property
    def checked_points(self) -> dict[str, Arrays]:
        """Where the gradient is checked: at the start, and at the last point not above it.

        Where a run has diverged to, huge weights and saturated units cancel digits away: neither
        the gradient nor the check is at its best there, and nobody wants the point.
        """
        if self.cost is None or self.start is None or not all_finite(self.start):
            return {}
        level = self.cost.value(self.start)
        for update in reversed(self.updates):
            if self.cost.value(update.after) <= level:
                when = "after the last epoch" if update is self.updates[-1] else "on the way"
                return {"before the first epoch": self.start, when: dict(update.after)}
        return {"before the first epoch": self.start}

    @property
    def wrong_point(self) -> Arrays | None:
        """Where the objective's own gradient was found wrong."""
        for when, result in self.gradient_checks.items():
            if result.verdict is Verdict.WRONG:
                return self.checked_points.get(when)
        return None

    @property
    def gradient(self) -> CheckResult | None:
        """The check that says most: one that is WRONG, else the first."""
        results = list(self.gradient_checks.values())
        wrong = [result for result in results if result.verdict is Verdict.WRONG]
        return next(iter([*wrong, *results]), None)

    @property
    def gradient_is_wrong(self) -> bool:
        """Whether a check on the spot says so."""
        return self.gradient is not None and self.gradient.verdict is Verdict.WRONG

    @property
    def gradient_is_right(self) -> bool:
        """Whether a check on the spot says so."""
        return self.gradient is not None and self.gradient.verdict is Verdict.CORRECT

    def _checked(self, point: Arrays) -> CheckResult:
        result = self._check_at(point)
        if result.verdict is Verdict.INCONCLUSIVE:
            result = self._check_at(self._jittered(point))
        return result

    def _check_at(self, point: Arrays) -> CheckResult:
        with np.errstate(all="ignore"):
            return check(
                self._subject, point, kinks="lenient", relations=(), seed=self.promises.seed
            )

    @property
    def _subject(self) -> Subject:
        """The objective as it was given, if that is a subject: it may show its layers."""
        if isinstance(self.objective, Subject):
            return self.objective
        assert self.cost is not None
        return objective_subject(self.cost, self._name, frozenset(self.promises.frozen))

    def _jittered(self, point: Arrays) -> Arrays:
        # Zero biases under zero inputs sit exactly on a kink: a generic point nearby decides.
        rng = np.random.default_rng(self.promises.seed)
        return {
            name: (array + 1e-3 * (1 + np.abs(array)) * rng.standard_normal(array.shape)).astype(
                array.dtype
            )
            if is_differentiable(array)
            else array
            for name, array in point.items()
        }

    @property
    def _name(self) -> str:
        return str(self.trace.metadata.get("name", "training"))

    @cached_property
    def lines(self) -> list[Line]:
        """The loss along every update that was kept."""
        if self.cost is None:
            return []
        lines = [Line(self.cost, update) for update in self.updates]
        return [line for line in lines if line.exists]

    @cached_property
    def safe(self) -> SafeStep | None:
        """The safe step at the start and the fall it gives."""
        if self.cost is None or self.start is None or not all_finite(self.start):
            return None
        noise = self.cost.noise(self.start, self.start_gradient)
        return safe_step(self.cost, self.start, noise=4 * noise)

    @cached_property
    def start_gradient(self) -> Arrays:
        """Claimed gradients before the first update."""
        assert self.cost is not None
        assert self.start is not None
        return self.cost(self.start)[1]

    @property
    def starts_on_all_data(self) -> bool:
        """Whether the first update is known to use the gradient of the whole objective."""
        shown = self.updates[0].gradients if self.updates else None
        if shown is None:
            return self.promises.is_full_batch
        # A mean over batches and one over all the data are rounded differently, at most.
        return all(np.allclose(shown[n], g, rtol=1e-3) for n, g in self.start_gradient.items())

    @cached_property
    def end_gradient(self) -> Arrays:
        """Claimed gradients after the last update."""
        assert self.cost is not None
        assert self.end is not None
        return self.cost(self.end)[1]

    @property
    def gradient_decay(self) -> float:
        """Norm of the gradient at the end, over that at the start."""
        start, end = norm(self.start_gradient), norm(self.end_gradient)
        return end / start if start > 0 else 0.0

    @property
    def total_fall(self) -> float:
        """How far the loss fell, objective at both ends where there is one."""
        if self.cost is not None and self.updates:
            assert self.start is not None
            assert self.end is not None
            return self.cost.value(self.start) - self.cost.value(self.end)
        series = self.series
        return series[0] - float(np.median(series[-3:])) if series else 0.0


def objective_subject(cost: Cost, name: str, frozen: frozenset[str]) -> FunctionSubject:
    """The objective as a function of its parameters with a claimed gradient."""

    def value(parameters: Inputs) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(cost.objective(dict(parameters))[0])

    def pull_back(parameters: Inputs, cotangent: Any) -> dict[str, Array | None]:
        _, gradients = cost(parameters)
        return {
            name: None if name in frozen else cotangent * gradient
            for name, gradient in gradients.items()
            if is_differentiable(np.asarray(parameters[name]))
        }

    return FunctionSubject(f"objective of {name}", value, pull_back)
