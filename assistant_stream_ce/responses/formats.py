"""Mixins of the response classes: one for each format, shared by all frameworks."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, Unpack

from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.responses.headers import Headers, Heartbeat
from assistant_stream_ce.run.recorder import header_of
from assistant_stream_ce.serialization import (
    AGUIEncoder,
    AssistantTransportEncoder,
    DataStreamEncoder,
    Encoder,
    OpenAIStreamEncoder,
    PlainTextEncoder,
    UIMessageStreamEncoder,
)

if TYPE_CHECKING:
    from starlette.background import BackgroundTask


class ResponseOptions(TypedDict, total=False):
    """Keywords of the frameworks' response classes; at run time each class takes its own framework's only."""

    heartbeat: Heartbeat
    event_ids: bool
    status: int | str
    status_code: int
    reason: str
    headers: Headers
    background: BackgroundTask


if TYPE_CHECKING:

    class FormatMixin(Protocol):
        """Interface of the framework's `AssistantStreamResponse`, which follows the mixin in the bases."""

        #: The class of the encoder; a subclass may replace it.
        make_encoder: Any

        def __init__(self, stream: ChunkSource | None, encoder: Encoder, **options: Unpack[ResponseOptions]) -> None:
            assert encoder

else:

    class FormatMixin:
        """Base of the mixins. A class of a mixin and a framework's class gets the signature and docstring of both."""

        def __init_subclass__(cls) -> None:
            super().__init_subclass__()
            # FastAPI shows the docstring in its API documentation.
            cls.media_type = cls.make_encoder.media_type
            if len(cls.__bases__) == 2 and FormatMixin in cls.__bases__[0].__bases__:
                _join(cls, *cls.__bases__)


class DataStream(FormatMixin):
    """Stream assistant-ui's data stream.

    Args:
        stream: the stream to send, or an iterable of chunks; None where there is nothing to follow.
    """

    make_encoder = DataStreamEncoder

    def __init__(self, stream: ChunkSource | None, **options: Unpack[ResponseOptions]) -> None:
        super().__init__(stream, self.make_encoder(), **options)


class AssistantTransport(FormatMixin):
    """Stream assistant-ui's assistant transport.

    Args:
        stream: the stream to send, or an iterable of chunks; None where there is nothing to follow.
    """

    make_encoder = AssistantTransportEncoder

    def __init__(self, stream: ChunkSource | None, **options: Unpack[ResponseOptions]) -> None:
        super().__init__(stream, self.make_encoder(), **options)


class OpenAIStream(FormatMixin):
    """Stream OpenAI chat completion chunks.

    Args:
        stream: the stream to send, or an iterable of chunks; None where there is nothing to follow.
        model: the name of the model in each chunk.
        include_usage: whether a last chunk has the usage, as with `stream_options.include_usage`.
        completion_id: the id in each chunk; that of the stream's message if None, or a new one.
        created: when the completion was created, in Unix seconds; if None, that of the stream, or now.
    """

    make_encoder = OpenAIStreamEncoder

    def __init__(
        self,
        stream: ChunkSource | None,
        *,
        model: str = "assistant-stream",
        include_usage: bool = False,
        completion_id: str | None = None,
        created: int | None = None,
        **options: Unpack[ResponseOptions],
    ) -> None:
        if created is None and ((header := header_of(stream)) is None or header.created is None):
            created = int(time.time())
        encoder = self.make_encoder(model, include_usage=include_usage, completion_id=completion_id, created=created)
        super().__init__(stream, encoder, **options)


class UIMessageStream(FormatMixin):
    """Stream the UI message stream of AI SDK 5 and newer.

    Args:
        stream: the stream to send, or an iterable of chunks; None where there is nothing to follow.
        message_id: the id of the message; that of the stream if None.
        metadata: the metadata of the message at its start; the usage is added to it at the end.
        state: the initial state, for an iterable of chunks; a stream has its own.
    """

    make_encoder = UIMessageStreamEncoder

    def __init__(
        self,
        stream: ChunkSource | None,
        *,
        message_id: str | None = None,
        metadata: Mapping[str, JSON] | None = None,
        state: JSON = None,
        **options: Unpack[ResponseOptions],
    ) -> None:
        encoder = self.make_encoder(message_id=message_id, metadata=metadata, state=state)
        super().__init__(stream, encoder, **options)


class AGUI(FormatMixin):
    """Stream AG-UI events.

    Args:
        stream: the stream to send, or an iterable of chunks; None where there is nothing to follow.
        thread_id: the id of the conversation, `threadId` of the request; a new one if None.
        run_id: the id of this run, `runId` of the request; a new one if None. Ids of messages begin with it, so each
            run of a conversation needs its own.
        state: the initial state, for an iterable of chunks; a stream has its own.
    """

    make_encoder = AGUIEncoder

    def __init__(
        self,
        stream: ChunkSource | None,
        *,
        thread_id: str | None = None,
        run_id: str | None = None,
        state: JSON = None,
        **options: Unpack[ResponseOptions],
    ) -> None:
        super().__init__(stream, self.make_encoder(thread_id, run_id, state=state), **options)


class PlainText(FormatMixin):
    """Stream the text of the answer and nothing else.

    Args:
        stream: the stream to send, or an iterable of chunks; None where there is nothing to follow.
    """

    make_encoder = PlainTextEncoder

    def __init__(self, stream: ChunkSource | None, **options: Unpack[ResponseOptions]) -> None:
        super().__init__(stream, self.make_encoder(), **options)


# An argument in a docstring, with the lines that continue it.
_ARGUMENT = re.compile(r"^ {4}(\w+): .*(?:\n {8}.*)*", re.MULTILINE)


def _join(cls: type, form: type, framework: type) -> None:
    """Give a class the keywords of its format and of its framework, by name: FastAPI, `help` and editors read them."""
    own, shared = (list(inspect.signature(kind.__init__).parameters.values()) for kind in (form, framework))  # type: ignore[misc]
    parameters = own[:-1] + [parameter for parameter in shared[3:] if parameter.kind is parameter.KEYWORD_ONLY]
    names = {parameter.name for parameter in parameters[1:]}
    alias = getattr(framework, "stream_alias", None)

    def __init__(self: Any, *args: Any, **options: Any) -> None:
        if alias in options:
            options["stream"] = options.pop(alias)
        if unknown := options.keys() - names:
            given, known = ", ".join(sorted(unknown)), ", ".join(sorted(names - {"stream"}))
            raise TypeError(f"{cls.__name__}() got unexpected keywords: {given}; it takes {known}")
        form.__init__(self, *args, **options)  # type: ignore[misc]

    __init__.__signature__ = inspect.Signature(parameters, return_annotation=None)  # type: ignore[attr-defined]
    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = __init__  # type: ignore[misc]
    found = _ARGUMENT.finditer(inspect.getdoc(framework) or "")
    arguments = [argument[0] for argument in found if argument[1] not in ("stream", "encoder")]
    cls.__doc__ = "\n".join([inspect.getdoc(form) or "", *arguments])
