"""Embeds over several processes or machines: workers compute shards of the manifest, this process stores them.

The stage embed runs afterwards all the same. It finds the vectors in the store and only writes them, so its result is
the one that it comes to alone, and a run that was killed loses no more than the shards that were under way.
"""

import logging
import os
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner

from cbir.base.errors import UserError
from flows.pipeline.stages import StageError, StageInterruptedError, Tell
from flows.processes.running import Running
from tasks.harness.settings import PARAMS, load_paths, load_section, load_value, read_yaml
from tasks.harness.stage import die_with_parent

if TYPE_CHECKING:
    import pandas as pd

    from cbir.embedding.files import Batch
    from cbir.embedding.vectors import Recipe

AHEAD = 2  # shards handed out for each worker: one that it computes and one that waits for it
STAGE = "embed"


@dataclass(frozen=True)
class Shards:
    """The section ``shards`` of params.yaml."""

    runner: Literal["processes", "ray"]
    workers: Annotated[int, Ge(1)]
    address: str
    rows: Annotated[int, Ge(1)]

    @property
    def wanted(self) -> bool:
        """Whether others are to compute; else the stage does it alone."""
        return self.workers > 1 or self.runner == "ray"


@dataclass(frozen=True)
class Folders:
    """The folders of a worker as absolute paths; the store is for this host alone.

    SQLite over a network file system loses data: a worker on another host decodes from the archive itself.
    """

    encoder: Path
    archive: Path
    store: Path
    host: str


def embed_in_shards(root: Path, tell: Tell, running: Running) -> None:
    """Has workers compute the vectors that the stage embed is about to miss, if the section ``shards`` wants any.

    Raises:
        StageError: a worker could not do its part, in one sentence.
        StageInterruptedError: a worker's process was killed; what came back before is stored.
    """
    params = read_yaml(root / PARAMS)
    try:
        if "shards" in params and (shards := load_section("shards", Shards, params)).wanted:
            _embed(root, params, shards, tell, running)
    except UserError as error:
        raise StageError(f"{STAGE}: {error}") from error


def _embed(root: Path, params: dict[str, Any], shards: Shards, tell: Tell, running: Running) -> None:
    from cbir.archive.manifest import read_manifest, unique_images
    from cbir.embedding.inference import Device, plan  # PyTorch: seconds that a run without shards does not pay
    from cbir.embedding.vectors import StoredVectors
    from cbir.encoders.devices import Precision
    from cbir.images.reduced import LongestSide

    paths = load_paths(params)
    encoder, archive, store = ((root / path).resolve() for path in (paths.encoder, paths.raw, paths.store))
    where = Folders(encoder, archive, store, host=socket.gethostname())
    images = unique_images(read_manifest(root / paths.manifest))[["image_id", "path", "page"]]
    recipe = plan(
        where.encoder,
        device=load_value("embed.device", Device, params),
        precision=load_value("embed.precision", Precision, params),
        batch_size=load_value("embed.batch_size", int, params),
        longest_side=load_value("images.longest_side", LongestSide, params),
    )
    vectors = StoredVectors(where.store, recipe)
    missing = vectors.missing(images)
    if not len(missing):
        return
    parts = [missing.iloc[start : start + shards.rows] for start in range(0, len(missing), shards.rows)]
    tell(logging.INFO, f"{len(missing)} images in {len(parts)} shards for {shards.workers} workers ({shards.runner})")
    done = 0
    for number, batch in enumerate(_computed(parts, recipe, where, shards, running), start=1):
        vectors.put(*batch)
        done += len(batch[0])
        tell(logging.INFO, f"shard {number} of {len(parts)}: {done} of {len(missing)} images embedded")


