"""The progress bar of `analyze_many`."""

from collections.abc import Iterator
from typing import Any


def with_bar(results: Iterator[Any], total: int | None) -> Iterator[Any]:
    """The same results behind a tqdm bar; without tqdm, without a bar."""
    try:
        from tqdm import tqdm
    except ImportError:
        return results
    return iter(tqdm(results, total=total, unit="image", desc="covmap"))
