"""flows.pipeline.pace: the beginning of each stage, the time left, and no silence."""

import time

from flows.pipeline.forecast import Step, duration, in_all
from flows.pipeline.pace import Pace, watched


def test_a_stage_that_begins_says_its_number_and_the_time_left_over_all() -> None:
    pace = Pace(["clean", "embed", "group"], ["embed", "group"], {"embed": 100.0, "group": 50.0, "clean": 7.0})
    assert pace.begin("embed") == "[2/3] embed …, about 2 min left"
    pace.end("embed")
    assert pace.begin("group") == "[3/3] group …, about 50 s left"
    assert Pace(["clean"], ["clean"], {}).begin("clean") == "[1/1] clean …"


def test_a_silent_stage_says_that_it_is_at_work() -> None:
    lines: list[str] = []
    with watched(lines.append, lambda: 0.0, silence=0.05):
        time.sleep(0.3)
    assert lines and lines[0] == "at work for 1 s"


def test_a_stage_that_speaks_is_left_alone() -> None:
    lines: list[str] = []
    with watched(lines.append, time.monotonic, silence=0.05):
        time.sleep(0.2)
    assert lines == []


def test_times_are_summed_and_what_never_ran_is_counted() -> None:
    assert in_all([Step("a", "", 30.0), Step("b", "", 60.0)]) == "about 90 s".replace("90 s", "2 min")
    assert in_all([Step("a", "", 30.0), Step("b", "", None)]) == "about 30 s, and 1 that never ran here"
    assert in_all([Step("a", "", None)]) == ""
    assert [duration(seconds) for seconds in (0.2, 89, 600, 7200)] == ["1 s", "89 s", "10 min", "2.0 h"]
