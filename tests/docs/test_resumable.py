"""Checks of docs/resumable.rst."""

import os
import shutil
import tempfile
import threading
import time

import pytest

from assistant_stream_ce import RunController, RunFailedError, create_run
from tests.docs.clients import Reply, at_page_end, post
from tests.docs.runner import Document

doc = Document("docs/resumable.rst")
page = doc.page

MESSAGE = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
BODY = {"id": "t1", "messages": [MESSAGE], "trigger": "submit-message"}


def check_replay(chat_id: str, reply: Reply) -> None:
    assert '"delta":"on."' in reply.text
    assert reply.headers["x-resumable-stream-id"]
    again = post(page.app, f"/api/chat/{chat_id}/stream", method="GET")
    assert again.text == reply.text
    assert again.headers["x-resumable-stream-id"] == reply.headers["x-resumable-stream-id"]
    assert int(again.headers["aui-replay-content-length"]) == len(again.text.encode())
    assert post(page.app, "/api/chat/other/stream", method="GET").status == 204
    assert '"stopped":false' in post(page.app, f"/api/chat/{chat_id}/stop").text.replace(" ", "")


@doc.before("# chat.py")
def check_streams_are_kept_in_a_folder_of_the_test() -> None:
    folder = tempfile.mkdtemp()
    before = os.getcwd()
    os.chdir(folder)
    at_page_end.callback(shutil.rmtree, folder)
    at_page_end.callback(os.chdir, before)


@doc.after("# chat.py")
def check_the_answer_is_found_again_by_its_chat() -> None:
    check_replay("t1", post(page.app, "/api/chat", BODY))
    page.streams.close()


@doc.after("# chat_async.py")
def check_the_same_in_coroutines() -> None:
    check_replay("t2", post(page.app, "/api/chat", {**BODY, "id": "t2"}))


@doc.after("on_interrupted=save_part")
def check_the_part_of_a_killed_process_is_saved() -> None:
    dying = page.ResumableStreams(page.FileStore("run/streams"))
    may_end = threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("It goes")
        may_end.wait(30)

    dying.start(create_run(run), "cut")
    followed = page.watchful.follow("cut")
    next(followed)
    # As the kernel does with the locks of a process that is killed.
    dying._engine.session.close_files()
    assert followed.message.text == "It goes"
    with pytest.raises(RunFailedError):
        list(followed)
    deadline = time.monotonic() + 30
    while "cut" not in page.history:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert page.history == {"cut": "It goes (interrupted)"}
    may_end.set()
    dying.close()
    page.watchful.close()


@doc.after("RedisStore(os.environ")
def check_nothing_is_opened_before_the_first_use() -> None:
    page.shared.close()
    page.streams.close()


test_resumable = doc.test()
