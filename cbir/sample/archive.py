"""Makes a small archive by code: prints, copies and reprints of scenes, as real ones have them, and what is known of
them.
"""

import shutil
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import torch
from PIL import Image

from cbir.base.display import Progress, silent
from cbir.base.errors import UserError
from cbir.base.files import writing_folder
from cbir.encoders.devices import one_thread
from cbir.reprints.lettering import LAYOUTS
from cbir.reprints.press import MILD, PRESS, SEVERE_UNSEEN, Press
from cbir.reprints.reprint import reprint
from cbir.reprints.screens import SHAPES
from cbir.sample.files import FORMATS, write_faulty
from cbir.sample.scenes import Scene, make_scene
from cbir.sample.tables import Listed, write_captions, write_groundtruth

AGENCY: Final = "1921-agence-meurisse"
PRESS_CUTTINGS: Final = "presse-quotidienne"
FOREIGN: Final = "fonds-étranger"

# Images of a scene; over twelve scenes all sizes and all faults of the tables occur.
_SIZES: Final = (4, 1, 6, 3, 9, 2, 5, 4, 1, 7, 3, 6)
_FORMAT_ORDER: Final = (
    "jpeg", "tiff", "jpeg upper", "jpeg", "png", "jpeg turned", "tiff 16", "jpeg", "jpeg long", "tiff cmyk",
    "jpeg upper", "webp", "jpeg", "jpeg 2000", "png upper", "jpeg", "tiff pages", "jpeg cmyk", "jpeg upper", "bmp",
    "jpeg", "tiff plain", "gif", "jpeg long", "png named jpg", "tiff bilevel", "jpeg", "jpeg named tif", "jpeg",
    "jpeg upper",
)  # fmt: skip
_JOURNALS: Final = ("Le Petit Journal", "Excelsior", "L'Écho de Paris", "Le Miroir", "La Dépêche")
_AMBIGUOUS: Final = "IMG_0001"


@dataclass(frozen=True)
class Sample:
    """The sample archive and the truth about it. Paths in the archive are relative to ``folder`` and POSIX."""

    folder: Path
    accessions: tuple[Path, ...]
    groundtruth: Path
    captions: Path
    scene_of: dict[str, int]  # each good image file to the scene that it shows
    faulty: dict[str, str]  # each other file to its fault: corrupt, too_small, blank or unsupported
    copies: dict[str, str]  # each exact copy to its original


