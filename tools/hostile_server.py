"""A web server that draws its answers at random: lies about lengths and ranges, redirects anywhere, breaks off, drips, never ends.

`tools/fuzz_files.py` and the tests let tinynet's downloader loose on it. What it answers follows from the seed alone.
"""

from __future__ import annotations

import contextlib
import gzip
import random
import socket
import struct
import threading
import zlib
from collections.abc import Iterator

_ENDLESS = bytes(1 << 16)
_BOMB = gzip.compress(bytes(1 << 20))
_STATUS = [b"200 OK"] * 10 + [b"206 Partial Content"] * 8 + [
    b"416 Range Not Satisfiable", b"204 No Content", b"304 Not Modified", b"300 Multiple Choices", b"403 Forbidden", b"404 Not Found",
    b"408 Request Timeout", b"429 Too Many Requests", b"500 Oh no", b"503 \x1b[2J\x07" + b"x" * 3000, b"999", b"-1 x", b"20x OK", b"",
]  # fmt: skip
_SENT_ON = [b"301 Moved", b"302 Found", b"303 See Other", b"307 Temporary", b"308 Permanent"]
_LENGTHS = [
    b"0",
    b"-1",
    b"1",
    b"1000000000000",
    b"1" + b"0" * 30,
    b"9" * 4300,
    b"9" * 5000,
    b"12, 13",
    b"0x10",
    b"",
    b"\xb2",
    b"nan",
    b"1_0",
]
_HEADERS = [
    b"Content-Encoding: gzip", b"Content-Encoding: deflate, gzip, br", b"Content-Disposition: attachment; filename=../../../outside",
    b"Content-Disposition: attachment; filename=/tmp/outside", b"Set-Cookie: \xff=\x00; expires=Thu, 99 Foo 99999; path=../..; domain=",
    b"Connection: keep-alive", b"no colon here", b": no name", b" folded", b"Content-Type: text/html; charset=\xff\xfe", b"X: " + b"y" * 70_000,
    b"Retry-After: 999999999", b"Content-Length: 7", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"\x00\x01\x02: \x7f",
]  # fmt: skip


class HostileServer:
    """Answers at ``http://127.0.0.1:<port>/``, inside a ``with`` block. `begin` says what to play next.

    `good` is the right content; `silence` is how many seconds it pauses where it drips or stalls.
    """

    def __init__(self, good: bytes, silence: float):
        self.good, self.silence = good, silence
        self._otherwise = zlib.compress(good)
        self.begin(None)
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/file"
        self._thread = threading.Thread(target=self._serve)

    def begin(self, seed: int | None) -> None:
        """Answer from here on as `seed` says; None: as a good server does."""
        self.rng = None if seed is None else random.Random(seed)

    def __enter__(self) -> HostileServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(
                OSError
            ):  # a client that has hung up, or the listener when it is over
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                if not (received := connection.recv(4096)):
                    return
                request += received
            asked = request.partition(b"Range: bytes=")[2].partition(b"-")[0]
            start = int(asked) if asked.isdigit() else 0
            rng = self.rng
            for piece in (
                self._right(start)
                if rng is None
                else self._answer(random.Random(rng.random()), start)
            ):
                if isinstance(piece, bytes):
                    connection.sendall(piece)
                elif self._over.wait(piece):
                    return
            if (
                rng is not None and rng.random() < 0.1
            ):  # not a word of goodbye: the connection is reset
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _right(self, start: int) -> Iterator[bytes | float]:
        size = len(self.good)
        if start >= size:
            yield b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n"
            return
        status = (
            b"206 Partial Content\r\nContent-Range: bytes %d-%d/%d" % (start, size - 1, size)
            if start
            else b"200 OK"
        )
        yield (
            b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, size - start)
            + self.good[start:]
        )

    def _answer(self, rng: random.Random, start: int) -> Iterator[bytes | float]:
        """The pieces of one answer; a number is a pause in seconds."""
        for _ in range(rng.choice((0,) * 20 + (1, 5, 300))):
            yield b"HTTP/1.1 100 Continue\r\n\r\n"
        sent_on = rng.random() < 0.15
        head = [
            rng.choice((b"HTTP/1.1 ", b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/9.9 ", b"ICY "))
            + rng.choice(_SENT_ON if sent_on else _STATUS)
        ]
        if sent_on:
            port = self.url.rsplit(":", 1)[1].encode()
            head.append(b"Location: " + rng.choice((
                self.url.encode(), b"/file", b"//127.0.0.1:" + port, b"https://127.0.0.1:" + port, b"file:///etc/passwd", b"ftp://127.0.0.1/",
                b"data:text/plain,hello", b"http://[::1", b"http://\xff\xfe/", b"http://127.0.0.1:99999/", b"http://" + b"a" * 300 + b"/", b"",
                b"http://.../", b"http://127.0.0.1:1/", b"HTTP://127.0.0.1:" + port, b"\x1b]0;title\x07:",
            )))  # fmt: skip
        body = rng.choice((self.good[start:], self.good[start:], self.good, self.good[:start], b"", rng.randbytes(rng.randrange(3000)),
                           _BOMB, self._otherwise))  # fmt: skip
        if rng.random() < 0.2:
            body = body[: rng.randrange(len(body) + 1)]
        endless = rng.random() < 0.08
        if rng.random() < 0.7:
            size = len(self.good)
            head.append(b"Content-Range: bytes " + rng.choice((
                b"%d-%d/%d" % (start, size - 1, size), b"%d-%d/%d" % (start, size - 1, size), b"%d-%d/%d" % (start + 1, size - 1, size), b"0-0/1",
                b"%d-" % start, b"%d-%d/%d" % (start, 10**30, 10**31), b"%d-1/-1" % start, b"*/0", b"\xff",
            )))  # fmt: skip
        chunked = rng.random() < 0.2
        if chunked:
            head.append(b"Transfer-Encoding: chunked")
        elif rng.random() < 0.8:
            head.append(
                b"Content-Length: "
                + (b"%d" % len(body) if rng.random() < 0.6 else rng.choice(_LENGTHS))
            )
        head += rng.sample(_HEADERS, rng.choice((0, 0, 0, 1, 3))) + [
            b"X-%d: y" % i for i in range(rng.choice((0,) * 20 + (99, 300)))
        ]
        rng.shuffle(rest := head[1:])
        answer = b"\r\n".join([head[0], *rest, b"", b""])
        if chunked:
            answer += (
                rng.choice((b"%x" % len(body),) * 4 + (b"-5", b"f" * 40, b"zz", b"", b"0"))
                + b"\r\n"
                + body
                + b"\r\n0\r\n"
            )
            answer += rng.choice((b"\r\n", b"\r\n", b"", b"A: b\r\n" * 1000))
        else:
            answer += body
        if rng.random() < 0.15:
            answer = answer[: rng.randrange(len(answer) + 1)]
        manner = rng.random()
        if manner < 0.01:  # a byte now and then, so slowly that it would take forever
            for i in range(len(answer)):
                yield answer[i : i + 1]
                yield self.silence / 3
        elif manner < 0.02:
            yield answer[: rng.randrange(len(answer) + 1)]
            yield 3 * self.silence
        else:
            yield answer
        while endless:
            yield _ENDLESS
