"""Results as rows of a table."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ._covmap import Analysis
from ._errors import InputTypeError

if TYPE_CHECKING:
    import pandas


def to_row(result: Analysis | Exception) -> dict[str, Any]:
    """One result of `analyze_many` as a flat dictionary: the fields of `Analysis.to_dict`, joined by underscores.

    Lists become text. `error` is None for an analysis, and the text of an exception, whose other fields are absent.
    """
    if isinstance(result, Exception):
        return {"error": f"{type(result).__name__}: {result}"}
    if not isinstance(result, Analysis):
        raise InputTypeError(f"expected an Analysis or an exception, not {type(result).__name__}")
    row: dict[str, Any] = {}
    for part, value in result.to_dict().items():
        _flatten(part, value, row)
    row["error"] = None
    return row


def _flatten(name: str, value: Any, row: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(f"{name}_{key}", inner, row)
    elif isinstance(value, list):
        row[name] = " ".join(item["sha256"] if isinstance(item, dict) else str(item) for item in value)
    else:
        row[name] = value


def to_dataframe(results: Iterable[Analysis | Exception]) -> "pandas.DataFrame":
    """The results of `analyze_many` as a pandas DataFrame, a row a result in their order: see `to_row`.

    Raises ImportError without pandas (`pip install covmap[dataframe]`).
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_dataframe needs pandas: pip install covmap[dataframe]") from error
    return pandas.DataFrame([to_row(result) for result in results])
