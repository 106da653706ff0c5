"""Names that mean harm, in everything that a person or a program reads."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import stores
from hostile import HOSTILE, LABELS, TASK, gate
from jinja2 import UndefinedError
from msgspec.structs import replace

from nasarena.bench._base.errors import json_text, visible
from nasarena.bench.execute.units import Done
from nasarena.bench.store.store import Unit
from nasarena.cli import progress
from nasarena.reports import report
from nasarena.reports.figures import gallery
from nasarena.reports.gate import gate_files, gate_output, gate_page
from nasarena.reports.gate.gate import Verdict
from nasarena.reports.history import history, track_page
from nasarena.reports.page.rendering import render
from nasarena.reports.text import escaping
from nasarena.reports.text.tables import Table

ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    data = stores.synthetic(tuple(LABELS), (TASK, "t/2"))
    facts = replace(stores.facts(), citation=" ".join(LABELS))
    plan = stores.manifest(LABELS, {TASK: facts, "t/2": facts})
    first, *others = plan.experiment.strategies
    specs = (replace(first, settings=dict(HOSTILE)), *others)
    plan = replace(stores.with_experiment(plan, strategies=specs), name="".join(LABELS))
    return stores.write(tmp_path_factory.mktemp("hostile") / "results", data, plan)


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    """A report without figures, in all its formats."""
    out = tmp_path_factory.mktemp("report") / "out"
    report.write_report(results, out, ("html", "md", "csv", "tex"), figures=False)
    return out


def test_nothing_leaves_its_folder(results, written):
    for root in (results, written):
        assert {path.name for path in root.parent.iterdir()} == {root.name}
        for path in root.rglob("*"):
            assert len(path.name.encode()) <= 255
            assert not set(path.name) & set('\\:*?"<>|\n\r\0')
            assert path.stem.upper() not in ("CON", "NUL")


def test_nothing_acts_in_any_text_of_a_report(written):
    files = [path for path in written.rglob("*") if path.suffix in (".html", ".md", ".tex")]
    assert len(files) > 8
    for path in files:
        found = ACTING.search(path.read_text(encoding="utf-8"))
        # The page's own library and data for scripts aside: JSON escapes what acts.
        assert found is None, (path.name, found)


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def elements(text):
    found = Elements()
    found.feed(text)
    return found


def test_the_page_has_the_elements_it_should(written):
    found = elements((written / "index.html").read_text(encoding="utf-8"))
    assert found.tags.count("script") == 3 + 1 + 2  # library and two of ours, swatches, two tasks
    assert "img" not in found.tags
    assert not [name for name in found.attributes if name.startswith("on") or name == "style"]


def test_latex_is_text(written):
    for path in written.rglob("*.tex"):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
            if line.startswith("%"):
                continue
            inputs = re.findall(
                r"(?<!\\textbackslash\{\})\\(input|end|include|write)\{([^}]*)", line
            )
            assert all(
                what.startswith((r"\nasarena/", "table", "tabular", "figure")) for _, what in inputs
            ), (path.name, number, line)
            bare = re.sub(r"\\.", "", line)
            assert "%" not in bare
            assert "#" not in bare


def test_a_comment_in_latex_is_one_line():
    table = Table("a", "x\n\\input{/etc/passwd}\r\u2028y", ["s"], [["\n\\input{b}\n"]])
    lines = table.tex().splitlines()
    assert lines[0].startswith("% x \\input")
    assert not [line for line in lines[1:] if line.startswith(r"\input")]


def test_no_cell_of_a_csv_file_is_a_formula(written):
    for path in written.rglob("*.csv"):
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
        assert len(rows) == 1 + 2 * len(LABELS)
        texts = [cell for row in rows for cell in row[:2]]
        assert not [cell for cell in texts if cell[:1] in "=+-@\t\r"]
        assert "'" + HOSTILE["formula"] in texts
        numbers = [float(row[2]) for row in rows[1:]]
        assert all(np.isfinite(numbers))
    text = Table("a", "b", ["=x"], [["-1+1"], ["−1.5"]]).csv()
    assert text.splitlines() == ["'=x", "'-1+1", "−1.5"]


def test_markdown_has_the_cells_it_should_and_no_markup(written):
    for path in (written / "tables").glob("*.md"):
        lines = [x for x in path.read_text(encoding="utf-8").splitlines() if x.startswith("|")]
        cells = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines}
        assert len(cells) == 1, path.name
    for path in written.rglob("*.md"):
        text = re.sub(r"<!-- nasarena: .* -->\n", "", path.read_text(encoding="utf-8"))
        assert not re.search(r"(?<!\\)<[A-Za-z/!?]", text)
        assert not re.search(r"(?<!\\)\]\((?!figures/)", text)


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
def test_figures_take_names_as_they_are(results):
    """No formula is read, no label is left out, and the SVG is XML."""
    made = report.prepare([results], "screen", None)
    plate = next(iter(made.plates(TASK)))
    files = gallery.render(plate, made.style, made.looks, {"svg": {"Date": None}})
    root = ElementTree.fromstring(files["svg"])
    assert root.tag.endswith("svg")
    assert not [one for one in root.iter() if one.tag.endswith(("script", "foreignObject"))]


def test_a_name_that_matplotlib_would_leave_out_of_a_legend_is_in_it(tmp_path):
    labels, tasks = ("_a", "b"), ("t/1",)
    plan = stores.manifest(labels, {"t/1": stores.facts()})
    root = stores.write(tmp_path / "results", stores.synthetic(labels, tasks), plan)
    made = report.prepare([root], "screen", None)
    figure = gallery.draw(next(iter(made.plates("t/1"))), made.style, made.looks)
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    texts = [text.get_text() for legend in legends if legend for text in legend.get_texts()]
    assert {text.strip("\u200b") for text in texts} >= set(labels)


# The gate.


def test_github_sees_no_command_but_ours():
    lines = gate_output.github(gate(), [Verdict.REGRESSED])
    assert len(lines) == len(LABELS)
    for line in lines:
        assert line.startswith("::error title=")
        assert "\n" not in line
        assert "##[" not in line
        assert not ACTING.search(line)
        title = line.removeprefix("::error title=").partition("::")[0]
        assert not set(title) & set(":,\n")


def test_junit_is_xml_and_gitlab_is_json(tmp_path):
    text = gate_output.junit(gate(), [Verdict.REGRESSED])
    root = ElementTree.fromstring(text)
    assert len(list(root.iter("testcase"))) == len(LABELS)
    names = [case.get("name") for case in root.iter("testcase")]
    assert names == [visible(label) for label in LABELS]
    assert len(json.loads(json.dumps(gate_output.code_quality(gate(), [])))) == 0
    files = gate_files.write_gate(gate(), [], tmp_path)
    assert {path.parent for path in files} == {tmp_path}


def test_the_gates_page_and_markdown():
    found = elements(gate_page.page(gate(), []))
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert not [name for name in found.attributes if name.startswith("on") or name == "style"]
    text = gate_output.markdown(gate())
    assert not re.search(r"(?<!\\)<(?!/?(details|summary)>)[A-Za-z/!?]", text)
    assert not ACTING.search(text)


# The history's pages.


def test_the_history_s_pages(tmp_path):
    row = {"time": "2026-01-01T00:00:00+00:00", "metric": "regret", "value": 1.0}
    row |= {"deviation": None, "count": 3, "unit": HOSTILE["html"], "protocol": "0"}
    rows = [history.Row(commit=c, task=t, strategy=t, **row) for c in "ab" for t in LABELS]
    found = [(series, []) for series in history.series(rows)]
    track_page.write(found, tmp_path / "pages", "https://host")
    assert {path.name for path in tmp_path.iterdir()} == {"pages"}
    pages = list((tmp_path / "pages").iterdir())
    assert len(pages) > 10
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert not ACTING.search(text)
        found = elements(text)
        assert not {"script", "img", "iframe"} & set(found.tags)
        assert not [name for name in found.attributes if name.startswith("on") or name == "style"]
        policy = re.search(r'Policy" content="([^"]*)"', text)[1]
        for style in re.findall(r"<style>(.*?)</style>", text, re.DOTALL):
            assert escaping.policy_hash(style) in policy
        assert "unsafe" not in policy


def test_every_template_escapes_and_names_its_own_styles_and_scripts():
    styles, scripts = ["b { color: red }", "i > u {}"], ["let a = '<&>';"]
    values = {"lead": HOSTILE["terminal"], "tables": [], "notes": LABELS, "drawn": [], "undrawn": 0}
    text = render("gate.html", styles=styles, scripts=scripts, title=HOSTILE["html"], **values)
    policy = re.search(r'Policy" content="([^"]*)"', text)[1]
    for own in (*styles, *scripts):
        assert own in text
        assert escaping.policy_hash(own) in policy
    assert elements(text).tags.count("script") == len(scripts)
    assert "<title>&lt;/script&gt;" in text
    assert not ACTING.search(text)


def test_a_template_that_lacks_a_value_is_an_error():
    with pytest.raises(UndefinedError, match="title"):
        render("gate.html", styles=[], lead="", tables=[], notes=[], drawn=[], undrawn=0)


# The terminal.


def test_tables_and_failures_on_a_terminal(capsys, tmp_path):
    progress.table([{"task": label, "x": label} for label in LABELS])
    follow = progress.Progress(tmp_path)
    for label in LABELS:
        follow.finished(Done(Unit("t", label, 0, 0), error=label))
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert text
        assert not ACTING.search(text)
        assert not re.search(r"^\s*::", text, re.MULTILINE)
        assert "##[" not in text


def test_json_on_a_terminal_holds_the_names_unchanged():
    text = json_text(LABELS)
    assert not ACTING.search(text)
    assert "##[" not in text
    assert json.loads(text) == LABELS


def test_what_is_harmless_stays_as_it_is():
    for text in ("regularized-evolution", "a b\tc", "−1.5 ± 0.2 µs", "é漢", "nasbench201/cifar10"):
        assert visible(text) == text
        assert escaping.csv(text) == text
        assert escaping.markdown(text) == escaping.one_line(text)
