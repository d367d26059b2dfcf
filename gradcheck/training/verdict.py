"""Hold a training run to its promises: `check_*` returns a record, `assert_*` raises it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np

from gradcheck.errors import InvalidArgument, TrainingFailed
from gradcheck.recording import record
from gradcheck.result import Finding, Severity, TrainingResult, TrainingTrace, Verdict
from gradcheck.training.diagnosis import explain
from gradcheck.training.findings import PROMISES
from gradcheck.training.promises import Promises, Run
from gradcheck.training.render import render

NAMES = tuple(field.name for field in fields(Promises))


def check_training(trace: TrainingTrace, **promises: Any) -> TrainingResult:
    """Hold a training run to its promises, and say why it failed.

    Without any promise the run must have finished, stayed finite and fallen as a trend. What the
    trace shows more of is checked more: with parameters, that each of them moves; with an objective
    too, that its gradient is right where the training was, that the first step really descends,
    that updates follow the gradient of their own step, and that the logged loss is the minimised.

    Parameters
    ----------
    trace : TrainingTrace
        From `train` or `descend`.
    expect : {"trend", "monotone", "nothing"}
        The loss falls as a trend (stochastic training), in every epoch (full-batch descent at a
        safe step), or need not fall.
    significance : float
        A run without a trend is called falling, or rising, at most this often (default 0.01), if
        the serial correlation of its losses is at most 0.6: see `gradcheck.training.trends`.
    full_batch : bool
        Whether each epoch is one update on all the data; implied by "monotone".
    level : float
        The loss must reach it.
    gradient_level : float
        The gradient norm must fall to this share of its first value.
    optimum : float or Optimum
        The least loss there is, from `gradcheck.training.convex`: the loss must come within ``gap``
        (default 0.01) of the way to it, and cannot be below.
    expected_start : float
        What theory says of the initial loss, such as ``log(classes)``, within ``start_rtol``.
    guessing : float
        The loss of a constant guess (`gradcheck.training.theory`): the held-out loss must get below
        it by a share of ``margin``; the training loss where nothing is held out.
    objective : callable
        ``objective(parameters) -> (loss, gradients)``, if not given to `train`.
    gradient_check : callable
        ``gradient_check() -> CheckResult``, instead of checking the objective.
    small_batch : callable
        An objective on a few examples, which must be overfittable: to ``small_batch_level``, or
        5 % of its first loss.
    twin : TrainingTrace
        A run of the same loop with the same seed, perhaps shorter: it must be the same.
    frozen : collection of str
        Parameters that must not move.
    retrain : callable
        ``retrain(scale) -> step``: the loop started afresh with its learning rate times ``scale``,
        so that a step that is too long or too short can be proven so.
    seed : int
        Of the directions in which the gradient is checked.

    Returns
    -------
    TrainingResult
        True in a boolean context if the verdict is CORRECT; ``str(result)`` is the report.

    Raises
    ------
    InvalidArgument
        For an unknown or unusable promise; never for a failed training.

    Examples
    --------
    >>> losses = [2.3 * 0.8**k for k in range(10)]
    >>> check_training(TrainingTrace(tuple(losses))).verdict.name
    'CORRECT'
    >>> result = check_training(TrainingTrace(tuple(losses[::-1])))
    >>> result.verdict.name, result.findings[0].name
    ('WRONG', 'loss-rises')
    """
    result = judged(trace, promises)
    record(result)
    return result


def judged(trace: TrainingTrace, promises: Mapping[str, Any]) -> TrainingResult:
    """What `check_training` returns, which nobody hears of."""
    run = Run(_require_trace(trace), make_promises({**trace.promises, **promises}))
    with np.errstate(all="ignore"):  # a run that diverged is a result, not a warning
        examined = {name: examine(run) for name, examine in PROMISES.items()}
        checked = {name: list(found) for name, found in examined.items() if found is not None}
        findings = [finding for found in checked.values() for finding in found]
        verdict = _verdict(findings)
        diagnoses = explain(run, findings) if verdict is not Verdict.CORRECT else ()
    return TrainingResult(
        verdict,
        trace,
        findings=tuple(findings),
        diagnoses=diagnoses,
        gradient=run.gradient,
        checked=tuple(checked),
        name=str(trace.metadata.get("name", "training")),
        render=render,
    )


def assert_training(trace: TrainingTrace, **promises: Any) -> None:
    """`check_training`, raising `TrainingFailed` with the record unless the verdict is CORRECT.

    Examples
    --------
    >>> assert_training(TrainingTrace(tuple(2.3 * 0.8**k for k in range(10))))
    """
    __tracebackhide__ = True
    result = check_training(trace, **promises)
    if not result:
        raise failed(result) from trace.error


def failed(result: TrainingResult) -> TrainingFailed:
    """The exception for a result that is not CORRECT."""
    return _failure_type(_cause(result))(str(result), result)


def _cause(result: TrainingResult) -> str:
    weights = list(Severity)
    worst = min(result.findings, key=lambda finding: weights.index(finding.severity))
    return re.sub(r"\W+", "_", worst.name)


@cache
def _failure_type(cause: str) -> type[TrainingFailed]:
    """One subclass per cause: Hypothesis tells two bugs apart by type and line.

    >>> _failure_type("no_trend").__name__
    'TrainingFailed_no_trend'
    """
    portable = classmethod(lambda _: TrainingFailed)
    members = {"__module__": __name__, "__doc__": cause, "_portable": portable}
    return type(f"TrainingFailed_{cause}", (TrainingFailed,), members)


def _require_trace(trace: Any) -> TrainingTrace:
    if not isinstance(trace, TrainingTrace):
        raise InvalidArgument(
            f"trace: got {type(trace).__name__}; expected the TrainingTrace that gradcheck.train "
            "returns"
        )
    return trace


def make_promises(given: Mapping[str, Any]) -> Promises:
    """The keyword arguments of `check_training` as a record, or InvalidArgument."""
    unknown = sorted(set(given) - set(NAMES))
    if unknown:
        raise InvalidArgument(f"got {', '.join(unknown)}; expected some of {', '.join(NAMES)}")
    return Promises(**given)


def _verdict(findings: Collection[Finding]) -> Verdict:
    weights = {finding.severity for finding in findings}
    if Severity.FAILURE in weights:
        return Verdict.WRONG
    return Verdict.INCONCLUSIVE if Severity.DOUBT in weights else Verdict.CORRECT
