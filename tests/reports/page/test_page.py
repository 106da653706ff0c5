"""The page: what is in it, and how it behaves in a real browser."""

import hashlib
import json
import re
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
import stores
from msgspec.structs import replace

from nasarena.bench.core.runner import Budget
from nasarena.bench.experiment.experiment import StrategySpec
from nasarena.bench.store.manifest import Git
from nasarena.reports.page.page import page
from nasarena.reports.page.page_data import task_curves
from nasarena.reports.record.curves import blocks
from nasarena.reports.text.checklist import AUTHORS, NO, PARTLY, YES, checklist
from nasarena.reports.text.escaping import policy_hash
from nasarena.reports.text.tables import Table
from nasarena.reports.text.task_tables import task_tables

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><b>&'"
TASKS = ("toy/one", "toy/two", "toy/three")
LABELS = ("random", HOSTILE, "slow-starter")


def facts(test=True):
    return replace(stores.facts(test), citation=f"Somebody & Someone 2020 {HOSTILE}")


def manifest(tasks=TASKS, labels=LABELS, **changes):
    plan = stores.manifest(
        labels, {task: facts(test=task != TASKS[-1]) for task in tasks}, Budget(queries=30)
    )
    specs = tuple(StrategySpec(x, x, {"k": HOSTILE}) for x in labels)
    plan = stores.with_experiment(plan, strategies=specs, seeds=4)
    return replace(plan, name=f"a trial {HOSTILE}", **changes)


def record(tasks=TASKS, labels=LABELS, seeds=4, steps=30):
    """Blocks of random runs; the last strategy's first training fails in one run."""
    rng = np.random.default_rng(0)
    parts = []
    for task in tasks:
        for number, label in enumerate(labels):
            truth = -94.5 + 10 * rng.random((seeds, steps)) ** (1 + number)
            loss = truth + rng.normal(0, 0.2, truth.shape)
            if label == LABELS[-1]:
                loss[0, 0] = np.nan
            parts.append(
                pd.DataFrame(
                    {
                        "task": task,
                        "strategy": label,
                        "seed": np.repeat(np.arange(seeds), steps),
                        "loss": loss.ravel(),
                        "validation": truth.ravel(),
                        "test": truth.ravel() + 6,
                        "network": np.tile(np.arange(steps), seeds),
                        "epochs": 9,
                        "finish": np.tile(np.cumsum(rng.uniform(1, 3, steps)), seeds),
                        "charged": 2.0,
                        "thinking": 1e-5,
                    }
                )
            )
    frame = pd.concat(parts, ignore_index=True)
    for name, order in (("task", tasks), ("strategy", labels)):
        frame[name] = pd.Categorical(frame[name], categories=list(order))
    return frame


TABLES = (
    Table("average-rank", "Ranks", ["strategy", "rank"], [["b", "2"], [HOSTILE, "1.5"]]),
    Table(
        "numbers",
        "Numbers of many kinds",
        ["name", "mean ± std", "count", "share"],
        [
            ["x10", "0.5 ± 0.1", "1,200", "9 %"],
            ["x9", "−1.5 ± 0.2", "30", "80.5 %"],
            ["x1", "–", "4", "100 %"],
        ],
        frozenset({(0, 1)}),
    ),
)


def make(**changes):
    plan = manifest(**changes)
    return page(plan, blocks(record(), plan), LABELS, TABLES, {"overview": b"\x89PNG"})


@pytest.fixture(scope="module")
def text():
    return make()


def data_of(text, name):
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text)
    return json.loads(found[1])


# What is in it.


