"""HTML pages from templates: every value is escaped, and a browser runs only what is ours."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ...bench._base.errors import visible
from ..text.escaping import policy_hash

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def render(
    template: str, *, styles: Sequence[str], scripts: Sequence[str] = (), **values: Any
) -> str:
    """Return the page that ``template`` makes of ``values``.

    ``styles`` and ``scripts`` are texts of our own, put into the page as they are. The page's
    content-security policy names the hash of each, so that a browser runs nothing else and loads
    nothing. Everything in ``values`` is escaped, and what would act on a terminal spelled out.
    """
    policy = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src "
    policy += " ".join(map(policy_hash, styles))
    if scripts:
        policy += f"; script-src {' '.join(map(policy_hash, scripts))}"
    page = _environment().get_template(template)
    return page.render(
        policy=_ours(policy),
        styles=list(map(_ours, styles)),
        scripts=list(map(_ours, scripts)),
        **values,
    )


def _ours(text: str) -> Markup:
    """Text of this package, which stays as it is."""
    from markupsafe import Markup

    return Markup(text)  # nosec B704


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    made = Environment(
        loader=FunctionLoader(lambda name: package_text(f"templates/{name}")),
        autoescape=True,
        finalize=_spelled_out,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    made.filters["png"] = _png
    return made


def _spelled_out(value: Any) -> Any:
    from markupsafe import Markup

    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _png(data: bytes) -> str:
    """A PNG file as the address of a picture."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def package_text(name: str) -> str:
    """Return the text of a file that is shipped beside this module."""
    return (files(__package__) / name).read_text(encoding="utf-8")
