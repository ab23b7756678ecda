"""Recordings on demand over HTTP, for a program that runs on: ``GET /?seconds=2`` answers a Chrome trace.

Knows how to serve; what is recorded it is told. Listens to this machine alone.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

LONGEST = 600.0
"""Seconds that one recording may take at most."""

Record = Callable[[float], dict[str, Any]]


class ProfileServer:
    """Serves recordings from a thread of its own until ``stop``; ``port`` is where."""

    def __init__(self, port: int, record: Record) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, answer = _answer(self.path, record)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is printed of requests."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="cotan profiles", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Serve no longer."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _answer(path: str, record: Record) -> tuple[int, dict[str, Any]]:
    url = urlsplit(path)
    if url.path != "/":
        return 404, {"error": f"there is nothing at {url.path}; ask for /?seconds=2"}
    asked = parse_qs(url.query).get("seconds", ["1"])[-1]
    try:
        seconds = float(asked)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST:
        return 400, {"error": f"seconds is a number from 0 to {LONGEST:.0f}, not {asked!r}"}
    try:
        return 200, record(seconds)
    except RuntimeError as error:
        return 409, {"error": str(error)}
