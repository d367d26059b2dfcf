"""Measure false alarms on right trainings, and planted faults by name.

Run ``python -m tests.training.measure [right|faults] [count]``.
"""
# ruff: noqa: T201 - a measuring script prints

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.result import TrainingResult, TrainingTrace, Verdict
from gradcheck.training import check_training, descend, train
from tests.training.faults import FAULTS
from tests.training.problems import (
    BlackBox,
    Problem,
    random_problem,
    right_update,
    shuffled_batches,
)

Trained = tuple[TrainingTrace, dict[str, Any]]
"""A trace, and what it may be held to."""


def with_safe_steps(problem: Problem, epochs: int, rng: np.random.Generator) -> Trained:
    return descend(problem.objective, problem.start, None, epochs), {"expect": "monotone"}


def on_all_data(problem: Problem, epochs: int, rng: np.random.Generator) -> Trained:
    update = right_update(rng, problem.safe_rate())
    return descend(problem.objective, problem.start, update, epochs), {}


def in_batches(problem: Problem, epochs: int, rng: np.random.Generator) -> Trained:
    update, batches = right_update(rng, problem.safe_rate()), random_batches(problem, rng)
    return descend(problem.objective, problem.start, update, epochs, batches=batches), {}


def black_box(problem: Problem, epochs: int, rng: np.random.Generator) -> Trained:
    update = right_update(rng, problem.safe_rate())
    loop = BlackBox(problem, update, log_before=bool(rng.integers(2)))
    return watched(loop, loop.step, epochs), {"full_batch": True}


def black_box_in_batches(problem: Problem, epochs: int, rng: np.random.Generator) -> Trained:
    loop = BlackBox(problem, right_update(rng, problem.safe_rate()))
    order = map(random_batches(problem, rng), itertools.count())
    return watched(loop, lambda: loop.epoch_in(next(order)), epochs), {}


def random_batches(problem: Problem, rng: np.random.Generator) -> Callable[[int], list[np.ndarray]]:
    return shuffled_batches(len(problem.x), int(rng.choice([12, 16, 24])), int(rng.integers(2**31)))


def watched(loop: BlackBox, step: Callable[[], float], epochs: int) -> TrainingTrace:
    return train(step, epochs, parameters=lambda: loop.parameters, objective=loop.problem.objective)


KINDS = (with_safe_steps, on_all_data, in_batches, black_box, black_box_in_batches)


def right_training(seed: int) -> tuple[str, TrainingResult]:
    """One right training: what it was, and what the harness says."""
    rng = np.random.default_rng([1, seed])
    problem = random_problem(rng)
    kind = KINDS[int(rng.integers(len(KINDS)))]
    trace, promises = kind(problem, int(rng.integers(15, 40)), rng)
    layers = len(problem.network.layers)
    label = f"{kind.__name__}: {problem.loss.name}, {layers} layers"
    return label, check_training(trace, **promises)


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
