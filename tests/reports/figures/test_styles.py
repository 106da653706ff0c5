"""Every figure in every style: its width, its fonts, nothing cut off; the sample paper compiles."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.colors import to_rgb
from msgspec.structs import replace
from stores import facts, frame, manifest, synthetic, write

from nasarena.bench._base.errors import UnknownName
from nasarena.bench.core.runner import Budget
from nasarena.bench.core.task_facts import ColumnFacts
from nasarena.reports import write_report
from nasarena.reports.figures.gallery import draw, render
from nasarena.reports.figures.style import OTHERS, SHOWN, STYLES, looks, style
from nasarena.reports.report import prepare

LONG = ("random", "regularized-evolution-2", "a strategy with a long name", "d")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    tasks = {f"bench/{n}": facts(test=False, noise=0.05) for n in "abcdefg"}
    data = synthetic(LONG, tasks, steps=12)
    data["loss_size"] = np.arange(len(data)) % 7 * 1.0
    data.loc[data.index % 3 == 0, "epochs"] = 27
    for task, known in tasks.items():
        size = {"size": ColumnFacts("size", "MB")}
        tasks[task] = replace(known, objectives=known.objectives | size)
    plan = manifest(LONG, tasks, Budget(queries=12))
    return write(tmp_path_factory.mktemp("styles") / "results", data, plan)


@pytest.fixture(scope="module")
def reports(results):
    made = {}

    def get(name):
        if name not in made:
            report = prepare([results], name, None)
            made[name] = report, [*report.plates(), *report.plates("bench/a")]
        return made[name]

    return get


def test_there_is_a_figure_of_every_kind(reports):
    _, plates = reports("icml")
    names = {p.name for p in plates}
    kinds = {"charts", "distribution", "chances", "critical", "front", "map", "learning"}
    assert {p.kind for p in plates} == kinds
    assert {"average-rank", "time-to-target", "performance-profile"} <= names
    assert all(p.note and p.caption.endswith(".") for p in plates)
    assert all("12 queries" in p.note and "3 runs" in p.note for p in plates if p.kind != "map")


# ICLR has the widths of NeurIPS, ACM and IEEE nearly those of ICML.
@pytest.mark.parametrize("name", ["screen", "neurips", "icml", "beamer"])
def test_figures_fit_the_style_and_nothing_is_cut_off(reports, name):
    report, plates = reports(name)
    for plate in plates:
        with rc_context(report.style.rc()):
            figure = draw(plate, report.style, report.looks)
            figure.draw_without_rendering()
            width, height = figure.get_size_inches()
            wanted = report.style.full if plate.wide else report.style.column
            assert width == wanted or plate.kind == "front"
            assert height <= report.style.tall + 1e-9
            box = figure.get_tightbbox()
            slack = 0.03  # inches
            assert box.x0 > -slack and box.y0 > -slack, plate.name
            assert box.x1 < width + slack and box.y1 < height + slack, plate.name


@pytest.mark.parametrize("name", ["neurips", "beamer"])
def test_fonts_are_embedded_as_truetype(reports, name):
    report, plates = reports(name)
    for plate in plates[:2]:
        data = render(plate, report.style, report.looks, {"pdf": {}})["pdf"]
        assert b"/Type3" not in data
        assert b"/FontFile2" in data
        fonts = set(re.findall(rb"/BaseFont /\w*\+?([\w-]+)", data))
        wanted = b"STIXGeneral" if report.style.serif else b"DejaVuSans"
        assert any(font.startswith(wanted) for font in fonts)


def test_every_venue_has_its_widths():
    assert {name: (s.column, s.full) for name, s in STYLES.items() if name != "screen"} == {
        "neurips": (5.5, 5.5),
        "icml": (3.25, 6.75),
        "iclr": (5.5, 5.5),
        "acm": (3.333, 7.0),
        "ieee": (3.5, 7.16),
        "beamer": (4.25, 4.25),
    }


def test_an_unknown_style_suggests_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'neurips'"):
        style("neurip")


# Colours.


def grey(color):
    return float(np.dot(to_rgb(color), [0.299, 0.587, 0.114]))


def test_up_to_eight_strategies_differ_in_color_line_and_marker():
    found = looks([f"s{i}" for i in range(SHOWN)])
    for key in ("color", "linestyle", "marker"):
        assert len({str(look[key]) for look in found.values()}) == SHOWN
    assert all(grey(look["color"]) < 0.78 for look in found.values())  # on white paper


def test_of_thirty_the_best_are_shown():
    labels = [f"s{i}" for i in range(30)]
    found = looks(labels, labels[::-1])
    assert [k for k, look in found.items() if look is not OTHERS] == labels[-SHOWN:]


def test_thirty_strategies_are_drawn_and_the_note_says_how(tmp_path):
    labels = [f"strategy-{i}" for i in range(30)]
    plan = manifest(labels, {"t/1": facts()})
    write(tmp_path / "r", synthetic(labels, ("t/1",)), plan)
    report = prepare([tmp_path / "r"], "icml", None)
    plates = [*report.plates("t/1"), *report.plates()]
    assert all(
        "8 best by average rank in color, 22 others grey" in p.note
        for p in plates
        if p.kind == "charts"
    )
    for plate in plates:
        assert render(plate, report.style, report.looks, {"png": {}})["png"][:4] == b"\x89PNG"


# The sample paper.


def test_the_sample_paper_compiles(tmp_path, results):
    if shutil.which("pdflatex") is None:
        pytest.skip(
            "needs pdflatex: apt-get install texlive-latex-base texlive-latex-recommended "
            "texlive-fonts-recommended"
        )
    paper = Path(__file__).parents[3] / "docs" / "sample-paper" / "paper.tex"
    shutil.copy(paper, tmp_path)
    write_report(results, tmp_path / "report", ["pdf", "tex"], style="icml")
    for _ in range(2):
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:]
    log = (tmp_path / "paper.log").read_text(errors="replace")
    assert "undefined" not in log
    too_wide = [float(w) for w in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide", log)]
    assert max(too_wide, default=0.0) < 5


def test_what_a_report_is_about_has_a_colour_however_bad_it_is(tmp_path):
    labels = [f"s{i}" for i in range(SHOWN + 2)]
    data = frame([("t/1", label, s, 1, i) for i, label in enumerate(labels) for s in range(3)])
    folder = write(tmp_path / "r", data, manifest(labels, {"t/1": facts()}))
    worst = labels[-1]
    assert prepare([folder], "screen", None).looks[worst] is OTHERS
    assert prepare([folder], "screen", None, focus=worst).looks[worst] is not OTHERS
