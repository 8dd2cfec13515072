"""What an archive held at one time, its files and its groups, to compare a later time with."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cbir.errors import UserError
from cbir.files import write_parquet

_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("path", pa.string()),
        ("page", pa.int32()),
        ("accession", pa.string()),
        ("usable", pa.bool_()),
        ("group_id", pa.string()),
    ]
)


@dataclass(frozen=True)
class Snapshot:
    """The files of an archive, each page by itself.

    Attributes:
        files: image_id (null where the file could not be read), path, page (from 0), accession, usable (its status
            was ok), group_id (null where its image was in no group); rejected files too, in the manifest's order.
    """

    files: pd.DataFrame

    @property
    def images(self) -> pd.DataFrame:
        """The usable images, each once: image_id, group_id."""
        usable = self.files[self.files["usable"]]
        return usable.drop_duplicates("image_id")[["image_id", "group_id"]].reset_index(drop=True)

    def write(self, path: Path) -> None:
        """Write it as Parquet, whole or not at all."""
        write_parquet(path, pa.Table.from_pandas(self.files, schema=_SCHEMA, preserve_index=False))

    @classmethod
    def read(cls, path: Path) -> "Snapshot":
        """What ``write`` wrote.

        Raises:
            UserError: the file is not there, or it is no snapshot.
        """
        try:
            return cls(pq.read_table(path, schema=_SCHEMA).to_pandas())
        except (OSError, pa.ArrowException) as error:
            raise UserError(
                f"{path}, which tells what is new in the archive, cannot be read ({' '.join(str(error).split())}); "
                "delete it, and what is there now counts as known"
            ) from error


def snapshot_of(manifest: pd.DataFrame, groups: pd.DataFrame) -> Snapshot:
    """The snapshot of what ``clean`` and ``group`` found.

    Args:
        manifest: as ``cbir.manifest.read_manifest`` gives it; no rows where there is no archive yet.
        groups: group_id and image_id, as ``cbir.grouping.group_images`` gives them.
    """
    files = manifest[["image_id", "path", "page", "accession"]].astype({"page": "int32"}).reset_index(drop=True)
    files["usable"] = (manifest["status"] == "ok").to_numpy(dtype=bool)
    group_of = pd.Series(groups["group_id"].to_numpy(dtype=object), index=groups["image_id"].to_numpy(dtype=object))
    files["group_id"] = files["image_id"].map(group_of).where(files["usable"], None)
    return Snapshot(files.astype(dict.fromkeys(("image_id", "path", "accession", "group_id"), "str")))
