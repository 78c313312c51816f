"""Turn noisy web images into training data whose label precision is known.

    >>> import curate
    >>> workspace = curate.open("workspace")            # doctest: +SKIP
    >>> workspace.sql("SELECT * FROM label_stats")      # doctest: +SKIP

A workspace's tables are DuckDB relations and Arrow tables, stages run by name with the parameters of the command
line, and a manifest is a torch dataset.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Session", "__version__", "errors", "open", "open_manifest", "run"]

if TYPE_CHECKING:
    from curate import errors
    from curate.api import Session, open, open_manifest, run


def __getattr__(name: str) -> Any:
    # Imported on first use, so that 'curate --help' does not wait for DuckDB and Arrow.
    from importlib import import_module

    if name == "errors":
        return import_module("curate.errors")
    if name in __all__:
        return getattr(import_module("curate.api"), name)
    raise AttributeError(f"module 'curate' has no attribute '{name}'")
