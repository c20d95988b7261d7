"""`python -m assistant_stream_ce inspect`, in its own process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.responses import wsgi
from assistant_stream_ce.serialization.formats import FORMATS
from tests.support.conversations import conversation
from tests.support.raw_http import SECONDS, answering, response
from tests.support.require import require
from tests.support.samples import encoded
from tests.support.web_servers import serving_wsgi

COMMAND = [sys.executable, "-W", "error", "-m", "assistant_stream_ce", "inspect"]
GOOD = b'g:"hm"\n0:"Hello "\n0:"there"\nd:{"finishReason":"stop"}\n'


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "NO_PROXY": "*", "PYTHONIOENCODING": "utf-8", **more}


def inspect(*arguments: str, data: bytes | None = None, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end, with data on its standard input."""
    return subprocess.run(
        [*COMMAND, *arguments], input=data or b"", capture_output=True, timeout=SECONDS, env=environment(**variables)
    )


def events_of(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command, with its input and output at hand."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Its own group, and with a Ctrl-C that works: a shell's background jobs ignore it.
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from assistant_stream_ce.__main__ import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-W", "error", "-c", code, "inspect", *arguments]
    with subprocess.Popen(command, **pipes, env=environment(), bufsize=0) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("wire", FORMATS)
def test_files_of_every_format(wire: str, tmp_path: Path) -> None:
    data = encoded(conversation(5), wire)
    (tmp_path / "stream").write_bytes(data)
    done = inspect("--json", str(tmp_path / "stream"))
    assert (done.returncode, done.stderr) == (0, b"")
    *_, summary = events_of(done.stdout)
    assert (summary["wire"], summary["is_good"], summary["bytes"]) == (wire, True, len(data))


def test_standard_input_is_shown_as_it_arrives() -> None:
    with started("--json", "-") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'0:"a"\n')
        # The second line has not been written, and the first one is here.
        start, wire, chunk = (json.loads(process.stdout.readline()) for _ in range(3))
        assert (start["is_timed"], wire["wire"], chunk["chunk"]["text_delta"]) == (True, "data-stream", "a")
        process.stdin.write(b'0:"b"\n')
        assert json.loads(process.stdout.readline())["chunk"]["text_delta"] == "b"
        process.stdin.close()
        end, summary = events_of(process.stdout.read())
        assert (end["how"], summary["chunks"]) == ("complete", 2)
        assert process.wait(SECONDS) == 0


def test_output_is_plain_without_a_terminal(tmp_path: Path) -> None:
    done = inspect("-", data=GOOD + b'0:"\\u001b[31m \\u6f22"\n')
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout
    assert "reasoning    hm\n" in done.stdout.decode()
    assert "Hello there" in done.stdout.decode()
    assert "\\x1b[31m \u6f22" in done.stdout.decode()
    # A terminal or a file that lacks the characters shows escapes.
    ascii_only = inspect("-", data=GOOD + b'0:"\\u6f22"\n', PYTHONIOENCODING="ascii")
    assert (ascii_only.returncode, b"\\u6f22" in ascii_only.stdout) == (0, True)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (GOOD, 0),
        (b'0:"a"\nz:1\n0:"b"\n', 1),
        (b'data: {"type":"data","data":[1]}\n\n', 1),
        (b"", 1),
        (b"some text", 0),
    ],
)
def test_the_exit_status_depends_on_the_result(data: bytes, status: int) -> None:
    assert inspect("-", data=data).returncode == status


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name one source"),
        (("-", "--replay", "x"), "name one source"),
        (("--replay", "x", "--record", "y"), "exclude each other"),
        (("--replay", "none"), "cannot read none"),
        (("none",), "there is no file none"),
        (("localhost:8000/chat",), "a URL begins with http:// or https://"),
        (("-", "--wire", "x"), "invalid choice"),
        (("-", "--speed", "-1"), "not a number of at least 0"),
        (("-", "--timeout", "nan"), "not a number of at least 0"),
        (("http://127.0.0.1:1/", "-H", "x"), "is not like"),
        (("http://127.0.0.1:1/", "-d", "@none"), "cannot read none"),
        (("-", "--json", "--plain"), "not allowed with"),
        (("-", "--record", "none/none"), "cannot write none/none"),
    ],
)
def test_a_wrong_command_line_is_explained(arguments: tuple[str, ...], words: str) -> None:
    done = inspect(*arguments, data=GOOD)
    assert done.returncode == 2
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["stream", "link", "empty"])
def test_a_recording_never_replaces_its_source(name: str, tmp_path: Path) -> None:
    (tmp_path / "stream").write_bytes(GOOD)
    (tmp_path / "link").symlink_to(tmp_path / "stream")
    (tmp_path / "empty").touch()
    before = (tmp_path / name).read_bytes()
    done = inspect(str(tmp_path / name), "--record", str(tmp_path / name))
    assert (done.returncode, (tmp_path / name).read_bytes()) == (2, before)
    assert re.fullmatch(rb".* is read or written by this command already: .*\n", done.stderr)


