import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cbir.labels.translation import read_translations, translate_texts
from tests.support.deepl_server import KEY, DeepL, english, serving, use

TEXTS = [f"Légende {number}" for number in range(120)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeepL]:
    with serving() as state:
        use(state, monkeypatch)
        yield state


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "translations.jsonl"


def test_each_text_is_asked_for_once_and_over_two_runs_in_requests_of_fifty(server: DeepL, file: Path) -> None:
    first = translate_texts(TEXTS + TEXTS[:70], file=file)
    assert first.english == {text: english(text) for text in TEXTS}
    assert (first.unanswered, first.problem, first.too_long) == ((), "", ())
    assert [len(body["text"]) for body in server.bodies] == [50, 50, 20]
    again = translate_texts([*TEXTS, "Une autre"], file=file)
    assert server.requests == 4
    assert server.texts == [*TEXTS, "Une autre"]
    assert again.english == {text: english(text) for text in server.texts}


def test_a_request_is_one_that_deepl_takes(server: DeepL, file: Path) -> None:
    translate_texts(["Été"], file=file)
    assert server.paths == ["/v2/translate"]
    assert server.headers[0]["Authorization"] == f"DeepL-Auth-Key {KEY}"
    assert server.headers[0]["Content-Type"] == "application/json"
    assert server.bodies[0]["text"] == ["Été"]
    assert server.bodies[0]["target_lang"] == "EN-GB"


def test_long_texts_share_requests_below_deepl_s_limit_and_those_above_it_are_not_sent(
    server: DeepL, file: Path
) -> None:
    texts = ["ش" * 5000 + str(number) for number in range(8)]
    result = translate_texts([*texts, "é" * 30_000], file=file)
    assert set(result.english) == set(texts)
    assert result.too_long == ("é" * 30_000,)
    assert server.requests == 3
    assert max(server.sizes) < 128 * 1024


@pytest.mark.parametrize("trouble", [429, 500, 503, "drop", "hang"])
def test_what_passes_is_asked_again(server: DeepL, file: Path, trouble: int | str) -> None:
    server.answers = [trouble]
    result = translate_texts(TEXTS[:3], file=file)
    assert server.requests == 2
    assert result.english == {text: english(text) for text in TEXTS[:3]}


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [
        (429, "DeepL takes no more requests at the moment"),
        (500, "DeepL is out of order (HTTP 500)"),
        ("drop", "DeepL cannot be reached"),
    ],
)
def test_an_outage_that_lasts_ends_the_asking_after_one_request_was_repeated(
    server: DeepL, file: Path, trouble: int | str, problem: str
) -> None:
    server.answers = [200, *[trouble] * 100]
    result = translate_texts(TEXTS, file=file, patience=0)
    assert set(result.english) == set(TEXTS[:50])
    assert result.unanswered == tuple(TEXTS[50:])
    assert result.problem == problem
    assert server.requests == 1 + 6  # the client's attempts
    assert set(server.texts) == set(TEXTS[:100])


def test_a_request_is_repeated_while_patience_lasts_and_no_longer(server: DeepL, file: Path) -> None:
    server.answers = [503] * 20
    assert set(translate_texts(TEXTS[:1], file=file).english) == set(TEXTS[:1])
    assert server.requests == 21
    server.answers = [503] * 10_000
    started = time.monotonic()
    assert translate_texts(TEXTS[1:2], file=file, patience=0.5).unanswered == (TEXTS[1],)
    assert 0.5 <= time.monotonic() - started < 10


def test_a_server_that_is_not_there_is_no_error(server: DeepL, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPL_SERVER_URL", "http://127.0.0.1:1")
    assert translate_texts(TEXTS[:1], file=file, patience=0).problem == "DeepL cannot be reached"
    monkeypatch.setenv("DEEPL_SERVER_URL", "localhost")
    assert translate_texts(TEXTS[:1], file=file).problem == "DeepL cannot be reached"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (403, "DeepL does not know the key in DEEPL_API_KEY"),
        (456, "the quota of the key in DEEPL_API_KEY is used up"),
        (400, "DeepL refuses the request (HTTP 400)"),
        ("html", "the answer is none that DeepL gives"),
        ("short", "the answer is none that DeepL gives"),
    ],
)
def test_what_does_not_pass_ends_the_asking_at_once_and_what_was_paid_for_stays(
    server: DeepL, file: Path, answer: int | str, problem: str
) -> None:
    server.answers = [200, answer]
    result = translate_texts(TEXTS, file=file)
    assert server.requests == 2
    assert result.problem == problem
    assert set(result.english) == set(TEXTS[:50])
    assert result.unanswered == tuple(TEXTS[50:])
    after = translate_texts(TEXTS, file=file)
    assert set(after.english) == set(TEXTS)
    assert server.texts[100:] == TEXTS[50:]


