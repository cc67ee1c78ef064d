#!/usr/bin/env bash
# uvicorn 0.54.0 with httptools 0.9.0 (PyPI): a POST that offers HTTP/2 loses its body.
#
# A good engineer would guess that a server that does not speak HTTP/2 ignores the offer, as RFC 9110
# (section 7.8) allows, and answers the request. httptools hands over an "upgrade" as soon as the
# headers are read, and the bytes of the body never reach the ASGI application: it gets a complete,
# empty body, although Content-Length says 5. With h11 the body arrives.
#
# Why it matters: Java's java.net.http.HttpClient makes this offer by default on its first request to
# a plain http:// address. Its POSTs to a model service arrive empty.
#
# Seen:
#   httptools: the application got 0 of 5 bytes
#   h11: the application got 5 of 5 bytes
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvicorn==0.54.0 httptools==0.9.0
cd "$folder"
cat >app.py <<'PY'
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"got=%d" % size})
PY
cat >ask.py <<'PY'
import socket, sys, time
for _ in range(100):
    try:
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
        break
    except OSError:
        time.sleep(0.1)
s.settimeout(5)
s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
          b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nContent-Length: 5\r\n\r\nhello")
said = b""
try:
    while b"got=" not in said and (part := s.recv(4096)):
        said += part
except TimeoutError:
    pass
print(said.rpartition(b"got=")[2].split(b"\r")[0].decode()[:1] or "nothing")
PY
declare -A got
port=18931
for http in httptools h11; do
  port=$((port + 1))
  venv/bin/uvicorn app:app --http "$http" --port "$port" --log-level critical &
  got[$http]=$(venv/bin/python ask.py "$port")
  echo "$http: the application got ${got[$http]} of 5 bytes"
done
[ "${got[httptools]}" = 0 ] && [ "${got[h11]}" = 5 ]
