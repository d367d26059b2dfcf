"""How much memory a check of a large network takes."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

from benchmarks import networks
from benchmarks.page import Table, ahead
from benchmarks.peers import installed, named, select

PEERS = ("gradcheck", "gradcheck, no relations", "torch, fast", "jax", "autograd",
         "scipy check_grad, random")  # fmt: skip
BATCH = 8
UNIT = 1024
"""Bytes in one unit of ``ru_maxrss`` on Linux."""


def tables(budget):
    parameters = budget.entries[-1]
    rows, peaks = [], {}
    for peer in select(installed(), PEERS):
        before, after, answer = _in_a_child(peer.name, parameters)
        size = networks.dense_network(parameters, BATCH)
        size = sum(array.nbytes for array in size.inputs.values())
        peaks[peer.name] = (after - before) * UNIT / size
        rows.append([peer.name, answer, f"{(after - before) * UNIT / 2**20:.0f}",
                     f"{peaks[peer.name]:.1f}"])  # fmt: skip
    less = [name for name, peak in peaks.items() if peak < peaks["gradcheck"]]
    return [
        Table(
            f"7. Memory of one check with {parameters:,} parameters",
            "Growth of the process's peak over the peak of 2 forwards and 1 backward of the same "
            "network, in MiB and in copies of the inputs; one fresh process per checker, which has "
            f"loaded its framework and checked a small network before. Batch of {BATCH}.",
            ["checker", "answer", "MiB", "copies of the inputs"],
            rows,
            [ahead([name for name in less if not name.startswith("gradcheck")], "in memory")],
        )
    ]


def _in_a_child(name, parameters):
    command = [sys.executable, "-m", "benchmarks.tables.memory", name, str(parameters)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(name, parameters):
    """Peaks before and after a check, and its answer."""
    peer = named(name)
    peer.judge(networks.dense_network(100, BATCH))
    problem = networks.dense_network(parameters, BATCH)
    arrays = tuple(problem.inputs.values())
    for _ in range(2):
        y_bar = problem.forward(*arrays)
    problem.backward(y_bar, *arrays)
    before = _peak()
    answer = peer.judge(problem)
    return before, _peak(), answer.value


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
