"""Every figure and table says where it came from, and can be drawn again and compared."""

import json
import re
import shutil

import pytest
from msgspec.structs import replace
from stores import facts, manifest, synthetic, with_experiment, write

from nasarena.bench._base.errors import StoreError
from nasarena.reports import write_report
from nasarena.reports.record.provenance import read_recipe
from nasarena.reports.redraw import verify_file

KINDS = ["html", "md", "csv", "tex", "png", "pdf", "svg"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("provenance")
    plan = manifest(["a", "b"], {"t/1": facts()})
    write(root / "results", synthetic(tasks=("t/1",)), plan)
    write_report(root / "results", root / "out", KINDS, style="icml")
    return root


def test_every_file_names_the_same_source(made):
    files = [p for p in (made / "out").rglob("*") if p.is_file()]
    assert {p.suffix[1:] for p in files} == set(KINDS)
    hashes = set()
    for path in files:
        if path.suffix == ".csv":
            hashes.add(re.findall(r",(\w{12})$", path.read_text(), re.MULTILINE)[0])
        else:
            hashes.add(read_recipe(path).provenance.hash)
    assert len(hashes) == 1


@pytest.mark.parametrize(
    "name",
    [
        *(f"figures/overview.{kind}" for kind in ("pdf", "png", "svg")),
        "figures/t_1-map.pdf",
        "floats/overview.tex",
        *(f"tables/validation-regret.{kind}" for kind in ("tex", "md", "csv")),
    ],
)
def test_what_was_not_touched_is_found_the_same(made, name):
    assert verify_file(made / "out" / name, [made / "results"]) is None


def change(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("figures/overview.svg", b"stroke-width: 1.2", b"stroke-width: 2.2", "drawn or changed"),
        ("tables/validation-regret.tex", b"\\toprule", b"\\hline", "text was changed"),
        ("tables/validation-regret.csv", b"0.", b"1.", "numbers differ"),
        ("figures/overview.svg", b"matplotlib 3", b"matplotlib 2", "cannot be compared"),
    ],
)
def test_what_was_touched_is_found_out(made, tmp_path, name, old, new, said):
    copy = tmp_path / name.rpartition("/")[2]
    shutil.copy(made / "out" / name, copy)
    change(copy, old, new)
    assert said in verify_file(copy, [made / "results"])


def test_a_repainted_picture_is_found_out(made, tmp_path):
    from PIL import Image, PngImagePlugin

    with Image.open(made / "out/figures/overview.png") as image:
        about = PngImagePlugin.PngInfo()
        about.add_text("nasarena", image.info["nasarena"])
        image.putpixel((3, 3), (255, 0, 0, 255))
        image.save(tmp_path / "overview.png", pnginfo=about)
    assert "drawn or changed" in verify_file(tmp_path / "overview.png", [made / "results"])


def test_other_results_are_told_by_what_differs(made, tmp_path):
    def other(name, **changes):
        plan = manifest(["a", "b"], {"t/1": facts()})
        known = replace(facts(), hash=changes.get("hash", "abc"))
        packages = plan.packages | {"numpy": changes.get("numpy", "2")}
        plan = replace(plan, tasks={"t/1": known}, packages=packages)
        plan = with_experiment(plan, noise=changes.get("noise", "sampled"))
        data = synthetic(tasks=("t/1",), **changes.get("shape", {}))
        return write(tmp_path / name, data, plan)

    figure = made / "out/figures/overview.pdf"
    cases = {
        "data differs": other("data", hash="xyz"),
        "code differs": other("code", numpy="3"),
        "settings differs": other("settings", noise="mean"),
        "seeds, record differ": other("seeds", shape={"seeds": 4}),
        "record differs": other("record", shape={"steps": 5}),
    }
    for said, results in cases.items():
        assert said in verify_file(figure, [results])


def test_a_file_of_someone_else_says_nothing(tmp_path, made):
    for name, data in [("a.pdf", b"%PDF-1.4"), ("a.png", b"no"), ("a.tex", b"\\toprule")]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(StoreError, match="does not say where it came from"):
            verify_file(tmp_path / name, [made / "results"])


def test_the_comment_of_a_table_is_json(made):
    first = (made / "out/tables/validation-regret.tex").read_text().splitlines()[0]
    found = json.loads(first.removeprefix("% nasarena: "))
    assert set(found["provenance"]) == {"data", "code", "settings", "seeds", "record"}
    assert found["style"] == "icml"


def test_the_command_line(made, tmp_path, monkeypatch, capsys):
    from nasarena.cli.main import main

    def nasarena(*words):
        monkeypatch.setattr("sys.argv", ["nasarena", *map(str, words)])
        with pytest.raises(SystemExit) as done:
            main()
        return done.value.code, "".join(capsys.readouterr())

    results, table = made / "results", "tables/validation-regret.md"
    words = ["--out", tmp_path, "--format", "md", "--style", "ieee"]
    assert nasarena("report", results, *words) == (0, f"report: {tmp_path}\n")
    code, said = nasarena("verify", tmp_path / table, "--results", results)
    assert (code, "the same as drawn from the record" in said) == (0, True)
    change(tmp_path / table, b"**", b"")
    code, said = nasarena("verify", tmp_path / table, "--results", results, "--json")
    assert (code, "text was changed" in said) == (1, True)
    code, said = nasarena("verify", tmp_path / table)
    assert (code, "--results DIR" in said) == (2, True)
