import shutil
import subprocess
from pathlib import Path

import pytest

from cbir.base.errors import UserError
from flows.importing import import_archive
from tests.support.archive import copy
from tests.support.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # inside DVC


@pytest.fixture
def source(project: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of scans beside a workspace, which is the working directory."""
    copy(project, tmp_path / "workspace")
    monkeypatch.chdir(tmp_path / "workspace")
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(name.encode())
        (folder / name).chmod(0o664)
    return folder


def modes(folder: Path) -> list[str]:
    return [oct(path.stat().st_mode & 0o777) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("kind", ["copy", "reflink,hardlink,copy", "symlink"])
def test_an_import_by_links_leaves_the_source_as_it_is_whatever_dvc_does_with_the_accession(
    source: Path, kind: str
) -> None:
    subprocess.run(["dvc", "config", "cache.type", kind], check=True)
    import_archive(source, link=True)
    assert modes(source) == ["0o664", "0o664"]
    assert [path.read_bytes() for path in sorted(Path("data/raw/scans").iterdir())] == [b"a.jpg", b"b.jpg"]


def test_a_cache_of_hard_links_would_make_the_source_read_only_so_links_are_refused(source: Path) -> None:
    subprocess.run(["dvc", "config", "cache.type", "hardlink,copy"], check=True)
    with pytest.raises(UserError, match=r"--link does not go with DVC's cache\.type hardlink.*leave --link out"):
        import_archive(source, link=True)
    assert modes(source) == ["0o664", "0o664"]
    assert not Path("data/raw/scans").exists()
    import_archive(source)
    assert modes(source) == ["0o664", "0o664"]
    assert Path("data/raw/scans/a.jpg").stat().st_nlink == 2


@pytest.mark.parametrize("way_out", ["git init --quiet", "dvc config core.no_scm true"])
def test_without_git_nothing_is_brought_in_and_either_way_out_will_do(source: Path, way_out: str) -> None:
    shutil.rmtree(".git")
    with pytest.raises(UserError) as refused:
        import_archive(source)
    assert str(refused.value) == (
        f"{Path.cwd()} is not a git repository, in which DVC works: run `git init` there, or `dvc config core.no_scm "
        "true` to keep no versions"
    )
    assert not Path("data/raw/scans").exists()
    subprocess.run(way_out.split(), check=True)
    import_archive(source)
    assert Path("data/raw/scans.dvc").exists()
