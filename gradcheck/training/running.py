"""Promises about the run itself: it finishes, stays finite, starts right, and can be repeated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.result import Finding, Severity, TrainingTrace
from gradcheck.training.cost import all_finite, float_arrays
from gradcheck.training.promises import Run


def examine_run(run: Run) -> Iterator[Finding]:
    """The loop ran to its last epoch."""
    trace = run.trace
    if trace.error is not None or (trace.stopped and not _last_is_non_finite(trace)):
        name = "step-raised" if trace.error is not None else "loss-unusable"
        yield Finding(name, f"{trace.stopped}. The trace up to there is kept.")
    elif not trace.losses:
        yield Finding("no-epochs", "the trace holds no losses: run at least one epoch")


def _last_is_non_finite(trace: TrainingTrace) -> bool:
    return bool(trace.losses) and not np.isfinite(trace.losses[-1])


def examine_finite(run: Run) -> Iterator[Finding]:
    """No loss, and no parameter, becomes nan or inf."""
    trace = run.trace
    bad = next((i for i, loss in enumerate(trace.losses) if not np.isfinite(loss)), None)
    if bad is not None:
        before = f"; {trace.losses[bad - 1]:.4g} the epoch before" if bad else ""
        yield Finding(
            "non-finite-loss", f"the loss is {trace.losses[bad]} in epoch {bad + 1}{before}"
        )
    for update in trace.updates:
        spoilt = [n for n, a in float_arrays(update.after).items() if not all_finite({n: a})]
        for name in spoilt:
            message = f"parameter {name!r} is not finite after epoch {update.epoch + 1}"
            yield Finding("non-finite-parameter", message, input=name)
        if spoilt:
            return


def examine_start(run: Run) -> Iterator[Finding] | None:
    """The initial loss is what theory says."""
    return None if run.promises.expected_start is None else _start_findings(run)


def _start_findings(run: Run) -> Iterator[Finding]:
    expected, rtol = float(run.promises.expected_start or 0.0), run.promises.start_rtol
    start = run.trace.initial_loss
    if start is None:
        message = "expected_start is given, but the trace has no initial_loss: give it to train"
        yield Finding("initial-loss-unknown", message, Severity.DOUBT)
    elif not abs(start - expected) <= rtol * abs(expected):
        message = (
            f"the initial loss is {start:.4g}; expected {expected:.4g} within {rtol:.0%}: look at "
            "the initial weights, the labels, and the mean over the examples"
        )
        yield Finding("initial-loss-unexpected", message)


def examine_seed(run: Run) -> Iterator[Finding] | None:
    """The same seed gives the same trace."""
    return None if run.promises.twin is None else _seed_findings(run.trace, run.promises.twin)


def _seed_findings(trace: TrainingTrace, twin: TrainingTrace) -> Iterator[Finding]:
    pairs = list(zip(trace.losses, twin.losses, strict=False))  # the twin may be shorter
    for epoch, (loss, again) in enumerate(pairs, start=1):
        if not np.array_equal(loss, again, equal_nan=True):
            message = (
                f"the same seed gives {loss!r} in epoch {epoch}, then {again!r}: some randomness, "
                "or some state, is not under the seed"
            )
            yield Finding("seed-not-reproduced", message)
            return
