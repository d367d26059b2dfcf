"""The promises put to the test, one small function each: what was promised, got, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.optimize import minimize

from gradcheck.result import Finding, Severity, TrainingTrace, Verdict
from gradcheck.training.cost import Cost, all_finite, copied, float_arrays
from gradcheck.training.order import remainder_order
from gradcheck.training.promises import Run
from gradcheck.training.steps import Use
from gradcheck.training.trends import fell_and_stayed, plateau, trend
from gradcheck.trees import Array, ravel, unravel

Examination = Callable[[Run], Iterator[Finding] | None]

PACE = 1e-4
"""Share of the fall of one safe step that every epoch must give, on average, to count as progress.

A rate ten times below the safe one gives 0.1; ten thousand times below is no choice, but a mistake.
"""

ENOUGH = 0.1
"""A run that falls by this share of one safe step has made progress, however many epochs it had."""

STANDSTILL = 1e-4
"""The same without an objective: share of the initial loss, and only a doubt."""

MONOTONE_SLACK = 1e-12
"""Relative rise that the rounding of a float64 loss explains."""

RISE = 0.05
"""Share of the initial loss that an update must add before its length is blamed."""

LOGGED_RTOL = {8: 1e-6, 4: 1e-3, 2: 3e-2}
"""Agreement of a logged loss with the objective, by bytes of the coarsest parameter dtype."""

OVERFITTED = 0.05
"""Share of its initial loss to which one small batch must fall, where no level is given."""


def examine_run(run: Run) -> Iterator[Finding]:
    """The loop ran to its last epoch."""
    trace = run.trace
    if trace.error is not None or (trace.stopped and not _last_is_non_finite(trace)):
        name = "step-raised" if trace.error is not None else "loss-unusable"
        yield Finding(name, f"{trace.stopped}. The trace up to there is kept.")
    elif not trace.losses:
        yield Finding("no-epochs", "the trace holds no losses: run at least one epoch")


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


def examine_gradient(run: Run) -> Iterator[Finding] | None:
    """The gradient is right, checked where the training was."""
    return _gradient_findings(run) if run.gradient_checks else None


def _gradient_findings(run: Run) -> Iterator[Finding]:
    for when, result in run.gradient_checks.items():
        if result.verdict is Verdict.WRONG:
            worst = result.worst()
            where = f" for {worst.path}" if worst else ""
            message = f"the gradient checked {when} is wrong{where}: see below"
            yield Finding("gradient-wrong", message, input=worst.input if worst else "")
            return
        if result.verdict is Verdict.INCONCLUSIVE:
            weight = Severity.DOUBT if "before" in when or when == "given" else Severity.NOTE
            message = f"the gradient checked {when} could not be decided"
            yield Finding("gradient-undecided", message, weight)


def examine_first_step(run: Run) -> Iterator[Finding] | None:
    """The first step really descends, as steeply as the gradient claims."""
    if run.cost is None or run.start is None or not all_finite(run.start):
        return None
    return _first_step_findings(run.cost, run)


def _first_step_findings(cost: Cost, run: Run) -> Iterator[Finding]:
    assert run.start is not None
    yield from _climb(run)
    order = remainder_order(cost, run.start)
    if order is None or order.second:
        return
    if run.gradient_is_right:  # a kink at the start, say of zero biases under zero inputs
        message = f"{order.sentence}; the gradient is right, so the start lies at a kink"
        yield Finding("first-step-order", message, Severity.NOTE)
    else:
        yield Finding("first-step-order", f"{order.sentence}: it is not the gradient of this loss")


def _climb(run: Run) -> Iterator[Finding]:
    first, start = next(iter(run.lines), None), abs(run.series[0]) if run.series else 0.0
    if first is not None and first.rise > RISE * start and first.too_long:
        message = (
            f"the first update raises the objective by {first.rise:.3g}; cut to "
            f"{first.descending_part:.2g} it would lower it"
        )
        yield Finding("first-step-climbs", message)


def examine_update(run: Run) -> Iterator[Finding] | None:
    """Updates go down the gradient of their own step."""
    if not run.updates or (run.cost is None and run.updates[0].gradients is None):
        return None
    return _update_findings(run)


FAULTY_USE = {
    Use.ASCENDS: "step-ascends",
    Use.STALE: "stale-gradient",
    Use.FROZEN: "stale-gradient",
    Use.ACCUMULATES: "gradient-accumulates",
}


def _update_findings(run: Run) -> Iterator[Finding]:
    if run.use.faulty:
        yield Finding(FAULTY_USE[run.use], f"the update {run.use.value}")
    elif run.use is Use.UNKNOWN and run.promises.is_full_batch and run.cost is not None:
        along = _share_along(run)
        if along is not None and along > 0.1:
            message = (
                f"{along:.0%} of the entries first move along the gradient of the objective, not "
                "against it: the step minimises something else"
            )
            yield Finding("update-ignores-gradient", message)


def _share_along(run: Run) -> float | None:
    """Share of the entries that the first update moves along the gradient."""
    first, gradients = run.updates[0], run.start_gradient
    names = list(float_arrays(first.before))
    delta = ravel({n: first.after[n] - first.before[n] for n in names})
    signs = np.sign(delta) * np.sign(ravel({n: gradients[n] for n in names}))
    told = signs[signs != 0]
    return float(np.mean(told > 0)) if told.size >= 8 else None


def examine_log(run: Run) -> Iterator[Finding] | None:
    """The loss that is logged is the one that is minimised."""
    if run.cost is None or not run.updates or run.updates[0].gradients is not None:
        return None
    return _log_findings(run.cost, run)


def _log_findings(cost: Cost, run: Run) -> Iterator[Finding]:
    updates = [u for u in run.updates if u.epoch < len(run.losses)]
    if not updates:
        return
    logged = np.array([run.trace.losses[u.epoch] for u in updates])
    before = np.array([cost.value(u.before) for u in updates])
    after = np.array([cost.value(u.after) for u in updates])
    exact = run.promises.is_full_batch or run.use is not Use.UNKNOWN
    if exact:
        size = min(a.dtype.itemsize for a in float_arrays(updates[0].before).values())
        rtol = LOGGED_RTOL.get(size, LOGGED_RTOL[8])
        fits = any(np.allclose(logged, loss, rtol=rtol, atol=0.0) for loss in (before, after))
    else:  # a mean over the epoch lies between its ends, if loosely
        low, high = np.minimum(before, after), np.maximum(before, after)
        fits = bool(np.mean((logged > low - abs(low) / 2) & (logged < high + abs(high))) >= 0.5)
    if not fits:
        message = (
            f"the loop logs {logged[0]:.6g} for its first epoch; the objective is {before[0]:.6g} "
            f"before it and {after[0]:.6g} after it: another loss is logged than is minimised"
        )
        yield Finding("logged-loss-differs", message, Severity.FAILURE if exact else Severity.DOUBT)


def examine_moves(run: Run) -> Iterator[Finding] | None:
    """Every parameter moves."""
    if not run.updates:
        return None
    return _unmoved(run)


def _unmoved(run: Run) -> Iterator[Finding]:
    first, last = run.updates[0].before, run.updates[-1].after
    for name, array in float_arrays(first).items():
        still = all(np.array_equal(u.before[name], u.after[name]) for u in run.updates)
        if array.size and still and np.array_equal(array, last[name]):
            if name not in run.promises.frozen:
                yield Finding("parameter-never-moves", _why_unmoved(run, name), input=name)
        elif name in run.promises.frozen:
            message = f"parameter {name!r} is declared frozen, and moves"
            yield Finding("frozen-parameter-moves", message, input=name)


def _why_unmoved(run: Run, name: str) -> str:
    gradients = gradients_of(run, name)
    if not gradients:
        return f"parameter {name!r} is the same after every epoch; if it must be, declare it frozen"
    largest = max(float(np.max(np.abs(g), initial=0.0)) for g in gradients)
    if largest > 0:
        return f"parameter {name!r} never moves, though its gradient is up to {largest:.2g}"
    return f"parameter {name!r} never moves: its gradient is exactly zero on all the data"


def gradients_of(run: Run, name: str) -> list[Array]:
    """The gradients of one parameter at the updates that were kept, where they can be known."""
    shown = [u.gradients[name] for u in run.updates if u.gradients is not None]
    if shown or run.cost is None:
        return shown
    return [run.cost(u.before)[1][name] for u in (run.updates[0], run.updates[-1])]


def examine_fall(run: Run) -> Iterator[Finding] | None:
    """The loss falls: in every epoch, or as a trend."""
    if run.promises.expect == "nothing" or len(run.losses) < 1:
        return None
    return _rises(run) if run.promises.expect == "monotone" else _trend_findings(run)


def _rises(run: Run) -> Iterator[Finding]:
    series = np.array(run.series)
    slack = MONOTONE_SLACK * np.abs(series[:-1])
    if run.cost is not None and run.updates:
        direction = run.start_gradient if all_finite(run.start_gradient) else run.start or {}
        slack = slack + run.cost.noise(run.updates[-1].before, direction)
    rises = np.flatnonzero(np.diff(series) > slack)
    if rises.size:
        i = int(rises[np.argmax(np.diff(series)[rises])])
        epoch = i + 1 - (len(series) - len(run.losses)) + 1
        message = (
            f"the loss must fall in every epoch; it rises in {rises.size} of {len(series) - 1}, "
            f"most in epoch {epoch}: from {series[i]:.6g} to {series[i + 1]:.6g}"
        )
        yield Finding("loss-rises-in-epoch", message)


def _trend_findings(run: Run) -> Iterator[Finding]:
    series, alpha = run.series, run.promises.significance
    found = trend(series)
    end = float(np.median(series[-3:]))
    if found.rises(alpha):
        message = f"the loss rises: Kendall's tau {found.tau:+.2f}, p = {found.p_rising:.2g}"
        yield Finding("loss-rises", message)
    elif end > series[0] and not found.falls(alpha) and fell_and_stayed(-series[0], _neg(series)):
        message = f"the loss ends at {end:.4g}, above its start at {series[0]:.4g}"
        yield Finding("loss-rises", message)
    elif not found.falls(alpha) and not fell_and_stayed(series[0], series[1:], alpha):
        message = (
            f"no falling trend in {len(series)} losses: Kendall's tau {found.tau:+.2f}, "
            f"p = {found.p_falling:.2g}, needed {alpha:g}; train for more epochs"
        )
        yield Finding("no-trend", message, Severity.DOUBT)


def _neg(series: Sequence[float]) -> list[float]:
    return [-loss for loss in series[1:]]


def examine_progress(run: Run) -> Iterator[Finding] | None:
    """The run falls by at least a fair share of what a single safe step would give."""
    if run.promises.expect == "nothing" or not run.losses:
        return None
    return _progress_findings(run)


def _progress_findings(run: Run) -> Iterator[Finding]:
    fall = run.total_fall
    if run.safe is None:
        if 0 <= fall < STANDSTILL * abs(run.series[0]):
            message = (
                f"the loss fell by {fall:.2g} from {run.series[0]:.4g}: the step is too short, or "
                "the start was the optimum; give parameters= and objective= to tell"
            )
            yield Finding("no-progress", message, Severity.DOUBT)
    elif not fall > min(PACE * len(run.losses), ENOUGH) * run.safe.fall and run.safe.fall > 0:
        message = (
            f"{len(run.losses)} epochs lowered the objective by {fall:.2g}; one safe step, "
            f"{run.safe.length:.2g} times minus the gradient, lowers it by {run.safe.fall:.2g}"
        )
        yield Finding("no-progress", message)


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


def examine_convergence(run: Run) -> Iterator[Finding] | None:
    """It converges: to the known optimum, or a stated level; else a plateau is named."""
    return _convergence_findings(run) if run.losses else None


def _convergence_findings(run: Run) -> Iterator[Finding]:
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
    yield _shape_of_end(run)


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
        message = (
            f"the loss ends at {final:.6g}; the optimum is {optimal:.6g}, and "
            f"{(final - optimal) / max(start - optimal, 1e-300):.1%} of the way is left, more than "
            f"{run.promises.gap:.1%}"
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


def _shape_of_end(run: Run) -> Finding:
    flat = plateau(run.losses)
    if flat is not None:
        message = f"the loss stands at {flat.level:.4g} since epoch {flat.since + 1}"
        return Finding("plateau", message, Severity.NOTE)
    return Finding("still-moving", "the loss has not settled at the end", Severity.NOTE)


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
        loss, gradients = cost({**fixed, **point})
        slope = ravel({n: gradients[n] for n in trained}).astype(np.float64)
        return (loss, slope) if np.isfinite(loss) else (1e300, np.nan_to_num(slope))

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


PROMISES: dict[str, Examination] = {
    "runs": examine_run,
    "finite": examine_finite,
    "gradient": examine_gradient,
    "first step": examine_first_step,
    "update": examine_update,
    "log": examine_log,
    "parameters move": examine_moves,
    "loss falls": examine_fall,
    "progress": examine_progress,
    "initial loss": examine_start,
    "convergence": examine_convergence,
    "small batch": examine_small_batch,
    "learning": examine_learning,
    "seed": examine_seed,
}
"""What is tested, in the order in which it is shown."""


def _last_is_non_finite(trace: TrainingTrace) -> bool:
    return bool(trace.losses) and not np.isfinite(trace.losses[-1])
