"""Every server that a command starts, attacked by web pages in a real browser; and its own pages, which must work."""

import base64
import json
import re
import select
import socket
import socketserver
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cbir.spreadsheet import write_csv
from flows.pipeline.artifacts import rejected_files
from tests.support.archive import assign
from tests.support.browser import Browser, browser
from tests.support.web import QuietHandler, listening
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]
PASSWORD = "archive:correct horse"
MAKE = {  # by server: where a POST makes something, of what; the = is where a form divides a name from a value
    "Prefect": ("/api/variables/", {"name": "pwned", "value": "="}, "/api/events/in"),
    "MLflow": ("/api/2.0/mlflow/experiments/create", {"name": "pwned="}, "/"),
}
LIST = {
    "Prefect": ("/api/variables/filter", {}),
    "MLflow": ("/ajax-api/2.0/mlflow/experiments/search", {"max_results": 100}),
}
ANSWERED = """answer => answer.status, () => "no answer" """

# All ways in which a page can send a request. Gives the status of each answer that the page may read.
ATTACK = f"""
(async (server, path, content, socket) => {{
  const body = JSON.stringify(content), outcomes = {{}}, headers = {{"Content-Type": "application/json"}};
  const ways = {{json: {{method: "POST", headers, body}}, patch: {{method: "PATCH", headers, body}}, get: {{}}}};
  for (const [way, options] of Object.entries(ways))
    outcomes[way] = await fetch(server + path, options).then({ANSWERED});
  await fetch(server + path, {{method: "POST", mode: "no-cors", body}}).catch(() => 0);
  const frame = Object.assign(document.createElement("iframe"), {{name: "frame"}});
  const [name, value] = body.split("=");
  const form = document.createElement("form");
  Object.assign(form, {{action: server + path, method: "POST", enctype: "text/plain", target: "frame"}});
  form.append(Object.assign(document.createElement("input"), {{name, value}}));
  document.body.append(frame, form);
  const loaded = new Promise(done => {{ frame.onload = done; }});
  form.submit();
  await loaded;
  outcomes.socket = await new Promise(done => {{
    const made = new WebSocket((server || location.origin).replace("http", "ws") + socket);
    made.onopen = () => done("open");
    made.onerror = () => done("no answer");
  }});
  return outcomes;
}})
"""


