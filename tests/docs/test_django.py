"""Checks of docs/django.rst."""

import atexit
import contextlib
import sys
import tempfile
import types

from assistant_stream_ce import create_run
from tests.docs.clients import post
from tests.docs.runner import Document

doc = Document("docs/django.rst")
page = doc.page


@contextlib.contextmanager
def opened_connections():
    """Collect the database connections that are opened."""
    from django.db.backends.signals import connection_created

    opened = []

    def keep(sender, connection, **others):
        opened.append(connection)

    connection_created.connect(keep)
    yield opened
    connection_created.disconnect(keep)


@doc.after('$ curl -N localhost:8000/chat --json \'{"prompt": "Hello there"}\'')
def check_view_under_asgi() -> None:
    assert post(page.asgi_application, "/chat", {"prompt": "Hello there"}).text == '0:"Hello "\n0:"there "\n'

    # Until the end of the page the database lives in a folder of its own.
    folder = tempfile.TemporaryDirectory()
    page.settings.DATABASES["default"]["NAME"] = f"{folder.name}/chat.sqlite3"
    atexit.register(folder.cleanup)


@doc.after("def async_chat(")
def check_async_callback() -> None:
    for django_app in (page.application, page.asgi_application):
        assert post(django_app, "/async").text == '0:"Hello"\n'


@doc.before("def stored_chat(")
def check_models_exist() -> None:
    from django.db import connection, models

    class Message(models.Model):
        text = models.TextField()

        class Meta:
            app_label = "chat"

    sys.modules["chat"] = types.ModuleType("chat")
    sys.modules["chat.models"] = types.ModuleType("chat.models")
    sys.modules["chat.models"].Message = Message
    with connection.schema_editor() as editor:
        editor.create_model(Message)


@doc.after("def stored_chat(")
def check_callback_closes_its_connections() -> None:
    from django.db import connections

    connections.close_all()
    with opened_connections() as opened:
        for django_app in (page.application, page.asgi_application):
            assert post(django_app, "/stored").status == 200
    assert len(opened) == 2
    assert all(one.connection is None for one in opened)
    assert [message.text for message in page.Message.objects.all()] == ["Hello there "] * 2


@doc.after("def stored_async_chat(")
def check_async_orm() -> None:
    from django.core.exceptions import SynchronousOnlyOperation
    from django.db import connections

    page.settings.DATABASES["default"]["CONN_MAX_AGE"] = 0
    connections.settings["default"]["CONN_MAX_AGE"] = 0
    with opened_connections() as opened:
        for django_app in (page.application, page.asgi_application):
            assert post(django_app, "/stored-async").text == '0:"Hello"\n'
    assert opened
    assert all(one.connection is None for one in opened)

    async def wrong(controller):
        try:
            page.Message.objects.count()
        except SynchronousOnlyOperation:
            controller.append_text("refused")

    page.urlpatterns.append(page.path("wrong", lambda request: page.DataStreamResponse(create_run(wrong))))
    for django_app in (page.application, page.asgi_application):
        assert post(django_app, "/wrong").text == '0:"refused"\n'
    connections.close_all()


@doc.after("def traced(")
def check_context_of_the_view() -> None:
    for django_app in (page.application, page.asgi_application):
        reply = post(django_app, "/traced", headers={"accept-language": "fr"})
        assert reply.text == '0:"request-7 fr /traced"\n'


@doc.after("def uncompressed(")
def check_gzip_is_bypassed() -> None:
    from django.middleware.gzip import GZipMiddleware
    from django.test import RequestFactory

    request = RequestFactory(headers={"accept-encoding": "gzip"}).get("/")
    response = GZipMiddleware(page.uncompressed)(request)
    assert b"".join(response) == b'0:"Hi"\n'
    assert response.headers["Content-Encoding"] == "identity"
    response.close()


@doc.after("class EventStreamRenderer")
def check_rest_framework_accepts_event_streams() -> None:
    from rest_framework.settings import api_settings
    from rest_framework.views import APIView

    page.settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}
    api_settings.reload()

    class Chat(APIView):
        authentication_classes = permission_classes = ()
        renderer_classes = (page.JSONRenderer, page.EventStreamRenderer)

        def post(self, request):
            return page.DataStreamResponse(create_run(lambda controller: controller.append_text("Hi")))

    class Strict(Chat):
        renderer_classes = (page.JSONRenderer,)

    page.urlpatterns += [page.path("rest", Chat.as_view()), page.path("strict", Strict.as_view())]
    for path, status in (("/rest", 200), ("/strict", 406)):
        reply = post(page.application, path, headers={"accept": "text/event-stream"})
        assert reply.status == status, (path, reply)


@doc.after("def long(")
def check_disconnect_cancels() -> None:
    for django_app in (page.application, page.asgi_application):
        assert post(django_app, "/long", leave_after=1).text == '0:"One moment. "\n'
    assert page.log == ["cancelled", "cancelled"]


test_django = doc.test()
