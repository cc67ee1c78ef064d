"""A channel of Slack, by an incoming webhook: https://docs.slack.dev/messaging."""

from __future__ import annotations

from mlops_cli.alerts.base import Message
from mlops_cli.alerts.sinks.base import filled
from mlops_cli.alerts.sinks.http import post
from mlops_cli.alerts.text import note, rows, title

_MARKS = {"firing": ":red_circle:", "resolved": ":large_green_circle:"}
_HEADER, _FIELD, _TEXT = 150, 2000, 3000  # characters that a block takes
_FIELDS = 10


class Slack:
    """POSTs blocks."""

    incidents = False

    def __init__(self, url: str, project: str) -> None:
        self._url, self._project = url, project

    def send(self, message: Message, number: str) -> None:
        """See `Sink.send`; Slack knows no number of a message."""
        post(filled(self._url), self.body(message))

    def body(self, message: Message) -> dict[str, object]:
        """A line for notifications, and the blocks of the message."""
        line = f"{self._project}: {title(message)}"
        fields = [
            _markdown(f"*{name}*\n{_escaped(value)}", _FIELD) for name, value in rows(message)
        ]
        more = f"`{_escaped(message.more)}`"
        if said := note(message):
            more = f"{said}\n{more}"
        return {
            "text": _escaped(f"{_MARKS[message.state]} {line}")[:_TEXT],
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": line[:_HEADER]}},
                {"type": "section", "fields": fields[:_FIELDS]},
                {"type": "context", "elements": [_markdown(more, _TEXT)]},
            ],
        }


def _markdown(text: str, most: int) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text[:most]}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
