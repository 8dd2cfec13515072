"""Searches the archive for pages: by a picture, by a region, or by words; what is verified comes first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cbir.base.errors import UserError
from cbir.encoders.files import CONFIG_FILE
from cbir.images.reduced import ReducedImages
from cbir.serving.review.findings import Findings
from cbir.serving.review.search.queries import Queries, Query

if TYPE_CHECKING:  # all these import torch, for which the first page does not wait
    from cbir.encoders.devices import Precision
    from cbir.matching.archive import Matching
    from cbir.serving.search import Hit, Searcher

SHOWN = 24  # images near by embedding that a search looks at
_KEPT = 64  # results in memory


@dataclass(frozen=True)
class SearchFiles:
    """Names what runs have made for searches: folders of the encoder, of the index, of embeddings and of the stores."""

    encoder: Path
    index: Path
    embeddings: Path
    store: Path

    def state(self) -> tuple[int, ...]:
        """Returns what changes when the encoder or the index is made anew."""
        files = self.encoder / CONFIG_FILE, self.index / "index.json"
        return tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files)


@dataclass(frozen=True)
class SearchSettings:
    """Holds the settings of a workspace that searches depend on.

    Attributes:
        listed: `index.k`.
        precision: `embed.precision`.
        matching: the section `match`.
    """

    longest_side: int
    listed: int
    precision: "Precision"
    matching: "Matching"


@dataclass(frozen=True)
class Result:
    """An image near to what was searched for.

    Attributes:
        image: its image_id.
        similarity: cosine; NaN for an image that its pair alone names.
        pair: as a row of the table of matches, of the image as seen from the query; None where it was not looked at.
    """

    image: str
    similarity: float
    pair: dict[str, Any] | None = None


class SearchRoom:
    """Serves one search at a time; the encoder is loaded with the first one, and anew after a run has made it anew.

    Args:
        settings: reads them, when they are first needed.
    """

    def __init__(
        self, files: SearchFiles, queries: Queries, reduced: ReducedImages, settings: Callable[[], SearchSettings]
    ) -> None:
        self._files, self._reduced, self._read_settings = files, reduced, settings
        self.queries = queries
        self._lock = threading.Lock()
        self._opened: tuple[tuple[int, ...], bool, Searcher] | None = None
        self._results: OrderedDict[Any, list[Result]] = OrderedDict()

    @cached_property
    def _settings(self) -> SearchSettings:
        return self._read_settings()

    def why_no_words(self) -> str:
        """Says why the archive cannot be searched for words; empty where it can."""
        from cbir.encoders.config import read_config

        try:
            return read_config(self._files.encoder / CONFIG_FILE).why_no_texts
        except (OSError, ValueError, TypeError, KeyError):
            return f"{self._files.encoder} holds no encoder; `cbir run` makes one"

    def nearest_to_words(self, findings: Findings, text: str) -> list[Result]:
        """Returns the images nearest to words, nearest first; raises UserError where the encoder reads none."""
        with self._lock:
            hits = self._searcher(text=True).search_text(text, k=SHOWN)
        return [Result(hit.image_id, hit.similarity) for hit in hits if hit.image_id in findings]

    def nearest_to(self, findings: Findings, query: Query) -> list[Result]:
        """Returns the images near to a query, the most probable first, then those that were not looked at.

        The pairs of a picture that is in the archive are those of the last run. Those of a region, or of a picture from
        outside, are looked at here. A picture does not find itself.

        Raises:
            UserError: there is no index, or it was made with another encoder.
        """
        key = query.id, findings.state, self._files.state()
        with self._lock:
            if key not in self._results:
                self._results[key] = self._look(findings, query)
                while len(self._results) > _KEPT:
                    self._results.popitem(last=False)
            return self._results[key]

    def _look(self, findings: Findings, query: Query) -> list[Result]:
        searcher = self._searcher(text=False)
        vector = searcher.embed(query.pixels)
        hits = searcher.search_vector(vector, k=SHOWN + 1, own=query.image)
        others = [hit for hit in hits if not hit.same_file and hit.image_id in findings][:SHOWN]
        if query.box is None and query.image in findings:
            rows = findings.matches(query.image)
        else:
            rows = self._verified(findings, query, searcher, vector, others)
        pairs: dict[str, dict[str, Any]] = {row["neighbour_id"]: row for row in rows.to_dict("records")}
        near = {hit.image_id: hit.similarity for hit in others}
        names = [name for name in dict.fromkeys((*pairs, *near)) if name in findings]
        results = [Result(name, near.get(name, float("nan")), pairs.get(name)) for name in names]
        return sorted(results, key=_rank)

    def _verified(
        self, findings: Findings, query: Query, searcher: "Searcher", vector: Any, hits: "Sequence[Hit]"
    ) -> pd.DataFrame:
        from cbir.serving.outside import match_outside

        if not hits:
            return pd.DataFrame(columns=["neighbour_id"])
        images = findings.files(*(hit.image_id for hit in hits)).drop_duplicates("image_id").reset_index(drop=True)
        standing = searcher.standing(vector, hits, listed=self._settings.listed, own=query.image)
        return match_outside(
            query.pixels, images, standing, self._reduced, self._files.store, self._settings.matching,
            count=len(searcher.index.ids),
        )  # fmt: skip

    def _searcher(self, *, text: bool) -> "Searcher":
        """Returns the searcher of the encoder and index that are there; one that reads words serves pictures too."""
        from cbir.serving.search import Searcher

        state = self._files.state()
        if self._opened is None or self._opened[0] != state or (text and not self._opened[1]):
            if text and (reason := self.why_no_words()):
                raise UserError(reason)
            self._opened = None  # before another one is loaded beside it
            files = self._files
            searcher = Searcher.open(
                files.encoder, files.index, files.embeddings, longest_side=self._settings.longest_side,
                precision=self._settings.precision, text=text,
            )  # fmt: skip
            self._opened = state, text, searcher
        return self._opened[2]


def _rank(result: Result) -> tuple[float, float, str]:
    looked = -1.0 if result.pair is None else float(result.pair["probability"])
    return -looked, -result.similarity if result.similarity == result.similarity else 1.0, result.image
