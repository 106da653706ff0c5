"""What a browser makes of the policies of our pages: ours is allowed, everything else is not."""

import hostile
import pytest
import stores

from nasarena.reports import report
from nasarena.reports.gate import gate_page
from nasarena.reports.history import history, track_page
from nasarena.reports.text.tables import Table

pytestmark = pytest.mark.browser

INJECTED = """
<script>document.title = 'owned'</script><img src="x.png" onerror="document.title = 'owned'">
<style>h1 { color: rgb(1, 2, 3) !important }</style><p style="color: red">x</p>
<iframe src="about:blank"></iframe><script src="https://example.org/x.js"></script>
<link rel="stylesheet" href="x.css"><base href="https://example.org/">
<form action="https://example.org/"><button id="send">send</button></form>
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """One page of every kind that the project writes, of names that mean harm."""
    root = tmp_path_factory.mktemp("pages")
    labels, tasks = hostile.LABELS[:6], (hostile.TASK,)
    plan = stores.manifest(labels, {task: stores.facts() for task in tasks})
    results = stores.write(root / "results", stores.synthetic(tuple(labels), tasks), plan)
    made = {"report": report.write_report(results, root / "report", ("html",), figures=False)}
    verdict = Table("verdict", "x", ["against", "y"], [[text, "–"] for text in labels])
    made["comparison"] = report.write_report(
        results, root / "comparison", ("html",), first=[verdict], figures=False
    )
    made["gate"] = root / "gate.html"
    made["gate"].write_text(gate_page.page(hostile.gate(), []), encoding="utf-8")
    row = {"time": "2026-01-01T00:00:00+00:00", "metric": "m", "deviation": None, "count": 3}
    row |= {"unit": "", "protocol": "0", "task": labels[0], "strategy": labels[1]}
    rows = [history.Row(commit=c, value=v, **row) for c, v in (("a", 1.0), ("b", 2.0))]
    series = [(each, []) for each in history.series(rows)]
    made["history"] = track_page.write(series, root / "history", "https://host")
    made["task"] = next(path for path in (root / "history").iterdir() if path != made["history"])
    return made


def said(driver, page):
    """What the browser complains of while it opens the page."""
    driver.get("about:blank")
    driver.get_log("browser")
    driver.get(page.as_uri())
    driver.execute_async_script("setTimeout(arguments[0], 300)")
    return [line["message"] for line in driver.get_log("browser")]


KINDS = ["report", "comparison", "gate", "history", "task"]


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_pages_keep_their_policy(driver, pages, kind):
    assert said(driver, pages[kind]) == []
    assert driver.title != "owned"
    # The style is in force, which the policy would prevent if its hash were wrong.
    ink = driver.execute_script("return getComputedStyle(document.body).maxWidth")
    assert ink != "none"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_injected_does_nothing(driver, pages, kind, tmp_path):
    text = pages[kind].read_text(encoding="utf-8")
    assert text.count("</body>") == 1
    page = tmp_path / "injected.html"
    page.write_text(text.replace("</body>", f"{INJECTED}</body>"), encoding="utf-8")
    title = text.partition("<title>")[2].partition("</title>")[0]
    messages = said(driver, page)
    assert driver.title != "owned", title
    color = "return getComputedStyle(document.querySelector('h1')).color"
    assert driver.execute_script(color) != "rgb(1, 2, 3)"
    for what in ("inline script", "inline style", "x.png", "x.js", "x.css", "base"):
        assert [m for m in messages if what in m], (what, messages)
    driver.execute_script("document.querySelector('#send').click()")
    driver.execute_async_script("setTimeout(arguments[0], 200)")
    assert driver.current_url == page.as_uri()


def test_without_a_policy_it_would_act(driver, pages, tmp_path):
    """So that the test above tests something."""
    page = tmp_path / "open.html"
    page.write_text(f"<!doctype html><h1>x</h1>{INJECTED}")
    said(driver, page)
    assert driver.title == "owned"
