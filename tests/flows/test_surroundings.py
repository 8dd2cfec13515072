"""`cbir run` in surroundings that break other programs: it runs, or says one sentence before a flow begins."""

import subprocess
from pathlib import Path

import pytest

from tests.support.toy import Workspace

pytestmark = pytest.mark.heavy
NOBODY = "http://127.0.0.1:9"
NO_SHARED_MEMORY = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o ro,size=4k none /dev/shm && exec "$@"', "sh"]
NO_LOOPBACK = ["unshare", "--net"]


@pytest.fixture
def alone(toy: Workspace) -> Workspace:
    """The toy, whose runs start a server of Prefect's of their own."""
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):
        toy.environment.pop(name, None)
    return toy


def run(workspace: Workspace, *before: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*before, "cbir", "run", "--force", "fourth"],
        cwd=workspace.folder,
        env={**workspace.environment, **variables},
        capture_output=True,
        text=True,
    )


def test_behind_a_proxy_in_a_notebook_and_in_ascii_it_runs(alone: Workspace) -> None:
    names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    variables = {**dict.fromkeys(names, NOBODY), "no_proxy": "", "NO_PROXY": ""}
    notebook = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "PYTHONIOENCODING": "ascii"}
    done = run(alone, **variables, **notebook)
    assert done.returncode == 0, done.stderr
    assert "fourth: ran" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SSL_CERT_FILE", "/opt/conda/ssl/cacert.pem"), ("PREFECT_API_URL", f"{NOBODY}/api"), ("ALL_PROXY", "gopher://a")],
)
def test_a_variable_that_is_wrong_is_one_sentence(alone: Workspace, variable: str, value: str) -> None:
    done = run(alone, **{variable: value})
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {variable} is {value}, which ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("before", "place"), [(NO_SHARED_MEMORY, "/dev/shm"), (NO_LOOPBACK, "127.0.0.1")])
def test_what_the_machine_lacks_is_one_sentence(alone: Workspace, before: list[str], place: str) -> None:
    if subprocess.run([*before, "true"], capture_output=True).returncode:
        pytest.skip("only root may take it away")
    done = run(alone, *before)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {place}")
    assert len(done.stderr.splitlines()) == 1


def test_an_archive_behind_a_link_is_one_sentence_and_nothing_is_recorded(alone: Workspace, tmp_path: Path) -> None:
    (alone.folder / "data/raw").rename(tmp_path / "nas")
    (alone.folder / "data/raw").symlink_to(tmp_path / "nas")
    done = run(alone)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: data/raw leads by a link to {tmp_path}/nas")
    assert len(done.stderr.splitlines()) == 1
