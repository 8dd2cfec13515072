"""Makes the workspaces of a study: one a preset, with the user's code, data and cache, and other settings.

A stage's inputs have the same relative paths there, so that DVC's run cache knows them: what a study has trained is
restored when the user's own workspace asks for it, and the other way round. The stages that read the archive itself are
left out; what they wrote is copied, and so is the code, so that an edit while a study runs reaches no stage of it.
"""

import filecmp
import io
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from configobj import ConfigObj
from dvc.repo import Repo
from ruamel.yaml import YAML

from cbir.base.errors import UserError
from cbir.base.files import writing
from flows.workspace.settings import with_values
from tasks.harness.settings import GRAPH, HERE, PARAMS, Paths, dependencies, outputs, read_yaml, written

CODE = {"cbir", "tasks"}  # packages whose folders are dependencies
SIMPLE_DATABASE = "sqlite:///"


def archive_stages(paths: Paths) -> list[str]:
    """Returns the stages that read the archive and no stage's output; a study runs them in the user's workspace."""
    stages = read_yaml(GRAPH)["stages"]
    made = [path for name in stages for path in outputs(name)]
    read = {name: dependencies(name)[1] for name in stages}
    return [name for name in stages if paths.raw in read[name] and not set(made) & set(read[name])]


def writers_of(*files: Path, root: Path = HERE) -> list[str]:
    """Lists the stages of a workspace that write any of these files and folders, in the order of dvc.yaml."""
    return [name for name in read_yaml(root / GRAPH)["stages"] if not {*files}.isdisjoint(outputs(name, root))]


def make_workspace(
    root: Path, values: Mapping[str, Any], assignments: Sequence[str], graph: Mapping[str, Any], paths: Paths
) -> None:
    """Makes or refreshes the workspace of a preset in the folder ``root``; what ran in it before is kept.

    Args:
        values: of params.yaml by name; then ``assignments`` of the form ``section.key=value``.
        graph: stages that the preset has in place of those that write the same files.
        paths: of the user's workspace, which is the working directory.

    Raises:
        UserError: a setting that is none, or a path by which the workspaces would write over each other.
    """
    shared = archive_stages(paths)
    stages = read_yaml(GRAPH)["stages"]
    made = [path for name in stages for path in outputs(name)]
    _require_separate(made)
    root.mkdir(parents=True, exist_ok=True)
    _write_config(root / ".dvc")
    if Path(".dvcignore").exists():
        _copy(Path(".dvcignore"), root / ".dvcignore")
    values = {**values, **_outside(paths, shared, made)}
    _write(root / PARAMS, with_values(PARAMS.read_text(encoding="utf-8"), values, assignments)[0])
    _write(root / GRAPH, _graph(shared, graph))
    for path in [path for name in shared for path in outputs(name)]:
        _mirror(path, root / path)
    read = {path for name in read_yaml(root / GRAPH)["stages"] for path in dependencies(name, root)[1]}
    _provide_sources(root, [path for path in read if not any(path.is_relative_to(output) for output in made)])


def _require_separate(made: Iterable[Path]) -> None:
    for path in made:
        if path.is_absolute() or ".." in path.parts:
            raise UserError(f"{path} lies outside of this folder, and each preset of a study would write it: "
                            f"give it a relative path in the section paths of {PARAMS}")  # fmt: skip


def _outside(paths: Paths, shared_stages: Iterable[str], made: Iterable[Path]) -> dict[str, str]:
    """Gives absolute paths to what all workspaces share and DVC follows in none: archive, store, translations."""
    stages = read_yaml(GRAPH)["stages"]
    read = {path for name in stages if name not in shared_stages for path in dependencies(name)[1]}
    shared = {
        f"paths.{name}": str(path.absolute())
        for name, path in vars(paths).items()
        if path not in read and not any(output.is_relative_to(path) for output in made)
    }
    uri = (read_yaml(PARAMS).get("tracking") or {}).get("uri") or ""
    if uri.startswith(SIMPLE_DATABASE):
        shared["tracking.uri"] = SIMPLE_DATABASE + str(Path(uri.removeprefix(SIMPLE_DATABASE)).absolute())
    return shared


def _write_config(folder: Path) -> None:
    """Writes DVC's settings, with the cache of the user's workspace and without git."""
    folder.mkdir(exist_ok=True)
    with Repo() as repo:
        cache = repo.cache.local_cache_dir
    if Path(".dvc/config").exists():
        _copy(Path(".dvc/config"), folder / "config")
    own = ".dvc/config.local" if Path(".dvc/config.local").exists() else None
    config = ConfigObj(own, encoding="utf-8", list_values=False)
    config.setdefault("cache", {})["dir"] = cache
    config.setdefault("core", {})["no_scm"] = "true"
    text = io.BytesIO()
    config.write(text)
    _write(folder / "config.local", text.getvalue().decode("utf-8"))


def _graph(shared: Iterable[str], others: Mapping[str, Any]) -> str:
    """Returns dvc.yaml without the shared stages, and with others in place of those that write the same files."""
    graph = read_yaml(GRAPH)
    taken = {path for described in others.values() for path in written(described)}
    own = {name: entry for name, entry in graph["stages"].items() if name not in shared}
    kept = {name: entry for name, entry in own.items() if taken.isdisjoint(written(entry))}
    text = io.StringIO()
    YAML(typ="safe").dump({**graph, "stages": {**kept, **others}}, text)
    return text.getvalue()


def _provide_sources(root: Path, files: Iterable[Path]) -> None:
    """Copies code, a package whole, and links folders of data file by file; absolute paths need nothing."""
    relative = [path for path in files if not path.is_absolute()]
    packages = {path.parts[0] for path in relative if path.suffix == ".py" or path.parts[0] in CODE}
    for package in packages:
        _mirror(Path(package), root / package)
    for folder in [path for path in relative if path.is_dir() and path.parts[0] not in packages]:
        _mirror(folder, root / folder, link=True)
    for file in [path for path in relative if path.is_file() and path.parts[0] not in packages]:
        _copy(file, root / file)


def _mirror(source: Path, target: Path, *, link: bool = False) -> None:
    """Makes a file or folder like another one: what differs is copied (or linked), and what is left over goes."""
    if source.is_file():
        _copy(source, target)
        return
    for file in list(target.rglob("*")):
        if not file.is_dir() and not (source / file.relative_to(target)).exists():
            file.unlink()
    if source.exists():
        copy, skip = (_link if link else _copy), shutil.ignore_patterns("__pycache__")
        shutil.copytree(
            source, target, ignore=skip, copy_function=copy, ignore_dangling_symlinks=True, dirs_exist_ok=True
        )


def _copy(source: str | Path, target: str | Path) -> None:
    """Copies a file with its time, so that DVC and Python recognise it; a copy that is up to date stays."""
    if not Path(target).exists() or not filecmp.cmp(source, target):
        with writing(Path(target)) as temporary:
            shutil.copy2(source, temporary)


def _link(source: str | Path, target: str | Path) -> None:
    """Links the same file at another path, because checkpoints and reference files may be large."""
    if Path(target).exists() and Path(target).samefile(source):
        return
    with writing(Path(target)) as temporary:
        try:
            os.link(Path(source).resolve(), temporary)
        except OSError:  # another disk, or one without links
            shutil.copy2(source, temporary)


def _write(path: Path, text: str) -> None:
    """Writes a file that is not like that yet; one that is keeps its time."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        with writing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
