"""Show: rows as one page that needs no network and no script to be read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gradcheck.errors import InvalidArgument
from gradcheck.report import drawing
from gradcheck.report.evidence import shortened, whole
from gradcheck.report.json_lines import GENERATOR, HEADERS
from gradcheck.report.summary import (
    FAILED,
    as_tests,
    found_what_it_expected,
    headline,
    worst_of,
)
from gradcheck.report.tally import Entry, merge, total
from gradcheck.report.terminal import printable

Json = dict[str, Any]

PAGE_BYTES = 300_000
"""A page must open at once, be mailed, and be kept for every run of a year."""
MAX_CARDS = 25
"""Failures shown in full; a reader starts with the first."""
MAX_TRAININGS = 12
MAX_ROWS = 500
SHARES = (1.0, 0.5, 0.2, 0.04)
"""Parts of the cards and rows that are tried until the page is small enough."""
MAX_ID = 300
MAX_FACT = 1_500
MAX_CARD_TEXT = 6_000
FINISHED = (0, 1, 5)
"""Exit statuses of a run of pytest that came to its end: passed, failed, nothing to do."""
MAX_DRAWN = 60_000
"""Characters of SVG in all cards together: what is left of 300 KB beside text and tables."""
CURVE_NOTE = (
    "Curve: how far the difference quotient lies from the estimate. Red: how far the claim does."
)
ENTRIES_NOTE = "Blue: above zero. Orange: below. Outlined in red: where the two differ."


def page(rows: list[Json]) -> str:
    """The page of a run or a campaign, or of many merged ones.

    Parameters
    ----------
    rows : list of dict
        Rows as `gradcheck.report.json_lines.read` or `merge` gives them.

    Returns
    -------
    str
        A whole HTML document, below 300 KB, whatever the rows hold.

    Raises
    ------
    InvalidArgument
        jinja2 is not installed.
    """
    template = _template()
    pages = (str(template.render(_view(rows, share))) for share in SHARES)
    fitting = (page for page in pages if len(page.encode()) < PAGE_BYTES)
    return next(fitting, "") or str(template.render(_view(rows, 0.0)))


def _template() -> Any:
    try:
        import jinja2
    except ImportError:
        raise InvalidArgument(
            "an HTML report needs jinja2: pip install 'gradcheck[html]'"
        ) from None
    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, trim_blocks=True
    )
    return environment.get_template("page.html.jinja")


def _view(rows: list[Json], share: float) -> Json:
    max_cards, max_rows = math.ceil(MAX_CARDS * share), math.ceil(MAX_ROWS * share)
    headers = [row for row in rows if row["kind"] in HEADERS]
    results = as_tests(rows)
    results.sort(key=lambda row: (row["outcome"] not in FAILED, row["id"]))
    failed = [row for row in results if row["outcome"] in FAILED]
    tally = merge(row["tally"] for row in results)
    everything = total(tally)
    ink = _Ink()
    return {
        "title": "gradcheck report",
        "generator": GENERATOR,
        "headline": headline(results, tally),
        "banners": _banners(rows, headers),
        "figures": _figures(results, everything, len(tally)),
        "histogram": ink.allow(drawing.excess_histogram(_excesses(results))),
        "worst": worst_of(results),
        "failures": [_card(row, ink) for row in failed[:max_cards]],
        "failures_left": max(0, len(failed) - max_cards),
        "trainings": _trainings(results, ink),
        "unit": "case" if any(row["kind"] == "case" for row in results) else "test",
        "table": [_table_row(row) for row in results[:max_rows]],
        "rows_left": max(0, len(results) - max_rows),
        "provenance": [_provenance(header) for header in headers[:20]],
    }


class _Ink:
    """Lets drawings through until the page would grow too large."""

    def __init__(self) -> None:
        self.left = MAX_DRAWN

    def allow(self, svg: str) -> str:
        if len(svg) > self.left:
            return ""
        self.left -= len(svg)
        return svg


def _banners(rows: list[Json], headers: list[Json]) -> list[str]:
    banners = []
    if any(row.get("exitstatus", 0) not in FINISHED for row in rows):
        banners.append("A run was interrupted: what follows is what it had finished.")
    shards = [str(row.get("shard", "1/1")) for row in headers]
    missing = _missing_shards(shards)
    if missing:
        banners.append(f"Shards missing from this page: {', '.join(missing)}.")
    return banners


def _missing_shards(shards: list[str]) -> list[str]:
    counts = {int(shard.partition("/")[2]) for shard in shards}
    return [f"{i}/{n}" for n in sorted(counts) for i in range(1, n + 1) if f"{i}/{n}" not in shards]


def _figures(results: list[Json], everything: Entry, subjects: int) -> list[Json]:
    outcomes = Counter(row["outcome"] for row in results)
    shown = [
        {"value": f"{count:,}", "name": name, "kind": name} for name, count in outcomes.items()
    ]
    counts = {
        "subjects": subjects,
        "examples": everything["examples"],
        "probes": everything["probes"],
        "kinks certified": everything["kinks"],
        "inconclusive examples": everything["inconclusive"],
    }
    return shown + [
        {"value": f"{count:,}", "name": name, "kind": "count"} for name, count in counts.items()
    ]


def _excesses(results: list[Json]) -> Iterable[float]:
    for row in results:
        worst = total(row["tally"])["worst"]
        if worst is not None and not found_what_it_expected(row):
            yield float(worst["excess"])


def _card(row: Json, ink: _Ink) -> Json:
    pieces = [_piece(item, ink) for item in reversed(row["evidence"])]
    error = row.get("error", "")
    if error and not pieces:
        pieces = [_error_piece(error)]
    return {
        "id": printable(shortened(row["id"], MAX_ID)),
        "outcome": row["outcome"],
        "pieces": pieces[:3],
    }


def _error_piece(error: str) -> Json:
    return {"verdict": "ERROR", "text": visible(shortened(error, MAX_CARD_TEXT)), "causes": []}


def _piece(item: Json, ink: _Ink) -> Json:
    return {
        "verdict": item["verdict"],
        "subject": printable(item["subject"]),
        "facts": _facts(item),
        "causes": [_fact(entry["sentence"]) for entry in item["diagnoses"][:3]],
        "findings": [
            {**finding, "name": printable(finding["name"]), "message": _fact(finding["message"])}
            for finding in item["findings"][:6]
        ],
        "comparisons": [_comparison(entry) for entry in item.get("comparisons", [])[:8]],
        "plots": _plots(item, ink),
        "reproduce": visible(whole(item.get("reproduce", ""), MAX_CARD_TEXT)),
        "text": visible(shortened(item["text"], MAX_CARD_TEXT)),
    }


def _facts(item: Json) -> str:
    facts = []
    if item.get("guilty_layer"):
        facts.append(f"guilty layer {item['guilty_layer']}")
    if item.get("shapes"):
        shapes = (f"{name} {tuple(shape)}" for name, shape in item["shapes"].items())
        facts.append(f"smallest case found: {', '.join(shapes)}")
    if item.get("forwards"):
        facts.append(f"{item['forwards']} forwards, {item['backwards']} backwards")
    if item.get("seed") is not None:
        facts.append(f"seed {item['seed']}")
    return printable("".join(f" · {fact}" for fact in facts))


def _fact(text: str) -> str:
    return visible(shortened(text, MAX_FACT))


def _comparison(entry: Json) -> Json:
    claimed, estimate = entry["claimed"], entry["estimate"]
    others = (f"{e['oracle']} {_number(e['value'], 8)}" for e in entry["evidence"])
    return {
        "path": printable(entry["path"]),
        "claimed": _number(claimed, 8),
        "value": _number(estimate["value"], 8),
        "error": _number(estimate["error"], 2),
        "difference": _number(_difference(claimed, estimate["value"]), 3),
        "limit": _number(entry["limit"], 3),
        "verdict": entry["verdict"],
        "others": printable(", ".join(others)),
    }


def _difference(left: Any, right: Any) -> Any:
    return abs(float(left) - float(right))


def _plots(item: Json, ink: _Ink) -> list[Json]:
    ladder = [drawing.step_curve(entry) for entry in item.get("comparisons", [])]
    curve = next(filter(None, ladder), "")
    plots = [{"title": "Step size against error", "drawing": curve, "note": CURVE_NOTE}]
    for name, table in item.get("entries", {}).items():
        maps, title = drawing.heat_maps(name, table), f"Entries of {printable(name)}"
        plots.append({"title": title, "drawing": maps, "note": ENTRIES_NOTE})
    if "training" in item:
        loss = drawing.loss_curve(item["training"])
        plots.append({"title": "Loss", "drawing": loss, "note": ""})
    return [plot for plot in plots if ink.allow(plot["drawing"])]


def _trainings(results: list[Json], ink: _Ink) -> list[Json]:
    """Curves of the training runs that no failure card has shown."""
    cards = []
    for row in results:
        for item in row["evidence"]:
            if "training" in item and row["outcome"] not in FAILED:
                cards.append(_training_card(row, item, ink))
    return [card for card in cards[:MAX_TRAININGS] if card["drawing"]]


def _training_card(row: Json, item: Json, ink: _Ink) -> Json:
    training = item["training"]
    facts = [printable(item["subject"]), f"{training['epochs']} epochs"]
    if training["last_loss"] is not None:
        facts.append(f"last loss {_number(training['last_loss'], 4)}")
    if training["stopped"]:
        facts.append(f"stopped: {printable(training['stopped'])}")
    if item["verdict"] == "WRONG" and found_what_it_expected(row):
        facts.append("as the test expected")
    return {
        "id": printable(shortened(row["id"], MAX_ID)),
        "verdict": item["verdict"],
        "facts": " · ".join(facts),
        "drawing": ink.allow(drawing.loss_curve(training)),
    }


def _table_row(row: Json) -> Json:
    entry = total(row["tally"])
    worst = entry["worst"] or {"difference": None, "limit": None}
    return {
        "id": printable(shortened(row["id"], MAX_ID if row["outcome"] in FAILED else 160)),
        "outcome": row["outcome"],
        "note": ", wrong as expected" if found_what_it_expected(row) else "",
        "examples": entry["examples"],
        "probes": entry["probes"],
        "kinks": entry["kinks"],
        "error": _number(worst["difference"], 2),
        "limit": _number(worst["limit"], 2),
        "seconds": f"{row['seconds']:.2f}",
    }


def _provenance(header: Json) -> str:
    names = ("started", "gradcheck", "python", "numpy", "hypothesis", "platform")
    asked = ("seed", "profile", "examples", "shard", "suite")
    parts = [f"{name} {header[name]}" for name in (*names, *asked) if header.get(name)]
    return shortened(printable(" · ".join(parts)), MAX_FACT)


def _number(value: Any, digits: int) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return f"{_number(value[0], digits)} + {_number(value[1], digits)}i"
    return value if isinstance(value, str) else f"{value:.{digits}g}"


def visible(text: str) -> str:
    """A text of many lines with its control characters as escapes.

    >>> visible("a\\n\\x07b")
    'a\\n\\\\x07b'
    """
    return "\n".join(printable(line) for line in text.split("\n"))
