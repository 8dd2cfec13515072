"""Sets the environment of every command before anything heavy is imported: local, quiet, nothing phones home."""

import io
import os
import sys
from collections.abc import Mapping

HERE = ("127.0.0.1", "localhost")  # no proxy reaches these


def prepare() -> None:
    """Sets what the user has not set (telemetry off), and what no run can do without.

    All that a command starts has the same environment: names are UTF-8, plots need no screen, and this machine is
    reached directly.
    """
    if sys.getfilesystemencoding() != "utf-8":  # of a locale such as de_DE.ISO-8859-1
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "PYTHONUTF8": "1"})
    defaults = {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    os.environ["MPLBACKEND"] = "agg"  # Jupyter names a module that only its own environment has
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = past_proxies(os.environ)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter that the terminal cannot show is no reason to stop
            stream.reconfigure(errors="backslashreplace")


def past_proxies(environment: Mapping[str, str]) -> str:
    """Lists the hosts that are reached without a proxy: those that the user names in either case, and this machine."""
    named = [host.strip() for name in ("no_proxy", "NO_PROXY") for host in environment.get(name, "").split(",")]
    return "*" if "*" in named else ",".join(dict.fromkeys([*filter(None, named), *HERE]))
