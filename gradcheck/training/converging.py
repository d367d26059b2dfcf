"""Promises about the end: the optimum, a level, an overfitted batch, more than a guess."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.optimize import minimize

from gradcheck.result import Finding, Severity
from gradcheck.training.cost import REFUSALS, Cost, copied, float_arrays
from gradcheck.training.promises import Run
from gradcheck.training.trends import plateau
from gradcheck.trees import Array, ravel, unravel

OVERFITTED = 0.05
"""Share of its initial loss to which one small batch must fall, where no level is given."""

TOO_FAR = 1e300
"""A loss that no line search accepts, where the objective is not finite."""


def examine_convergence(run: Run) -> Iterator[Finding] | None:
    """It converges: to the known optimum, or a stated level; else a plateau is named."""
    return _convergence_findings(run) if run.losses else None


def _convergence_findings(run: Run) -> Iterator[Finding]:
    missed = list(_missed(run))
    flat = plateau(run.losses)
    yield from missed
    if flat is not None:
        message = f"the loss stands at {flat.level:.4g} since epoch {flat.since + 1}"
        yield Finding("plateau", message, Severity.NOTE)
    elif missed and not run.trace.stopped:
        message = "the loss has not settled at the end"
        yield Finding("still-moving", message, Severity.NOTE)


def _missed(run: Run) -> Iterator[Finding]:
    promises, end = run.promises, float(np.median(run.losses[-3:]))
    final = run.cost.value(run.end) if run.cost is not None and run.end is not None else end
    optimal = promises.optimal_loss
    if optimal is not None:
        yield from _optimum_findings(run, final, float(optimal))
    if promises.level is not None and not min(end, final) <= promises.level:
        message = f"the loss ends at {min(end, final):.4g}; the stated level is {promises.level:g}"
        yield Finding("level-not-reached", message)
    if promises.gradient_level is not None:
        yield from _gradient_level_findings(run, promises.gradient_level)


def _optimum_findings(run: Run, final: float, optimal: float) -> Iterator[Finding]:
    start = run.trace.initial_loss if run.trace.initial_loss is not None else run.losses[0]
    allowed = run.promises.gap * max(start - optimal, 0.0)
    rounding = 1e-9 * max(abs(optimal), abs(start))
    if final < optimal - rounding:
        message = (
            f"the loss ends at {final:.8g}, below the least value {optimal:.8g} that this problem "
            "has: it is not the loss of this problem"
        )
        yield Finding("below-optimum", message)
    elif final > optimal + allowed + rounding:
        left = (
            f"{(final - optimal) / (start - optimal):.1%} of the way is left"
            if final < start
            else "none of the way is done"
        )
        message = (
            f"the loss ends at {final:.6g}; the optimum is {optimal:.6g}: {left}, "
            f"where {run.promises.gap:.1%} is allowed"
        )
        yield Finding("optimum-not-reached", message)


def _gradient_level_findings(run: Run, level: float) -> Iterator[Finding]:
    if run.cost is None or run.end is None:
        message = "gradient_level is given, but not the objective and parameters to measure it"
        yield Finding("gradient-level-unknown", message, Severity.DOUBT)
    elif not run.gradient_decay <= level:
        message = (
            f"the gradient norm ends at {run.gradient_decay:.2g} of its start; "
            f"the stated level is {level:g}"
        )
        yield Finding("gradient-level-not-reached", message)


def examine_small_batch(run: Run) -> Iterator[Finding] | None:
    """One small batch can be overfitted."""
    if run.promises.small_batch is None or run.start is None:
        return None
    return _small_batch_findings(Cost(run.promises.small_batch), run)


def _small_batch_findings(cost: Cost, run: Run) -> Iterator[Finding]:
    start, least = overfit(cost, run)
    level = run.promises.small_batch_level
    level = OVERFITTED * abs(start) if level is None else level
    if not least <= level:
        message = (
            f"a small batch cannot be overfitted: L-BFGS with the claimed gradients takes its loss "
            f"from {start:.4g} to {least:.4g}, expected {level:.4g}"
        )
        yield Finding("small-batch-not-overfitted", message)


def overfit(cost: Cost, run: Run) -> tuple[float, float]:
    """Loss of a small batch at the start, and the least that L-BFGS reaches from there."""
    assert run.start is not None
    trained = {n: a for n, a in float_arrays(run.start).items() if n not in run.promises.frozen}
    fixed = {n: a for n, a in run.start.items() if n not in trained}

    def flat(vector: Array) -> tuple[float, Array]:
        point = {n: a.astype(trained[n].dtype) for n, a in unravel(vector, trained).items()}
        try:
            loss, gradients = cost({**fixed, **point})
        except REFUSALS:
            return TOO_FAR, np.zeros(vector.size)
        slope = ravel({n: gradients[n] for n in trained}).astype(np.float64)
        return (loss, slope) if np.isfinite(loss) else (TOO_FAR, np.nan_to_num(slope))

    vector = ravel(copied(trained)).astype(np.float64)
    found = minimize(flat, vector, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return cost.value(run.start), float(found.fun)


def examine_learning(run: Run) -> Iterator[Finding] | None:
    """It learns more than a constant guess knows, on held-out data where there is some."""
    return None if run.promises.guessing is None else _learning_findings(run)


def _learning_findings(run: Run) -> Iterator[Finding]:
    held_out = [e.held_out for e in run.trace.epochs if e.held_out is not None]
    where, losses = ("held-out", held_out) if held_out else ("training", run.losses)
    best = least_smoothed(losses)
    needed = (1 - run.promises.margin) * float(run.promises.guessing or 0.0)
    if not best < needed:
        message = (
            f"the best {where} loss is {best:.4g}; guessing without looking at the inputs gives "
            f"{run.promises.guessing:.4g}, and less than {needed:.4g} would count as learned"
        )
        yield Finding("no-better-than-guessing", message)


def least_smoothed(losses: Sequence[float]) -> float:
    """Least median of three neighbours: one lucky epoch is not enough.

    >>> least_smoothed([1.0, 0.9, 0.1, 0.8, 0.7])
    0.7
    """
    finite = [loss for loss in losses if np.isfinite(loss)]
    if len(finite) < 3:
        return min(finite, default=float("inf"))
    return float(min(np.median(finite[i : i + 3]) for i in range(len(finite) - 2)))
