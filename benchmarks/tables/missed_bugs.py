"""Wrong gradients that pass."""

from __future__ import annotations

import numpy as np

import gradcheck
from benchmarks import hypothesis_lines
from benchmarks.page import Table, ahead
from benchmarks.peers import Answer, installed, select
from benchmarks.problems import Problem, problem
from tests.corpus.test_corpus import TWINS

PEERS = ("gradcheck", "gradcheck, exhaustive", "torch", "torch, fast", "jax", "autograd",
         "scipy check_grad", "scipy check_grad, random", "scipy.differentiate", "numdifftools",
         "naive loop")  # fmt: skip


def tables(budget):
    peers = select(installed(), PEERS)
    twins = TWINS[: budget.twins]
    return [_at_points(peers, twins), _blind_spots(peers, budget.spot)]


def generated_tables(budget):
    return [_generated(TWINS[: budget.twins], budget.seeds)]


# -------------------------------------------------------------------------- the corpus, at a point


def notices(peer, right, wrong):
    """Whether a checker tells the wrong one from the right one: it lets only the right one pass."""
    return peer.judge(right) is Answer.PASS and peer.judge(wrong) in (Answer.FAIL, Answer.ERROR)


def _at_points(peers, twins):
    rows, found = [], {}
    for where in ("generic_point", "bug_point"):
        for peer in peers:
            found[where, peer.name] = [t.id for t in twins if _is_noticed(peer, t, where)]
    for peer in peers:
        cells = [str(len(found[where, peer.name])) for where in ("generic_point", "bug_point")]
        rows.append([peer.name, *cells])
    remarks = [_who_is_ahead(found, where, peers, text) for where, text in POINTS.items()]
    remarks += [_only_found_by_others(found, where, text) for where, text in POINTS.items()]
    return Table(
        "2. Bugs found at one point",
        f"{len(twins)} bugs of the corpus, each with a right twin. Found: the checker rejects the "
        "wrong twin, or breaks off, and passes the right one at the same point. A generic point "
        "has normal random numbers, where many of these bugs do not show at all: nobody can find "
        "those there. The bug's own point is where the wrong gradient is wrong; one of them has "
        "70,000 entries, which counts as missed for those that measure every entry.",
        ["checker", "found at a generic point", "found at the bug's own point"],
        rows,
        remarks,
    )


POINTS = {"generic_point": "at a generic point", "bug_point": "at the bug's own point"}


def _is_noticed(peer, twin, where):
    right = problem(twin.id, twin.right(), getattr(twin, where)())
    if right.entries > peer.largest:
        return False
    wrong = problem(twin.id, twin.wrong(), getattr(twin, where)())
    return notices(peer, right, wrong)


def _who_is_ahead(found, where, peers, text):
    best = len(found[where, "gradcheck"])
    return ahead([p.name for p in peers if len(found[where, p.name]) > best], f"{text}")


def _only_found_by_others(found, where, text):
    others = {one for (at, _), ids in found.items() if at == where for one in ids}
    missed = sorted(others - set(found[where, "gradcheck"]))
    finders = {
        one: [name for (at, name), ids in found.items() if at == where and one in ids]
        for one in missed
    }
    listed = "; ".join(f"{one} ({', '.join(names)})" for one, names in finders.items())
    return f"Found {text} by somebody, and not by gradcheck: {listed or 'none'}."


# --------------------------------------------------------------- the corpus, with generated inputs


def _generated(twins, seeds):
    lines = hypothesis_lines.lines()
    found = {name: [] for name in lines}
    for twin in twins:
        for seed in range(seeds):
            for name, line in lines.items():  # in turn: another table reads the times
                pair = (line(twin, twin.wrong, seed).failed, line(twin, twin.right, seed).failed)
                found[name].append(pair)
    ids = [twin.id for twin in twins for _ in range(seeds)]
    missed = [name for name, (wrong, _) in zip(ids, found["gradcheck"], strict=True) if not wrong]
    alarms = [name for name, (_, right) in zip(ids, found["gradcheck"], strict=True) if right]
    rows, scores = [], {}
    for name, pairs in found.items():
        scores[name] = sum(wrong and not right for wrong, right in pairs)
        counts = [sum(wrong for wrong, _ in pairs), sum(right for _, right in pairs), scores[name]]
        rows.append([name, *[f"{count} of {len(pairs)}" for count in counts]])
    better = [name for name, score in scores.items() if score > scores["gradcheck"]]
    return Table(
        "2c. Bugs found with generated inputs",
        "One property test per twin: gradcheck's line with its default 50 examples, and "
        f"Hypothesis with the same shapes (sizes 1 to {hypothesis_lines.LARGEST_SIZE}), "
        "`floats(-3, 3)` or the domain of the argument, its default 100 examples, and a checker "
        "inside. A line that fails for the right twin too has told nothing: the last column counts "
        "the runs where the wrong twin fails and the right one passes.",
        ["line", "wrong twins that fail", "right twins that fail", "bugs told apart"],
        rows,
        [
            ahead(better, "in bugs told apart"),
            f"Wrong twins that gradcheck's line passes: {', '.join(missed) or 'none'}.",
            f"Right twins that it fails: {', '.join(alarms) or 'none'}.",
        ],
    )


