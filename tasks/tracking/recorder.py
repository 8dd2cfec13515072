"""Calls what records in MLflow, for a whole run: ``python -m tasks.tracking.recorder DESCRIPTOR``.

MLflow takes seconds to load. They are spent once here, while the first stage works, and nothing of MLflow can reach or
break a stage or the flow. A request that comes over the connection is a function with its arguments; the answer is a
value and an error. Requests are still answered when the process that asked has ended; then this one ends too.
"""

import os
import sys
from contextlib import chdir, suppress
from multiprocessing.connection import Connection
from typing import Any

from cbir.base.errors import UserError
from tasks.tracking.connection import Pipeline, RecorderError, load_mlflow, sentence_of
from tasks.tracking.facts import Ran
from tasks.tracking.load import end_watch, watch
from tasks.tracking.runs import record


def record_stage(root: str, pipeline: Pipeline, ran: Ran) -> str:
    """Records a stage that ran in a workspace; returns the id of the MLflow run, the same for all stages with a key."""
    with chdir(root):
        run = record(ran, pipeline)
    watch(run)
    return run


def serve(requests: "Connection[Any, Any]") -> None:
    """Answers until nobody is left who could ask; a request that fails leaves the next ones as they are."""
    while True:
        try:
            function, arguments = requests.recv()
        except (EOFError, ConnectionResetError):
            return
        answer = _answer(function, arguments)
        with suppress(BrokenPipeError):
            requests.send(answer)


def _answer(function: Any, arguments: Any) -> tuple[Any, Exception | None]:
    try:
        return function(*arguments), None
    except UserError as error:
        return None, error
    except Exception as error:
        return None, RecorderError(sentence_of(error))


def main() -> None:
    """Serves the process that started this one."""
    os.nice(10)  # the stages first: for what is recorded of them nobody waits
    with suppress(Exception):  # whatever is wrong with MLflow, each request will say
        load_mlflow()
    serve(Connection(int(sys.argv[1])))
    end_watch()


if __name__ == "__main__":
    main()
