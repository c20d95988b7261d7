"""Checks of docs/wsgi.rst."""

from assistant_stream_ce import create_run
from tests.docs.clients import post
from tests.docs.runner import Document

doc = Document("docs/wsgi.rst")
page = doc.page


@doc.after("status=201, heartbeat=5")
def check_on_finish_is_called() -> None:
    log = []

    def finishing(environ, start_response):
        stream = create_run(lambda controller: controller.append_text("Hi"), on_finish=lambda r: log.append(r.reason))
        return page.DataStreamResponse(stream)(environ, start_response)

    assert post(finishing, "/", method="HEAD").text == ""
    assert log == ["cancelled"]
    assert post(finishing, "/").text == '0:"Hi"\n'
    assert log == ["cancelled", "completed"]


test_wsgi = doc.test()
