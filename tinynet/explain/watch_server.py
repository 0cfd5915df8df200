"""A small HTTP server for one page, which only this machine can reach.

It listens at a loopback address, answers only requests that name it by such an address (so that a
page from elsewhere, whose name was pointed at this machine, gets nothing), and runs in threads that
end with the program.
"""
from __future__ import annotations

import ipaddress
import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

MOST_REQUESTS = 32          # answered at a time; more are refused
TIMEOUT = 20.0              # seconds that a request may take to arrive
HEADERS = {
    "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin", "X-Frame-Options": "DENY"}

Answer = Callable[[dict[str, str]], bytes]      # from the parameters of a request


def loopback(where: str, address: Any) -> tuple[str, int]:
    """Host and port of an address such as "127.0.0.1:8000", "localhost" or "[::1]:8000"; port 0,
    any free one, if none is named. Raises ValueError unless it is a loopback address."""
    if not isinstance(address, str):
        raise TypeError(f"{where}: address is a {type(address).__name__}; it must be a str such as "
                        "'127.0.0.1:8000'")
    host, port = address, "0"
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        port = port.removeprefix(":") or "0"
    elif address.count(":") == 1:
        host, port = address.split(":")
    name = "127.0.0.1" if host == "localhost" else host
    try:
        known = ipaddress.ip_address(name)
    except ValueError:
        known = None
    if known is None or not known.is_loopback:
        raise ValueError(f"{where}: address={address!r:.60}; the page is for this machine alone, "
                         "so it must be a loopback address such as '127.0.0.1:8000'. To look from "
                         "another machine, log in with ssh -L 8000:127.0.0.1:8000")
    if not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{where}: address={address!r:.60}; the port must be a number from 0 (any "
                         "free one) to 65535")
    return name, int(port)


class LocalServer(ThreadingHTTPServer):
    """Serves `page` at "/" and the bytes that `answer` makes at "/state", as JSON."""

    daemon_threads = True
    # the port of a run that has just ended is free; elsewhere than on POSIX this would also take
    # the port of a run that goes on
    allow_reuse_address = os.name == "posix"

    def __init__(self, host: str, port: int, page: bytes, answer: Answer) -> None:
        if ":" in host:
            import socket
            self.address_family = socket.AF_INET6
        super().__init__((host, port), Handler)
        self.page, self.answer = page, answer
        self.free = threading.Semaphore(MOST_REQUESTS)
        name, port = f"[{host}]" if ":" in host else host, self.server_address[1]
        self.url = f"http://{name}:{port}/"
        self.names = {f"{name}:{port}", f"localhost:{port}"}
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True,
                         name="tinynet watch").start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no error of the program."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: LocalServer
    timeout = TIMEOUT
    server_version, sys_version = "tinynet", ""

    def do_GET(self) -> None:
        if not self.server.free.acquire(blocking=False):
            return self.refuse(503, "too many requests at a time")
        try:
            self.respond()
        finally:
            self.server.free.release()

    do_HEAD = do_GET

    def respond(self) -> None:
        if self.headers.get("Host", "") not in self.server.names:
            return self.refuse(403, "this page can only be asked for by its own address")
        parts = urlsplit(self.path)
        if parts.path == "/":
            return self.send(200, "text/html", self.server.page)
        if parts.path != "/state":
            return self.refuse(404, "there is no such page")
        if self.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return self.refuse(403, "another page may not read this")
        given = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        self.send(200, "application/json", self.server.answer(given))

    def refuse(self, status: int, why: str) -> None:
        self.send(status, "text/plain", why.encode())

    def send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The terminal belongs to the training."""
