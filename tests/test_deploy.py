"""The ways to run and release cbir fit the program: pins, image, services and units, which no test can start."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def _pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return {canonicalize_name(package): version for package, version in PIN.findall(text)}


def test_the_lock_has_each_dependency_with_hashes_in_the_version_of_the_constraints() -> None:
    locked, tried = _pins("requirements.lock"), _pins("constraints.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [Requirement(line) for line in project["dependencies"]]
    assert {canonicalize_name(requirement.name) for requirement in wanted} <= locked.keys()
    assert all(requirement.specifier.contains(locked[canonicalize_name(requirement.name)]) for requirement in wanted)
    assert {name: version for name, version in locked.items() if tried.get(name, version) != version} == {}
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert text.count("--hash=sha256:") >= len(locked)


def test_the_image_is_built_from_all_files_of_a_workspace() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    needed = re.search(r"FILES = \((.*?)\)", (ROOT / "setup.py").read_text(), re.DOTALL)
    assert needed
    assert {*re.findall(r'"(.+?)"', needed[1])} <= sent
    assert {"setup.py", "pyproject.toml", "requirements.lock", "cbir_command.py", "cbir", "flows", "tasks"} <= sent
    assert all((ROOT / name).exists() for name in sent)


def test_the_image_runs_the_program_as_a_user_who_cannot_change_it() -> None:
    lines = (ROOT / "Containerfile").read_text().splitlines()
    last = lines[len(lines) - 1 - [line.split(" ")[0] for line in reversed(lines)].index("FROM") :]
    assert "USER 1000" in last
    assert not [line for line in last if line.startswith("COPY") and "--chown" in line]


def test_services_are_reached_from_this_machine_alone_and_their_secrets_stand_in_no_file() -> None:
    text = (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")
    services = YAML(typ="safe").load(text)["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert set(re.findall(r"\$\{(\w+):\?", text)) == {"ARCHIVE", "POSTGRES_PASSWORD", "S3_PASSWORD"}
    assert not re.search(r"\$\{\w+\}|\$\{\w+:-", text)
    explained = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    assert all(f"{name}=" in explained for name in ("ARCHIVE", "POSTGRES_PASSWORD", "S3_PASSWORD"))
    waited = {name for service in services.values() for name in service.get("depends_on", [])}
    assert waited <= services.keys()


@pytest.mark.parametrize("unit", sorted((ROOT / "deploy").glob("*.service")), ids=lambda path: path.name)
def test_a_unit_starts_a_command_of_cbir_that_may_write_to_the_archive_alone(unit: Path) -> None:
    lines = dict(line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line and line[0] != "#")
    assert lines["ExecStart"] in ("/opt/cbir/bin/cbir serve", "/opt/cbir/bin/cbir refresh")
    assert lines["ProtectSystem"] == "strict"
    assert lines["ReadWritePaths"] == lines["WorkingDirectory"]
