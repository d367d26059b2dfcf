"""Hand-made results: what a check hands on, without running one."""

from __future__ import annotations

import math

import numpy as np

from gradcheck.report.evidence import evidence_of
from gradcheck.report.tally import count
from gradcheck.result import (
    CheckResult,
    Comparison,
    Diagnosis,
    EntryTable,
    Estimate,
    Evaluations,
    Evidence,
    Finding,
    Rung,
    TrainingResult,
    TrainingTrace,
    Verdict,
)

TRUTH = 1.0


def ladder(truth: float = TRUTH) -> tuple[Rung, ...]:
    """Central differences of a smooth function: error h**2 / 6 above, rounding below."""
    steps = [2.0**-k for k in range(2, 30, 2)]
    errors = [step**2 / 6 + 1e-16 / step for step in steps]
    return tuple(
        Rung(step, truth + error, truth + step, truth - step, 1e-16)
        for step, error in zip(steps, errors, strict=True)
    )


def comparison(
    claimed: float,
    verdict: Verdict,
    *,
    name: str = "b",
    index: tuple[int, ...] | None = (0,),
    truth: float = TRUTH,
) -> Comparison:
    estimate = Estimate(truth, 3e-11, "central differences", rungs=ladder(truth))
    others = (Evidence("complex step", truth, 1e-16), Evidence("scipy", truth + 1e-7))
    return Comparison(name, index, claimed, estimate, 1e-7, verdict, evidence=others)


def entry_table(shape: tuple[int, ...], wrong_rows: int = 1) -> EntryTable:
    size = math.prod(shape)
    estimate = np.sin(np.arange(size) * 0.7) * 2
    claimed = estimate.copy()
    bad = np.arange(size) < wrong_rows * shape[-1]
    claimed[bad] /= 2
    return EntryTable(
        shape, np.arange(size), claimed, estimate, np.full(size, 1e-11), bad & (estimate != 0)
    )


def wrong_result(subject: str = "dense", *, shape: tuple[int, ...] = (4, 3)) -> CheckResult:
    return CheckResult(
        subject,
        Verdict.WRONG,
        (comparison(0.5, Verdict.WRONG), comparison(1 + 1e-10, Verdict.CORRECT, name="w")),
        findings=(Finding("mutates-input", "backward wrote into x: copy it first", input="x"),),
        diagnoses=(
            Diagnosis(
                "mean-for-sum",
                "claimed = estimate / 2, and 2 is axis n: the cotangent is averaged over the "
                "batch where it must be summed",
                1.0,
                "b",
            ),
        ),
        evaluations=Evaluations(40, 1, 6, 6),
        resolution=4e-10,
        entries={"b": entry_table(shape)},
        shapes={"x": (2, 1), "w": (1, 1), "b": (1,)},
        reproduce="gradcheck.assert_vjp(dense, dense_backward, dict(x=array([[0.], [0.]]), "
        "w=array([[0.]]), b=array([0.])), seed=0)",
    )


def right_result(subject: str = "tanh", *, error: float = 1e-10, kinks: int = 0) -> CheckResult:
    return CheckResult(
        subject,
        Verdict.CORRECT,
        (comparison(1 + error, Verdict.CORRECT, name="x", index=None),),
        evaluations=Evaluations(2, 1),
        resolution=4e-10,
        kinks=kinks,
    )


def training_result(name: str = "mlp") -> TrainingResult:
    losses = tuple(2.0 * 0.97**epoch + 0.01 for epoch in range(150))
    trace = TrainingTrace(losses, initial_loss=2.3, stopped="plateau", metadata={"name": name})
    return TrainingResult(Verdict.CORRECT, trace)


def row(nodeid: str, outcome: str, *results: CheckResult | TrainingResult) -> dict:
    tally: dict = {}
    for result in results:
        count(tally, result)
    kept = [r for r in results if not r or isinstance(r, TrainingResult)]
    return {
        "kind": "test",
        "id": nodeid,
        "outcome": outcome,
        "seconds": 0.25,
        "tally": tally,
        "evidence": [evidence_of(result) for result in kept],
        "failure": "gradient" if outcome == "failed" else "",
    }


HOSTILE = '<script>alert("1")</script>\x00\x1b[31m\u202e\x85&amp;"\'{{7*7}}</style>'


def hostile_result() -> CheckResult:
    """Names and texts as bad as a stranger can make them, one of them of a million characters."""
    mega = HOSTILE * (1_000_000 // len(HOSTILE))
    return CheckResult(
        HOSTILE,
        Verdict.WRONG,
        (comparison(float("nan"), Verdict.WRONG, name=HOSTILE),),
        findings=(Finding(HOSTILE, mega, input=HOSTILE),),
        diagnoses=(Diagnosis(HOSTILE, mega, float("inf"), HOSTILE, mega),),
        entries={HOSTILE: entry_table((2, 2))},
        shapes={HOSTILE: (2, 2)},
        guilty_layer=HOSTILE,
        reproduce=mega,
        render=lambda _: mega,
    )


HEADER = {
    "kind": "run",
    "format": 1,
    "generator": "gradcheck-report",
    "gradcheck": "0.1.0",
    "started": "2026-01-02T03:04:05.000+00:00",
    "python": "3.11.7",
    "numpy": "2.4.6",
    "hypothesis": "6.170.15",
    "platform": "Linux",
    "seed": 7,
    "profile": "ci",
    "examples": None,
    "shard": "1/1",
}


def run_rows() -> list[dict]:
    """A run with one of everything."""
    passed = [
        row(f"tests/test_layers.py::test_{name}", "passed", right_result(name, error=error))
        for name, error in (("tanh", 1e-10), ("relu", 3e-9), ("softmax", 6e-8), ("conv", 2e-12))
    ]
    return [
        HEADER,
        row("tests/test_layers.py::test_dense[float64-wide]", "failed", wrong_result()),
        row("tests/test_layers.py::test_big", "failed", wrong_result("big", shape=(20, 20))),
        row("tests/test_training.py::test_mlp", "passed", training_result()),
        *passed,
        {"kind": "end", "exitstatus": 1, "tests": 7},
    ]