@contextmanager
def running(folder: Path, command: str, *names: str, **environment: str) -> Iterator[dict[str, str]]:
    """A command of a fresh workspace, and the addresses of its servers as it prints them; ended by TERM."""
    workspace = Workspace.make(folder, {"PREFECT_HOME": str(folder / ".prefect"), **environment})
    assign(workspace, "schedule.refresh=''", "schedule.retrain=''")
    pipe = {"stdout": subprocess.PIPE, "text": True, "start_new_session": True}
    process = subprocess.Popen(command.split(), cwd=folder, env=workspace.environment, **pipe)
    try:
        addresses: dict[str, str] = {}
        while set(addresses) != set(names):
            line = process.stdout.readline()
            assert line, f"{command} ended"
            if printed := re.match(r"(MLflow|Prefect) +(http://[^/\s]+)", line):
                addresses[printed[1]] = printed[2]
        yield addresses
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[str, str]]]:
    """Name and address of each server by the command that started it."""
    folder = tmp_path_factory.mktemp("servers")
    with (
        running(folder / "serve", "cbir serve", "Prefect") as served,
        running(folder / "ui", "cbir ui", "MLflow", "Prefect") as shown,
    ):
        yield {
            "serve": ("Prefect", served["Prefect"]),
            "ui, Prefect": ("Prefect", shown["Prefect"]),
            "ui, MLflow": ("MLflow", shown["MLflow"]),
        }


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as driven:
        yield driven


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """The port of a web server with an empty page."""

    class EmptyPage(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()

    with listening(EmptyPage) as address:
        yield int(address.rpartition(":")[2])


def ask(address: str, path: str, content: Any = None, **headers: str) -> Any:
    """The answer of a server's API to a program."""
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(address + path, body, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def is_pwned(name: str, address: str) -> bool:
    """Whether what the attack makes is there."""
    return "pwned" in json.dumps(ask(address, *LIST[name]))


def attack(tab: Browser, server: str, name: str) -> dict[str, Any]:
    """Returns the result of the attack by the page that is open; an empty ``server`` is the page's own."""
    return tab.run(f"{ATTACK}({', '.join(map(json.dumps, (server, *MAKE[name])))})")


@contextmanager
def tunnel(address: str) -> Iterator[str]:
    """The server at another port of this machine, as by ``ssh -L``."""
    host, port = "127.0.0.1", int(address.rpartition(":")[2])

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.create_connection((host, port)) as server:
                ends = (self.request, server)
                while True:
                    for ready in select.select(ends, (), ())[0]:
                        content = ready.recv(65536)
                        if not content:
                            return
                        ends[ready is self.request].sendall(content)

    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer((host, 0), Connection) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://localhost:{listening.server_address[1]}"
        listening.shutdown()


@pytest.mark.parametrize("which", ["serve", "ui, Prefect", "ui, MLflow"])
def test_no_page_from_elsewhere_reads_or_makes_anything(
    servers: dict[str, tuple[str, str]], tab: Browser, elsewhere: int, which: str
) -> None:
    name, address = servers[which]
    evil = (f"http://evil.example:{elsewhere}/", f"http://127.0.0.1:{elsewhere}/", "data:text/html,<p>Origin null")
    for page in evil:
        tab.open(page)
        outcomes = attack(tab, address, name)
        assert set(outcomes.values()) == {"no answer"}, (page, outcomes)
        assert not is_pwned(name, address), page


@pytest.mark.parametrize("which", ["serve", "ui, Prefect", "ui, MLflow"])
def test_a_name_that_was_made_to_mean_this_machine_is_refused(
    servers: dict[str, tuple[str, str]], tab: Browser, which: str
) -> None:
    name, address = servers[which]
    tab.open(address.replace("127.0.0.1", "rebound.example"))
    assert tab.text().startswith("refused: Host is 'rebound.example:")
    assert attack(tab, "", name) == {"json": 403, "patch": 403, "get": 403, "socket": "no answer"}
    assert not is_pwned(name, address)


def test_a_page_that_knows_a_deployment_neither_changes_nor_starts_it(
    servers: dict[str, tuple[str, str]], tab: Browser, elsewhere: int
) -> None:
    _, address = servers["serve"]
    before = _deployments(address)
    assert {entry["name"] for entry in before} == {"cbir"}
    tab.open(f"http://evil.example:{elsewhere}/")
    for deployment in before:
        steps = {"pull_steps": [{"prefect.deployments.steps.run_shell_script": {"script": "touch pwned"}}]}
        for path, method, content in (("", "PATCH", steps), ("/create_flow_run", "POST", {})):
            request = {"method": method, "headers": {"Content-Type": "application/json"}, "body": json.dumps(content)}
            url = f"{address}/api/deployments/{deployment['id']}{path}"
            script = f"fetch({json.dumps(url)}, {json.dumps(request)}).then({ANSWERED})"
            assert tab.run(script) == "no answer"
    assert _deployments(address) == before
    assert ask(address, "/api/flow_runs/filter", {}) == []


def _deployments(address: str) -> list[dict[str, Any]]:
    """The deployments, and what a run of each would do."""
    kept = ("id", "name", "pull_steps", "entrypoint", "parameters", "job_variables", "work_pool_name")
    return [{name: entry[name] for name in kept} for entry in ask(address, "/api/deployments/filter", {})]


def test_the_pages_work_at_every_address_of_this_machine(servers: dict[str, tuple[str, str]], tab: Browser) -> None:
    shows = {"Prefect": ("/deployments", "/v2/deployments"), "MLflow": ("/#/experiments",)}
    words = {"serve": "retrain", "ui, Prefect": "Create a deployment", "ui, MLflow": "cbir"}
    for which, (name, address) in servers.items():
        with tunnel(address) as through_ssh:
            for start in (address, address.replace("127.0.0.1", "localhost"), through_ssh):
                for path in shows[name]:
                    tab.open(start + path)
                    tab.wait_for(f"document.body.innerText.includes({json.dumps(words[which])})")
                    assert tab.run("location.origin") == start


def test_the_name_of_a_file_is_text_in_prefects_pages_and_runs_nothing(
    servers: dict[str, tuple[str, str]], tab: Browser, tmp_path: Path
) -> None:
    _, address = servers["serve"]
    names = ["[x](javascript:window.pwned=1).jpg", "<img src=x onerror=window.pwned=1>", "![x](x.png)"]
    write_csv(tmp_path / "cleaning.csv", pd.DataFrame({"finding": "corrupt", "path": names, "reason": "broken"}))
    markdown = {"type": "markdown", "key": "clean", "data": rejected_files(tmp_path / "cleaning.csv")}
    artifact = ask(address, "/api/artifacts/", markdown)["id"]
    for pages in ("/artifacts/artifact", "/v2/artifacts/artifact"):
        tab.open(f"{address}{pages}/{artifact}")
        tab.wait_for("document.querySelectorAll('td').length == 9")
        cells = tab.run("[...document.querySelectorAll('td')].map(cell => cell.innerText)")
        assert cells[::3] == names
        assert tab.run("document.querySelectorAll('td a, td img').length") == 0
        tab.run(
            """(async () => {
              const link = Object.assign(document.createElement("a"), {href: "javascript:window.pwned = 1"});
              document.body.append(link);
              link.click();
              document.body.insertAdjacentHTML("beforeend", "<img src=x: onerror='window.pwned = 1'>");
              await new Promise(done => setTimeout(done, 1000));
            })()"""
        )
        assert tab.run("window.pwned === undefined")


@pytest.mark.parametrize("which", ["serve", "ui, Prefect", "ui, MLflow"])
def test_what_the_attack_does_succeeds_from_the_servers_own_page(
    servers: dict[str, tuple[str, str]], tab: Browser, which: str
) -> None:
    name, address = servers[which]
    tab.open(address)
    outcomes = attack(tab, "", name)
    assert outcomes["json"] in (200, 201), outcomes
    assert outcomes["socket"] == ("open" if name == "Prefect" else "no answer")
    assert is_pwned(name, address)


def test_with_a_password_the_programs_of_cbir_get_in_and_nobody_else(tmp_path: Path, tab: Browser) -> None:
    secret = {"PREFECT_SERVER_API_AUTH_STRING": PASSWORD}
    with running(tmp_path / "workspace", "cbir serve", "Prefect", **secret) as addresses:
        address = addresses["Prefect"]
        assert ask(address, "/api/health") is True
        for path in ("/api/deployments/filter", "/api/variables/filter"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                ask(address, path, {})
        token = base64.b64encode(PASSWORD.encode()).decode()
        deployments = ask(address, "/api/deployments/filter", {}, Authorization=f"Basic {token}")
        assert len(deployments) == 4  # cbir itself got in
        tab.open(f"{address}/deployments")
        tab.wait_for("document.querySelector('input[type=password]')")
        assert "retrain" not in tab.text()
