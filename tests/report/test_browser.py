"""The page in a real browser: it opens without network, fits, and runs no stranger's script."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from gradcheck.report import render
from tests.report import samples

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="headless Chromium is missing: apt-get install chromium"
)

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--allow-file-access-from-files",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]
# The report is looked at from a page around it, since it has no script of its own.
LOOK = """<!doctype html><body style="margin:0">
<iframe id=f src=report.html style="border:0;width:WIDTHpx;height:900px"></iframe>
<script>
f.onload = () => {
  const w = f.contentWindow, d = f.contentDocument;
  for (const rule of d.styleSheets[0].cssRules)
    if (PRINTED && rule.media?.mediaText == "print") rule.media.mediaText = "all";
  const boxes = [...d.querySelectorAll("svg")].map(s => s.getBoundingClientRect());
  document.body.textContent = "LOOKED" + JSON.stringify({
    title: d.title,
    text: d.body.innerText,
    ground: w.getComputedStyle(d.body).backgroundColor,
    ink: w.getComputedStyle(d.body).color,
    wide: d.documentElement.scrollWidth,
    scripts: d.scripts.length,
    loaded: w.performance.getEntriesByType("resource").length,
    drawings: boxes.length,
    empty: boxes.filter(b => b.width < 5 || b.height < 5).length,
    outside: boxes.filter(b => b.right > WIDTH + 1).length,
    ran: typeof w.hacked !== "undefined",
    unfolded: [...d.querySelectorAll("details pre")].map(p => p.checkVisibility()),
  }) + "SEEN";
};
</script>"""


def chromium(folder: Path, *flags: str) -> str:
    profile = folder / "profile"
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    hostile = samples.HOSTILE + "<img src=x onerror='window.hacked=1'><svg/onload=hacked=1>"
    bad = samples.row(f"t.py::{hostile}", "failed", samples.hostile_result())
    folder = tmp_path_factory.mktemp("browser")
    render.write(folder / "report.html", [*samples.run_rows(), bad])
    return folder


def look(folder: Path, width: int, *flags: str, printed: bool = False) -> dict:
    page = folder / "look.html"
    page.write_text(LOOK.replace("WIDTH", str(width)).replace("PRINTED", str(printed).lower()))
    dom = chromium(folder, *flags, "--virtual-time-budget=5000", "--dump-dom", page.as_uri())
    return json.loads(unescape(re.search("LOOKED(.*)SEEN", dom, re.DOTALL)[1]))


def test_the_page_opens_fits_and_runs_nothing(report):
    seen = look(report, 1200)
    assert seen["title"] == "gradcheck report"
    assert "What failed" in seen["text"]
    assert '<script>alert("1")</script>' in seen["text"]
    assert seen["scripts"] == seen["loaded"] == 0
    assert not seen["ran"]
    assert seen["drawings"] >= 7
    assert seen["empty"] == 0
    assert seen["ground"] == "rgb(255, 255, 255)"


def test_a_narrow_window_needs_no_sideways_scrolling(report):
    seen = look(report, 400)
    assert seen["wide"] == 400
    assert seen["outside"] == 0


def test_a_dark_window_is_dark(report):
    seen = look(report, 1200, "--blink-settings=preferredColorScheme=0")
    assert seen["ground"] == "rgb(18, 22, 28)"
    assert seen["ink"] == "rgb(228, 233, 239)"


def test_on_paper_everything_is_unfolded_dark_on_light_and_within_the_margins(report):
    dark = "--blink-settings=preferredColorScheme=0"
    assert not any(look(report, 700, dark)["unfolded"])
    seen = look(report, 700, dark, printed=True)
    assert seen["unfolded"]
    assert all(seen["unfolded"])
    assert (seen["ground"], seen["ink"]) == ("rgb(255, 255, 255)", "rgb(0, 0, 0)")
    assert seen["wide"] == 700
    assert seen["outside"] == 0


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is missing: poppler-utils")
def test_print_shows_everything_even_what_is_folded(report):
    pdf = report / "x.pdf"
    page = (report / "report.html").as_uri()
    chromium(report, f"--print-to-pdf={pdf}", "--no-pdf-header-footer", page)
    text = subprocess.run(
        ["pdftotext", pdf, "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "What was verified" in text
    assert "dense: WRONG (the claimed derivative is wrong)" in text
