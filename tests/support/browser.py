"""A real browser for tests: chromium without a window, driven over its DevTools protocol."""

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

PATIENCE = 120  # seconds; on a busy machine a first page takes a while


class Browser:
    """One tab.

    Args:
        port: of the browser on this machine.
    """

    def __init__(self, connection: ClientConnection, port: int) -> None:
        self._connection, self._port = connection, port
        self._numbers = itertools.count(1)

    def open(self, address: str) -> None:
        """Go to an address as a user does who typed it, and wait until the page has loaded."""
        self._ask("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """Runs a script on the page and returns its value, or its promise once it is kept.

        Raises:
            RuntimeError: the script throws.
        """
        answer = self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Presses and releases a key, as its character or its name (Tab, Escape)."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        code = {"Enter": 13, "Tab": 9, "Escape": 27}.get(key, ord(key.upper()[0]))
        for kind in ("keyDown", "keyUp"):
            held = text if kind == "keyDown" else {}
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **held)

    def choose(self, field: str, file: Path) -> None:
        """Chooses a file in a field, as its dialogue does."""
        document = self._ask("DOM.getDocument")["root"]["nodeId"]
        node = self._ask("DOM.querySelector", nodeId=document, selector=field)["nodeId"]
        self._ask("DOM.setFileInputFiles", files=[str(file)], nodeId=node)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Moves the mouse from one place of the window to another, its button held; px."""
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    @contextmanager
    def window(self) -> Iterator["Browser"]:
        """Opens a second tab, and closes it."""
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/json/new", method="PUT")
        with urllib.request.urlopen(request, timeout=30) as answer:
            tab = json.load(answer)
        with connect(tab["webSocketDebuggerUrl"], max_size=None, proxy=None) as connection:
            other = Browser(connection, self._port)
            yield other
            other._ask("Page.close")

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Shows the page as a screen of this size does, by day or by night."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self) -> bytes:
        """Returns the visible part of the page as PNG."""
        return base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])

    def text(self) -> str:
        """Returns the text of the page."""
        return self.run("document.body ? document.body.innerText : ''")

    def wait_for(self, condition: str) -> None:
        """Wait until an expression is true on the page.

        Raises:
            TimeoutError: it is not for a long time; the message holds what the page shows.
        """
        end = time.monotonic() + PATIENCE
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end:
                raise TimeoutError(f"{condition} is not true of the page:\n{self.text()}")
            time.sleep(0.05)

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(PATIENCE))
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser of its own for which every name below ``example`` means this machine, as after DNS rebinding.

    It asks nobody before a page reaches this machine: that is a courtesy of newer browsers, not the server's defence.
    """
    program = shutil.which("chromium")
    assert program, "chromium is missing: apt-get install chromium"
    options = [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--no-proxy-server", "--disable-background-networking", "--disable-features=LocalNetworkAccessChecks",
        "--host-resolver-rules=MAP *.example 127.0.0.1", "--remote-debugging-port=0", f"--user-data-dir={profile}",
    ]  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([program, *options, "about:blank"], start_new_session=True, **quiet)
    try:
        port = _port(profile / "DevToolsActivePort")
        with connect(_tab(port), max_size=None, proxy=None) as connection:
            yield Browser(connection, port)
    finally:
        process.terminate()
        process.wait(30)


def _port(log: Path) -> int:
    """The port at which the browser is driven, which it writes to a file once it is ready."""
    end = time.monotonic() + PATIENCE
    while not (log.exists() and log.read_text().strip()):
        assert time.monotonic() < end, "chromium did not start"
        time.sleep(0.1)
    return int(log.read_text().split()[0])


def _tab(port: int) -> str:
    """The address at which the first tab is driven."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
        return next(tab["webSocketDebuggerUrl"] for tab in json.load(answer) if tab["type"] == "page")
