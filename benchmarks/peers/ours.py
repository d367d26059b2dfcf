"""gradcheck, with its default settings."""

from __future__ import annotations

import gradcheck
from benchmarks.peers import Answer, Peer
from gradcheck.result import Verdict

ANSWERS = {
    Verdict.CORRECT: Answer.PASS,
    Verdict.WRONG: Answer.FAIL,
    Verdict.INCONCLUSIVE: Answer.UNSURE,
}


def default(problem):
    result = gradcheck.check_vjp(
        problem.forward, problem.backward, problem.inputs, kinks=problem.kinks
    )
    return ANSWERS[result.verdict]


def exhaustive(problem):
    result = gradcheck.check_vjp(
        problem.forward, problem.backward, problem.inputs, kinks=problem.kinks, exhaustive=True
    )
    return ANSWERS[result.verdict]


def vectorized(problem):
    """Every entry, for a forward that broadcasts over leading axes."""
    result = gradcheck.check_vjp(
        problem.forward, problem.backward, problem.inputs, kinks=problem.kinks,
        exhaustive=True, vectorized=True,
    )  # fmt: skip
    return ANSWERS[result.verdict]


def estimates_only(problem):
    """No exact relations besides: only what the others do too."""
    result = gradcheck.check_vjp(
        problem.forward, problem.backward, problem.inputs, kinks=problem.kinks, relations=()
    )
    return ANSWERS[result.verdict]


PEERS = (
    Peer("gradcheck", default, False, largest=10**8),
    Peer("gradcheck, exhaustive", exhaustive, True, largest=20_000),
    Peer("gradcheck, exhaustive, vectorized", vectorized, True, largest=20_000),
    Peer("gradcheck, no relations", estimates_only, False, largest=10**8),
)
