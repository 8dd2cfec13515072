"""Examines what cbir stands on, for `cbir doctor`: the installation, the machine, and the workspace."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from cbir.base.display import visible
from cbir.base.errors import UserError
from tasks.harness.settings import PARAMS, Paths, read_yaml

State = Literal["ok", "note", "broken"]
GIGABYTE = 1 << 30
LEAST, COMFORTABLE = 1, 10  # gigabytes of free disk
PATIENCE = 5.0  # seconds for a server's answer
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306}


@dataclass(frozen=True)
class Finding:
    """Tells how a part stands: ok, note (works, and there is something to know) or broken, with what to do."""

    part: str
    state: State
    says: str


Answer = str | tuple[State, str]


def examine(paths: Paths | None) -> Iterator[Finding]:
    """Yields the findings as they are made; without a workspace those of the installation and the machine."""
    for part, look in INSTALLED.items():
        yield _finding(part, look)
    if paths is not None:
        for part, look_into in WORKSPACE.items():
            yield _finding(part, partial(look_into, paths))


def _finding(part: str, look: Callable[[], Answer]) -> Finding:
    """Makes a finding of what a look returns; what it raises is what is broken."""
    try:
        state, says = _with_state(look())
    except UserError as error:
        return Finding(part, "broken", str(error))
    except Exception as error:
        return Finding(part, "broken", visible(f"{type(error).__name__}: {' '.join(str(error).split())}"))
    return Finding(part, state, visible(says))


def _with_state(answer: Answer) -> tuple[State, str]:
    return ("ok", answer) if isinstance(answer, str) else answer


def libraries() -> Answer:
    """Compares the installed packages with those that cbir asks for."""
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in metadata.requires("cbir") or ()]
    needed = [each for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong = [str(each) for each in needed if not _is_installed(each.name, each.specifier.contains)]
    if wrong:
        return "broken", f"missing or of another version: {', '.join(wrong)}; pip install --upgrade cbir"
    named = ("torch", "faiss-gpu", "faiss-cpu", "dvc", "prefect", "mlflow")
    return ", ".join(f"{name} {version}" for name in named if (version := _version(name)))


def _is_installed(name: str, fits: Callable[..., bool]) -> bool:
    version = _version(name)
    return version is not None and fits(version, prereleases=True)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def gpu() -> Answer:
    """Says which GPU computes; a card that PyTorch cannot use is something to know."""
    import torch

    if torch.cuda.is_available():
        facts = torch.cuda.get_device_properties(0)
        more = f" and {torch.cuda.device_count() - 1} more" if torch.cuda.device_count() > 1 else ""
        return f"{facts.name}, {facts.total_memory / GIGABYTE:.0f} GB{more}"
    if Path("/proc/driver/nvidia/version").exists():
        return (
            "note",
            "there is a driver, but this PyTorch cannot use the card: is it the CPU build, or the driver old?",
        )
    return "none; the processor computes"


def shipped_encoder() -> Answer:
    """Embeds the picture that comes with the shipped weights, and compares the vector with the stored one."""
    from cbir.training.shipped.loading import load_shipped

    config = load_shipped({}).config
    return f"self test passed: {config.backbone}, {config.image_size} px, {config.dimension} dimensions"


def disk() -> Answer:
    """Looks at the free space of the disk that this folder is on."""
    free = shutil.disk_usage(Path()).free / GIGABYTE
    says = f"{free:.1f} GB free"
    if free < LEAST:
        return "broken", f"{says}, and a run needs more; free some (.store can go at any time)"
    return says if free >= COMFORTABLE else ("note", f"{says}; a large archive needs more")


def surroundings(paths: Paths) -> Answer:
    """Looks at certificates, proxies, the loopback interface, shared memory and the place of the archive."""
    from flows.workspace.surroundings import require_surroundings

    require_surroundings(paths)
    return "loopback, proxies, certificates and shared memory serve"


def settings(_paths: Paths) -> Answer:
    """Checks params.yaml as a run does."""
    from flows.workspace.checks import require_settings

    require_settings(read_yaml(PARAMS))
    return "params.yaml is valid"


def versions(_paths: Paths) -> Answer:
    """Looks whether git and DVC have the workspace."""
    from flows.processes.programs import run_limited
    from flows.repository.opening import open_repository

    with open_repository(Path()) as repo:
        dvc = f"DVC {_version('dvc')}, {'a remote' if repo.config.get('remote') else 'no remote'}"
    if not shutil.which("git"):
        return "note", f"{dvc}; git is not installed, so that no versions are kept"
    done = run_limited(["git", "rev-parse", "--short", "HEAD"], timeout=PATIENCE)
    if done.code:
        return "note", f"{dvc}; no commit of git is here yet: git add --all && git commit"
    return f"{dvc}; git at {done.output.strip()}"


def servers(_paths: Paths) -> Answer:
    """Asks the servers that are named in the settings or the environment; those of cbir itself start with a run."""
    tracking = str((read_yaml(PARAMS).get("tracking") or {}).get("uri") or "")
    named = {"MLflow (tracking.uri)": tracking, "Prefect (PREFECT_API_URL)": os.environ.get("PREFECT_API_URL", "")}
    asked = {name: urlsplit(uri) for name, uri in named.items() if urlsplit(uri).hostname}
    for name, address in asked.items():
        port = address.port or PORTS.get(address.scheme.partition("+")[0], 80)
        try:
            socket.create_connection((str(address.hostname), port), timeout=PATIENCE).close()
        except OSError as error:
            reason = error.strerror or str(error)
            return "broken", f"{name} does not answer at {address.hostname}:{port} ({reason}); start it or correct it"
    return f"answering: {', '.join(asked)}" if asked else "none is named; those of cbir start with a run"


def store(paths: Paths) -> Answer:
    """Reads the stores of intermediate results and MLflow's database, for damage."""
    from cbir.store import damage_of

    files = [*sorted(paths.store.glob("*.sqlite")), *Path().glob("mlflow.db")]
    for file in files:
        if damage := damage_of(file):
            way = "delete it, it fills again by itself" if file.parent == paths.store else "keep it, and restore a copy"
            return "broken", f"{file} is damaged ({damage}): {way}"
    size = sum(file.stat().st_size for file in files) / GIGABYTE
    return f"{len(files)} databases are sound, {size:.1f} GB"


def decisions(paths: Paths) -> Answer:
    """Reads what people decided."""
    from cbir.groups.decisions.journal import read_decisions

    return f"{len(read_decisions(paths.decisions))} can be read"


def encoder(paths: Paths) -> Answer:
    """Loads the encoder in service."""
    if not paths.encoder.exists():
        return "note", "none is here yet: `cbir run`"
    from cbir.encoders.encoder import load_encoder

    config = load_encoder(paths.encoder).config
    return f"{config.backbone}, {config.image_size} px, {config.dimension} dimensions"


INSTALLED: dict[str, Callable[[], Answer]] = {
    "libraries": libraries,
    "GPU": gpu,
    "shipped weights": shipped_encoder,
    "disk": disk,
}
WORKSPACE: dict[str, Callable[[Paths], Answer]] = {
    "machine": surroundings,
    "settings": settings,
    "git and DVC": versions,
    "servers": servers,
    "stores": store,
    "decisions": decisions,
    "encoder in use": encoder,
}
