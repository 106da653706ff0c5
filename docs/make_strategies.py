"""Writes docs/strategies.md from the docstrings of what is registered.

python docs/make_strategies.py
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from nasarena.bench.core.types import StrategyFactory
from nasarena.bench.experiment import registry

PAGE = Path(__file__).with_name("strategies.md")
HEAD = """# Strategies

What `nasarena list strategies` shows, with every setting. This page is made from the docstrings
by `python docs/make_strategies.py`; a test keeps it up to date.

Settings go into an [experiment file](experiment-file.md):

```toml
[[strategies]]
name = "regularized-evolution"
population_size = 50
```

*Asynchronous*: several queries may be under way. *Multi-fidelity*: chooses how many epochs to
train for; on a task with a single number of epochs it keeps to that. *Multi-objective*: takes
tasks with several losses. *Weight-sharing*: trains a supernet, on tasks that
[have one](live.md#weight-sharing). How fast each one thinks is in
[performance](performance.md#strategies).
"""


def one_line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def sections(docstring: str) -> tuple[str, dict[str, str]]:
    """The prose of a docstring, and its Args and Raises as name and text."""
    parts = re.split(r"^(Args|Raises):\n", docstring, flags=re.MULTILINE)
    named = dict(zip(parts[1::2], parts[2::2], strict=True))
    return parts[0].strip(), named


def settings(factory: StrategyFactory, text: str) -> Iterator[str]:
    """A list item for each setting: its default from the signature, its meaning from ``text``."""
    items = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, flags=re.MULTILINE)
    parameters = inspect.signature(factory).parameters
    for name, meaning in items:
        default = parameters[name].default
        shown = f"{default:.3g}" if isinstance(default, float) else repr(default)
        yield f"- `{name}` (default `{shown}`): {one_line(meaning)}"


def entry(name: str, factory: StrategyFactory) -> str:
    info = factory.info
    prose, named = sections(inspect.getdoc(factory) or "")
    facts = f"{info.source or 'no source'} · {', '.join(info.capabilities) or 'sequential'}"
    blocks = [f"### {name}", f"*{facts}*", "\n\n".join(map(one_line, prose.split("\n\n")))]
    if "Args" in named:
        blocks.append("\n".join(settings(factory, named["Args"])))
    return "\n\n".join(blocks)


def page() -> str:
    """The whole page, families in the order in which they are registered."""
    factories = {name: registry.strategy_factory(name) for name in registry.STRATEGIES}
    families = groupby(factories.items(), key=lambda item: item[1].info.family)
    parts = [HEAD.rstrip()]
    for family, members in families:
        parts.append(f"## {family.capitalize()}")
        parts += [entry(name, factory) for name, factory in members]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
