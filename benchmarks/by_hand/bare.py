"""A bare ASGI application that answers a constant: what a server costs that does nothing."""

from __future__ import annotations

BODY = b'{"model":"m","version":"0","predictions":[{"probability":0.01,"label":false}]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def app(scope, receive, send):
    if scope["type"] == "http":
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})
