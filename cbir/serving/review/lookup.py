"""Finds the rows of a large table by the values of a column, without a search through all of it."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa


class Lookup:
    """Holds a table as Arrow does, sorted by a column, and hands out few of its rows at a time.

    Attributes:
        table: sorted by the column.

    Args:
        table: in any order.
        column: of texts.
    """

    def __init__(self, table: pa.Table, column: str) -> None:
        codes, values = _codes(table, column)
        if np.any(codes[1:] < codes[:-1]):
            table = table.take(np.argsort(codes, kind="stable"))
            codes = np.sort(codes, kind="stable")
        self.table = table
        starts = np.searchsorted(codes, np.arange(len(values)), side="left").tolist()
        ends = np.searchsorted(codes, np.arange(len(values)), side="right").tolist()
        self._spans = dict(zip(values, zip(starts, ends, strict=True), strict=True))

    def __contains__(self, value: str) -> bool:
        return value in self._spans

    def rows(self, values: Iterable[str]) -> pd.DataFrame:
        """Returns the rows that have one of these values in the column, in the order of the values, each once."""
        spans = [self._spans[value] for value in dict.fromkeys(values) if value in self._spans]
        parts = [self.table.slice(start, end - start) for start, end in spans]
        rows: pd.DataFrame = pa.concat_tables(parts or [self.table.slice(0, 0)]).to_pandas()
        return rows


def _codes(table: pa.Table, column: str) -> tuple[np.ndarray, list[str]]:
    """Numbers the values of a column in the order in which they come first."""
    encoded = table[column].combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()
