"""Promises about the losses: they fall, in every epoch or as a trend, and by enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from gradcheck.result import Finding, Severity
from gradcheck.training.cost import all_finite
from gradcheck.training.promises import Run
from gradcheck.training.trends import epochs_needed, fell_and_stayed, trend

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
    elif run.trace.stopped:
        return  # it proves nothing, and has a finding of its own
    elif len(series) < epochs_needed(alpha):
        yield from _too_few(run)
    elif not found.falls(alpha) and not fell_and_stayed(series[0], series[1:], alpha):
        message = (
            f"no falling trend in {len(series)} losses: Kendall's tau {found.tau:+.2f}, "
            f"p = {found.p_falling:.2g}, needed {alpha:g}; train for more epochs"
        )
        yield Finding("no-trend", message, Severity.DOUBT)


def _too_few(run: Run) -> Iterator[Finding]:
    """A doubt, unless every loss fell and so did the objective, which is no matter of chance."""
    surely = run.cost is not None and run.total_fall > 0
    if surely and all(later < earlier for earlier, later in pairwise(run.series)):
        return
    needed = epochs_needed(run.promises.significance)
    message = (
        f"a trend needs {needed} losses, and these are {len(run.series)}: train for more epochs"
        + ("" if run.cost is not None else ", or give parameters= and objective=")
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
        if len(run.series) > 1 and 0 <= fall < STANDSTILL * abs(run.series[0]):
            message = (
                f"the loss fell by {fall:.2g} from {run.series[0]:.4g}: the step is too short, or "
                "the start was the optimum; give parameters= and objective= to tell"
            )
            yield Finding("no-progress", message, Severity.DOUBT)
    elif not fall > min(PACE * len(run.losses), ENOUGH) * run.safe.fall and run.safe.fall > 0:
        way = "lowered" if fall >= 0 else "raised"
        message = (
            f"{len(run.losses)} epochs {way} the objective by {abs(fall):.2g}; one safe step, "
            f"{run.safe.length:.2g} times minus the gradient, lowers it by {run.safe.fall:.2g}"
        )
        yield Finding("no-progress", message)