def test_curves_are_those_of_the_record(text):
    plan = manifest()
    own = [b for b in blocks(record(), plan) if b.task == "toy/two"]
    shown = data_of(text, "curves-1")
    for axis in ("queries", "finish"):
        grid = np.array(shown["axes"][axis]["x"])
        for metric in ("validation", "test"):
            for block, curve in zip(own, shown["curves"][metric][axis], strict=True):
                values = block.against(axis, metric, grid)
                known = np.flatnonzero(~np.isnan(values).any(axis=0))
                assert curve["first"] == known[0]
                if axis == "finish":  # its points are rounded for the page
                    continue
                part = values[:, known[0] : known[-1] + 1]
                expected = {
                    "interval": part.mean(0),
                    "deviation": part.mean(0) + part.std(0, ddof=1),
                    "quartiles": np.quantile(part, 0.75, axis=0),
                }
                for name, place in (("interval", 0), ("deviation", 2), ("quartiles", 2)):
                    drawn = curve[name][place]
                    np.testing.assert_allclose(drawn, expected[name], rtol=2e-3, atol=1e-9)
                center, low, high = map(np.array, curve["interval"])
                assert np.all(low <= center * 1.001 + 1e-9)
                assert np.all(center <= high * 1.001 + 1e-9)
                assert curve["label"]["interval"].startswith("mean of 4 runs, 95 % bootstrap")
    assert shown["axes"]["queries"]["x"] == list(range(1, 31))
    assert shown["curves"]["validation"]["queries"][2]["first"] == 1  # its first query failed


def test_a_strategy_that_was_not_run_has_no_curve():
    plan = manifest()
    own = [b for b in blocks(record(), plan) if b.task == TASKS[0]]
    shown = task_curves(own[:1], facts(test=False), LABELS)
    assert list(shown["metrics"]) == ["validation"]
    assert shown["curves"]["validation"]["queries"][1:] == [None, None]


def test_one_run_has_a_center_and_no_spread():
    plan = manifest(tasks=TASKS[:1], labels=LABELS[:1])
    found = blocks(record(TASKS[:1], LABELS[:1], seeds=1), plan)
    curve = task_curves(found, facts(), LABELS[:1])["curves"]["validation"]["queries"][0]
    assert [len(curve[name]) for name in ("interval", "deviation", "quartiles")] == [1, 1, 1]
    assert "one run does not show a spread" in curve["label"]["interval"]


def test_every_script_and_style_has_its_hash_in_the_policy(text):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    elements = re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", text, re.DOTALL)
    assert len(elements) == 5
    for element in elements:
        assert policy_hash(element) in policy


def test_names_cannot_become_markup(text):
    outside = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
    assert "<b>" not in outside
    assert "<img src=x" not in outside
    assert "&lt;/script&gt;&lt;img src=x" in outside
    assert data_of(text, "swatches")[1]["label"] == HOSTILE
    assert " style=" not in outside  # the policy would refuse it


def test_the_library_keeps_its_license(text):
    assert "Leon Sorokin" in text
    assert "The MIT License" in text


def test_the_library_is_as_it_was_published():
    folder = files("nasarena.reports.page") / "vendor" / "uplot"
    listed = [line.split() for line in (folder / "SHA256SUMS").read_text().splitlines()]
    assert {name for _, name in listed} == {"LICENSE", "uPlot.iife.min.js", "uPlot.min.css"}
    for digest, name in listed:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    version = re.search(r"^# uPlot (\S+)$", (folder / "README.md").read_text(), re.MULTILINE)[1]
    assert f"(v{version})" in (folder / "uPlot.iife.min.js").read_text(encoding="utf-8")


def test_a_task_has_a_table_with_every_strategy_the_best_first():
    plan = manifest()
    own = [b for b in blocks(record(), plan) if b.task == TASKS[0]]
    validation, test = task_tables(own, LABELS)
    assert (validation.name, test.name) == ("final-validation", "final-test")
    assert {row[0] for row in validation.rows} == set(LABELS)
    means = [float(row[1].split(" ")[0]) for row in validation.rows]
    assert means == sorted(means)
    assert (0, 1) in validation.bold
    own = [b for b in blocks(record(), plan) if b.task == TASKS[-1]]
    assert [table.name for table in task_tables(own, LABELS)] == ["final-validation"]


def test_runs_in_which_everything_failed_are_counted_in_a_tasks_table():
    data = record(TASKS[:1], LABELS[:2])
    data.loc[(data["strategy"] == LABELS[1]) & (data["seed"] < 3), "loss"] = np.nan
    found = blocks(data, manifest())
    row = next(r for r in task_tables(found, LABELS)[0].rows if r[0] == LABELS[1])
    assert row[-2:] == ["1 of 4", "90"]
    data.loc[data["strategy"] == LABELS[1], "loss"] = np.nan
    row = task_tables(blocks(data, manifest()), LABELS)[0].rows[-1]
    assert row == [LABELS[1], "–", "–", "–", "–", "0 of 4", "120"]


