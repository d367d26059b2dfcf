"""Promises about the way down: the gradient, the first step, the updates, the logged loss."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.result import Finding, Severity, Verdict
from gradcheck.training.cost import Cost, all_finite, float_arrays
from gradcheck.training.order import remainder_order
from gradcheck.training.promises import Run
from gradcheck.training.steps import Use
from gradcheck.trees import Array, ravel

RISE = 0.05
"""Share of the initial loss that an update must add before its length is blamed."""

DOUBLED = 1.0
"""The same share for an update on some of the data, which may climb a little on all of them."""

SOME_ALONG = 0.1
"""Share of the first update that may go along the gradient: weight decay and noise turn some."""

ENTRIES_TO_TELL = 8
"""Entries that must move before their share says anything."""

LOGGED_RTOL = {8: 1e-6, 4: 1e-3, 2: 3e-2}
"""Agreement of a logged loss with the objective, by bytes of the coarsest parameter dtype."""

FAULTY_USE = {
    Use.ASCENDS: "step-ascends",
    Use.STALE: "stale-gradient",
    Use.FROZEN: "stale-gradient",
    Use.ACCUMULATES: "gradient-accumulates",
}


def examine_gradient(run: Run) -> Iterator[Finding] | None:
    """The gradient is right, checked where the training was."""
    return _gradient_findings(run) if run.gradient_checks else None


def _gradient_findings(run: Run) -> Iterator[Finding]:
    for when, result in run.gradient_checks.items():
        if result.verdict is Verdict.WRONG:
            worst = result.worst()
            where = f" for {worst.path}" if worst else ""
            message = f"the gradient checked {when} is wrong{where}"
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
        too_far = run.starts_on_all_data or first.rise > DOUBLED * start
        weight = Severity.FAILURE if too_far else Severity.NOTE
        yield Finding("first-step-climbs", message, weight)


def examine_update(run: Run) -> Iterator[Finding] | None:
    """Updates go down the gradient of their own step."""
    if not run.updates or (run.cost is None and run.updates[0].gradients is None):
        return None
    return _update_findings(run)


def _update_findings(run: Run) -> Iterator[Finding]:
    if run.use.faulty:
        yield Finding(FAULTY_USE[run.use], f"the update {run.use.value}")
    elif run.use is Use.UNKNOWN and run.promises.is_full_batch and run.cost is not None:
        along = _share_along(run)
        if along is not None and along > SOME_ALONG:
            message = (
                f"{along:.0%} of the first update goes along the gradient of the objective, not "
                "against it: the step minimises something else"
            )
            yield Finding("update-ignores-gradient", message)


def _share_along(run: Run) -> float | None:
    """Share of the first update, weighed by what each entry does to the loss, that raises it."""
    first, gradients = run.updates[0], run.start_gradient
    names = list(float_arrays(first.before))
    delta = ravel({n: first.after[n] - first.before[n] for n in names})
    effects = delta * ravel({n: gradients[n] for n in names})
    told = effects[effects != 0]
    if told.size < ENTRIES_TO_TELL or not np.isfinite(told).all():
        return None
    return float(np.sum(told[told > 0]) / np.sum(np.abs(told)))


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
    if run.shows_old_arrays:
        message = (
            "the loss falls, and no parameter that is shown moves: the step replaces its arrays; "
            "give parameters as a callable that returns the present ones"
        )
        return iter([Finding("parameters-not-live", message)])
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
