"""An archive as an object: a folder of pictures, what is near to what in it, and its groups.

It calls what the stages of the pipeline call, with the settings that cbir comes with; the folder is never changed.
"""

import hashlib
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cbir.archive.cleaning import clean_archive
from cbir.archive.manifest import read_manifest, unique_images, write_manifest
from cbir.base.display import Progress, silent, visible
from cbir.base.errors import UserError
from cbir.embedding.files import Embeddings, read_embeddings
from cbir.embedding.inference import embed_archive
from cbir.encoders.files import encoder_digest
from cbir.groups.grouping import group_images
from cbir.images.reduced import ReducedImages
from cbir.index.faiss_index import write_index, write_neighbours
from cbir.index.neighbours import read_neighbours
from cbir.library import settings, tables
from cbir.matching.archive import match_archive
from cbir.serving.export import group_rows, pair_rows
from cbir.serving.search import Searcher, locate, with_probability
from cbir.training.rules.start import FOLDER as SHIPPED


class Archive:
    """A folder of pictures. Each method does first what it needs; all that was computed is kept, by content.

    The files are looked at when the first result is asked for; for those that came later, make another ``Archive``,
    which computes only them.

    Args:
        folder: pictures of all formats that cbir reads, in folders of any depth; a folder in it is an accession.
        encoder: folder of an encoder that the stage ``train`` wrote; None: the one that comes with cbir.
        store: folder where results are kept; None: in the user's cache (``~/.cache/cbir``).
        progress: shows progress, such as ``tqdm.tqdm``.

    Attributes:
        folder, encoder, store: the folders, absolute.

    Raises:
        UserError: there is no such folder, or the encoder's has none.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        encoder: str | Path | None = None,
        store: str | Path | None = None,
        progress: Progress = silent,
    ) -> None:
        self.folder = _absolute(folder)
        if not self.folder.is_dir():
            raise UserError(f"{visible(str(self.folder))}: no such folder")
        self.encoder = SHIPPED if encoder is None else _absolute(encoder)
        self.store = _cache_of(self.folder) if store is None else _absolute(store)
        self._progress = progress

    def __repr__(self) -> str:
        return f"Archive({visible(str(self.folder))!r})"

    @cached_property
    def images(self) -> pd.DataFrame:
        """The images, a row each: file, page (from 0), accession, image_id, width, height, format, status, reason.

        status: ``ok`` for those that can be used; else reason says why not. Exact copies share an image_id.
        """
        return self._manifest.rename(columns={"path": "file"})[tables.IMAGES]

    def embed(self) -> pd.DataFrame:
        """Embeds the images that can be used.

        Returns:
            image_id, file and page (of the first file with these bytes), vector: (d,) float32, L2-normalised.
        """
        embeddings = self._embeddings
        named = self._usable[["image_id", "path", "page"]].rename(columns={"path": "file"})
        return named.assign(vector=list(embeddings.vectors))

    def search(self, image: str | Path | None = None, *, text: str | None = None, k: int = 10) -> pd.DataFrame:
        """Finds the k images most similar to a picture, of the archive or not, or to words, nearest first.

        Args:
            text: words in place of a picture, for an encoder of open_clip.

        Returns:
            rank (from 1), file, page, similarity (cosine), probability (that it shows the same photograph), group_id,
            same_file. A row a file, so that exact copies share a rank. probability and group_id are those of
            :meth:`match` and :meth:`groups`: missing until one of them was called, and probability for a picture that
            is not in the archive, which :func:`cbir.compare` looks at.

        Raises:
            UserError: neither is given or both, the picture cannot be read, or the encoder reads no texts.
        """
        if (image is None) == (text is None):
            raise UserError("search for a picture, or for text=, and not for both")
        places = self.encoder, self._index, self._results / "embeddings"
        searcher = Searcher.open(*places, longest_side=settings.LONGEST_SIDE, text=text is not None)
        hits = searcher.search(_absolute(image), k=k) if image is not None else searcher.search_text(text or "", k=k)
        matched = "_matches" in vars(self)
        groups = self._grouped(settings.THRESHOLD) if matched else pd.DataFrame(columns=["image_id", "group_id"])
        files = locate(hits, self._manifest, groups)
        files = with_probability(files, self._matches) if matched else files.assign(probability=float("nan"))
        return files.rename(columns={"path": "file"})[tables.HITS]

    def match(self, *, least: float = settings.THRESHOLD) -> pd.DataFrame:
        """Looks at the pairs of images that may show the same photograph, and says how likely each is.

        Args:
            least: probability of the pairs that are returned; 0: all that were looked at.

        Returns:
            file, page, other_file, other_page, probability, similarity (cosine), relation (same file, same photograph,
            same scene, unrelated), mirrored, group_id (of both; missing where they are in no common group). A pair is
            there once, the most probable first.
        """
        groups = self._grouped(settings.THRESHOLD)
        return pair_rows(self._matches, self._manifest, groups, threshold=least).reset_index(drop=True)

    def groups(self, *, threshold: float = settings.THRESHOLD) -> pd.DataFrame:
        """Puts the images together that show the same photograph.

        Args:
            threshold: mean probability that two clusters must reach to be one.

        Returns:
            group_id (stays as the archive grows), file, page, accession, representative (the best copy), similarity
            (mean probability over its pairs with other members), evidence (match, or exact copy). A row a file.
        """
        return group_rows(self._grouped(threshold), self._manifest)

    def duplicates(self, *, threshold: float = settings.THRESHOLD) -> dict[str, list[str]]:
        """Returns the other files of its group by each file, as imagededup's ``find_duplicates`` does.

        Files without any have an empty list; those that cannot be used are left out.
        """
        return tables.duplicates(self.groups(threshold=threshold), self.images)

    def to_csv(self, file: str | Path, *, threshold: float = settings.THRESHOLD) -> None:
        """Writes :meth:`duplicates` as a table of two columns, file and duplicate, a row a pair."""
        tables.write_duplicates(Path(file), self.duplicates(threshold=threshold))

    def to_fiftyone(self, name: str | None = None, *, threshold: float = settings.THRESHOLD) -> Any:
        """Returns a FiftyOne dataset of the pictures, with ``group_id``, ``representative`` and ``accession``.

        Raises:
            UserError: FiftyOne is not installed.
        """
        return tables.to_fiftyone(self.folder, self.images, self.groups(threshold=threshold), name=name)

    @cached_property
    def _results(self) -> Path:
        if not (self.encoder / "config.json").is_file():
            raise UserError(f"{visible(str(self.encoder))} holds no encoder; `cbir run` makes one in models/encoder")
        return self.store / encoder_digest(self.encoder)[:16]

    @cached_property
    def _manifest(self) -> pd.DataFrame:
        rows = clean_archive(
            self.folder,
            self.store,
            rules=settings.RULES,
            labour=settings.LABOUR,
            take_loose=True,
            progress=self._progress,
        )
        write_manifest(self.store / "manifest.parquet", rows)
        return read_manifest(self.store / "manifest.parquet")

    @cached_property
    def _usable(self) -> pd.DataFrame:
        images = unique_images(self._manifest)
        if images.empty:
            raise UserError(
                f"{visible(str(self.folder))} holds no image that can be used; Archive.images has the reasons"
            )
        return images

    @cached_property
    def _embeddings(self) -> Embeddings:
        embed_archive(
            self._results / "embeddings",
            self._usable[["image_id", "path", "page"]],
            encoder_folder=self.encoder,
            archive=self.folder,
            store=self.store,
            longest_side=settings.LONGEST_SIDE,
            progress=self._progress,
        )
        return read_embeddings(self._results / "embeddings")

    @cached_property
    def _index(self) -> Path:
        folder, k = self._results / "index", settings.NEIGHBOURS
        index = write_index(folder, self._embeddings, kind="auto", k=k, seed=0, shards=1, on_disk=False)
        memory = self.store / "neighbours"
        write_neighbours(self._results / "neighbours.parquet", index, self._embeddings, k=k, memory=memory)
        return folder

    @cached_property
    def _matches(self) -> pd.DataFrame:
        neighbours = self._index.with_name("neighbours.parquet")
        return match_archive(
            self._usable,
            read_neighbours(neighbours),
            self._embeddings,
            ReducedImages(self.store, self.folder, longest_side=settings.LONGEST_SIDE),
            self.store,
            settings.MATCHING,
            progress=self._progress,
        )

    def _grouped(self, threshold: float) -> pd.DataFrame:
        return group_images(self._manifest, self._matches, threshold=threshold)


def _absolute(path: str | Path) -> Path:
    return Path(path).expanduser().resolve()


def _cache_of(folder: Path) -> Path:
    """Returns the folder of an archive's store, by its place on this machine."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "cbir" / f"{folder.name}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
