import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cbir.base.errors import UserError
from flows import ui
from flows.processes import servers
from flows.processes.servers import Server, choose_port, started
from flows.ui import serve

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    return tmp_path


def fake(tmp_path: Path, program: str) -> Server:
    command = [sys.executable, "-c", program]
    return Server("Fake", command, {}, "http://127.0.0.1:1", "http://127.0.0.1:1/health", tmp_path / "fake.log")


def test_a_given_port_that_is_taken_is_refused_in_one_sentence(taken: int, workspace: Path) -> None:
    with pytest.raises(UserError, match=rf"port {taken} cannot be used for Prefect \(address already in use\)"):
        serve(prefect_port=taken)


def test_a_port_out_of_range_is_refused() -> None:
    for port in (0, 65536):
        with pytest.raises(UserError, match="ports go from 1 to 65535"):
            choose_port("MLflow", port, preferred=5000)


def test_one_port_for_both_is_refused(workspace: Path) -> None:
    free = choose_port("MLflow", None, preferred=0)
    with pytest.raises(UserError, match="the other server has it"):
        serve(mlflow_port=free, prefect_port=free)


def test_where_the_preferred_port_is_taken_another_one_is_chosen(taken: int) -> None:
    chosen = choose_port("MLflow", None, preferred=taken)
    assert chosen != taken
    assert choose_port("MLflow", chosen, preferred=taken) == chosen


def test_a_server_that_ends_by_itself_is_reported_with_its_last_words(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ui, "mlflow_server", lambda *_: fake(workspace, "print('ERROR: no such database'); exit(3)"))
    monkeypatch.setattr(ui, "prefect_server", lambda *_: fake(workspace / ".store", "import time; time.sleep(60)"))
    monkeypatch.setattr(ui, "prepare_database", lambda *_: None)
    before = time.monotonic()
    with pytest.raises(UserError, match=r"Fake ended with exit code 3: ERROR: no such database; see .*fake\.log"):
        serve()
    assert time.monotonic() - before < 15  # the other one is stopped too


def test_a_server_that_does_not_mind_being_told_to_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "STOP_TIMEOUT", 0.2)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    server = fake(tmp_path, deaf)
    with started(server) as (_, process):
        while "up" not in server.log.read_text():
            time.sleep(0.05)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.heavy
def test_both_uis_answer_at_the_printed_addresses_and_term_stops_them(workspace: Path) -> None:
    ports = [choose_port("", None, preferred=0) for _ in range(2)]
    program = "import sys; from flows.environment import prepare; from flows.ui import serve; prepare();"
    program += f"serve(mlflow_port={ports[0]}, prefect_port={ports[1]})"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PREFECT_HOME": str(workspace / ".prefect")}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        addresses: dict[str, str] = {}
        while len(addresses) < 2:
            line = process.stdout.readline()
            assert line, "the servers ended"
            if match := re.match(r"(MLflow|Prefect) +(http://\S+)", line):
                addresses[match[1]] = match[2]
        assert addresses["MLflow"].startswith(f"http://127.0.0.1:{ports[0]}/#/experiments/1/runs?")
        assert addresses["Prefect"] == f"http://127.0.0.1:{ports[1]}"
        for name, address in addresses.items():
            with urllib.request.urlopen(address, timeout=10) as page:
                assert f"<title>{name}".lower() in page.read().decode().lower()
                if name == "Prefect":  # its pages would call an analytics service
                    assert "connect-src 'self' http://127.0.0.1:*" in page.headers["content-security-policy"]
    finally:
        process.terminate()
        process.communicate(timeout=40)
    assert process.returncode == 0
    assert [choose_port("", port, preferred=0) for port in ports] == ports
