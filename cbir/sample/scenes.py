"""The scenes of the sample archive: crops of photographs that scikit-image and scikit-learn carry, and drawn ones."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from cbir.base.errors import UserError
from cbir.sample.drawing import KINDS, draw_scene

LANGUAGES: Final = ("fr", "en", "it", "ar")
Box = tuple[float, float, float, float]  # left, top, right, bottom in 0..1


@dataclass(frozen=True)
class _Photograph:
    """Part of a picture in an installed package; no two parts of one picture overlap."""

    file: str
    box: Box
    titles: tuple[str, ...]  # in LANGUAGES


_WHOLE: Final = (0.0, 0.0, 1.0, 1.0)
_LEFT: Final = (0.0, 0.0, 0.5, 1.0)
_RIGHT: Final = (0.5, 0.0, 1.0, 1.0)
_TOP: Final = (0.0, 0.0, 1.0, 0.5)
_BOTTOM: Final = (0.0, 0.5, 1.0, 1.0)


def _of_skimage(name: str, box: Box, *titles: str) -> _Photograph:
    return _Photograph("skimage/data/" + name, box, titles)


def _of_sklearn(name: str, box: Box, *titles: str) -> _Photograph:
    return _Photograph("sklearn/datasets/images/" + name, box, titles)


_PHOTOGRAPHS: Final = (
    _of_skimage("camera.png", _WHOLE, "Opérateur à sa caméra", "Cameraman", "Operatore", "المصور"),
    _of_skimage(
        "astronaut.png", (0.0, 0.0, 0.62, 1.0), "Portrait en scaphandre", "Astronaut", "Astronauta", "رائدة فضاء"
    ),
    _of_sklearn(
        "china.jpg", _LEFT, "Pavillon d'été à Pékin", "Summer palace, Peking", "Palazzo d'estate", "القصر الصيفي"
    ),
    _of_skimage("coffee.png", _WHOLE, "Tasse de café", "Cup of coffee", "Tazza di caffè", "فنجان قهوة"),
    _of_skimage("chelsea.png", _WHOLE, "Le chat du régiment", "The regiment's cat", "Il gatto", "القطة"),
    _of_sklearn("flower.jpg", _WHOLE, "Dahlia primé à l'exposition", "Prize dahlia", "Dalia premiata", "زهرة"),
    _of_skimage("rocket.jpg", _WHOLE, "Fusée avant le départ", "Rocket on its pad", "Razzo", "صاروخ"),
    _of_skimage(
        "motorcycle_left.png", _LEFT, "Motocyclette à l'arrêt", "Motorcycle, rear", "Motocicletta", "دراجة نارية"
    ),
    _of_skimage("coins.png", _TOP, "Monnaies grecques", "Greek coins", "Monete greche", "نقود يونانية"),
    _of_skimage("hubble_deep_field.jpg", _LEFT, "Champ d'étoiles, plaque A", "Stars, plate A", "Stelle A", "نجوم"),
    _of_skimage("moon.png", _TOP, "Cratère lunaire", "Lunar crater", "Cratere lunare", "فوهة قمرية"),
    _of_skimage("retina.jpg", (0.1, 0.1, 0.5, 0.9), "Fond d'œil gauche", "Retina, left", "Retina sinistra", "شبكية"),
    _of_skimage("brick.png", _WHOLE, "Mur de briques", "Brick wall", "Muro di mattoni", "جدار"),
    _of_sklearn("china.jpg", _RIGHT, "Colline de la Longévité", "Longevity hill", "Collina", "تل"),
    _of_skimage("horse.png", _WHOLE, "Cheval, silhouette découpée", "Horse", "Cavallo", "حصان"),
    _of_skimage("ihc.png", _LEFT, "Coupe au microscope nº 1", "Section no. 1", "Sezione 1", "مقطع"),
    _of_skimage("gravel.png", _WHOLE, "Chantier, gravier", "Gravel", "Ghiaia", "حصى"),
    _of_skimage("astronaut.png", (0.66, 0.0, 1.0, 0.62), "Maquette de navette", "Model shuttle", "Navetta", "مكوك"),
    _of_skimage("motorcycle_left.png", _RIGHT, "Moteur et roue avant", "Front wheel", "Ruota anteriore", "عجلة"),
    _of_skimage("page.png", _WHOLE, "Page imprimée", "Printed page", "Pagina stampata", "صفحة"),
    _of_skimage("coins.png", _BOTTOM, "Monnaies romaines", "Roman coins", "Monete romane", "نقود رومانية"),
    _of_skimage("retina.jpg", (0.5, 0.1, 0.9, 0.9), "Fond d'œil droit", "Retina, right", "Retina destra", "شبكية"),
    _of_skimage("grass.png", _WHOLE, "Prairie après la fenaison", "Meadow", "Prato", "مرج"),
    _of_skimage("moon.png", _BOTTOM, "Mer lunaire", "Lunar sea", "Mare lunare", "بحر قمري"),
    _of_skimage("text.png", _WHOLE, "Lettre manuscrite", "Handwriting", "Manoscritto", "خط يد"),
    _of_skimage("ihc.png", _RIGHT, "Coupe au microscope nº 2", "Section no. 2", "Sezione 2", "مقطع"),
    _of_skimage("hubble_deep_field.jpg", _RIGHT, "Champ d'étoiles, plaque B", "Stars, plate B", "Stelle B", "نجوم"),
)

_DRAWN_TITLES: Final[dict[str, tuple[str, ...]]] = {
    "mountains": ("Forêt et chaîne des Écrins", "Forest below the range", "Bosco e montagne", "غابة وجبال"),
    "town": ("Place de l'Hôtel de Ville", "Town square", "Piazza del municipio", "ساحة المدينة"),
    "group": ("Délégués à la conférence", "Delegates", "I delegati", "وفد المؤتمر"),
    "portrait": ("Député élu à Besançon", "Member of parliament", "Il deputato", "نائب"),
    "ship": ("Départ du paquebot", "The liner leaves", "Partenza della nave", "رحيل الباخرة"),
    "bridge": ("Pont détruit et rétabli", "The bridge rebuilt", "Il ponte ricostruito", "الجسر"),
    "room": ("Salle de rédaction", "News room", "La redazione", "غرفة التحرير"),
    "locomotive": ("Arrivée du train présidentiel", "The president's train", "Il treno", "القطار"),
    "monument": ("Cérémonie au monument", "Ceremony at the monument", "Cerimonia", "حفل عند النصب"),
    "aircraft": ("Meeting aérien à Étampes", "Air show", "Manifestazione aerea", "عرض جوي"),
}


@dataclass(frozen=True)
class Scene:
    """The content of one photograph, before any archive or newspaper had it."""

    number: int
    kind: str  # one of drawing.KINDS, or "photograph"
    titles: dict[str, str]  # by language
    picture: np.ndarray  # uint8 (H, W) or (H, W, 3)


def make_scene(number: int, *, seed: int, longest_side: int) -> Scene:
    """Returns the scene of that number: three of eight are photographs while there are any, the others are drawn.

    Raises:
        UserError: an installed package lacks its picture.
    """
    block, place = divmod(number, 8)
    photograph = block * 3 + (0, 3, 6).index(place) if place in (0, 3, 6) else len(_PHOTOGRAPHS)
    if photograph < len(_PHOTOGRAPHS):
        source = _PHOTOGRAPHS[photograph]
        return Scene(
            number, "photograph", dict(zip(LANGUAGES, source.titles, strict=True)), _read(source, longest_side)
        )
    kind = KINDS[(number * 7) % len(KINDS)]
    upright = kind == "portrait" or number % 5 == 0
    width, height = (longest_side * 4 // 5, longest_side) if upright else (longest_side, longest_side * 3 // 4)
    titles = dict(zip(LANGUAGES, _DRAWN_TITLES[kind], strict=True))
    return Scene(number, kind, titles, draw_scene(kind, seed=seed * 100_003 + number, width=width, height=height))


def _read(source: _Photograph, longest_side: int) -> np.ndarray:
    """Returns the part of the picture, on white where it is transparent, its longest side as wanted."""
    package, _, inner = source.file.partition("/")
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / inner if spec and spec.origin else Path(source.file)
    if not path.is_file():
        raise UserError(f"{path}, of which the sample archive is made, is not installed: remove .venv and `make run`")
    with Image.open(path) as file:
        paper = Image.new("RGBA", file.size, "white")
        image = (
            file.convert("L") if file.mode == "L" else Image.alpha_composite(paper, file.convert("RGBA")).convert("RGB")
        )
        left, top, right, bottom = source.box
        box = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        scale = longest_side / max(box[2] - box[0], box[3] - box[1])
        size = (round((box[2] - box[0]) * scale), round((box[3] - box[1]) * scale))
        return np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=box))