def test_a_recording_replaces_recordings_only(tmp_path: Path) -> None:
    notes, record = tmp_path / "notes", tmp_path / "recording"
    notes.write_bytes(b"mine")
    done = inspect("-", "--record", str(notes), data=GOOD)
    assert (done.returncode, notes.read_bytes()) == (2, b"mine")
    assert b"exists and is no recording" in done.stderr
    record.touch()
    for data in (GOOD, b"text"):
        assert inspect("-", "--record", str(record), data=data).returncode == 0
        replayed = events_of(inspect("--json", "--replay", str(record), "--speed", "0").stdout)
        assert replayed[-1]["bytes"] == len(data)


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_a_recording_is_not_the_redirected_input_or_output(stream: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (tmp_path / "file").open("r+b") as file:
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, stream: file}
        command = [*COMMAND, "-", "--record", str(tmp_path / "file")]
        done = subprocess.run(command, **pipes, stderr=subprocess.PIPE, timeout=SECONDS, env=environment())
    assert done.returncode == 2
    assert b"is read or written by this command already" in done.stderr


FULL = Path("/dev/full")


@pytest.mark.parametrize("view", ["--json", "--plain"])
def test_a_full_disk_is_reported_in_one_line(view: str, tmp_path: Path) -> None:
    require(FULL.exists(), "this system has no /dev/full")
    (tmp_path / "stream").write_bytes(GOOD * 10_000)
    with FULL.open("wb") as full:
        command = [*COMMAND, view, str(tmp_path / "stream")]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=SECONDS, env=environment())
    assert (done.returncode, done.stderr) == (2, b"cannot write the output: No space left on device\n")
    recorded = inspect(view, str(tmp_path / "stream"), "--record", str(FULL))
    assert (recorded.returncode, recorded.stderr) == (2, b"cannot write the recording: No space left on device\n")


@pytest.mark.parametrize("stream", ["<&-", ">&-"])
def test_closed_standard_streams_are_reported_in_one_line(stream: str) -> None:
    require(os.name != "nt", "a POSIX shell is needed")
    code = "import sys; from assistant_stream_ce.__main__ import main; sys.exit(main(sys.argv[1:]))"
    command = f"'{sys.executable}' -c '{code}' inspect - {stream}"
    done = subprocess.run(command, shell=True, capture_output=True, timeout=SECONDS, env=environment())
    assert done.returncode == 2
    assert re.fullmatch(rb"the standard (in|out)put is closed\n", done.stderr), done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://[::1",
        "http://me:secret@[::1",
        "http://[x]/",
        "http://host:port/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "http://exa mple/",
        "http://127.0.0.1:1/a b",
        "http://127.0.0.1:1/\u00fc",
        "http://" + "a" * 300 + "/",
        "http://\u2100/",
        "https://127.0.0.1:1/",
    ],
)
def test_an_odd_url_is_reported_in_one_line(url: str) -> None:
    done = inspect(url)
    assert done.returncode == 2
    assert re.fullmatch(rb"no answer from GET http.*: .+\n", done.stderr), done.stderr
    assert b"secret" not in done.stderr + done.stdout


