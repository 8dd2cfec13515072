"""MLflow's server behind the guard: its own checks leave out reading, GraphQL, traces and pages of other ports."""

from flows.processes.guard import Guard
from tasks.tracking.connection import web_application


def create_app() -> Guard:
    """Builds the application for ``mlflow server --app-name cbir`` (entry point ``mlflow.app`` in pyproject.toml)."""
    return Guard(web_application())
