"""flows.workspace.surroundings: what is wrong around a workspace is one sentence, with what to do."""

import errno
import os
import re
import shutil
from pathlib import Path

import certifi
import pytest

from cbir.base.errors import UserError
from flows.workspace import surroundings
from flows.workspace.surroundings import (
    require_certificates,
    require_loopback,
    require_no_namesakes,
    require_own_code,
    require_proxies,
    require_within_reach,
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A workspace, and another one with the same code."""
    for name in ("dvc.yaml", "cbir/a.py", "tasks/b.py", "flows/deep/c.py"):
        (tmp_path / "one" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "one" / name).write_text(f"# {name}")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    return tmp_path / "two"


def test_a_copy_of_a_workspace_has_the_same_code_and_may_use_its_command(clone: Path) -> None:
    require_own_code(clone, home=clone.with_name("one"))
    (clone / "flows/deep/__pycache__").mkdir()
    (clone / "flows/deep/__pycache__/c.pyc").touch()
    require_own_code(clone, home=clone.with_name("one"))
    shutil.rmtree(clone / "tasks")  # a workspace without code of its own
    require_own_code(clone, home=clone.with_name("one"))


@pytest.mark.parametrize("name", ["cbir/a.py", "tasks/b.py", "flows/deep/c.py", "flows/new.py"])
def test_a_clone_with_other_code_than_the_command_is_told_with_both_folders(clone: Path, name: str) -> None:
    (clone / name).write_text("# edited")
    require_own_code(clone, home=clone)
    with pytest.raises(UserError) as refused:
        require_own_code(clone, home=clone.with_name("one"))
    sentence = str(refused.value)
    assert sentence.startswith(
        f"{name} here in {clone} is other code than that of {clone.with_name('one')}, which this"
    )
    assert sentence.endswith(f"make .venv/.ready, then .venv/bin/cbir), or run PYTHONPATH={clone} cbir")


@pytest.mark.parametrize("name", ["cbir", "flows", "tasks"])
def test_a_module_in_the_workspace_that_has_the_name_of_a_package_of_cbir_is_told_of(name: str, tmp_path: Path) -> None:
    require_no_namesakes(tmp_path)
    module = tmp_path / f"{name}.py"
    module.touch()
    with pytest.raises(
        UserError, match=f"^{re.escape(str(module))} would be imported .* package {name} of cbir; rename"
    ):
        require_no_namesakes(tmp_path)
    (tmp_path / name).mkdir()  # of a clone, and it comes before a file beside it
    require_no_namesakes(tmp_path)


@pytest.mark.parametrize("name", surroundings.CERTIFICATES)
def test_certificates_that_are_not_there_or_are_none_are_told_by_their_variable(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in surroundings.CERTIFICATES:
        monkeypatch.delenv(other, raising=False)
    (tmp_path / "none.pem").write_text("no certificate")
    for place, why in (("gone.pem", "no such file or directory"), ("none.pem", "no certificate in it")):
        monkeypatch.setenv(name, str(tmp_path / place))
        with pytest.raises(UserError) as refused:
            require_certificates()
        expected = f"{name} is {tmp_path / place}, which holds no certificates ({why}); correct or unset it"
        assert str(refused.value) == expected
    for place in ("", certifi.where()):
        monkeypatch.setenv(name, place)
        require_certificates()


@pytest.mark.parametrize("name", ["ALL_PROXY", "https_proxy"])
def test_a_proxy_that_no_client_can_use_is_told_by_its_variable_without_its_password(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in surroundings.PROXIES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "http://proxy.org:3128")
    require_proxies()
    for proxy in ("gopher://user:secret@proxy.org", "http://proxy.org:many"):
        monkeypatch.setenv(name, proxy)
        with pytest.raises(
            UserError, match=rf"^{name} is \w+://proxy.org.*, which is no proxy that can be used"
        ) as refused:
            require_proxies()
        assert "secret" not in str(refused.value)


def test_a_machine_without_its_loopback_interface_is_told_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    require_loopback()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr("socket.create_connection", refuse)
    with pytest.raises(UserError, match=r"^127\.0\.0\.1, this machine, cannot be reached \(Network is unreachable\)"):
        require_loopback()


@pytest.fixture
def nas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder beside a workspace, which is the working directory."""
    for name in ("nas/raw/fonds", "workspace/data"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "workspace")
    return tmp_path / "nas"


def test_an_archive_within_the_workspace_is_within_reach(nas: Path, tmp_path: Path) -> None:
    for archive in ("data/raw", "data/../data/raw", Path("data/raw").absolute()):
        require_within_reach(Path(archive))
    (tmp_path / "link").symlink_to(tmp_path / "workspace")
    os.chdir(tmp_path / "link")  # the workspace itself may lie behind a link
    require_within_reach(Path("data/raw"))
    require_within_reach(tmp_path / "link/data/raw")


def test_an_archive_behind_a_link_is_told_with_both_ways_to_have_it(nas: Path) -> None:
    Path("data/raw").symlink_to(nas / "raw")
    with pytest.raises(UserError) as refused:
        require_within_reach(Path("data/raw"))
    assert str(refused.value) == (
        f"data/raw leads by a link to {nas}/raw, and DVC follows no link; remove the link, and bring the images in "
        f"(cbir import {nas}/raw --link) or mount them there (mount --bind {nas}/raw data/raw)"
    )
    Path("data/raw").unlink()
    Path("data").rmdir()
    Path("data").symlink_to(nas)
    with pytest.raises(UserError, match=f"^data/raw leads by a link to {nas}/raw, and DVC follows no link"):
        require_within_reach(Path("data/raw"))


@pytest.mark.parametrize("outside", ["{}/raw", "../nas/raw"])
def test_an_archive_outside_of_the_workspace_is_told_by_its_parameter(nas: Path, outside: str) -> None:
    archive = outside.format(nas)
    with pytest.raises(UserError) as refused:
        require_within_reach(Path(archive))
    assert str(refused.value).startswith(f"paths.raw is {archive}, outside of {Path.cwd()}, where DVC follows nothing;")
