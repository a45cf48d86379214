"""A Hugging Face hub on loopback: listings with sizes and hashes, resolve, HEAD, redirects, ranges; and its bad days.

What it answers is what huggingface.co answers, as far as huggingface_hub looks at it: /api/models/…?blobs=true, and
/OWNER/NAME/resolve/COMMIT/FILE with X-Repo-Commit, ETag, X-Linked-Size, X-Linked-Etag, and X-Error-Code.
Safetensors and tokenizer.json are in LFS: a redirect to another host.
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Repo:
    """One repository: its files by name; gated: only with a token."""

    def __init__(self, files: Mapping[str, bytes], *, commit: str = COMMIT, gated: bool = False) -> None:
        self.files = dict(files)
        self.commit = commit
        self.gated = gated

    @classmethod
    def of(cls, folder: Path, **options: Any) -> "Repo":
        """The files under a folder."""
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return cls({path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}, **options)


class Hub:
    """The server's state: its repositories, what was asked of it, and what shall go wrong.

    wrong: file name → what happens to its next downloads, one after the other: "break" (the connection ends halfway),
           "short" (a byte is missing, and the answer says so itself), "flip" (a bit is wrong), "hold" (half of it, and
           then nothing until `let_go` is set), "403" (as an address whose signature ran out), "503", "404", "fine"
    down:  statuses of the next answers
    said:  what every listing is instead, such as a network's login page
    """

    def __init__(self, repos: Mapping[str, Repo], token: str = "hf_tests") -> None:
        self.repos = dict(repos)
        self.token = token
        self.wrong: dict[str, list[str]] = {}
        self.wrong_size: set[str] = set()
        self.down: list[int] = []
        self.said: bytes | None = None
        self.held = threading.Event()
        self.let_go = threading.Event()
        self.asked: list[tuple[str, str, str]] = []  # method, path, range
        self.tokens: list[tuple[str, str]] = []  # path, authorization
        self.sent = 0
        self.url = ""

    def downloads(self, name: str) -> list[str]:
        """The ranges in which a file's content was asked for."""
        return [wanted for method, path, wanted in self.asked if method == "GET" and path.endswith(f"/{name}")]


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """The hub on a free port of this machine; hub.url is what HF_ENDPOINT should be."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(hub))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield hub
    finally:
        hub.let_go.set()
        server.shutdown()
        server.server_close()


def handler_of(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append((self.command, path, self.headers.get("Range", "")))
            hub.tokens.append((path, self.headers.get("Authorization", "")))
            if hub.down:
                return self.refuse(hub.down.pop(0))
            parts = path.strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                return self.listing("/".join(parts[2:4]), parts[5] if parts[4:5] == ["revision"] else None)
            if parts[0] == "lfs":
                return self.content("/".join(parts[1:3]), "/".join(parts[3:]))
            if parts[2:3] == ["resolve"]:
                return self.resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
            return self.refuse(404)

        def repo(self, name: str) -> Repo | None:
            if name not in hub.repos:
                self.refuse(401, "RepoNotFound")  # as the real one does: it does not say whether it is there
                return None
            repo = hub.repos[name]
            if self.headers.get("Authorization", f"Bearer {hub.token}") != f"Bearer {hub.token}":
                self.refuse(401)  # an expired token is refused even where none is needed
                return None
            if repo.gated and self.headers.get("Authorization") != f"Bearer {hub.token}":
                self.refuse(401, "GatedRepo")
                return None
            return repo

        def listing(self, name: str, revision: str | None) -> None:
            if hub.said is not None:
                return self.send(200, hub.said, {"Content-Type": "text/html"})
            if (repo := self.repo(name)) is None:
                return None
            if revision not in (None, "main", repo.commit):
                return self.refuse(404, "RevisionNotFound")
            siblings = [entry(name, data) for name, data in sorted(repo.files.items())]
            body = json.dumps({"id": name, "sha": repo.commit, "siblings": siblings}).encode()
            return self.send(200, body, {"Content-Type": "application/json"})

        def resolve(self, name: str, revision: str, file: str) -> None:
            if (repo := self.repo(name)) is None:
                return None
            if revision not in ("main", repo.commit):
                return self.refuse(404, "RevisionNotFound")
            if file not in repo.files:
                return self.refuse(404, "EntryNotFound")
            data = repo.files[file]
            size = len(data) + (file in hub.wrong_size)
            headers = {"X-Repo-Commit": repo.commit, "ETag": f'"{blob(data)}"'}
            if in_lfs(file):
                headers |= {"X-Linked-Size": str(size), "X-Linked-Etag": f'"{sha256(data)}"'}
                elsewhere = hub.url.replace("127.0.0.1", "localhost")
                return self.send(302, b"", headers | {"Location": f"{elsewhere}/lfs/{name}/{file}"})
            return self.content(name, file, headers)

        def content(self, name: str, file: str, headers: Mapping[str, str] | None = None) -> None:
            data, headers = hub.repos[name].files[file], dict(headers or {})
            mishap = "fine"
            if self.command == "GET" and hub.wrong.get(file):
                mishap = hub.wrong[file].pop(0)
            if mishap in ("403", "404", "503"):
                return self.refuse(int(mishap), "EntryNotFound" if mishap == "404" else "")
            wanted = self.headers.get("Range", "")
            begin = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
            if begin and begin >= len(data):
                return self.refuse(416)
            whole, data = len(data), data[begin:]
            if mishap == "flip":
                data = data[:-1] + bytes([data[-1] ^ 1])
            if mishap == "short":
                data = data[:-1]
            if begin:
                headers["Content-Range"] = f"bytes {begin}-{whole - 1}/{whole}"
            if mishap in ("break", "hold"):
                self.send(206 if begin else 200, data, headers, send=len(data) // 2)
                self.close_connection = True
                if mishap == "hold":
                    hub.held.set()
                    hub.let_go.wait(60)
                return None
            return self.send(206 if begin else 200, data, headers)

        def refuse(self, status: int, code: str = "") -> None:
            self.send(status, b"", {"X-Error-Code": code} if code else {})

        def send(self, status: int, body: bytes, headers: Mapping[str, str], send: int | None = None) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                hub.sent += len(body[:send])
                self.wfile.write(body[:send])

    return Handler


def in_lfs(file: str) -> bool:
    return file.endswith((".safetensors", "tokenizer.json"))


def entry(name: str, data: bytes) -> dict[str, Any]:
    """One file of a listing."""
    lfs = {"sha256": sha256(data), "size": len(data), "pointerSize": 134}
    return {"rfilename": name, "size": len(data), "blobId": blob(data)} | ({"lfs": lfs} if in_lfs(name) else {})


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def blob(data: bytes) -> str:
    """The id that git has for a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
