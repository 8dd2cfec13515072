"""A handful of photographs and their reprints: the smallest archive in which something can be found."""

import shutil
from pathlib import Path

import cv2

from cbir.sample.scenes import make_scene

REPRINTED = {"harbour": 0, "square": 3}  # names, and scenes that are real photographs


def make_folder(folder: Path) -> None:
    """Writes two photographs, a smaller and darker crop of each, a copy, a picture without relatives, a broken file."""
    (folder / "press").mkdir(parents=True)
    for name, number in REPRINTED.items():
        scene = make_scene(number, seed=0, longest_side=320).picture
        cv2.imwrite(str(folder / f"{name}.jpg"), scene)
        height, width = scene.shape[:2]
        cropped = cv2.resize(scene[height // 12 :, : -width // 12], None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"{name} reprint.jpg"), cv2.convertScaleAbs(cropped, alpha=0.8, beta=20))
    shutil.copy(folder / "harbour.jpg", folder / "press" / "=copy.jpg")
    cv2.imwrite(str(folder / "press" / "alone.png"), make_scene(6, seed=0, longest_side=320).picture)
    (folder / "press" / "broken.jpg").write_bytes(b"no image")
