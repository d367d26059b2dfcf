"""Right gradients that are called wrong."""

from __future__ import annotations

from collections import Counter

import numpy as np

from benchmarks import networks
from benchmarks.page import Table, ahead, share
from benchmarks.peers import Answer, installed, select
from benchmarks.problems import Problem, is_float, problem
from tests.corpus.test_corpus import ALARMS, TWINS
from tests.corpus.twin import bind, inputs_of
from tests.truth.rescaled import in_other_units, scaled, shifted
from tests.truth.right_networks import build

PEERS = ("gradcheck", "torch", "torch, fast", "jax", "autograd", "scipy check_grad",
         "scipy check_grad, random", "scipy.differentiate", "numdifftools",
         "naive loop")  # fmt: skip


def tables(budget):
    peers = select(installed(), PEERS)
    kinds = {name: make(budget.cases) for name, make in KINDS.items()}
    counts = {name: {peer.name: judged(peer, problems) for peer in peers}
              for name, problems in kinds.items()}  # fmt: skip
    return [_beside(kinds, counts, peers), _alone(budget.ours)]


def judged(peer, problems):
    return Counter(peer.judge(one) for one in problems)


# ------------------------------------------------------------------------------ the right subjects


def _relu_nets(count):
    points = networks.drawn_by_hypothesis(3 * count)
    return networks.small_networks("relu", points, kinks="lenient")


def _relu_nets_strict(count):
    points = networks.drawn_by_hypothesis(3 * count)
    return networks.small_networks("relu", points)


def _relu_nets_at_normal_points(count):
    return networks.small_networks("relu", networks.normal_points(count))


def _tanh_nets(count):
    return networks.small_networks("tanh", networks.drawn_by_hypothesis(count))


def _float32_nets(count):
    return [_in_float32(one) for one in
            networks.small_networks("tanh", networks.normal_points(count))]  # fmt: skip


def _in_float32(one):
    arrays = {k: v.astype(np.float32) if is_float(v) else v for k, v in one.inputs.items()}
    return Problem(one.name, one.forward, one.backward, arrays, one.kinks)


def _built(kind):
    def make(count):
        cases = [build(kind, seed) for seed in range(count)]
        return [Problem(c.title, c.forward, c.backward, c.inputs, c.kinks) for c in cases]

    return make


def _right_pairs():
    """Right twins at generic points, as (name, pair of functions of arrays, arrays).

    Without float16, in which the right answer would overflow.
    """
    for twin in TWINS:
        point = twin.generic_point()
        if any(x.dtype == np.float16 for x in inputs_of(point).values()):
            continue
        yield twin.id, bind(twin.right(), point), inputs_of(point)


def _scaled(count):
    return [problem(name, scaled(pair, factor), inputs)
            for name, pair, inputs in list(_right_pairs())[:count]
            for factor in (1e-12, 1e12)]  # fmt: skip


def _in_other_units(count):
    return [problem(name, *in_other_units(pair, inputs, factor))
            for name, pair, inputs in list(_right_pairs())[:count]
            for factor in (1e-12, 1e12)]  # fmt: skip


def _shifted(count):
    return [problem(name, shifted(pair, 1e8), inputs)
            for name, pair, inputs in list(_right_pairs())[:count]]  # fmt: skip


def _reported(count):
    """Right code that was reported as a bug, at the points where somebody was misled."""
    return [problem(alarm.id, (alarm.forward, alarm.backward), point)
            for alarm in ALARMS[:count] for point in alarm.points()]  # fmt: skip


KINDS = {
    "ReLU networks, Hypothesis `floats(-3, 3)`": _relu_nets,
    "ReLU networks, normal numbers": _relu_nets_at_normal_points,
    "tanh networks, Hypothesis `floats(-3, 3)`": _tanh_nets,
    "tanh networks in float32": _float32_nets,
    "networks of relu, abs, hard tanh, max-pool, MAE, Huber at nice numbers": _built("network"),
    "single functions with kinks and ties at nice numbers": _built("function"),
    "smooth functions times 1e-12 and 1e12": _scaled,
    "smooth functions in units of 1e-12 and 1e12": _in_other_units,
    "smooth functions plus 1e8": _shifted,
    "right code that somebody reported as a bug": _reported,
}


# --------------------------------------------------------------------------------------- the tables


def _beside(kinds, counts, peers):
    rows = []
    for kind, problems in kinds.items():
        cells = [_cell(counts[kind][peer.name], len(problems)) for peer in peers]
        rows.append([kind, str(len(problems)), *cells])
    total = sum(map(len, kinds.values()))
    sums = {peer.name: sum((counts[kind][peer.name] for kind in kinds), Counter())
            for peer in peers}  # fmt: skip
    rows.append(["all", str(total), *[_cell(sums[peer.name], total) for peer in peers]])
    best = sums["gradcheck"][Answer.FAIL]
    fewer = [name for name, count in sums.items() if count[Answer.FAIL] < best]
    fewer_unsure = [
        name for name, count in sums.items() if not_passed(count) < not_passed(sums["gradcheck"])
    ]
    return Table(
        "1. False alarms",
        "Every subject is right; a cell is how many of them the checker rejects. `+ n ?`: it says "
        "that it cannot tell (gradcheck), `+ n !`: it broke off with another error. SciPy and "
        "numdifftools get the arrays widened to float64, torch, JAX, autograd and the loop get "
        "them as they are; torch warns that float32 is too coarse for it.",
        ["right subjects", "n", *[peer.name for peer in peers]],
        rows,
        [ahead(fewer, "with fewer right subjects rejected"),
         ahead(fewer_unsure, "with more right subjects passed")],
    )  # fmt: skip


def not_passed(count):
    return sum(count.values()) - count[Answer.PASS]


def _cell(count, whole):
    text = share(count[Answer.FAIL], whole)
    text += f" + {count[Answer.UNSURE]} ?" if count[Answer.UNSURE] else ""
    return text + (f" + {count[Answer.ERROR]} !" if count[Answer.ERROR] else "")


def _alone(count):
    (ours,) = select(installed(), ["gradcheck"])
    rows = []
    for name, problems in (
        ("ReLU networks, Hypothesis `floats(-3, 3)`", _relu_nets(max(1, count // 6))),
        (
            'the same with `kinks="strict"`, the default for a pair',
            _relu_nets_strict(max(1, count // 6)),
        ),
        ("networks with kinks at nice numbers", _built("network")(count // 2)),
        ("functions with kinks at nice numbers", _built("function")(count // 2)),
    ):
        answers = judged(ours, problems)
        rows.append([name, str(len(problems)), *[str(answers[one]) for one in Answer]])
    return Table(
        "1b. False alarms of gradcheck alone, on more subjects",
        "The others are left out here for their time, not for their answers. Networks are checked "
        'with `kinks="lenient"`, the default for a subject that shows its layers.',
        ["right subjects", "n", *[one.value for one in Answer]],
        rows,
    )
