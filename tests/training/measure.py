"""Measure false alarms on right trainings, and planted faults by name.

Run ``python -m tests.training.measure [right|faults|trend] [count]``.
"""
# ruff: noqa: T201 - a measuring script prints

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable

import numpy as np

from gradcheck.result import TrainingResult, Verdict
from gradcheck.training import check_training, descend, train
from tests.training.faults import FAULTS
from tests.training.problems import (
    BlackBox,
    random_problem,
    right_update,
    shuffled_batches,
)


def right_training(seed: int) -> tuple[str, TrainingResult]:
    """One right training: what it was, and what the harness says."""
    rng = np.random.default_rng([1, seed])
    problem = random_problem(rng)
    epochs = int(rng.integers(15, 40))
    kind = str(rng.choice(["armijo", "full batch", "batches", "black box"]))
    label = f"{kind}: {problem.loss.name}, depth {len(problem.network.layers)}"
    if kind == "armijo":
        trace = descend(problem.objective, problem.start, None, epochs)
        return label, check_training(trace, expect="monotone")
    name, update = right_update(rng, problem.safe_rate())
    label += f", {name}"
    if kind == "full batch":
        trace = descend(problem.objective, problem.start, update, epochs)
    elif kind == "batches":
        batches = shuffled_batches(len(problem.x), int(rng.choice([12, 16, 24])), seed)
        trace = descend(problem.objective, problem.start, update, epochs, batches=batches)
    else:
        loop = BlackBox(problem, update, log_before=bool(rng.integers(2)))
        trace = train(
            loop.step, epochs, parameters=lambda: loop.parameters, objective=problem.objective
        )
    return label, check_training(trace, full_batch=kind == "black box")


def measure_right(count: int) -> None:
    """Verdicts of right trainings."""
    verdicts: Counter[str] = Counter()
    for seed in range(count):
        label, result = right_training(seed)
        verdicts[result.verdict.name] += 1
        if result.verdict is not Verdict.CORRECT:
            names = [f.name for f in result.findings if f.severity.value != "note"]
            print(f"seed {seed}: {result.verdict.name} {names} ({label})")
            print(f"    {[d.name for d in result.diagnoses]}")
    print(dict(verdicts), f"of {count} right trainings")


def measure_faults(count: int) -> None:
    """How often each planted fault is found, and named first."""
    for fault, (run, name) in FAULTS.items():
        found, named, others = 0, 0, Counter[str]()
        for seed in range(count):
            result = run(np.random.default_rng([2, seed]))
            first = result.diagnoses[0].name if result.diagnoses else result.verdict.name
            found += result.verdict is not Verdict.CORRECT
            named += first == name
            others.update([f"{first} ({seed})"] if first != name else [])
        print(f"{fault:36} found {found:3}, named {named:3} of {count}  {list(others)[:4]}")


def main(arguments: list[str]) -> None:
    what = arguments[0] if arguments else "right"
    count = int(arguments[1]) if len(arguments) > 1 else 100
    measures: dict[str, Callable[[int], None]] = {"right": measure_right, "faults": measure_faults}
    started = time.process_time()
    measures[what](count)
    print(f"{time.process_time() - started:.0f} CPU seconds")


if __name__ == "__main__":
    main(sys.argv[1:])
