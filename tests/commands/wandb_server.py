"""A stand-in for W&B's server: enough of it that ``wandb sync`` uploads a run and its artifacts, and keeps them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Json = dict[str, Any]


class StandIn(ThreadingHTTPServer):
    """Listens on a free port of this machine.

    Attributes:
        history: rows by run id and line number.
        groups: of each run id.
        uploads: content by the name of the file.
        committed: artifacts that are complete.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.history: dict[str, dict[int, Json]] = {}
        self.groups: dict[str, str] = {}
        self.uploads: dict[str, bytes] = {}
        self.committed: list[str] = []

    @property
    def url(self) -> str:
        """What ``WANDB_BASE_URL`` has to be."""
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, operation: str, variables: Json) -> Json:
        """The data of a GraphQL response."""
        respond = getattr(self, f"_{operation}", None)
        return {} if respond is None else respond(variables)

    def receive(self, run: str, chunk: Json) -> None:
        """Lines of history, each at the number that it is sent for."""
        for number, line in enumerate(chunk["content"], chunk["offset"]):
            self.history[run][number] = json.loads(line)

    def _UpsertBucket(self, variables: Json) -> Json:  # noqa: N802 - the names are the protocol's
        run = variables["name"]
        self.history.setdefault(run, {})
        self.groups.setdefault(run, variables["groupName"])
        bucket = {"id": run, "name": run, "historyLineCount": len(self.history[run]), "project": self._project()}
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def _RunResumeStatus(self, variables: Json) -> Json:  # noqa: N802
        lines = self.history.get(variables["name"])
        bucket = None
        if lines is not None:
            tail = json.dumps([json.dumps(lines[max(lines)])] if lines else [])
            bucket = {"id": variables["name"], "name": variables["name"], "historyLineCount": len(lines),
                      "logLineCount": 0, "eventsLineCount": 0, "historyTail": tail, "eventsTail": "[]",
                      "summaryMetrics": "{}", "config": "{}", "tags": []}  # fmt: skip
        return {"model": {**self._project(), "bucket": bucket}}

    def _CreateRunFiles(self, variables: Json) -> Json:  # noqa: N802
        files = [{"name": name, "uploadUrl": f"{self.url}/files/{name}"} for name in variables["files"]]
        return {"createRunFiles": {"runID": variables["run"], "uploadHeaders": [], "files": files}}

    def _CreateArtifact(self, variables: Json) -> Json:  # noqa: N802
        sequence = {"id": "sequence", "latestArtifact": None}
        name = variables["input"]["artifactCollectionName"]
        return {"createArtifact": {"artifact": {"id": name, "state": "PENDING", "artifactSequence": sequence}}}

    def _CreateArtifactManifest(self, variables: Json) -> Json:  # noqa: N802
        url = f"{self.url}/manifests/{variables['artifactID']}"
        file = {"id": "file", "name": "manifest", "displayName": "manifest", "uploadUrl": url, "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": variables["artifactID"], "file": file}}}

    def _CreateArtifactFiles(self, variables: Json) -> Json:  # noqa: N802
        edges = []
        for file in variables["input"]["artifactFiles"]:
            path = f"{file['artifactID']}/{file['name']}"
            node = {"id": path, "name": file["name"], "displayName": file["name"], "uploadUrl": f"{self.url}/{path}",
                    "uploadHeaders": [], "storagePath": path, "artifact": {"id": file["artifactID"]}}  # fmt: skip
            edges.append({"node": node})
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def _CommitArtifact(self, variables: Json) -> Json:  # noqa: N802
        self.committed.append(variables["artifactID"])
        return {"commitArtifact": {"artifact": {"id": variables["artifactID"], "digest": "digest"}}}

    @staticmethod
    def _project() -> Json:
        return {"id": "project", "name": "eqae", "entity": {"id": "entity", "name": "me"}}


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """A server that answers in a thread until the ``with`` statement ends."""
    with StandIn() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_POST(self) -> None:
        body = self._body()
        if self.path.startswith("/graphql"):
            request = json.loads(body)
            return self._reply({"data": self.server.answer(request["operationName"], request.get("variables") or {})})
        if self.path.endswith("/file_stream"):
            chunk = json.loads(body).get("files", {}).get("wandb-history.jsonl")
            if chunk:
                self.server.receive(self.path.split("/")[-2], chunk)
        return self._reply({})

    def do_PUT(self) -> None:
        self.server.uploads[self.path.lstrip("/")] = self._body()
        self._reply({})

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _body(self) -> bytes:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content

    def _reply(self, document: Json) -> None:
        content = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
