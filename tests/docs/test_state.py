"""Checks of docs/state.rst."""

import builtins
import json
import re
import threading

import pytest

from assistant_stream_ce import StateError, UpdateStateChunk, create_run
from tests.docs.clients import post, table
from tests.docs.runner import Document

doc = Document("docs/state.rst")
page = doc.page

START = {"n": 1, "text": "Hel", "list": [1, 2, 3], "user": {"name": "Ada"}}


def apply(state, operation):
    *parents, last = operation["path"] or [None]
    if last is None:
        return operation["value"]
    place = state
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    if isinstance(place, list):
        last = int(last)
        if last == len(place):
            place.append(None)
    place[last] = place[last] + operation["value"] if operation["type"] == "append-text" else operation["value"]
    return state


@doc.after("# chat.py")
def check_client_receives_the_new_state() -> None:
    command = {"type": "add-message", "message": {"role": "user", "parts": [{"type": "text", "text": "Hi"}]}}
    reply = post(page.app, "/assistant", {"commands": [command], "state": None})
    *events, done = [line.removeprefix("data: ") for line in reply.text.split("\n\n") if line]
    assert done == "[DONE]"

    shown = None
    for event in events:
        for operation in json.loads(event)["operations"]:
            shown = apply(shown, operation)
    assert shown == {"messages": [{"role": "user", "text": "Hi"}, {"role": "assistant", "text": "You said: Hi"}]}


@doc.before("import json")
def check_tables_of_edits_show_the_operations_sent() -> None:
    def operations_of(edit):
        states = []

        def run(controller):
            exec(edit, {"controller": controller, "state": controller.state})
            states.append(controller.state.value())

        async def at_once(controller):
            run(controller)

        made = [operation for chunk in create_run(at_once, state=START) for operation in chunk.operations]
        client = json.loads(json.dumps(START))
        for operation in made:
            client = apply(client, operation)
        assert client == states[0], edit
        return ", ".join(f"{one['type']} {json.dumps(one['path'])} {json.dumps(one['value'])}" for one in made)

    for edit, operations in [*table("state.rst", "Edits"), *table("state.rst", "Merged")]:
        assert operations_of(edit) == operations, (edit, operations_of(edit))
    assert START["list"] == [1, 2, 3]


@doc.after("import json")
def check_proxy_follows_its_element() -> None:
    def moved(controller):
        first = controller.state[0]
        controller.state.insert(0, "new")
        first["n"] += 1
        assert controller.state == ["new", {"n": 2}]
        del controller.state[1]
        with pytest.raises(StateError, match="was removed or replaced"):
            first["n"] += 1

    list(create_run(moved, state=[{"n": 1}]))


@doc.before("def count(")
def check_each_unsupported_edit_raises() -> None:
    for edit, error in table("state.rst", "Refused"):
        code = re.split(r",? (?:where|\(also)", edit)[0]
        if "deep" in code:
            continue
        if code.startswith("an edit"):
            code = 'gone = state["user"]; state["user"] = None; start = {**start, "user": None}; gone["name"] = "x"'
        kind = StateError if error == "StateError" else getattr(builtins, error)

        def refused(controller, code=code, kind=kind):
            names = {"controller": controller, "state": controller.state, "start": START}
            with pytest.raises(kind) as raised:
                exec(code, names)
            assert raised.type is kind, (code, raised.value)
            assert controller.state.value() == names["start"]

        list(create_run(refused, state=START))


@doc.after("def count(")
def check_edits_from_four_threads_are_complete() -> None:
    texts = []

    def shared(controller):
        controller.state = {"list": [], "text": ""}

        def work():
            for _ in range(200):
                controller.state["list"].append("x")
                controller.append_state_text(["text"], "x")
                controller.state["text"] += "y"

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(controller.state["text"]) == ["x"] * 800 + ["y"] * 800
        assert len(controller.state["list"]) == 800
        texts.append(controller.state["text"])

    client = None
    for chunk in create_run(shared):
        for operation in chunk.operations:
            client = apply(client, operation)
    assert client == {"list": ["x"] * 800, "text": texts[0]}


@doc.after("def count(")
def check_flush_separates_operations() -> None:
    def grouped(controller):
        controller.state = {}
        controller.state["a"] = 1
        controller.flush()
        controller.state["b"] = 2

    assert list(create_run(grouped))[-1] == UpdateStateChunk([{"type": "set", "path": ["b"], "value": 2}])


test_state = doc.test()
