"""Hands out the pictures of an archive: small ones from what runs have stored, large ones decoded in a sandbox."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cbir.archive.sandbox import Isolated, Lost
from cbir.base.errors import UserError
from cbir.images.ids import image_ids
from cbir.images.reading import UnreadableImage, read_image
from cbir.images.reduced import ReducedImages
from cbir.reports.thumbnails import PAGE_SIDE, address, as_webp, shrink
from cbir.serving.review.findings import Findings

LARGE = 2048  # px, longest side of a picture that is looked at closely
_SECONDS, _MEMORY = 60.0, 4_000_000_000  # for one picture


@dataclass(frozen=True)
class _Wanted:
    """A page of a file, the image that it has to hold, and px of the longest side."""

    file: Path
    page: int
    image_id: str
    side: int


class Pictures:
    """Makes WebP files of images that the findings name; nothing else can be asked for.

    Attributes:
        sandbox: the process that decodes.

    Args:
        thumbnails: the folder of the reports' thumbnails, which may be gone while a run makes it anew.
        archive: the folder that the paths of the manifest are relative to.
    """

    def __init__(self, reduced: ReducedImages, *, thumbnails: Path, archive: Path) -> None:
        self._reduced, self._thumbnails, self._archive = reduced, thumbnails, archive
        self.sandbox = Isolated(seconds=_SECONDS, memory=_MEMORY)

    def small(self, findings: Findings, image_id: str) -> bytes:
        """Returns a picture of at most PAGE_SIDE px a side; raises UserError as :meth:`large` does."""
        _require_known(findings, image_id)
        try:
            return (self._thumbnails / address(image_id)).read_bytes()
        except FileNotFoundError:
            pixels = self._reduced.stored(image_id)
        return self._decoded(findings, image_id, PAGE_SIDE) if pixels is None else as_webp(shrink(pixels, PAGE_SIDE))

    def large(self, findings: Findings, image_id: str) -> bytes:
        """Returns a picture of at most LARGE px a side, decoded from the archive.

        Raises:
            UserError: there is no such image, or its file is gone, was changed, or cannot be read.
        """
        _require_known(findings, image_id)
        return self._decoded(findings, image_id, LARGE)

    def _decoded(self, findings: Findings, image_id: str, side: int) -> bytes:
        file, page = self.place(findings, image_id)
        made = self.sandbox.run(_decode, _Wanted(file, page, image_id, side))
        if isinstance(made, Lost):
            raise UserError(f"{file.relative_to(self._archive)}: {made.reason}")
        return made

    def place(self, findings: Findings, image_id: str) -> tuple[Path, int]:
        """Returns the file of an image and its page (from 0); raises UserError where there is no such image."""
        _require_known(findings, image_id)
        row = findings.files(image_id).iloc[0]
        return self._archive / inside(row["path"]), int(row["page"])


def inside(path: str) -> PurePosixPath:
    """Returns a path of the manifest; raises UserError for one that leads out of the archive."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path or "\0" in path:
        raise UserError(f"{path} leads out of the archive; run `cbir run` to make the manifest anew")
    return parts


def _require_known(findings: Findings, image_id: str) -> None:
    if image_id not in findings:
        raise UserError(f"{image_id}: no image of the archive has this id")


def _decode(wanted: _Wanted) -> bytes:
    """Decodes a picture, in a process of its own."""
    try:
        present = image_ids(wanted.file, pages=wanted.page + 1)[wanted.page]
    except OSError as error:
        raise UserError(f"{wanted.file}: the file cannot be read: {error.strerror}") from error
    if present != wanted.image_id:
        raise UnreadableImage(wanted.file, "the file has changed since the last run", "corrupt")
    return as_webp(read_image(wanted.file, page=wanted.page, longest_side=wanted.side))