def _computed(
    parts: "list[pd.DataFrame]", recipe: "Recipe", where: Folders, shards: Shards, running: Running
) -> Iterator["Batch"]:
    """Yields the vectors of each part, in their order; few are handed out at a time, so that memory stays flat."""
    workers = min(shards.workers, len(parts))
    pending: deque[Any] = deque()
    begin = _ray if shards.runner == "ray" else _processes
    with begin(shards, workers, gpu=recipe.device == "cuda") as (runner, stop), running.stopped_by(stop):
        try:
            for number, part in enumerate(parts, start=1):
                named = embed_part.with_options(task_run_name=f"{STAGE} shard {number} of {len(parts)}")
                pending.append(runner.submit(named, {"images": part, "recipe": recipe, "where": where}))
                if len(pending) >= AHEAD * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            if running.stopped:
                raise StageError(f"{STAGE}: stopped; run it again to go on") from error
            raise StageInterruptedError(
                f"{STAGE}: the process of a worker was killed (out of memory?); what came back is stored, run it again "
                "to go on, with fewer shards.workers where memory is short"
            ) from error


@task(name="embed shard", cache_policy=NO_CACHE, persist_result=False)
def embed_part(images: "pd.DataFrame", recipe: "Recipe", where: Folders) -> "Batch":
    """Computes the vectors of some images in a worker; nothing is written but to a store on this host's own disk."""
    from cbir.embedding.inference import embed_shard

    host = socket.gethostname()
    with ExitStack() as stack:
        store = where.store
        if host != where.host:
            _require_shared(where, host)
            store = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cbir-")))
        try:
            return embed_shard(images, recipe, encoder_folder=where.encoder, archive=where.archive, store=store)
        except UserError as error:
            raise UserError(f"a worker on {host} failed: {error}") from error


def _require_shared(where: Folders, host: str) -> None:
    for folder in (where.archive, where.encoder):
        if not folder.is_dir():
            raise UserError(
                f"{folder} is not on {host}: workers on other machines read archive and encoder from a network folder "
                f"that has the same path on all; mount it there, or set shards.runner: processes"
            )


@contextmanager
def _processes(shards: Shards, workers: int, *, gpu: bool) -> Iterator[tuple[TaskRunner[Any], Callable[[], None]]]:
    """Processes of this machine, each with its part of the cores or a GPU of its own; and what stops them."""
    import torch

    context = get_context("spawn")
    stop = context.Event()
    gpus, cores = torch.cuda.device_count() if gpu else 0, max(1, (os.cpu_count() or 1) // workers)
    arguments = (context.Value("i", 0), stop, gpus, cores)
    with ProcessPoolTaskRunner(max_workers=workers, initializer=_begin_worker, initargs=arguments) as runner:
        yield runner, stop.set


def _begin_worker(started: Any, stop: Any, gpus: int, cores: int) -> None:
    """Prepares a new worker process: its GPU by the order in which workers start, its cores, and when it has to end."""
    die_with_parent()
    threading.Thread(target=lambda: (stop.wait(), os._exit(1)), daemon=True).start()
    with started.get_lock():
        number, started.value = started.value, started.value + 1
    if gpus:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        names = visible if visible != [""] else [str(gpu) for gpu in range(gpus)]
        os.environ["CUDA_VISIBLE_DEVICES"] = names[number % len(names)]
    import torch

    torch.set_num_threads(cores)


@contextmanager
def _ray(shards: Shards, workers: int, *, gpu: bool) -> Iterator[tuple[TaskRunner[Any], Callable[[], None]]]:
    """Workers of a Ray cluster: of the one at ``shards.address``, or of one that this process starts and ends."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        from prefect_ray import RayTaskRunner
        from prefect_ray.context import remote_options
    except ImportError as error:
        way = "install it with `pip install '.[ray]'`, or set shards.runner: processes"
        raise UserError(f"shards.runner is ray, and Ray is not installed; {way}") from error
    logging.getLogger("ray").setLevel(logging.ERROR)  # it tells of each of its steps
    own = {"include_dashboard": False, "_node_ip_address": "127.0.0.1", "num_cpus": max(workers, os.cpu_count() or 1)}
    options = {"log_to_driver": False, "logging_level": logging.ERROR, **({} if shards.address else own)}
    with ExitStack() as stack:
        try:
            runner = stack.enter_context(RayTaskRunner(address=shards.address or None, init_kwargs=options))
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UserError(f"shards.address is {shards.address!r}, where no Ray cluster answers: {error}") from error
        cores = max(1, int(ray.cluster_resources().get("CPU", 1)) // workers)
        with remote_options(num_cpus=cores, num_gpus=1 if gpu else 0, max_retries=2):
            yield runner, ray.shutdown
