"""Fixtures that tests of several modules share."""

import signal

import pytest
from hypothesis import settings

from cbir.sample.archive import Sample, make_sample
from tests.support.order import place


@pytest.fixture(scope="session")
def sample_archive(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A small sample archive with at least one of every kind of file; read only."""
    return make_sample(tmp_path_factory.mktemp("sample") / "archive", scenes=12, longest_side=320)


def pytest_configure() -> None:
    """Ctrl-C reaches the programs that tests start; a shell that runs tests in its background has it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile("cbir", deadline=None)  # of one example: on a busy machine the first takes long
    settings.load_profile("cbir")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files whose tests take longest first, so that two workers end at about the same time."""
    items.sort(key=lambda item: place(item.path))
