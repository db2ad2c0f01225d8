"""A stand-in for the Hugging Face hub on loopback: as much of its API as sending a data set needs.

It keeps data sets in memory. Files that end in one of `large` go through LFS, as Parquet does on the hub.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class DataSet:
    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[dict[str, Any]] = field(default_factory=list)
    """Headers of the commits, each with the names that it adds and deletes."""


class Hub:
    """Listens from `with` to the end of the block."""

    def __init__(self, token: str, large: tuple[str, ...] = (".parquet",)) -> None:
        self.token = token
        self.large = large
        self.sets: dict[str, DataSet] = {}
        self.stored: dict[str, bytes] = {}
        """What came through LFS, by sha256."""
        self.requests: list[str] = []
        """Method and path of each."""
        self.refuses: dict[str, int] = {}
        """Part of a path -> the status that it is answered with."""

    def __enter__(self) -> Hub:
        hub = self

        class Handler(Answers):
            at = hub

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Answers(BaseHTTPRequestHandler):
    at: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def say(self, data: Any, status: int = 200, **headers: str) -> None:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self) -> None:
        hub, path = self.at, self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        hub.requests.append(f"{self.command} {path}")
        if path.startswith("/store/"):  # where LFS puts things asks for no token
            hub.stored[path.removeprefix("/store/")] = body
            return self.say({})
        if self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self.say({"error": f"Invalid token {self.headers.get('Authorization')}"}, 401)
        for part, status in hub.refuses.items():
            if part in path:
                return self.say({"error": f"no, {self.headers.get('Authorization')}"}, status)
        return self.answer(path, body)

    do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815

    def answer(self, path: str, body: bytes) -> None:
        hub = self.at
        parts = path.strip("/").split("/")
        if path == "/api/whoami-v2":
            return self.say({"name": "ada", "type": "user", "orgs": []})
        if path == "/api/validate-yaml":
            return self.say({"warnings": [], "errors": []})
        if path == "/api/repos/create":
            wanted = json.loads(body)
            name = f"{wanted['organization']}/{wanted['name']}"
            hub.sets[name] = DataSet(wanted["visibility"] == "private", {".gitattributes": b""})
            return self.say({"url": f"{hub.url}/datasets/{name}", "id": name})
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[1:3]).removesuffix(".git")
        found = hub.sets.get(name)
        if found is None:
            return self.say({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        if path.endswith("/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            upload = [{**it, "actions": {"upload": {"href": f"{hub.url}/store/{it['oid']}"}}} for it in objects]
            return self.say({"objects": upload, "transfer": "basic"})
        if parts[4:5] == ["preupload"]:
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(hub.large) else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            return self.say({"files": files})
        if parts[4:5] == ["commit"]:
            return self.say(self.commit(name, found, body))
        if parts[4:5] == ["settings"]:
            found.private = json.loads(body).get("visibility", json.loads(body).get("private")) in ("private", True)
            return self.say({})
        if parts[3:4] == ["resolve"]:
            data = found.files["/".join(parts[5:])]
            oid = hashlib.sha256(data).hexdigest()
            return self.say(data, ETag=f'"{oid}"', X_Repo_Commit="0" * 40)
        if parts[4:5] == ["tree"]:
            return self.say([{"type": "file", "path": file, "size": len(data), "oid": "0" * 40}
                             for file, data in found.files.items()])  # fmt: skip
        return self.say({"id": name, "private": found.private, "sha": "0" * 40, "tags": [],
                         "siblings": [{"rfilename": file} for file in found.files]})  # fmt: skip

    def commit(self, name: str, found: DataSet, body: bytes) -> dict[str, Any]:
        made: dict[str, Any] = {"added": set(), "deleted": set()}
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                made["summary"] = value["summary"]
            elif entry["key"] == "deletedFile":
                made["deleted"].add(value["path"])
                del found.files[value["path"]]
            else:
                made["added"].add(value["path"])
                lfs = entry["key"] == "lfsFile"
                found.files[value["path"]] = self.at.stored[value["oid"]] if lfs else base64.b64decode(value["content"])
        found.commits.append(made)
        return {"commitUrl": f"{self.at.url}/datasets/{name}/commit/{'1' * 40}", "commitOid": "1" * 40}
