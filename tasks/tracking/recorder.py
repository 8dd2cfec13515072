"""Records in MLflow for a whole run: ``python -m tasks.tracking.recorder``, asked on its input.

MLflow takes seconds to load. They are spent once here, while the first stage works, and not by a process for every
stage. A request is a line of JSON: ``{"stage": …}`` with the fields of :class:`tasks.tracking.facts.Ran`, or
``{"registry": …}`` with the arguments of :func:`tasks.tracking.registry.answer`. So is an answer, in the order of the
requests:
``{"answer": …}``, or ``{"error": …, "user": …}`` with the sentence that says why. It ends with its input: when the
process that asks has ended, however it ended, what was asked before is still recorded.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import chdir, redirect_stdout
from typing import Any

from cbir.errors import UserError
from tasks.tracking import registry
from tasks.tracking.connection import Pipeline, load_mlflow, sentence_of
from tasks.tracking.facts import Ran
from tasks.tracking.runs import record


def answers(requests: Iterable[str]) -> Iterator[str]:
    """A line of JSON for each line of JSON; a request that fails says why and leaves the next ones as they are."""
    for line in requests:
        try:
            yield json.dumps({"answer": _answer(json.loads(line))})
        except Exception as error:
            yield json.dumps({"error": sentence_of(error), "user": isinstance(error, UserError)})


def _answer(request: dict[str, Any]) -> str:
    if "registry" in request:
        return registry.answer(**request["registry"])
    ran = Ran.of(request["stage"])
    with chdir(ran.root):
        pipeline = Pipeline(ran.pipeline, 0.0, "cbir run")
        return record(ran.name, ran.seconds, pipeline, failed=ran.failed, data=ran.data)


def main() -> None:
    """Answer until the input ends."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    with redirect_stdout(sys.stderr):  # nothing but answers may get between them
        os.nice(10)  # the stages first: for what is recorded of them nobody waits
        load_mlflow()
        for answer in answers(sys.stdin):
            out.write(f"{answer}\n")
            out.flush()


if __name__ == "__main__":
    main()