def make_sample(
    folder: Path, *, scenes: int = 72, seed: int = 0, longest_side: int = 720, progress: Progress = silent
) -> Sample:
    """Makes the sample archive: 300 image files and more for 72 scenes. The same arguments give the same bytes.

    Args:
        folder: where to; must not exist, or be empty. Gets the accessions' folders, groundtruth.xlsx and captions.csv.
        scenes: how many photographs the archive has appearances of, at least 12.
        longest_side: px of an image, about; half as much makes it three times as fast.

    Raises:
        UserError: there are files in ``folder``, or too few scenes.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty, and the sample must not mix with what is there: name an empty folder")
    if scenes < len(_SIZES):
        raise UserError(f"scenes must be at least {len(_SIZES)}, is {scenes}: fewer do not show every kind of fault")
    with one_thread(), writing_folder(folder) as temporary:
        archive = _Archive(temporary, seed=seed, longest_side=longest_side)
        for number in progress(range(scenes), total=scenes, desc="sample archive", unit="scene"):
            archive.add(make_scene(number, seed=seed, longest_side=longest_side), images=_SIZES[number % len(_SIZES)])
        archive.add_strays()
        write_groundtruth(temporary / "groundtruth.xlsx", archive.images, ambiguous=_AMBIGUOUS)
        write_captions(temporary / "captions.csv", archive.images, seed=seed)
    return Sample(
        folder=folder,
        accessions=tuple(folder / name for name in (AGENCY, FOREIGN, PRESS_CUTTINGS)),
        groundtruth=folder / "groundtruth.xlsx",
        captions=folder / "captions.csv",
        scene_of=archive.scene_of,
        faulty=archive.faulty,
        copies=archive.copies,
    )


class _Archive:
    """The files written so far."""

    def __init__(self, folder: Path, *, seed: int, longest_side: int) -> None:
        self.folder, self.seed, self.longest_side = folder, seed, longest_side
        self.images: list[Listed] = []  # those that the tables may name
        self.scene_of: dict[str, int] = {}
        self.faulty: dict[str, str] = {}
        self.copies: dict[str, str] = {}
        self.first: list[np.ndarray] = []  # pictures of the first scenes

    def add(self, scene: Scene, *, images: int) -> None:
        """Writes a scene's appearances; of every sixth scene one lies in another accession too, byte for byte."""
        if len(self.first) < 2:
            self.first.append(scene.picture)
        for member in range(images):
            draw = np.random.default_rng([self.seed, scene.number, member])
            kind = "original" if member == 0 else str(draw.choice(list(_KINDS), p=[_KINDS[name] for name in _KINDS]))
            picture = appearance(scene.picture, kind, draw=draw, longest_side=self.longest_side)
            form = FORMATS[_FORMAT_ORDER[len(self.images) % len(_FORMAT_ORDER)]]
            path = PurePosixPath(f"{_place(scene, kind, member, draw)}{form.extension}")
            self._file(path).parent.mkdir(parents=True, exist_ok=True)
            form.write(Image.fromarray(picture), self._file(path))
            self._list(path, scene)
        if scene.number % 6 == 2:
            original = self.images[-images].path
            copy = PurePosixPath(FOREIGN, "doublons", f"Copie de {scene.number:03d} {original.name}")
            self._file(copy).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._file(original), self._file(copy))
            self._list(copy, scene)
            self.copies[copy.as_posix()] = original.as_posix()

    def add_strays(self) -> None:
        """Writes files that are faulty, and two of one name in two accessions that show different scenes."""
        stray = PurePosixPath(FOREIGN, "à vérifier")
        for name, fault in write_faulty(self._file(stray), Image.fromarray(self.first[0])).items():
            self.faulty[(stray / name).as_posix()] = fault
        for scene, accession in enumerate((AGENCY, PRESS_CUTTINGS)):
            path = PurePosixPath(accession, f"{_AMBIGUOUS}.jpg")
            draw = np.random.default_rng([self.seed, 1_000_003, scene])
            picture = appearance(self.first[scene], "print", draw=draw, longest_side=self.longest_side)
            FORMATS["jpeg"].write(Image.fromarray(picture), self._file(path))
            self.scene_of[path.as_posix()] = scene

    def _file(self, path: PurePosixPath) -> Path:
        return self.folder / path

    def _list(self, path: PurePosixPath, scene: Scene) -> None:
        self.images.append(Listed(path, scene.number, scene.titles))
        self.scene_of[path.as_posix()] = scene.number


def _place(scene: Scene, kind: str, member: int, draw: np.random.Generator) -> str:
    """Returns the path in the archive of a file of that kind, without extension; three of ten names are decomposed
    Unicode.
    """
    number, title = f"{scene.number * 10 + member:05d}", scene.titles["fr"].replace("'", "’")
    if kind in ("original", "print"):
        folder = f"{AGENCY}/{('Reportages', 'Portraits', 'Événements')[scene.number % 3]}/boîte {scene.number // 6:02d}"
        name = str(draw.choice([f"Meurisse_{number}_{title}", f"{title} ({number})", f"{number} {title}"]))
    elif kind == "web":
        folder = f"{FOREIGN}/{('Italia', 'Österreich', 'Maghreb')[member % 3]}"
        name = f"{scene.titles['en'].upper()} {number}"
    else:
        journal, day, month = str(draw.choice(_JOURNALS)), draw.integers(1, 29), draw.integers(1, 13)
        folder = f"{PRESS_CUTTINGS}/1921/{month:02d}"
        name = f"{journal} {day:02d}-{month:02d}-1921 p.{draw.integers(1, 9)} n{number}"
    return f"{folder}/{unicodedata.normalize('NFD' if draw.random() < 0.3 else 'NFC', name)}"


# The kinds of a scene's further images, and how often each comes.
_KINDS: Final = {"print": 0.17, "web": 0.11, "mild": 0.14, "press": 0.32, "severe": 0.26}

