"""Fixtures that tests of several modules share."""

import signal

import pytest

from cbir.sample.archive import Sample, make_sample


@pytest.fixture(scope="session")
def sample_archive(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A small sample archive with at least one of every kind of file; read only."""
    return make_sample(tmp_path_factory.mktemp("sample") / "archive", scenes=12, longest_side=320)


def pytest_configure(config: pytest.Config) -> None:
    """Ctrl-C reaches the programs that tests start; a shell that runs tests in its background has it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "xdist_group(name): known here too, for a run without pytest-xdist")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell two workers what to share out: the files with the longest tests first, a file as one piece.

    The quick tests that talk to a Prefect server are one piece too, so that one server is started and not two.
    """
    items.sort(key=lambda item: "flows" not in item.path.parts)
    for item in items:
        serves = "prefect_environment" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("heavy")
        item.add_marker(pytest.mark.xdist_group("server" if serves else item.nodeid.partition("::")[0]))