@pytest.mark.parametrize("arguments", [("--timeout", "1e300"), ("--timeout", "1e-300"), ("--speed", "1e-300")])
def test_extreme_numbers_are_accepted(arguments: tuple[str, str], tmp_path: Path) -> None:
    record = tmp_path / "recording"
    assert inspect("-", "--record", str(record), data=GOOD).returncode == 0
    lines = re.sub(rb'"seconds":[\d.]+', b'"seconds":0.0', record.read_bytes())
    record.write_bytes(lines)
    done = inspect("--replay", str(record), *arguments)
    assert (done.returncode, done.stderr) == (0, b"")
    piped = inspect("-", *arguments, data=GOOD)
    assert piped.returncode in (0, 1)
    assert piped.stderr == b""


def test_help_is_there() -> None:
    assert b"exit status" in inspect("--help").stdout


# --- addresses ---


def chat(environ, start_response):  # type: ignore[no-untyped-def]
    body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))

    def run(controller: RunController) -> None:
        for word in body["prompt"].split():
            controller.append_text(word)
            controller.cancelled_event.wait_sync(0.02)

    return wsgi.OpenAIStreamResponse(create_run(run))(environ, start_response)


def test_a_url_is_recorded_and_replayed_unchanged(tmp_path: Path) -> None:
    record = tmp_path / "recording"
    (tmp_path / "body").write_text('{"prompt": "Hello there you"}')
    with serving_wsgi(chat) as url:
        done = inspect("--json", url, "-d", f"@{tmp_path / 'body'}", "--record", str(record))
    assert (done.returncode, done.stderr) == (0, b"")
    events = events_of(done.stdout)
    assert events[0]["source"] == f"POST {url}"
    assert [event["chunk"]["text_delta"] for event in events if "text_delta" in event.get("chunk", {})] == [
        "Hello",
        "there",
        "you",
    ]
    summary = events[-1]
    assert 0 < summary["first_byte"] <= summary["first_token"] < summary["seconds"]
    assert summary["deltas_per_second"] > 0
    for speed in ("0", "10"):
        assert inspect("--json", "--replay", str(record), "--speed", speed).stdout == done.stdout


def test_a_response_that_is_no_stream_is_shown() -> None:
    with answering(response("403 Forbidden", b"no \x1b[2J entry", content_type="text/plain")) as (url, _):
        done = inspect(url)
    assert done.returncode == 2
    assert "403 Forbidden, and no stream (text/plain):\nno \\x1b[2J entry" in done.stderr.decode()


def test_a_cut_stream_is_shown_and_is_not_good() -> None:
    half = response("200 OK", b'c\r\n0:"a"\n0:"b"\n\r\n', transfer_encoding="chunked")
    with answering(half) as (url, _):
        done = inspect(url)
    assert done.returncode == 1
    assert "text         ab" in done.stdout.decode()
    assert "closed before the end of the body" in done.stdout.decode()
    assert "result         cut off before its end" in done.stdout.decode()


# --- interrupts ---


def test_ctrl_c_shows_the_summary(tmp_path: Path) -> None:
    record = tmp_path / "recording"
    with started("--json", "-", "--record", str(record)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'0:"a"\n')
        shown = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(SECONDS) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b""
    end, summary = events_of(rest)
    assert (end["how"], summary["end"], summary["deltas"]) == ("interrupted", "interrupted", 1)
    mistaken = inspect(str(record))
    assert (mistaken.returncode, b"is a recording: show it with --replay" in mistaken.stderr) == (2, True)
    replayed = inspect("--json", "--replay", str(record), "--speed", "0")
    assert (replayed.returncode, replayed.stdout) == (130, b"".join(shown) + rest)


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "stream").write_bytes(b'0:"a"\n' * 200_000)
    for view in ("--json", "--plain"):
        with started(str(tmp_path / "stream"), view) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(SECONDS) == 141


