"""A table for the runs that use Django's ORM."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from django.db import models

from assistant_stream_ce import RunController
from tests.servers.callbacks import FOREVER, Note, behaviour


class Word(models.Model):
    """A row."""

    text = models.TextField()

    class Meta:
        app_label = "servers"
        db_table = "word"


@behaviour
def orm(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    controller.append_text(f"{Word.objects.count()} words;")
    if options["then"] == "raise":
        raise RuntimeError(f"on purpose: {options['run']}")
    if options["then"] == "wait":
        controller.cancelled_event.wait_sync(FOREVER)
        controller.raise_if_cancelled()


@behaviour
async def orm_coroutine(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    controller.append_text(f"{await Word.objects.acount()} words;")
    if options["then"] == "raise":
        raise RuntimeError(f"on purpose: {options['run']}")
    if options["then"] == "wait":
        await asyncio.sleep(FOREVER)
