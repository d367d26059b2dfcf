"""What a passing check costs: calls of the function under test, and CPU time."""

from __future__ import annotations

import json
import sys
from statistics import median

from benchmarks import networks
from benchmarks.measuring import in_a_child, interleaved, medians
from benchmarks.page import Table, ahead
from benchmarks.peers import Answer, forget, installed, named, select

DIRECTIONAL = ("gradcheck", "gradcheck, no relations", "torch, fast", "jax", "autograd",
               "scipy check_grad, random")  # fmt: skip
FULL = ("gradcheck, exhaustive", "gradcheck, exhaustive, vectorized", "torch",
        "scipy check_grad", "scipy.differentiate", "numdifftools", "naive loop")  # fmt: skip
OURS = (("gradcheck", "relations and all"), ("gradcheck, no relations", "relations left out"))
"""What the others are compared with, and what work that is."""

THIS = "benchmarks.tables.cost"
BATCHES = (8, 128)
OF_ITS_OWN = 100_000
"""Parameters of the network of which every checker is timed in a process of its own."""

PROCESSES = 5
"""Of each checker: some processes pay for many pages, and some for few."""

FULL_BATCH = 8
FULL_ROUNDS = 3
"""A full check lasts: fewer rounds, and its figure is a ratio of ten and more."""


def tables(budget):
    directional = select(installed(), DIRECTIONAL)
    return [
        *[_table(_directional(batch), budget.entries, budget.rounds, directional)
          for batch in BATCHES],
        _table(_in_one_vector(), budget.entries, budget.rounds, directional),
        _fresh(min(OF_ITS_OWN, budget.entries[-1]), budget.rounds, directional),
    ]  # fmt: skip


def full_tables(budget):
    return [_full(budget)]


def floor(problem):
    """Two forwards per named input and one backward: what a difference per input takes at least."""
    arrays = tuple(problem.inputs.values())
    y_bar = problem.forward(*arrays)

    def run():
        for _ in range(2 * len(arrays)):
            problem.forward(*arrays)
        problem.backward(y_bar, *arrays)

    return run


def measured(problem, peers, rounds):
    """CPU time over the floor, and the calls, by name of the peer; those that pass only."""
    forget()
    passing = [peer for peer in peers if peer.judge(problem) is Answer.PASS]
    actions = {peer.name: lambda peer=peer: peer.judge(problem) for peer in passing}
    seconds = medians(interleaved({"floor": floor(problem), **actions}, rounds))
    return {
        peer.name: (seconds[peer.name] / seconds["floor"], _calls(peer, problem))
        for peer in passing
    }


def _calls(peer, problem):
    counted, counts = problem.counted()
    peer.judge(counted)
    return f"{counts.forwards} + {counts.backwards}"


def _directional(batch):
    def make(parameters):
        return networks.dense_network(parameters, batch)

    letter = "" if batch == BATCHES[0] else "b"
    return make, f"3{letter}. Cost of a passing check, five named inputs, batch of {batch}"


def _in_one_vector():
    def make(parameters):
        return networks.as_one_vector(networks.dense_network(parameters, BATCHES[-1]))

    title = f"3c. The same with all inputs in one vector, batch of {BATCHES[-1]}"
    return make, title


def _table(subject, entries, rounds, peers):
    make, title = subject
    results = {n: measured(make(n), peers, rounds) for n in entries}
    rows = [[peer.name, _calls_of(results, peer.name),
             *[_ratio(results[n], peer.name) for n in entries]] for peer in peers]  # fmt: skip
    remarks = [
        ahead(_cheaper(results[n], than), f"{work}, with {n:,} parameters")
        for than, work in OURS
        for n in entries
    ]  # fmt: skip
    return Table(
        title,
        "A dense tanh network. CPU time over the floor: 2 forwards per named input and 1 backward. "
        "`calls` are forwards + backwards at the smallest size, and at the largest where they "
        "differ. gradcheck tries every named input in a direction of its own (torch does too) and, "
        "besides, its exact relations, which nobody else looks at; JAX, autograd and SciPy move "
        "all inputs together, in one direction. A checker that rejects the right network has a "
        "dash.",
        ["checker", "calls", *[f"{n:,}" for n in entries]],
        rows,
        remarks,
    )


def _calls_of(results, name):
    seen = [result[name][1] for result in results.values() if name in result]
    return " … ".join(dict.fromkeys([*seen[:1], *seen[-1:]])) or "—"


def _fresh(parameters, rounds, peers):
    ratios = {
        peer.name: [in_a_child(THIS, peer.name, parameters, rounds) for _ in range(PROCESSES)]
        for peer in peers
    }
    return _fresh_table(parameters, ratios)


def _fresh_table(parameters, several):
    ratios = {name: median(one) for name, one in several.items()}
    result = {name: (ratio,) for name, ratio in ratios.items()}
    remarks = [ahead(_cheaper(result, than), work) for than, work in OURS]
    return Table(
        f"3d. One checker to a process, {parameters:,} parameters, batch of {BATCHES[-1]}",
        "The network of table 3b. In a process of its own that never freed much memory, as a short "
        "test is, every call pays for the pages of its large arrays, those of the floor too. How "
        f"many differs from process to process: medians of {PROCESSES}, and the least and most. "
        "The relations of gradcheck bring glibc to keep what they free: then nobody pays.",
        ["checker", "time over the floor", "least", "most"],
        [
            [name, f"{ratio:.2f}", f"{min(several[name]):.2f}", f"{max(several[name]):.2f}"]
            for name, ratio in ratios.items()
        ],
        remarks,
    )


def over_the_floor(name, parameters, rounds):
    """CPU time of one checker over the floor, in this process as it is."""
    problem, peer = networks.dense_network(parameters, BATCHES[-1]), named(name)
    actions = {"floor": floor(problem), name: lambda: peer.judge(problem)}
    seconds = medians(interleaved(actions, rounds, keep_freed_memory=False))
    return seconds[name] / seconds["floor"]


def _ratio(result, name):
    return f"{result[name][0]:.2f}" if name in result else "—"


def _cheaper(result, than):
    if than not in result:
        return []
    others = [name for name in result if not name.startswith("gradcheck")]
    return [f"{name} ({result[name][0] / result[than][0]:.2f} of our time)"
            for name in others if result[name][0] < result[than][0]]  # fmt: skip


def _full(budget):
    peers = select(installed(), FULL)
    entries = [n for n in budget.entries if n <= budget.full]
    results = {
        n: measured(networks.dense_network(n, FULL_BATCH), peers, min(budget.rounds, FULL_ROUNDS))
        for n in entries
    }
    rows = []
    for peer in peers:
        cells = [[_ratio(results[n], peer.name), results[n].get(peer.name, ("", "—"))[1]]
                 for n in entries]  # fmt: skip
        rows.append([peer.name, *[cell for pair in cells for cell in pair]])
    header = [text for n in entries for text in (f"{n:,} parameters: time", "calls")]
    remarks = [ahead(_cheaper(results[n], "gradcheck, exhaustive"), f"with {n:,} parameters")
               for n in entries]  # fmt: skip
    return Table(
        f"3e. Cost where every entry is measured, batch of {FULL_BATCH}",
        "Time over the same floor; calls are forwards + backwards. torch builds the Jacobian of "
        "every output, one backward each; SciPy, numdifftools and the loop differentiate one "
        "random combination of the outputs, as gradcheck does. `vectorized` says that forward "
        "broadcasts over leading axes, as this one does.",
        ["checker", *header],
        rows,
        remarks,
    )


if __name__ == "__main__":
    print(json.dumps(over_the_floor(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