# ------------------------------------------------------------------------------- known blind spots


def _elementwise(name, forward, derivative, x, spoil):
    def backward(y_bar, x):
        return (spoil(y_bar * derivative(x)),)

    return Problem(name, forward, backward, {"x": x})


def _one_entry(factor):
    def spoil(gradient):
        spoilt = gradient.copy()
        spoilt.flat[7] *= factor
        return spoilt

    return spoil


def _sum_of_sines(x):
    return np.sum(np.sin(x))


def _tiny(x):
    return 1e-9 * np.sum(np.sin(x))


def _nan(x):
    return np.sum(x) * np.nan


def blind_spots():
    """Pairs of (right, wrong) problems by name."""
    rng = np.random.default_rng(0)
    x = {n: rng.standard_normal(n) for n in (400, 1_000, 10_000)}
    right = {"spoil": lambda g: g}
    spots = {
        "one of 400 entries off by 1 %": (_sum_of_sines, np.cos, x[400], _one_entry(1.01)),
        "all of 400 entries off by 0.05 %": (_sum_of_sines, np.cos, x[400], lambda g: 1.0005 * g),
        "gradient of 1e-9, three times too large": (
            _tiny, lambda x: 1e-9 * np.cos(x), x[400], lambda g: 3 * g,
        ),
        "one of 400 entries NaN": (_sum_of_sines, np.cos, x[400], _one_entry(np.nan)),
        "1000 outputs, all off by 1 %": (np.sin, np.cos, x[1_000], lambda g: 1.01 * g),
        "10,000 outputs, all off by 5 %": (np.sin, np.cos, x[10_000], lambda g: 1.05 * g),
        "1000 outputs in float32, sign flipped": (
            np.sin, np.cos, x[1_000].astype(np.float32), lambda g: -g,
        ),
    }  # fmt: skip
    return {
        name: (_elementwise(name, f, df, at, right["spoil"]), _elementwise(name, f, df, at, spoil))
        for name, (f, df, at, spoil) in spots.items()
    }


def _blind_spots(peers, largest):
    rows = []
    for name, (right, wrong) in blind_spots().items():
        if right.entries > largest:
            continue
        rows.append([name, *[_spot(peer, right, wrong) for peer in peers]])
    x = np.random.default_rng(0).standard_normal(400)
    no_value = Problem("nan", _nan, lambda y_bar, x: (y_bar * np.nan * x,), {"x": x})
    rows.append(["value and gradient both NaN", *[_of_nan(peer, no_value) for peer in peers]])
    rows += [["forward mode: 1000 outputs in float32, " + text, *_forward_mode(peers, factor)]
             for text, factor in (("sign flipped", -1.0), ("times 1.5", 1.5))]  # fmt: skip
    told = {kind: [row[0] for row in rows if kind in row[1]] for kind in ("missed", "cannot tell")}
    return Table(
        "2b. Known blind spots",
        "Wrong gradients that some checker lets pass. `found`: rejected, and the right gradient "
        "passes; `missed`: the wrong gradient passes; `no use`: the right one is rejected too; "
        "`cannot tell`: INCONCLUSIVE, which does not pass; "
        "`—`: not tried, because the full Jacobian would be too large, or there is no such mode.",
        ["wrong gradient", *[peer.name for peer in peers]],
        rows,
        [
            f"Missed by gradcheck: {', '.join(told['missed']) or 'none'}.",
            f"gradcheck cannot tell, and some reject: {', '.join(told['cannot tell']) or 'none'}.",
        ],
    )


def _spot(peer, right, wrong):
    if right.entries > peer.largest:
        return "—"
    if peer.judge(wrong) in (Answer.PASS, Answer.UNSURE):
        return "**missed**"
    return "found" if peer.judge(right) is Answer.PASS else "no use"


def _of_nan(peer, no_value):
    answer = peer.judge(no_value)
    return {Answer.PASS: "**missed**", Answer.UNSURE: "cannot tell"}.get(answer, "found")


def _forward_mode(peers, factor):
    x = np.random.default_rng(0).standard_normal(1_000).astype(np.float32)
    return [_pushed(peer.name, x, factor) for peer in peers]


def _pushed(name, x, factor):
    def push(x, x_dot):
        return np.asarray(factor * np.cos(x) * x_dot, x.dtype)

    if name == "gradcheck":
        result = gradcheck.check_jvp(np.sin, lambda x, x_dot: push(x[0], x_dot[0]), (x,))
        return "**missed**" if result else "found"
    if name != "jax":
        return "—"
    from benchmarks.peers import jax_checks

    try:
        jax_checks.forward_mode(lambda x: np.sin(np.asarray(x)), _with_arrays(push), x)
    except AssertionError:
        return "found"
    return "**missed**"


def _with_arrays(push):
    return lambda *arrays: push(*map(np.asarray, arrays))
