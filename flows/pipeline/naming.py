"""Names flow runs and gives them tags, so that a person knows them again on Prefect's pages."""

from datetime import datetime
from pathlib import Path

from prefect.runtime import flow_run

from flows.pipeline.recorder import begun_by


def dated() -> str:
    """Names a flow run by its flow and the time, such as ``refresh 2026-11-29 12:30``."""
    return f"{flow_run.flow_name} {_now()}"


def by_command() -> str:
    """Names a flow run by the command, the preset and the time, such as ``cbir run dinov2-s14 2026-11-29 12:30``."""
    return " ".join([word for word in begun_by.get() if word] + [_now()])


def labels(root: Path) -> list[str]:
    """Returns the tags of a run: the workspace's folder, and the preset that it was told."""
    return [name for name in (root.absolute().name, begun_by.get()[1]) if name]


def _now() -> str:
    return f"{datetime.now().astimezone():%Y-%m-%d %H:%M}"
