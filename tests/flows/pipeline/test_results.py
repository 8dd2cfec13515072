"""flows.pipeline.results: what a flow run came to, whatever becomes of the server's answers."""

import os

import pytest

from tests.support.toy import Workspace

pytestmark = pytest.mark.heavy

LOSE = """
import sys
if any(word.endswith("/cbir") for word in sys.orig_argv):
    from prefect.client.base import PrefectHttpxSyncClient as Client
    send = Client.send
    def sent_again(self, request, *arguments, **options):
        answer = send(self, request, *arguments, **options)
        if request.url.path.endswith("/set_state") and b'"COMPLETED"' in request.content:
            answer = send(self, request, *arguments, **options)
        return answer
    Client.send = sent_again
"""


def test_a_forced_run_whose_last_answers_were_lost_has_its_results_all_the_same(toy: Workspace) -> None:
    hook = toy.folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(LOSE)
    toy.environment["PYTHONPATH"] = f"{hook}{os.pathsep}{toy.environment['PYTHONPATH']}"
    done = toy.flow("--force", "third")
    assert "third: ran" in done.stderr
    assert "stages    third" in done.stdout
    assert toy.ran() == ["third"]  # up to date, but forced
