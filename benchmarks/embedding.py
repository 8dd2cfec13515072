"""Measures embedding an archive: overhead over the bare network, precision, cost of new images, and memory."""

import copy
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from benchmarks.figures import Figure, in_turn
from cbir.embedding.inference import Counts, cast_convolutions, embed_archive, side_by_side
from cbir.embedding.vectors import pass_size
from cbir.encoders.devices import Precision, autocast, choose_device, choose_precision, keep_memory
from cbir.encoders.encoder import Encoder, build_encoder, load_encoder, to_images
from cbir.encoders.files import encoder_digest
from cbir.images.reduced import ReducedImages

BATCH = 64
SIZE = 224  # px, of what the network reads


def run() -> list[Figure]:
    """Measures all figures; about four minutes on two cores. Memory is kept, as the stage does it, for all
    contenders.
    """
    keep_memory()
    return [*overhead(), *precision(), *new_images(), *memory()]


@dataclass(frozen=True)
class Archive:
    """Made-up images in a store, so that nothing is decoded, and an encoder with random weights."""

    folder: Path
    images: pd.DataFrame
    longest_side: int
    encoder: Encoder

    @classmethod
    def make(cls, folder: Path, *, backbone: str, count: int, longest_side: int, image_size: int = SIZE) -> "Archive":
        """Fills ``folder``; every third image is in colour, as in an archive that is mostly black and white."""
        reduced = ReducedImages(folder / "store", folder, longest_side=longest_side)
        chance = np.random.default_rng(0)
        height = longest_side * 3 // 4
        noise = chance.integers(0, 256, (height, longest_side, 3), np.uint8)
        ids = [f"{number:032x}" for number in range(count)]
        for number, image_id in enumerate(ids):
            moved = np.roll(noise, number, axis=1)
            reduced.put(image_id, moved if number % 3 == 0 else moved[..., 0])
        encoder = build_encoder(backbone=backbone, image_size=image_size)
        encoder.save(folder / "encoder")
        return cls(folder, pd.DataFrame({"image_id": ids, "path": ids, "page": 0}), longest_side, encoder)

    def start_up(self) -> None:
        """Does what embedding any number of images begins with."""
        load_encoder(self.folder / "encoder")
        encoder_digest(self.folder / "encoder")

    def embed(self, images: pd.DataFrame) -> Counts:
        """Runs the stage without its process."""
        return embed_archive(
            self.folder / "embeddings",
            images,
            encoder_folder=self.folder / "encoder",
            archive=self.folder,
            store=self.folder / "store",
            longest_side=self.longest_side,
            batch_size=BATCH,
        )

    def embed_all(self) -> None:
        """As if nothing had been embedded before."""
        self.forget()
        assert self.embed(self.images).stored == 0

    def forget(self) -> None:
        """Removes all stored vectors."""
        for file in (self.folder / "store").glob("embeddings.sqlite*"):
            file.unlink()


def overhead() -> list[Figure]:
    """Measures the stage from a filled store, without its start-up, against the forward passes alone on arrays in
    memory.

    The passes alone are of the same size, by as many threads: what differs is reading, preprocessing and writing.
    """
    figures = []
    for name, backbone, batches in (("ResNet-50", "resnet50", 3), ("MobileNetV2", "mobilenetv2_100", 6)):
        count = batches * BATCH
        with tempfile.TemporaryDirectory() as folder:
            archive = Archive.make(Path(folder), backbone=f"timm/{backbone}", count=count, longest_side=512)
            encoder = archive.encoder.to(choose_device())
            seconds = in_turn(
                {
                    "bare": partial(_forward, encoder, count),
                    "embed": archive.embed_all,
                    "start-up": archive.start_up,
                    "one batch": partial(_one_batch, encoder),
                },
                rounds=3,
            )
        embedding = seconds["embed"] - seconds["start-up"]
        detail = (
            f"{count / embedding:.1f} against {count / seconds['bare']:.1f} images/s at {SIZE} px "
            f"({BATCH / seconds['one batch']:.1f} in batches of {BATCH}); start-up {seconds['start-up']:.2f} s apart"
        )
        baseline = "the bare encoder's forward pass on arrays in memory"
        figures.append(Figure(f"embed, {name}", seconds["bare"] / embedding, "×", baseline, 0.85, detail=detail))
    return figures


def _forward(encoder: Encoder, count: int) -> None:
    """Computes so many images in passes of the size, and by the threads, that ``embed`` uses."""
    device = encoder.mean.device
    size = pass_size(BATCH, device)
    squares = _squares(encoder, size)
    passes = range(count // size)
    run_all = side_by_side if device.type == "cpu" else map
    for _ in run_all(lambda _: _pass(encoder, squares), passes):
        pass


def _one_batch(encoder: Encoder) -> None:
    """Computes a pass as it is usually written."""
    _pass(encoder, _squares(encoder, BATCH))


def _pass(encoder: Encoder, squares: np.ndarray) -> None:
    device = encoder.mean.device
    with torch.inference_mode(), autocast(device, choose_precision("auto", device)):
        encoder(torch.from_numpy(squares).to(device)).cpu()


def _squares(encoder: Encoder, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *encoder.preprocess.shape), np.uint8)


