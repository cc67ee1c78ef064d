"""The page of a server with keys: it asks for one, and tells of no input before."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import bundles
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.app import App
from mlops_cli.serving.auth import Key, digest_of_key, format_keys
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.serving.settings import Settings
from running import Client

WEB = "w" * 43

# What a person does: type the key, open, predict. Of a browser's objects what the pages use.
_BROWSER = """
const vm = require("vm"), fs = require("fs");
const [ask, page] = JSON.parse(fs.readFileSync(0)), script = /<script>([^]*?)<\\/script>/;
const nodes = {}, asked = [];
const node = () => ({ on: {}, textContent: "", value: "",
  addEventListener(name, f) { this.on[name] = f; } });
const find = (id) => nodes[id] ??= node();
const context = vm.createContext({
  document: {
    getElementById: find, querySelectorAll: () => [],
    open() {}, close() {}, write(html) { vm.runInContext(script.exec(html)[1], context); } },
  location: { origin: "http://h", pathname: "/" }, performance,
  fetch: async (url, options) => { asked.push([url, options.headers]);
    const ok = options.headers.authorization === "Bearer good";
    const text = async () => url === "/" ? page : "{}";
    return { ok, status: 200, text }; } });
(async () => {
  vm.runInContext(script.exec(ask)[1], context);
  for (const key of ["bad", "good"]) {
    find("key").value = key;
    await nodes.ask.on.submit({ preventDefault() {} });
  }
  await nodes.predict.on.click();
  console.log(JSON.stringify([asked, nodes.said.textContent]));
})();
"""


def test_the_page_asks_for_a_key_and_tells_of_no_input_before(
    binary: bundles.Sample, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_bytes(
        format_keys([Key("web", digest_of_key(WEB.encode()), ("predict",), datetime.now(UTC))])
    )
    bundle = open_bundle(binary.path)
    app = App(bundle, open_predictor(bundle), None, Settings(keys=str(file)))

    def get(key: str | None = None) -> tuple[int, dict[bytes, bytes], bytes]:
        head = [(b"authorization", f"Bearer {key}".encode())] if key else []
        return asyncio.run(Client(app).ask("GET", "/", b"", head))

    status, headers, ask = get()
    assert (status, headers[b"content-type"]) == (401, b"text/html; charset=utf-8")
    assert headers[b"www-authenticate"] == b"Bearer"
    assert not [i.name for i in bundle.manifest.inputs if f">{i.name}<".encode() in ask]
    assert get("x" * 43)[0] == 401
    status, own, page = get(WEB)
    assert (status, b">carrier<" in page) == (200, True)
    policies = (own[b"content-security-policy"], headers[b"content-security-policy"])
    digests = [set(re.findall(rb"sha256-[^']+", policy)) for policy in policies]
    assert digests[0] < digests[1]  # it becomes the other page, which keeps its policy
    if not shutil.which("node"):
        return
    given = json.dumps([ask.decode(), page.decode()])
    done = subprocess.run(["node", "-e", _BROWSER], input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    asked, said = json.loads(done.stdout)
    assert "This key is not known" in said
    assert asked[0] == ["/", {"authorization": "Bearer bad"}]
    assert asked[1] == ["/", {"authorization": "Bearer good"}]
    url, sent = asked[2]
    assert (url, sent["authorization"]) == ("http://h/v1/predict", "Bearer good")