_ANY_SCREEN: Final[dict[str, Any]] = {"angle": (0.0, 90.0), "shapes": SHAPES, "layouts": LAYOUTS}
_REPRINTS: Final[dict[str, Press]] = {
    "mild": replace(MILD, **_ANY_SCREEN).scaled(2.0),
    "press": replace(PRESS, crop=(0.6, 1.0), aspect=(0.95, 1.05), **_ANY_SCREEN).scaled(2.0),
    "severe": replace(SEVERE_UNSEEN, aspect=(0.9, 1.1), **_ANY_SCREEN).scaled(2.0),
}


def appearance(picture: np.ndarray, kind: str, *, draw: np.random.Generator, longest_side: int) -> np.ndarray:
    """Makes an appearance of a scene.

    Args:
        picture: uint8 (H, W) or (H, W, 3).
        kind: original, print (another scan), web (smaller, in colours or coloured), mild, press or severe (reprints).

    Returns:
        uint8 (h, w) or (h, w, 3).
    """
    if kind == "original":
        return _old_print(picture, draw)
    if kind == "web":
        return _coloured(_cut(picture, draw, area=(0.85, 1.0), longest_side=longest_side * 3 // 4), draw)
    if kind == "print":
        return _old_print(_cut(picture, draw, area=(0.85, 1.0), longest_side=longest_side), draw)
    cut = _grey(_cut(picture, draw, area=(0.75, 1.0), longest_side=longest_side))
    generator = torch.Generator().manual_seed(int(draw.integers(1 << 62)))
    press = _REPRINTS[kind]
    tone = torch.from_numpy(cut.astype(np.float32) / 255)[None, None]
    printed = reprint(tone, press, generator=generator)[0, 0].numpy()
    return (printed * 255).round().astype(np.uint8)


def _grey(picture: np.ndarray) -> np.ndarray:
    return picture if picture.ndim == 2 else np.asarray(Image.fromarray(picture).convert("L"))


def _cut(picture: np.ndarray, draw: np.random.Generator, *, area: tuple[float, float], longest_side: int) -> np.ndarray:
    """Returns a part of the picture, its proportions kept true, of a size of its own."""
    image = Image.fromarray(picture)
    kept, shape = draw.uniform(*area), draw.uniform(-0.25, 0.25)
    across, down = min(1.0, kept**0.5 * float(np.exp(shape / 2))), min(1.0, kept**0.5 * float(np.exp(-shape / 2)))
    left, top = draw.uniform(0, 1 - across) * image.width, draw.uniform(0, 1 - down) * image.height
    box = (left, top, left + across * image.width, top + down * image.height)
    scale = draw.uniform(0.72, 1.2) * longest_side / max(box[2] - box[0], box[3] - box[1])
    size = (round((box[2] - box[0]) * scale), round((box[3] - box[1]) * scale))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=box))


def _old_print(picture: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Turns a picture grey, faded and grainy; one of six brown."""
    tone = _grey(picture).astype(np.float32) / 255
    low, high = draw.uniform(0, 0.15), draw.uniform(0.82, 1.0)
    tone = low + (high - low) * tone ** np.float32(draw.uniform(0.75, 1.35))
    tone += np.float32(draw.uniform(0.01, 0.035)) * draw.standard_normal(tone.shape, dtype=np.float32)
    if draw.random() < 1 / 6:
        tone = tone.clip(0, 1)[..., None] ** np.array([0.85, 1.0, 1.25], dtype=np.float32)
    return (tone.clip(0, 1) * 255).round().astype(np.uint8)


def _coloured(picture: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """As web pages show it: in its colours, or coloured from a warm ground to a cold sky."""
    tone = picture.astype(np.float32) / 255
    if tone.ndim == 2:
        warm, cold = draw.uniform(0.05, 0.2), draw.uniform(0.05, 0.2)
        down = np.linspace(0, 1, len(tone), dtype=np.float32)[:, None]
        red, blue = 1 + warm * down - cold * (1 - down), 1 - warm * down + cold * (1 - down)
        tone = np.stack([tone * red, tone, tone * blue], axis=2)
    return (tone.clip(0, 1) ** np.float32(draw.uniform(0.8, 1.2)) * 255).round().astype(np.uint8)
