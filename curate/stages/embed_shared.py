"""Eval sets that came without their images: embed takes their descriptors from the file that was shared."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.stage import Tables


def shared_state(tables: Tables, part: str) -> dict[str, Any]:
    """What descriptors of a part of eval_images depend on beside its rows: the shared file, where there is one.

    Args:
        tables: eval_sets.
        part: Name of the part; add-evalset calls it SET/….
    """
    from curate.sources.webvision_info import file_state

    sets = tables.arrow("eval_sets", ["eval_set", "root", "format"]).to_pylist()
    files = {row["eval_set"]: row["root"] for row in sets if row["format"] == "export"}
    name = part.partition("/")[0]
    return {"export": file_state(Path(files[name]))} if name in files else {}


def look_up_shared(rows: pa.Table, encoder: str) -> tuple[Any, Any] | None:
    """Descriptors of eval images that are not there.

    Args:
        rows: What embed's worker is fed, of one part; where byte_length is 0, path is the file that was shared.
        encoder: Full name of the encoder.

    Returns:
        Which rows have a vector, and the vectors; None where the images themselves are there, or where the vectors
        come from a file of the user's own.
    """
    from curate.sources.evalset_export import look_up_exported

    if "of_eval" not in rows.column_names or not rows["of_eval"][0].as_py() or rows["byte_length"][0].as_py():
        return None
    if rows["encoder"][0].as_py().startswith("vectors:"):
        return None
    path = Path(rows["path"][0].as_py())
    return look_up_exported(path, encoder, rows["id"].to_pylist(), rows["view"].to_pylist())
