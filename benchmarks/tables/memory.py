"""How much memory a check of a large network takes."""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from pathlib import Path

from benchmarks import networks
from benchmarks.measuring import in_a_child
from benchmarks.page import Table, ahead
from benchmarks.peers import installed, named, select

PEERS = ("gradcheck", "gradcheck, no relations", "torch, fast", "jax", "autograd",
         "scipy check_grad, random")  # fmt: skip
THIS = "benchmarks.tables.memory"
BATCH = 8
THE_SUBJECT = "the network alone: 2 forwards and 1 backward"


def tables(budget):
    parameters = budget.entries[-1]
    growth = {THE_SUBJECT: in_a_child(THIS, THE_SUBJECT, parameters)}
    growth |= {peer.name: in_a_child(THIS, peer.name, parameters)
               for peer in select(installed(), PEERS)}  # fmt: skip
    alone, _ = growth[THE_SUBJECT]
    inputs = networks.dense_network(parameters, BATCH).inputs.values()
    size = sum(array.nbytes for array in inputs)
    rows = [[name, answer, f"{grown / 2**20:.1f}", f"{grown / size:.1f}", f"{grown / alone:.1f}"]
            for name, (grown, answer) in growth.items()]  # fmt: skip
    ours = growth["gradcheck"][0]
    others = [name for name in growth if name != THE_SUBJECT and not name.startswith("gradcheck")]
    less = [name for name in others if growth[name][0] < ours]
    return [
        Table(
            f"7. Memory of one check with {parameters:,} parameters",
            f"How far the memory of a process grows during one check of a dense network, batch of "
            f"{BATCH}: highest use of it less the use just before (`VmHWM`, reset, and `VmRSS` of "
            "`/proc/self`), in MiB, in copies of all inputs, and over what the network itself "
            "takes. One fresh process per checker, which has checked a small network before. What "
            "a checker's own array type copies is part of it.",
            ["checker", "answer", "MiB", "copies of the inputs", "over the network alone"],
            rows,
            [ahead(less, "in memory")],
        )
    ]


def measure(name, parameters):
    """Bytes by which one check, or the network alone, makes this process grow; and its answer."""
    act = _act_of(name)
    act(networks.dense_network(100, BATCH))
    problem = networks.dense_network(parameters, BATCH)
    _give_back_what_is_free()
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # VmHWM starts again at VmRSS
    before = _kilobytes("VmRSS")
    answer = act(problem)
    return 1024 * (_kilobytes("VmHWM") - before), answer


def _act_of(name):
    if name != THE_SUBJECT:
        peer = named(name)
        return lambda problem: peer.judge(problem).value

    def run(problem):
        arrays = tuple(problem.inputs.values())
        for _ in range(2):
            y_bar = problem.forward(*arrays)
        problem.backward(y_bar, *arrays)
        return "—"

    return run


def _give_back_what_is_free():
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def _kilobytes(field):
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise LookupError(field)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
