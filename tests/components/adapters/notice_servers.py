"""Servers on loopback that take notices: HTTP and SMTP (RFC 5321), as small as they can be."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


@dataclass
class Received:
    """What came: HTTP headers and bodies, SMTP envelopes and messages."""

    port: int
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    mails: list[tuple[list[str], bytes]] = field(default_factory=list)


@contextmanager
def webhook_server(status: int = 200) -> Iterator[Received]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.posts.append((dict(self.headers), body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    received = Received(port=server.server_port)
    with _serving(server):
        yield received


@contextmanager
def smtp_server(refuse: bool = False) -> Iterator[Received]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            envelope: list[str] = []
            self.say("220 test")
            for line in self.rfile:
                word = line[:4].upper()
                if word == b"EHLO":
                    self.say("250-test\r\n250 8BITMIME")
                elif word in (b"MAIL", b"RCPT"):
                    envelope.append(line.decode().strip())
                    self.say("550 no such person" if refuse and word == b"RCPT" else "250 ok")
                elif word == b"DATA":
                    self.say("354 go on")
                    received.mails.append((envelope, self.message()))
                    self.say("250 taken")
                elif word == b"QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 ok")

        def message(self) -> bytes:
            lines = []
            for line in self.rfile:
                if line == b".\r\n":
                    break
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
            return b"".join(lines)

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    received = Received(port=server.server_address[1])
    with _serving(server):
        yield received


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
