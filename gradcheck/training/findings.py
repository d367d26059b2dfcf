"""The promises by name, in the order in which they are put to the test and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gradcheck.result import Finding
from gradcheck.training.converging import (
    examine_convergence,
    examine_learning,
    examine_small_batch,
)
from gradcheck.training.descending import (
    examine_first_step,
    examine_gradient,
    examine_log,
    examine_moves,
    examine_update,
)
from gradcheck.training.falling import examine_fall, examine_progress
from gradcheck.training.promises import Run
from gradcheck.training.running import (
    examine_finite,
    examine_run,
    examine_seed,
    examine_start,
)

Examination = Callable[[Run], Iterator[Finding] | None]
"""``None`` where nothing was promised, or the trace shows too little."""

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
