"""Pages that are made from the code are up to date, and every strategy's settings are explained."""

import importlib.util
import inspect
from pathlib import Path

import pytest

from nasarena.bench.experiment import registry

SCRIPT = Path(__file__).parents[1] / "docs" / "make_strategies.py"


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_strategies", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_strategies_is_up_to_date(maker):
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page(), f"run python docs/{SCRIPT.name}"


@pytest.mark.parametrize("name", registry.STRATEGIES)
def test_every_strategy_names_its_source_and_explains_each_setting(maker, name):
    factory = registry.strategy_factory(name)
    assert factory.info.source
    prose, named = maker.sections(inspect.getdoc(factory))
    assert prose
    explained = [line.split("`")[1] for line in maker.settings(factory, named.get("Args", ""))]
    keywords = [
        p.name for p in inspect.signature(factory).parameters.values() if p.kind is p.KEYWORD_ONLY
    ]
    assert explained == keywords
