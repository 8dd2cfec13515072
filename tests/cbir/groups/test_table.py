from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from cbir.base.errors import UserError
from cbir.groups.table import SCHEMA, read_groups, write_groups


def test_groups_read_back_as_they_were_written_and_nothing_of_pandas_is_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "groups.parquet"
    rows = [("g", "g", True, 0.9, "match"), ("g", "h", False, 0.9, "exact copy")]
    groups = pd.DataFrame(rows, columns=SCHEMA.names)
    write_groups(file, groups.assign(other=1))
    pd.testing.assert_frame_equal(read_groups(file), groups)
    assert pq.read_schema(file).equals(SCHEMA, check_metadata=True)


def test_an_archive_without_groups_has_a_table_with_all_columns(tmp_path: Path) -> None:
    write_groups(tmp_path / "groups.parquet", pd.DataFrame(columns=SCHEMA.names))
    table = read_groups(tmp_path / "groups.parquet")
    assert table.empty
    assert table.columns.tolist() == SCHEMA.names


def test_groups_that_are_not_there_name_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"groups\.parquet, .*, is not there; `cbir run` makes it \(stage group\)"):
        read_groups(tmp_path / "groups.parquet")
