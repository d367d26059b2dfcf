"""How soon a bug is found, and how soon it is small."""

from __future__ import annotations

import statistics

from benchmarks.hypothesis_lines import lines
from benchmarks.page import Table, ahead
from tests.corpus.test_corpus import TWINS


def tables(budget):
    twins, lines_by_name = TWINS[: budget.twins], lines()
    runs = {name: [] for name in lines_by_name}
    for twin in twins:
        for seed in range(budget.seeds):
            for name, line in lines_by_name.items():  # in turn: the machine's mood changes
                runs[name].append(line(twin, twin.wrong, seed))
    common = [all(one.failed and one.examples for one in together)
              for together in zip(*runs.values(), strict=True)]  # fmt: skip
    rows, scores = [], {}
    for name, all_of in runs.items():
        chosen = [one for one, is_common in zip(all_of, common, strict=True) if is_common]
        scores[name] = _scores(chosen)
        found = sum(one.failed for one in all_of)
        rows.append([name, f"{found} of {len(all_of)}", *map(_shown, scores[name].values())])
    remarks = [
        ahead([n for n, score in scores.items() if score[what] < scores["gradcheck"][what]], what)
        for what in COLUMNS
    ]
    return [
        Table(
            "4. Time to the first failing example, and to the smallest",
            f"The wrong twins of the corpus, seeds: {budget.seeds}; medians, and means in "
            f"brackets, over the {sum(common)} runs in which every line fails. Milliseconds of "
            "CPU; the runs are those of table 2c. The end comes after the smallest example is "
            "found and reported; gradcheck's report names a cause and the two others print a "
            "traceback.",
            ["line", "runs that fail", *COLUMNS],
            rows,
            remarks,
        )
    ]


COLUMNS = {
    "examples to the first failure": lambda one: one.examples,
    "ms to the first failure": lambda one: 1e3 * one.first,
    "ms to the end": lambda one: 1e3 * one.seconds,
    "entries of the smallest": lambda one: one.entries,
}


def _scores(runs):
    return {name: _middle([read(one) for one in runs]) for name, read in COLUMNS.items()}


def _middle(values):
    return (statistics.median(values), statistics.mean(values)) if values else (0, 0)


def _shown(middle):
    return f"{middle[0]:.3g} ({middle[1]:.3g})"
