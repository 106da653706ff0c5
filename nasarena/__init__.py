"""Compare neural-architecture-search strategies honestly, fast and reproducibly."""

from __future__ import annotations

from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
# In a checkout the other packages lie beside this folder, not in it: names as general as `bench`
# must not become top-level packages. An installation puts them in; a plain checkout (the working
# directory, or PYTHONPATH) needs to be told where they are.
if (_CHECKOUT / "pyproject.toml").is_file() and (_CHECKOUT / "bench").is_dir():
    __path__.append(str(_CHECKOUT))


def __getattr__(name: str) -> str:
    """``__version__`` is looked up when it is asked for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("nasarena")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