# The checklist.


def answers(plan, data=None):
    items = checklist(plan, blocks(record() if data is None else data, plan))
    return {item.question.split(",")[0].rstrip("?"): item for item in items}


def about(found, words):
    (item,) = (item for question, item in found.items() if words in question)
    return item


def test_the_checklist_has_every_point_and_knows_what_it_cannot_know():
    found = answers(manifest())
    assert len(found) == 15
    assert [i.answer for i in found.values()].count(AUTHORS) == 3
    assert about(found, "random search").answer == YES
    assert about(found, "several runs").reason.startswith("4 run(s)")
    assert "git" in about(found, "code of the search strategies").reason
    assert about(found, "ablation").answer == AUTHORS


def test_the_checklist_says_what_is_missing():
    plan = manifest(labels=("a", "b"), git=Git("c0ffee", dirty=True))
    specs = (StrategySpec("a", "a"), StrategySpec("a", "b"))
    plan = stores.with_experiment(plan, strategies=specs)
    data = record(labels=("a", "b"), seeds=1)
    data = data[~((data["task"] == TASKS[1]) & (data["strategy"] == "b"))].reset_index(drop=True)
    found = answers(plan, data)
    assert about(found, "random search").answer == NO
    assert about(found, "several runs").answer == NO
    assert about(found, "same benchmark").answer == PARTLY
    assert "b on toy/two" in about(found, "same benchmark").reason
    assert "c0ffee with uncommitted changes" in about(found, "code of the search").reason
    assert about(found, "ablation").answer == YES


# In a browser.

WAIT = "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def address(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def browser(driver, address):
    """The page, freshly opened; afterwards nothing may have been complained of or asked for."""
    driver.get("about:blank")
    driver.get_log("browser")
    driver.get_log("performance")
    driver.get(address)
    driver.execute_script(WAIT)
    yield driver
    assert [line["message"] for line in driver.get_log("browser")] == []
    events = [json.loads(line["message"])["message"] for line in driver.get_log("performance")]
    asked = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    outside = {url for url in asked if not url.startswith(("data:", "about:", address))}
    assert outside == set()
    assert driver.title == f"a trial {HOSTILE} · nasarena"


def find(driver, selector):
    return driver.find_elements("css selector", selector)


def click(driver, selector):
    (element,) = find(driver, selector)
    element.click()
    driver.execute_script(WAIT)


def select(driver, selector, value):
    script = (
        "const s = document.querySelector(arguments[0]); s.value = arguments[1];"
        "s.dispatchEvent(new Event('change', { bubbles: true }));"
    )
    driver.execute_script(script, selector, value)
    driver.execute_script(WAIT)


def picture(driver, selector):
    script = "return document.querySelector(arguments[0] + ' canvas')?.toDataURL()"
    return driver.execute_script(script, selector)


def shown(driver):
    return [p.get_attribute("id") for p in find(driver, '[role="tabpanel"]') if p.is_displayed()]