@pytest.mark.parametrize(
    ("key", "problem"), [("", "is not set"), (" \n", "is not set"), ("clé", "holds characters"), ("a\nb", "holds")]
)
def test_without_a_usable_key_nothing_is_asked_and_what_is_known_is_used(
    server: DeepL, file: Path, monkeypatch: pytest.MonkeyPatch, key: str, problem: str
) -> None:
    translate_texts(TEXTS[:1], file=file)
    monkeypatch.setenv("DEEPL_API_KEY", key)
    result = translate_texts(TEXTS[:2], file=file)
    assert server.requests == 1
    assert set(result.english) == set(TEXTS[:1])
    assert result.unanswered == (TEXTS[1],)
    assert result.problem.startswith(f"DEEPL_API_KEY {problem}")


@pytest.mark.parametrize("answers", [[], [403], [456], [400], ["html"], [500] * 9, ["drop"] * 9, ["hang", 429]])
def test_the_key_is_in_no_log_no_result_and_no_file(
    server: DeepL, file: Path, caplog: pytest.LogCaptureFixture, answers: list[int | str]
) -> None:
    server.answers = answers
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="deepl"):
        result = translate_texts(TEXTS, file=file, patience=0)
    assert any(KEY in value for value in server.headers[0].values())
    assert "HTTP connection" in caplog.text  # the log is on
    assert KEY not in caplog.text
    assert KEY not in repr(result)
    assert KEY not in file.read_text(encoding="utf-8")


def test_a_process_killed_between_two_requests_loses_nothing_that_was_paid_for(server: DeepL, file: Path) -> None:
    server.answers = [200, "hang"]
    code = (
        "import sys; from pathlib import Path; from cbir.labels.translation import translate_texts\n"
        "translate_texts([f'Légende {n}' for n in range(120)], file=Path(sys.argv[1]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen([sys.executable, "-c", code, str(file)], env=environment)
    assert server.hanging.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    result = translate_texts(TEXTS, file=file)
    assert set(result.english) == set(TEXTS)
    assert server.texts == TEXTS[:50] + TEXTS[50:100] * 2 + TEXTS[100:]


def test_a_line_that_was_cut_off_costs_that_line_alone(
    server: DeepL, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    translate_texts(TEXTS[:3], file=file)
    file.write_bytes(file.read_bytes()[:-10])
    result = translate_texts(TEXTS[:4], file=file)
    assert set(result.english) == set(TEXTS[:4])
    assert server.texts[3:] == [TEXTS[2], TEXTS[3]]
    assert "1 lines of" in caplog.text
    assert set(read_translations(file)) == set(TEXTS[:4])


def test_a_person_corrects_a_translation_in_the_file(server: DeepL, file: Path) -> None:
    translate_texts(["Poilus", "Blessés"], file=file)
    edited = file.read_text(encoding="utf-8").replace("English of Poilus", "French soldiers")
    added = '\r\n{"caption": "Blessés", "caption_en": "Wounded men"}\r\n'
    file.write_text(edited + added, encoding="utf-8-sig", newline="")
    result = translate_texts(["Poilus", "Blessés"], file=file)
    assert result.english == {"Poilus": "French soldiers", "Blessés": "Wounded men"}
    assert server.requests == 1


def test_where_the_file_cannot_be_written_nothing_is_paid_for(server: DeepL, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(OSError, match="data"):
        translate_texts(TEXTS, file=tmp_path / "data" / "translations.jsonl")
    assert server.requests == 0


def test_nothing_to_translate_makes_no_file(server: DeepL, file: Path) -> None:
    assert translate_texts([], file=file).english == {}
    assert not file.exists()