def precision() -> list[Figure]:
    """Measures inference of a ResNet-18 as ``embed`` computes it against plain float32, the network as the library
    gives it.

    Plain is in batches of 64 on all cores, in the layout of the library; float32 as ``embed`` does it stands beside.
    """
    encoder = build_encoder(backbone="timm/resnet18", image_size=SIZE).to(choose_device())
    squares = _squares(encoder, 2 * BATCH)
    plain = copy.deepcopy(encoder.backbone).to(memory_format=torch.contiguous_format)
    exact = _embed(encoder, squares, "float32")
    chosen = copy.deepcopy(encoder)
    if choose_precision("auto", encoder.mean.device) == torch.bfloat16:
        cast_convolutions(chosen)
    cosine = float(np.vecdot(exact, _embed(chosen, squares, "auto")).min())
    seconds = in_turn(
        {
            "plain float32": lambda: _plain(plain, encoder, squares),
            "float32": lambda: _embed(encoder, squares, "float32"),
            "auto": lambda: _embed(chosen, squares, "auto"),
        },
        rounds=5,
    )
    kind = str(choose_precision("auto", encoder.mean.device)).removeprefix("torch.")
    can_gain = kind == "bfloat16"
    rates = ", ".join(f"{name} {len(squares) / value:.0f} images/s" for name, value in seconds.items())
    ratio = seconds["plain float32"] / seconds["auto"]
    detail = f"auto is {kind} here; {rates}"
    return [
        Figure(
            "inference in the chosen precision, ResNet-18",
            ratio,
            "×",
            "plain float32",
            2.0 if can_gain else None,
            detail=detail,
        ),
        Figure("lowest cosine of an embedding with float32's", cosine, "", "float32", 0.99),
    ]


def _plain(network: nn.Module, encoder: Encoder, squares: np.ndarray) -> None:
    """Computes the network's forward passes alone."""
    with torch.inference_mode():
        for start in range(0, len(squares), BATCH):
            images = to_images(torch.from_numpy(squares[start : start + BATCH]).to(encoder.mean.device))
            network(((images - encoder.mean) / encoder.std).contiguous())


def _embed(encoder: Encoder, squares: np.ndarray, precision: Precision) -> np.ndarray:
    """As ``embed`` computes, by threads on a core each."""
    device = encoder.mean.device
    size = pass_size(BATCH, device)

    def embed(start: int) -> np.ndarray:
        return encoder.embed_preprocessed(squares[start : start + size], batch_size=size, precision=precision)

    run_all = side_by_side if device.type == "cpu" else map
    return np.concatenate(list(run_all(embed, range(0, len(squares), size))))


def new_images() -> list[Figure]:
    """Measures an archive with 1 % new images against the same with nothing embedded before; both without start-up."""
    count = 3200
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive.make(Path(folder), backbone="timm/resnet18", count=count, longest_side=256)
        kept = Path(folder) / "kept.sqlite"
        archive.embed(archive.images.drop(range(0, count, 100)))
        shutil.copy(archive.folder / "store/embeddings.sqlite", kept)

        def one_percent() -> None:
            archive.forget()
            shutil.copy(kept, archive.folder / "store/embeddings.sqlite")
            assert archive.embed(archive.images).computed == count // 100

        seconds = in_turn({"start-up": archive.start_up, "all": archive.embed_all, "new": one_percent}, rounds=2)
    every, new = (seconds[name] - seconds["start-up"] for name in ("all", "new"))
    detail = (
        f"{new:.2f} s against {every:.1f} s for {count} images, ResNet-18; start-up {seconds['start-up']:.2f} s apart"
    )
    baseline = "embedding all"
    return [
        Figure("embed after 1 % new images", new / every, "×", baseline, 0.03, higher_is_better=False, detail=detail)
    ]


def memory() -> list[Figure]:
    """Measures the peak resident memory of a process that embeds."""
    peaks = {count: _peak(count) for count in (1_000, 20_000)}
    few, many = peaks.values()
    return [
        Figure("peak memory of embed, 1,000 images", few, "MB", bar=2000, higher_is_better=False),
        Figure("peak memory of embed, 20,000 images", many, "MB", bar=2000, higher_is_better=False),
    ]


def _peak(count: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        code = f"from benchmarks.embedding import measure_memory; measure_memory({folder!r}, {count})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure_memory(folder: str, count: int) -> None:
    """Embeds ``count`` images and prints this process's peak resident memory, MB."""
    keep_memory()
    archive = Archive.make(Path(folder), backbone="timm/test_resnet", count=count, longest_side=128, image_size=64)
    archive.embed_all()
    # Not getrusage: what it says of a process begins with the size of the one that started it.
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    print(int(peak.split()[1]) / 1000)
