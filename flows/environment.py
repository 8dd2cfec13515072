"""Sets the environment of every command before anything heavy is imported: local, quiet, nothing phones home."""

import os
from pathlib import Path


def prepare() -> None:
    """Sets what the user has not set: Prefect's home in the workspace, telemetry of all libraries off."""
    defaults = {
        "PREFECT_HOME": str(Path.cwd() / ".prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