def press(driver, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    actions = ActionChains(driver)
    for key in keys:
        actions.send_keys(key)
    actions.perform()
    driver.execute_script(WAIT)


@pytest.mark.browser
def test_every_tab_opens_its_panel_and_no_other(browser):
    names = [tab.get_attribute("aria-controls") for tab in find(browser, '[role="tab"]')]
    assert names == [
        "overview",
        "tasks",
        "statements",
        "tables",
        "figures",
        "checklist",
        "manifest",
    ]
    assert shown(browser) == ["overview"]
    for name in names:
        click(browser, f"#tab-{name}")
        assert shown(browser) == [name]
        (chosen,) = find(browser, '[role="tab"][aria-selected="true"]')
        assert chosen.get_attribute("id") == f"tab-{name}"
        assert browser.current_url.endswith(f"#{name}")
    browser.back()
    browser.execute_script(WAIT)
    assert shown(browser) == ["checklist"]


@pytest.mark.browser
def test_tabs_and_task_pages_work_by_keyboard(browser):
    from selenium.webdriver.common.keys import Keys

    find(browser, "#tab-overview")[0].send_keys(Keys.ARROW_RIGHT)
    assert shown(browser) == ["tasks"]
    press(browser, Keys.END)
    assert shown(browser) == ["manifest"]
    press(browser, Keys.ARROW_RIGHT)
    assert shown(browser) == ["overview"]
    assert browser.switch_to.active_element.get_attribute("id") == "tab-overview"


@pytest.mark.browser
def test_every_task_has_its_page(browser):
    def visible():
        return [task.get_attribute("id") for task in find(browser, ".task") if task.is_displayed()]

    click(browser, '#overview a[href="#task-1"]')
    assert visible() == ["task-1"]
    click(browser, "#task-next")
    assert visible() == ["task-2"]
    assert not find(browser, "#task-next")[0].is_enabled()
    assert picture(browser, "#task-2")
    select(browser, "#switch-metric", "test")
    assert "no test column" in find(browser, "#task-2 .empty")[0].text
    select(browser, "#task-select", "0")
    assert visible() == ["task-0"]
    click(browser, "#task-next")
    click(browser, "#task-previous")
    assert visible() == ["task-0"]


@pytest.mark.browser
@pytest.mark.parametrize("name", ["metric", "band", "y", "axis", "x"])
def test_every_switch_draws_every_chart_anew(browser, name):
    charts = [f'#overview .chart[data-task="{number}"]' for number in (0, 1)]
    choices = find(browser, f"#switch-{name} option")
    values = [option.get_attribute("value") for option in choices]
    for chart in charts:
        seen = []
        for value in values:
            select(browser, f"#switch-{name}", value)
            seen.append(picture(browser, chart))
        assert len(set(seen)) == len(values) > 1
        assert None not in seen
    select(browser, f"#switch-{name}", values[0])
    assert picture(browser, charts[1]) == seen[0]


@pytest.mark.browser
def test_strategies_are_switched_on_and_off(browser):
    chart = '#overview .chart[data-task="0"]'
    everything = picture(browser, chart)
    for box in find(browser, ".chips input"):
        box.click()
        browser.execute_script(WAIT)
        assert "2 of 3" in find(browser, "#shown-count")[0].text
        assert picture(browser, chart) != everything
        box.click()
    click(browser, "#all-off")
    assert "No strategy is switched on" in find(browser, f"{chart} .empty")[0].text
    click(browser, "#all-on")
    find(browser, "#tab-overview")[0].click()  # away from the strategy under the pointer
    browser.execute_script(WAIT)
    assert picture(browser, chart) == everything


@pytest.mark.browser
def test_the_pointer_reads_every_strategy_and_names_stay_text(browser):
    from selenium.webdriver.common.action_chains import ActionChains

    (over,) = find(browser, '#overview .chart[data-task="0"] .u-over')
    ActionChains(browser).move_to_element(over).perform()
    browser.execute_script(WAIT)
    (tooltip,) = find(browser, "#tooltip")
    assert tooltip.text.startswith("queries: ")
    rows = [row.text for row in find(browser, "#tooltip tr")]
    assert len(rows) == 3
    assert {label for label in LABELS if any(label in row for row in rows)} == set(LABELS)
    assert all(re.search(r"\[\S+, \S+\]$", row) for row in rows)
    ActionChains(browser).move_to_element(find(browser, "h1")[0]).perform()
    browser.execute_script(WAIT)
    assert not tooltip.is_displayed()


@pytest.mark.browser
def test_zoom_is_shared_by_all_charts_and_is_undone(browser):
    from selenium.webdriver.common.action_chains import ActionChains

    charts = [f'#overview .chart[data-task="{number}"]' for number in range(3)]
    whole = [picture(browser, chart) for chart in charts]
    (over,) = find(browser, f"{charts[0]} .u-over")
    ActionChains(browser).move_to_element_with_offset(over, -60, 0).click_and_hold().move_by_offset(
        120, 0
    ).release().perform()
    browser.execute_script(WAIT)
    zoomed = [picture(browser, chart) for chart in charts]
    assert all(a != b for a, b in zip(whole, zoomed, strict=True))
    assert find(browser, "#live")[0].get_attribute("textContent").startswith("Shown from ")
    click(browser, "#zoom-reset")
    assert [picture(browser, chart) for chart in charts] == whole
    click(browser, "#zoom-in")
    assert picture(browser, charts[2]) != whole[2]
    for _ in range(3):
        click(browser, "#zoom-out")
    assert [picture(browser, chart) for chart in charts] == whole
    assert not find(browser, "#zoom-reset")[0].is_enabled()


@pytest.mark.browser
def test_a_chart_is_read_and_zoomed_by_keyboard(browser):
    from selenium.webdriver.common.keys import Keys

    chart = '#overview .chart[data-task="1"]'
    whole = picture(browser, chart)
    browser.execute_script("document.querySelector(arguments[0]).focus()", chart)
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    (live,) = find(browser, "#live")
    assert live.get_attribute("textContent").startswith("queries 2: ")
    assert find(browser, "#tooltip")[0].is_displayed()
    press(browser, Keys.ESCAPE)
    assert not find(browser, "#tooltip")[0].is_displayed()
    press(browser, "+")
    assert picture(browser, chart) != whole
    press(browser, "0")
    assert live.get_attribute("textContent") == "Whole axis shown"
    assert picture(browser, chart) == whole


def sort_key(text):
    number = re.match(r"−?[\d,.]+", text)
    return float(number[0].replace("−", "-").replace(",", "")) if number else text


@pytest.mark.browser
def test_every_column_of_every_table_is_sorted_both_ways(browser):
    columns = 0
    for panel in ("overview", "tasks", "statements", "tables"):
        click(browser, f"#tab-{panel}")
        for table in find(browser, f"#{panel} table"):
            if not table.is_displayed():
                continue
            for number, head in enumerate(table.find_elements("css selector", "th")):
                center = "arguments[0].scrollIntoView({ block: 'center', inline: 'center' })"
                browser.execute_script(center, head)
                for direction in ("ascending", "descending"):
                    head.find_element("css selector", "button").click()
                    assert head.get_attribute("aria-sort") == direction
                    cells = table.find_elements("css selector", f"td:nth-child({number + 1})")
                    texts = [cell.text for cell in cells]
                    known = [text for text in texts if text != "–"]
                    assert texts[: len(known)] == known  # what has no value comes last
                    if all(re.match(r"−?[\d.]", text) for text in known):
                        keys = [sort_key(text) for text in known]
                        assert keys == sorted(keys, reverse=direction == "descending")
                columns += 1
    assert columns == 2 + 2 * 7 + 2 * 11 + 2 + 4
    table = find(browser, "#tables table")[-1]
    table.find_element("css selector", "th button").click()
    names = [cell.text for cell in table.find_elements("css selector", "td:first-child")]
    assert names == ["x1", "x9", "x10"]


@pytest.mark.browser
def test_light_and_dark_by_system_and_by_choice(browser):
    def colors():
        script = "const c = getComputedStyle(document.body); return [c.backgroundColor, c.color]"
        return tuple(browser.execute_script(script))

    def system(scheme):
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        browser.execute_script(WAIT)

    chart = '#overview .chart[data-task="0"]'
    try:
        system("light")
        light, drawn = colors(), picture(browser, chart)
        system("dark")
        assert colors() != light
        assert picture(browser, chart) != drawn
        dark = colors()
        click(browser, "#theme")
        assert colors() == light
        click(browser, "#theme")
        system("light")
        assert colors() == dark
        click(browser, "#theme")
        assert colors() == light
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.browser
def test_on_a_phone_nothing_is_wider_than_the_screen(browser, address):
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.get("about:blank")
        browser.get(address)
        browser.execute_script(WAIT)
        assert not find(browser, "#switch-band")[0].is_displayed()  # folded away at first
        click(browser, "#switches summary")
        assert find(browser, "#switch-band")[0].is_displayed()
        for tab in find(browser, '[role="tab"]'):
            tab.click()
            browser.execute_script(WAIT)
            wide = browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= 390, tab.text
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.browser
def test_a_reload_and_a_link_lead_to_the_same_place(browser, address):
    browser.get("about:blank")
    browser.get(address + "#task-2")
    browser.execute_script(WAIT)
    assert shown(browser) == ["tasks"]
    assert find(browser, "#task-2")[0].is_displayed()
    assert browser.execute_script("return scrollY") == 0
    browser.refresh()
    assert find(browser, "#task-2")[0].is_displayed()


@pytest.mark.browser
def test_without_scripts_everything_is_there_to_read(browser, address):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get("about:blank")
        browser.get(address)
        assert len(shown(browser)) == 7
        assert not find(browser, "#controls")[0].is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
