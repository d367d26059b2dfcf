"""Encode: one result as plain JSON values, with what a page needs to draw it, and no more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.report.tally import finite_or_name, subject_name
from gradcheck.result import (
    CheckResult,
    Comparison,
    EntryTable,
    Estimate,
    TrainingResult,
    Verdict,
)

Json = dict[str, Any]

MAX_TEXT = 12_000
"""Characters kept of a text: a report of everything is read by nobody."""
MAX_COMPARISONS = 12
MAX_ENTRIES = 900
"""Cells kept of an entry table: 30 by 30 is what a heat map shows legibly."""
MAX_RUNGS = 40
MAX_TABLES = 6
MAX_POINTS = 200
"""Points kept of a loss curve: more than a page has pixels for."""


def evidence_of(result: CheckResult | TrainingResult) -> Json:
    """What is worth keeping of a result, as JSON.

    >>> evidence_of(CheckResult("dense", Verdict.CORRECT))["verdict"]
    'CORRECT'
    """
    shared = {
        "subject": subject_name(result),
        "verdict": result.verdict.name,
        "findings": [
            {
                "name": shortened(item.name, 200),
                "message": shortened(item.message, 2_000),
                "severity": item.severity.value,
                "input": shortened(item.input, 200),
            }
            for item in result.findings[:MAX_COMPARISONS]
        ],
        "diagnoses": [
            {
                "name": shortened(item.name, 200),
                "sentence": shortened(item.sentence, 2_000),
                "fit": finite_or_name(item.fit),
                "input": shortened(item.input, 200),
                "evidence": shortened(item.evidence, 2_000),
            }
            for item in result.diagnoses[:MAX_COMPARISONS]
        ],
        "text": shortened(str(result), MAX_TEXT),
    }
    if isinstance(result, TrainingResult):
        line = shortened(result.reproduce, MAX_TEXT)
        return {**shared, "reproduce": line, "training": _training(result)}
    return {**shared, **_check(result)}


def shortened(text: str, limit: int) -> str:
    """The head of a long text, and how long it was.

    >>> shortened("abcdef", 3)
    'abc … (6 characters)'
    """
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text)} characters)"


def whole(code: str, limit: int) -> str:
    """Code as it is, or nothing of what is too long: a part of it would not run.

    >>> whole("f(1)", 4), whole("f(12)", 4)
    ('f(1)', '')
    """
    return code if len(code) <= limit else ""


def _check(result: CheckResult) -> Json:
    ranked = sorted(result.comparisons, key=_importance)[:MAX_COMPARISONS]
    return {
        "seed": int(result.seed),
        "resolution": finite_or_name(result.resolution),
        "kinks": int(result.kinks),
        "guilty_layer": shortened(result.guilty_layer, 200),
        "reproduce": whole(result.reproduce, MAX_TEXT),
        "forwards": int(result.evaluations.forwards),
        "backwards": int(result.evaluations.backwards),
        "shapes": {str(name)[:200]: list(shape) for name, shape in result.shapes.items()},
        "comparisons": [_comparison(item) for item in ranked],
        "entries": _tables(result.entries),
    }


def _importance(comparison: Comparison) -> tuple[int, float]:
    rank = (Verdict.WRONG, Verdict.INCONCLUSIVE, Verdict.CORRECT).index(comparison.verdict)
    difference = comparison.difference
    return rank, -difference if math.isfinite(difference) else -math.inf


def _comparison(comparison: Comparison) -> Json:
    return {
        "path": shortened(comparison.path, 200),
        "input": shortened(comparison.input, 200),
        "verdict": comparison.verdict.name,
        "claimed": finite_or_name(comparison.claimed),
        "limit": finite_or_name(comparison.limit),
        "reason": shortened(comparison.reason, 2_000),
        "estimate": _estimate(comparison.estimate),
        "evidence": [
            {
                "oracle": shortened(item.oracle, 200),
                "value": _number(item.value),
                "error": None if item.error is None else finite_or_name(item.error),
            }
            for item in comparison.evidence
        ],
    }


def _estimate(estimate: Estimate) -> Json:
    return {
        "value": finite_or_name(estimate.value),
        "error": finite_or_name(estimate.error),
        "oracle": shortened(estimate.oracle, 200),
        "local": estimate.local.value,
        "left": finite_or_name(estimate.left),
        "right": finite_or_name(estimate.right),
        "noise": finite_or_name(estimate.noise),
        "note": shortened(estimate.note, 2_000),
        "rungs": [
            [
                finite_or_name(x)
                for x in (rung.step, rung.central, rung.forward, rung.backward, rung.noise)
            ]
            for rung in estimate.rungs[:MAX_RUNGS]
        ],
    }


def _tables(entries: Mapping[str, EntryTable]) -> Json:
    ranked = sorted(entries, key=lambda name: not np.any(entries[name].wrong))
    return {shortened(name, 200): _table(entries[name]) for name in ranked[:MAX_TABLES]}


def _table(table: EntryTable) -> Json:
    kept = _kept_cells(table)
    return {
        "shape": list(table.shape),
        "measured": int(table.flat.size),
        "flat": [int(i) for i in table.flat[kept]],
        "claimed": [_number(x) for x in table.claimed[kept].tolist()],
        "estimate": [_number(x) for x in table.estimate[kept].tolist()],
        "wrong": [bool(x) for x in table.wrong[kept].tolist()],
    }


def _kept_cells(table: EntryTable) -> Any:
    """Positions of the first cells, wrong ones first where all do not fit."""
    if table.flat.size <= MAX_ENTRIES:
        return np.arange(table.flat.size)
    wrong_first = np.argsort(~np.asarray(table.wrong, bool), kind="stable")[:MAX_ENTRIES]
    return np.sort(wrong_first)


def _number(value: complex) -> Any:
    """A real number, or ``[real, imaginary]`` of a complex one."""
    value = complex(value)
    if value.imag == 0:
        return finite_or_name(value.real)
    return [finite_or_name(value.real), finite_or_name(value.imag)]


def _training(result: TrainingResult) -> Json:
    trace = result.trace
    shown = _telling(trace.losses)
    held_out = {epoch.index: epoch.held_out for epoch in trace.epochs}
    kept: Json = {
        "epochs": len(trace.losses),
        "initial_loss": None if trace.initial_loss is None else finite_or_name(trace.initial_loss),
        "at": [index + 1 for index in shown],
        "losses": [finite_or_name(trace.losses[index]) for index in shown],
        "last_loss": finite_or_name(trace.losses[-1]) if trace.losses else None,
        "stopped": shortened(trace.stopped, 200),
    }
    if any(loss is not None for loss in held_out.values()):
        beside = [held_out.get(index) for index in shown]
        kept["held_out"] = [None if loss is None else finite_or_name(loss) for loss in beside]
    return kept


def _telling(losses: Sequence[float]) -> list[int]:
    """Indices that draw the same curve: of every stretch the least and the largest loss."""
    count = len(losses)
    if count <= MAX_POINTS:
        return list(range(count))
    series = np.asarray(losses, dtype=np.float64)
    series = np.where(np.isnan(series), np.inf, series)
    stretches = np.array_split(np.arange(1, count - 1), MAX_POINTS // 2 - 1)
    extremes = [f(series[part]) + part[0] for part in stretches for f in (np.argmin, np.argmax)]
    return sorted({0, *map(int, extremes), count - 1})
