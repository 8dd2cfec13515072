"""Compares two picture files: whether both show the same photograph, and how one lies on the other."""

import base64
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbir.base.display import visible
from cbir.base.errors import UserError
from cbir.base.files import writing
from cbir.embedding.files import read_embeddings
from cbir.embedding.inference import embed_archive
from cbir.groups.evidence.overlays import as_matrix, coloured
from cbir.groups.reasons import geometry_in_words, verdict
from cbir.images.ids import image_ids
from cbir.images.reduced import ReducedImages
from cbir.index.faiss_index import build_index, write_neighbours
from cbir.index.neighbours import read_neighbours
from cbir.library import settings
from cbir.matching.archive import match_archive
from cbir.matching.overlap import shrunk
from cbir.reports.thumbnails import as_webp
from cbir.training.rules.start import FOLDER as SHIPPED

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Comparison:
    """Tells what two pictures have in common; a notebook shows it, with the first laid on the second.

    Attributes:
        first, second: the files.
        probability: that both show the same photograph, 0..1.
        relation: same photograph, same scene or unrelated.
        similarity: cosine of the embeddings.
        mirrored: whether one is the other's mirror image.
        inliers: local features that agree on the map.
        overlap: the parts of the first and of the second picture that the other one covers, 0..1.
        map: (2, 3), from px of the first to px of the second, both reduced to 512 px; None where nothing agrees.
        pixels: of both, reduced, uint8 (H, W) or (H, W, 3).
        words: what was found, in sentences.
    """

    first: Path
    second: Path
    probability: float
    relation: str
    similarity: float
    mirrored: bool
    inliers: int
    overlap: tuple[float, float]
    map: NDArray[np.float64] | None
    pixels: tuple[Pixels, Pixels]
    words: str

    def overlay(self) -> Pixels:
        """Returns the second picture with the first laid on it, half transparent: uint8 (H, W, 3) RGB.

        They look like a single picture as far as they agree. Without a map it is the second picture alone.
        """
        below = coloured(self.pixels[1])
        if self.map is None:
            return below
        height, width = below.shape[:2]
        small, onto = shrunk(coloured(self.pixels[0]), self.map)
        covered = np.full(small.shape[:2], 255, np.uint8)
        laid, where = (cv2.warpAffine(layer, onto, (width, height)) for layer in (small, covered))
        mixed = cv2.addWeighted(below, 0.5, laid, 0.5, 0)
        return np.asarray(np.where(where[..., None] > 0, mixed, below), np.uint8)

    def save(self, file: str | Path) -> None:
        """Writes the overlay as a picture; the name's ending decides the format, such as .png or .jpg."""
        from PIL import Image

        path = Path(file).expanduser()
        with writing(path) as temporary:
            Image.fromarray(self.overlay()).save(
                temporary, format=Image.registered_extensions().get(path.suffix.lower())
            )

    def _repr_html_(self) -> str:
        figures = [
            (visible(str(self.first)), self.pixels[0]),
            (visible(str(self.second)), self.pixels[1]),
            ("the first laid on the second", self.overlay()),
        ]
        return f"<p>{escape(self.words)}</p><div>{''.join(_figure(*figure) for figure in figures)}</div>"

    def __repr__(self) -> str:
        return f"Comparison({self.relation}, probability {self.probability:.3f}: {self.words})"


def compare(first: str | Path, second: str | Path, *, encoder: str | Path | None = None) -> Comparison:
    """Compares two picture files, of whatever archives, as the stage ``match`` compares pairs of images.

    Args:
        encoder: folder of an encoder that the stage ``train`` wrote; None: the one that comes with cbir.

    Raises:
        UserError: a file is not there or holds no picture, or both hold the same bytes.
    """
    files = [Path(file).expanduser().resolve() for file in (first, second)]
    for file in files:
        if not file.is_file():
            raise UserError(f"{visible(str(file))}: no such file")
    ids = [image_ids(file, pages=1)[0] for file in files]
    if ids[0] == ids[1]:
        raise UserError(
            f"{visible(str(files[0]))} and {visible(str(files[1]))} hold the same bytes: they are exact copies"
        )
    images = pd.DataFrame({"image_id": ids, "path": [str(file) for file in files], "page": 0, "accession": ""})
    with TemporaryDirectory(prefix="cbir-") as folder:
        source = ReducedImages(Path(folder), Path("/"), longest_side=settings.LONGEST_SIDE)
        both = [source.read(image_id, str(file), 0) for image_id, file in zip(ids, files, strict=True)]
        encoder_folder = SHIPPED if encoder is None else Path(encoder).expanduser()
        matches = _matches(images.sort_values("image_id", ignore_index=True), encoder_folder, source, Path(folder))
    pair = matches[matches["query_id"] == ids[0]].iloc[0]
    return _comparison(files[0], files[1], pair, (both[0], both[1]))


def _matches(images: pd.DataFrame, encoder_folder: Path, source: ReducedImages, folder: Path) -> pd.DataFrame:
    """Does what the stages embed, index and match do, for two images."""
    vectors, neighbours = folder / "embeddings", folder / "neighbours.parquet"
    embed_archive(
        vectors,
        images[["image_id", "path", "page"]],
        encoder_folder=encoder_folder,
        archive=Path("/"),
        store=folder,
        longest_side=settings.LONGEST_SIDE,
    )
    embeddings = read_embeddings(vectors)
    write_neighbours(neighbours, build_index(embeddings, k=1), embeddings, k=1)
    return match_archive(images, read_neighbours(neighbours), embeddings, source, folder, settings.MATCHING)


def _comparison(first: Path, second: Path, pair: "pd.Series[object]", pixels: tuple[Pixels, Pixels]) -> Comparison:
    affine = None if pair["map"] is None else as_matrix(pair["map"])
    return Comparison(
        first,
        second,
        probability=float(pair["probability"]),
        relation=str(pair["relation"]),
        similarity=float(pair["similarity"]),
        mirrored=bool(pair["mirrored"]),
        inliers=int(pair["inliers"]),
        overlap=(float(pair["overlap_query"]), float(pair["overlap_neighbour"])),
        map=affine,
        pixels=pixels,
        words=f"{verdict(pair)}. {geometry_in_words(pair)}",
    )


def _figure(caption: str, pixels: Pixels) -> str:
    data = base64.b64encode(as_webp(pixels)).decode()
    style = "display:inline-block;margin:0 1em 0 0;max-width:30%;vertical-align:top"
    picture = f'<img style="max-width:100%" src="data:image/webp;base64,{data}" alt="">'
    return f'<figure style="{style}">{picture}<figcaption>{escape(caption)}</figcaption></figure>'
