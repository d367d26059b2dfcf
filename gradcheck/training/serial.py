"""A training trace as plain JSON values, and back; nan and inf included."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gradcheck.errors import InvalidArgument
from gradcheck.result import Epoch, TrainingTrace

FORMAT = 1
"""Raised when a reader of old files could misread new ones."""


def trace_to_dict(trace: TrainingTrace) -> dict[str, Any]:
    """Everything but the arrays, the objective and the exception.

    JSON has no nan and no inf: they become the strings ``"nan"``, ``"inf"``, ``"-inf"``.

    >>> trace_to_dict(TrainingTrace((0.5, float("nan"))))["losses"]
    [0.5, 'nan']
    """
    return {
        "format": FORMAT,
        "losses": [_number(loss) for loss in trace.losses],
        "initial_loss": _number(trace.initial_loss),
        "epochs": [_epoch_to_dict(epoch) for epoch in trace.epochs],
        "stopped": trace.stopped,
        "metadata": dict(trace.metadata),
    }


def trace_from_dict(stored: Mapping[str, Any]) -> TrainingTrace:
    """The inverse of `trace_to_dict`.

    >>> trace = TrainingTrace((0.5, float("inf")), initial_loss=1.0)
    >>> trace_from_dict(trace_to_dict(trace)) == trace
    True
    """
    if stored.get("format") != FORMAT or "losses" not in stored:
        raise InvalidArgument(
            f"got a mapping with {sorted(stored)[:8]}; expected what trace_to_dict made, "
            f"format {FORMAT}"
        )
    initial = stored.get("initial_loss")
    return TrainingTrace(
        losses=tuple(float(loss) for loss in stored["losses"]),
        initial_loss=None if initial is None else float(initial),
        epochs=tuple(_epoch_from_dict(epoch) for epoch in stored.get("epochs", ())),
        stopped=str(stored.get("stopped", "")),
        metadata=dict(stored.get("metadata", {})),
    )


def _number(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return str(float(value))


def _epoch_to_dict(epoch: Epoch) -> dict[str, Any]:
    stored = asdict(epoch)
    for name in ("parameter_norms", "moved"):
        stored[name] = {key: _number(value) for key, value in stored[name].items()}
    return {**stored, "loss": _number(epoch.loss), "held_out": _number(epoch.held_out)}


def _epoch_from_dict(stored: Mapping[str, Any]) -> Epoch:
    held_out = stored.get("held_out")
    return Epoch(
        index=int(stored["index"]),
        loss=float(stored["loss"]),
        seconds=float(stored.get("seconds", 0.0)),
        parameter_norms={n: float(v) for n, v in stored.get("parameter_norms", {}).items()},
        moved={n: float(v) for n, v in stored.get("moved", {}).items()},
        held_out=None if held_out is None else float(held_out),
    )
