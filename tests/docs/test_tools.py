"""Checks of docs/tools.rst."""

import json

from tests.docs.runner import Document

doc = Document("docs/tools.rst")
page = doc.page


@doc.after("def delete_file(")
def check_an_approval() -> None:
    user = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "delete a.txt"}]}

    def post(*messages):
        body = {"id": "thread-1", "messages": [user, *messages], "trigger": "submit-message"}
        lines = page.app.test_client().post("/chat", json=body).get_data(as_text=True).splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    first = post()
    [asked] = [event for event in first if event["type"] == "tool-approval-request"]
    approval = {"id": asked["approvalId"], "signature": asked["signature"], "approved": True}
    part = {
        "type": "tool-delete_file",
        "toolCallId": "call-1",
        "state": "approval-responded",
        "input": {"path": "a.txt"},
        "approval": approval,
    }
    answered = {"id": first[0]["messageId"], "role": "assistant", "parts": [{"type": "step-start"}, part]}
    second = post(answered)
    assert [event["output"] for event in second if event["type"] == "tool-output-available"] == ["deleted a.txt"]
    assert "".join(event["delta"] for event in second if event["type"] == "text-delta") == "Done."


@doc.after("class RedisApprovalStore")
def check_the_store() -> None:
    class Redis:
        def __init__(self):
            self.keys = {}

        def set(self, key, value, *, nx, ex):
            return None if key in self.keys else self.keys.setdefault(key, True)

    store = page.RedisApprovalStore(Redis())
    assert [store.add("a", 60.0), store.add("a", 60.0), store.add("b", 60.0)] == [True, False, True]


test_tools = doc.test()