def test_standard_input_has_a_timeout() -> None:
    require(os.name != "nt", "a pipe cannot be waited for with a limit on Windows")
    with started("--json", "-", "--timeout", "0.2") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'0:"a"\n')
        *_, end, summary = events_of(process.stdout.read())
        assert process.wait(SECONDS) == 1
    assert (end["how"], summary["deltas"]) == ("silent", 1)
    assert summary["longest_gap"]["seconds"] >= 0.2


# --- the live view ---

EVIL = b'g:"hm"\n0:"Hello there"\nz:\x1b[2J\n'
EVIL += b'0:"\\u001b]0;title\\u0007\\u009b31m \\u6f22\\u5b57 \xf0\x9f\x98\x80 \xff \\ud83d"\n'
#: What the view itself sends: colours, the cursor's place and visibility, the erasing of a line.
SEQUENCE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def in_terminal(columns: int, data: bytes, *arguments: str, **variables: str) -> tuple[int, bytes]:
    """Run the command in a terminal of some width; return its exit status and what it wrote."""
    require(find_spec("pty") and find_spec("fcntl"), "this system has no pseudo-terminals")
    pty, fcntl, termios, struct = (__import__(name) for name in ("pty", "fcntl", "termios", "struct"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    variables = {"TERM": "xterm-256color", "COLUMNS": str(columns), **variables}
    written: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(ours, 65536):
                written.append(data)
        except OSError:
            # So ends a terminal whose last user has left.
            return

    thread = threading.Thread(target=read)
    with subprocess.Popen(
        [*COMMAND, *arguments], stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, env=environment(**variables)
    ) as process:
        os.close(theirs)
        thread.start()
        try:
            process.communicate(data, SECONDS)
        finally:
            process.kill()
    thread.join(SECONDS)
    os.close(ours)
    return process.returncode, b"".join(written)


@pytest.mark.parametrize("columns", [30, 40, 80, 120])
def test_a_terminal_shows_colours_and_a_status_line(columns: int) -> None:
    require(find_spec("rich"), "rich is not installed")
    status, output = in_terminal(columns, EVIL, "-")
    assert status == 1
    assert b"\x1b[" in output
    text = SEQUENCE.sub(b"", output).decode()
    # Of the stream's own sequences nothing is left.
    assert not re.search("[^\n\r\t -~\u00a0-\uffff\U00010000-\U0010ffff]", text), text
    joined = "".join(text.split())
    for words in (
        "data-stream,detectedbyitsfirstbytes",
        "Hellothere",
        "\\x1b]0;title\\x07",
        "\u6f22\u5b57",
        "\U0001f600",
        "\ufffd",
    ):
        assert words in joined
    assert "resultbrokenatbyte" in joined
    assert "itisnotJSON" in joined
    # The cursor is shown again.
    assert output.rfind(b"\x1b[?25h") > output.rfind(b"\x1b[?25l")
    assert all(_width(line) <= columns for line in text.replace("\r", "\n").split("\n"))


def _width(line: str) -> int:
    from rich.cells import cell_len

    return cell_len(line)


def test_a_terminal_is_plain_on_request_or_if_it_is_dumb() -> None:
    status, output = in_terminal(80, GOOD, "-", "--plain")
    assert status == 0
    assert b"\x1b" not in output
    status, output = in_terminal(80, GOOD, "-", TERM="dumb")
    assert status == 0
    assert b"\x1b" not in output


def without_rich(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    code = "import sys; sys.modules['rich'] = sys.modules['rich.console'] = None; sys.stdout.isatty = lambda: True; "
    code += "from assistant_stream_ce.__main__ import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, "inspect", *arguments],
        input=GOOD,
        capture_output=True,
        timeout=SECONDS,
        env=environment(),
    )


def test_without_rich_it_is_plain_and_the_live_view_names_its_extra() -> None:
    done = without_rich("-")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"reasoning    hm\n" in done.stdout
    asked = without_rich("-", "--live")
    assert asked.returncode == 2
    assert 'pip install "assistant-stream-ce[inspect]>=0.1"' in asked.stderr.decode()
    assert b"Traceback" not in asked.stderr
