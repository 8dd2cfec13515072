"""Searches the archive for the images nearest to a picture, of the archive or not, or to a text."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cbir.base.errors import UserError
from cbir.embedding.files import read_vectors
from cbir.encoders.devices import Precision, choose_device
from cbir.encoders.encoder import Encoder, load_encoder
from cbir.encoders.files import encoder_digest
from cbir.images.ids import image_ids
from cbir.images.reading import read_image
from cbir.index.faiss_index import Index, load_index
from cbir.index.nearest import candidates
from cbir.matching.standing import Standing
from cbir.serving.outside import stand_outside


@dataclass(frozen=True)
class Hit:
    """An image among the results of a search.

    Attributes:
        rank: from 1.
        image_id: of the image.
        similarity: cosine.
        same_file: it is the searched file itself, or an exact copy of it.
    """

    rank: int
    image_id: str
    similarity: float
    same_file: bool


@dataclass(frozen=True)
class Searcher:
    """Searches an index with the encoder that it was made with; made by :meth:`open`, used for any number of
    searches.
    """

    encoder: Encoder
    index: Index
    embeddings: Path
    longest_side: int
    precision: Precision

    @classmethod
    def open(
        cls,
        encoder: Path,
        index: Path,
        embeddings: Path,
        *,
        longest_side: int,
        precision: Precision = "auto",
        text: bool = False,
    ) -> "Searcher":
        """Loads what searches need.

        Args:
            encoder, index, embeddings: the folders that the stages train, index and embed wrote.
            longest_side: px, of the reduced images that the archive was embedded from.
            precision: in which the encoder computes.
            text: with the text tower, for :meth:`search_text`.

        Raises:
            UserError: one is not there, or the index was made with another encoder.
        """
        loaded = load_encoder(encoder, text=text).to(choose_device())
        neighbours = load_index(index)
        if neighbours.encoder_digest != encoder_digest(encoder):
            raise UserError(
                f"{index} was made with another encoder than {encoder}; run the stages embed and index again"
            )
        return cls(loaded, neighbours, embeddings, longest_side, precision)

    def search(self, image: Path, *, page: int = 0, k: int = 10) -> list[Hit]:
        """Returns the k images of the archive most similar to one page (from 0) of a file, nearest first.

        Raises:
            UserError: the file is no image that can be read, or k is below 1.
        """
        pixels = read_image(image, page=page, longest_side=self.longest_side)
        return self.search_vector(self.embed(pixels), k=k, own=image_ids(image, pages=page + 1)[page])

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Returns the vector (1, d) of a picture, (H, W) or (H, W, 3) uint8, reduced as the archive's images are."""
        return self.encoder.embed([pixels], batch_size=1, precision=self.precision)

    def search_vector(self, vector: np.ndarray, *, k: int = 10, own: str = "") -> list[Hit]:
        """Returns the k images of the archive nearest to a vector (1, d), nearest first.

        Args:
            own: image_id of the picture that the vector is of, where the archive may hold it.
        """
        if k < 1:
            raise UserError(f"k must be at least 1, is {k}")
        rows, similarity = self._nearest(vector, k)
        order = np.lexsort((rows, -similarity))[:k]  # rows are sorted by image_id
        nearest = zip(self.index.ids[rows[order]], similarity[order].tolist(), strict=True)
        return [Hit(rank, str(name), value, name == own) for rank, (name, value) in enumerate(nearest, start=1)]

    def standing(self, vector: np.ndarray, hits: Sequence[Hit], *, listed: int, own: str = "") -> Standing:
        """Tells how a picture stands to images that :meth:`search_vector` found, as though it were in the archive.

        Args:
            vector: (1, d), of the picture.
            hits: without the picture itself.
            listed: neighbours of an image that the stage index lists, at most.
            own: image_id of the picture, or of the one that it is a part of.
        """
        vectors = read_vectors(self.embeddings, [hit.image_id for hit in hits])
        theirs = [self._around(vectors[row : row + 1], hit.image_id, listed) for row, hit in enumerate(hits)]
        similarity = np.array([hit.similarity for hit in hits])
        return stand_outside(similarity, self._around(vector, own, listed), theirs, listed=listed)

    def _around(self, vector: np.ndarray, own: str, listed: int) -> np.ndarray:
        """Returns the similarities of a vector (1, d) with its nearest images but its own, falling."""
        hits = self.search_vector(vector, k=listed + 1, own=own)
        return np.array([hit.similarity for hit in hits if not hit.same_file][:listed])

    def search_text(self, text: str, *, k: int = 10) -> list[Hit]:
        """Returns the k images of the archive nearest to a text, nearest first.

        Cosines of a text with images are lower than those of images with each other: the threshold of near-duplicates
        says nothing of them.

        Raises:
            UserError: the encoder has no text tower, the text holds no words, or k is below 1.
        """
        return self.search_vector(self.encoder.embed_texts([text], batch_size=1), k=k)

    def _nearest(self, vector: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns rows of the index, more than k where there are, and their cosines with ``vector`` (1, d)."""
        width = min(candidates(self.index.kind, k), len(self.index.ids))
        similarity, rows = (results[0] for results in self.index.faiss.search(vector, width))
        rows, similarity = rows[rows >= 0], similarity[rows >= 0]
        if self.index.kind == "ivfpq":  # its similarities are those of codes
            similarity = np.vecdot(read_vectors(self.embeddings, self.index.ids[rows].tolist()), vector)
        return rows, similarity.clip(-1, 1)


def with_probability(files: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """Adds the probability that each file shows the same photograph as the searched image: NaN where the pair was not
    looked at, and for all where that image is not in the archive.

    Args:
        files: as :func:`locate` gives them.
        matches: query_id, neighbour_id, probability.
    """
    own = matches[matches["query_id"].isin(files.loc[files["same_file"], "image_id"])]
    return files.assign(probability=files["image_id"].map(own.set_index("neighbour_id")["probability"]))


def locate(hits: list[Hit], manifest: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Returns the files of the images in a table, a row a file, so that exact copies are listed too.

    Args:
        manifest: as :func:`cbir.archive.manifest.read_manifest` gives it.
        groups: columns image_id and group_id, of the images that are in a group.

    Returns:
        Columns rank, similarity, same_file, image_id, path, page, group_id (missing: in no group).
    """
    table = pd.DataFrame([asdict(hit) for hit in hits], columns=["rank", "image_id", "similarity", "same_file"])
    files = manifest.loc[manifest["status"] == "ok", ["image_id", "path", "page"]]
    rows = table.merge(files, on="image_id").merge(groups[["image_id", "group_id"]], on="image_id", how="left")
    columns = ["rank", "similarity", "same_file", "image_id", "path", "page", "group_id"]
    return rows.sort_values(["rank", "path", "page"], ignore_index=True)[columns]
