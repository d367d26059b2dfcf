"""How fast examples are drawn, and drawn and checked."""

from __future__ import annotations

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import gradcheck
from benchmarks.measuring import cpu_seconds, medians
from benchmarks.page import Table, ahead
from gradcheck import strategies


def tables(budget):
    return [_arrays(budget), _dense(budget)]


def drawn(strategy, count, seed=0):
    """Draw so many examples; return them."""
    seen = []

    @hypothesis.seed(seed)
    @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @hypothesis.given(strategy)
    def collect(example):
        seen.append(example)

    collect()
    return seen


OURS = "gradcheck, as a property test draws"


def _of_length(n):
    return {
        OURS: strategies.cases({"x": "n"}, axes={"n": n}),
        "gradcheck.strategies.array alone": strategies.array((n,)),
        "hypothesis arrays, floats(-3, 3)": hnp.arrays(float, n, elements=st.floats(-3, 3)),
        "hypothesis arrays, no fill": hnp.arrays(
            float, n, elements=st.floats(-3, 3), fill=st.nothing()
        ),
    }


LONGEST_WITHOUT_FILL = 100
"""Beyond, Hypothesis runs out of the bytes that it allows one example."""


def _arrays(budget):
    rates, rows = {}, []
    for n in budget.lengths:
        chosen = {name: strategy for name, strategy in _of_length(n).items()
                  if "no fill" not in name or n <= LONGEST_WITHOUT_FILL}  # fmt: skip
        rates[n] = _rates(chosen, budget)
    for name in _of_length(1):
        cells = [_rate_and_variety(rates[n].get(name)) for n in budget.lengths]
        rows.append([name, *cells])
    remarks = [
        ahead([name for name, (rate, _) in rates[n].items()
               if rate > rates[n][OURS][0] and not name.startswith("gradcheck")],
              f"with {n:,} entries")
        for n in budget.lengths
    ]  # fmt: skip
    return Table(
        "5. Examples per CPU second",
        "Arrays of float64, drawn and thrown away. In brackets: how many different numbers one "
        "array holds, on average. Hypothesis fills all but a few entries of a large array with "
        "one number, unless told not to, and gradcheck repeats a few numbers in half of its "
        "arrays, for ties and zeros are where bugs are.",
        ["strategy", *[f"{n:,} entries" for n in budget.lengths]],
        rows,
        remarks,
    )


def _rates(chosen, budget):
    seconds = {name: [] for name in chosen}
    variety = {}
    for name, strategy in chosen.items():
        examples = drawn(strategy, budget.examples)
        arrays = [one.arrays["x"] if isinstance(one, strategies.Case) else one for one in examples]
        variety[name] = round(np.mean([len(np.unique(one)) for one in arrays]))
    counts = {name: len(drawn(strategy, budget.examples)) for name, strategy in chosen.items()}
    for _ in range(budget.rounds):
        for name, strategy in chosen.items():
            spent = cpu_seconds(lambda strategy=strategy: drawn(strategy, budget.examples))
            seconds[name].append(spent / counts[name])
    return {name: (1 / spent, variety[name]) for name, spent in medians(seconds).items()}


def _rate_and_variety(rate):
    return f"{rate[0]:,.0f} ({rate[1]:,})" if rate else "—"


# ------------------------------------------------------------------------- drawing and checking


def dense(x, w, b):
    return x @ w + b


def dense_backward(y_bar, x, w, _b):
    return y_bar @ w.T, x.T @ y_bar, y_bar.sum(axis=0)


def _dense(budget):
    """A dense layer: gradcheck's line over what bare Hypothesis takes for generation alone."""
    shapes = {"x": (3, 4), "w": (4, 2), "b": (2,)}
    bare = st.fixed_dictionaries(
        {
            name: hnp.arrays(float, shape, elements=st.floats(-3, 3))
            for name, shape in shapes.items()
        }
    )
    sizes = {"n": 3, "d": 4, "k": 2}
    own = strategies.cases({"x": "n d", "w": "d k", "b": "k"}, axes=sizes)

    def check(seed):
        test = gradcheck.vjp_test(
            dense, dense_backward, x="n d", w="d k", b="k", axes=sizes, seed=seed,
            examples=budget.examples,
        )  # fmt: skip
        test()

    actions = {
        "Hypothesis, generation only": lambda seed: drawn(bare, budget.examples, seed),
        "gradcheck, generation only": lambda seed: drawn(own, budget.examples, seed),
        "gradcheck, generation and check": check,
    }
    seconds = {name: [] for name in actions}
    for seed in range(budget.rounds + 1):  # the first is left out: it pays for imports
        for name, action in actions.items():
            seconds[name].append(cpu_seconds(lambda action=action, seed=seed: action(seed)))
    middle = medians({name: values[1:] for name, values in seconds.items()})
    bare_time = middle["Hypothesis, generation only"]
    rows = [[name, f"{budget.examples / spent:,.0f}", f"{bare_time / spent:.2f}"]
            for name, spent in middle.items()]  # fmt: skip
    return Table(
        "5b. A small dense layer",
        f"Arrays of shapes {', '.join(map(str, shapes.values()))}, {budget.examples} examples, "
        f"medians of {budget.rounds} seeds. An example with numbers of very different sizes takes "
        "a ladder of steps, and a multiple of the time of others.",
        ["line", "examples per CPU second", "over generation by Hypothesis"],
        rows,
    )
