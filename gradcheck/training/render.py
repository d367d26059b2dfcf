"""A training result as text fit for 80 columns, in at most 40 lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.report.terminal import reproduction_lines
from gradcheck.result import Diagnosis, Severity, TrainingResult, TrainingTrace, Verdict

WIDTH = 76
"""Columns: pytest puts ``E   `` before every line, and a terminal has 80."""
LINES = 40
HEAD, TAIL = 5, 4
"""Epochs shown from the start and from the end of a long run."""

MARKS = {Severity.FAILURE: "failed", Severity.DOUBT: "undecided", Severity.NOTE: "note"}
TITLES = {
    Verdict.CORRECT: "every promise is kept",
    Verdict.WRONG: "a promise is broken",
    Verdict.INCONCLUSIVE: "a promise could not be decided",
}


def render(result: TrainingResult) -> str:
    """The report: verdict, findings, likely cause, gradient, losses, and how to see it again.

    >>> trace = TrainingTrace((0.5, 0.25), initial_loss=1.0)
    >>> print(render(TrainingResult(Verdict.CORRECT, trace, checked=("loss falls",))))
    training: CORRECT (every promise is kept)
    <BLANKLINE>
      kept         loss falls
    <BLANKLINE>
      epoch              loss
      start                 1
      1                   0.5
      2                  0.25
    """
    lines = list(_wrapped(f"{result.name}: {result.verdict.name} ({TITLES[result.verdict]})", ""))
    for section in (_findings(result), _causes(result.diagnoses), _gradient(result)):
        body = list(section)
        lines += ["", *body] if body else []
    again = list(reproduction_lines(result.reproduce))
    end = ["", *_losses(result.trace), *([""] if again else []), *again]
    return "\n".join([*_clipped(lines, LINES - len(end)), *end])


def _findings(result: TrainingResult) -> Iterator[str]:
    ordered = sorted(result.findings, key=lambda finding: list(MARKS).index(finding.severity))
    for finding in ordered:
        yield from _entry(MARKS[finding.severity], f"{finding.name}: {finding.message}")
    if result.verdict is Verdict.CORRECT:
        yield from _entry("kept", ", ".join(result.checked))


def _causes(diagnoses: Sequence[Diagnosis]) -> Iterator[str]:
    for label, diagnosis in zip(
        ["likely cause", *["or"] * len(diagnoses)], diagnoses, strict=False
    ):
        yield from _entry(label, f"{diagnosis.name}: {diagnosis.sentence}")
        if diagnosis.evidence:
            yield from _entry("", diagnosis.evidence)


def _gradient(result: TrainingResult) -> Iterator[str]:
    if result.gradient is not None:
        yield from _entry("gradient", f"{result.gradient.verdict.name}, checked on the spot")


def _entry(label: str, text: str) -> Iterator[str]:
    yield from _wrapped(text, f"  {label:<12} ")


def _wrapped(text: str, indent: str) -> Iterator[str]:
    yield from textwrap.wrap(
        " ".join(text.split()),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_on_hyphens=False,
    )


def _clipped(lines: list[str], room: int) -> list[str]:
    return lines if len(lines) <= room else [*lines[: room - 1], "  ..."]


def _losses(trace: TrainingTrace) -> Iterator[str]:
    held_out = any(epoch.held_out is not None for epoch in trace.epochs)
    yield f"  {'epoch':<10} {'loss':>12}" + (f" {'held out':>12}" if held_out else "")
    if trace.initial_loss is not None:
        yield f"  {'start':<10} {trace.initial_loss:>12.6g}"
    shown = _shown(trace.losses)
    for place, index in enumerate(shown):
        if place and index > shown[place - 1] + 1:
            yield "  ..."
        yield f"  {index + 1:<10} {trace.losses[index]:>12.6g}" + _held_out(trace, index)
    if trace.stopped:
        yield from _wrapped(f"stopped: {trace.stopped}", "  ")


def _held_out(trace: TrainingTrace, index: int) -> str:
    value = trace.epochs[index].held_out if index < len(trace.epochs) else None
    return "" if value is None else f" {value:>12.6g}"


def _shown(losses: Sequence[float]) -> list[int]:
    """First and last epochs, and those around the steepest rise."""
    count = len(losses)
    if count <= HEAD + TAIL + 3:
        return list(range(count))
    rises = np.nan_to_num(np.diff(losses), nan=0.0, posinf=np.inf)
    worst = int(np.argmax(rises)) if np.max(rises) > 0 else 0
    around = {worst, worst + 1} if np.max(rises) > 0 else set()
    return sorted({*range(HEAD), *range(count - TAIL, count), *around})
