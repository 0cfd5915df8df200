"""Fetch a file over HTTP so that it is whole and right, or not there at all.

Nothing here knows what is in the file: the caller gives the mirrors and a function that checks the result.
requests, urllib3, filelock and tqdm do the work. They come with ``pip install 'tinynet[examples]'`` and are
imported when something is downloaded and never before.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

# Seconds. A server may be silent for STALL; a mirror may take TIME_LIMIT for a file in all, so that one that sends a
# byte now and then holds nobody forever; PROBE is how long `first_to_answer` listens for any mirror.
STALL = 5.0
TIME_LIMIT = 900.0
PROBE = 4.0
# Tries of one mirror, and the pause after the first failure, which doubles with every further one.
TRIES = 3
BACKOFF = 0.5
REDIRECTS = 5  # how often one request may be sent on


class DownloadError(RuntimeError):
    """A file could not be downloaded; the message says from where it was tried and what happened there."""


class _MirrorError(Exception):
    """This mirror will not do, however often it is asked."""


class _TransferError(Exception):
    """The transfer failed in a way that another try may mend; what has arrived is kept."""


def optional(name: str) -> Any:
    """The module `name`; DownloadError says how to install it if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        way_out = "pip install 'tinynet[examples]'"
        raise DownloadError(f"downloading needs {error.name or name}: {way_out}") from error


@functools.cache
def first_to_answer(urls: tuple[str, ...]) -> str | None:
    """Whichever of `urls` answers first within `PROBE` seconds (any status will do), or None.

    All are asked at once and in threads that can be left behind, because nothing else bounds the wait:
    looking up a name has no timeout, and a connection timeout counts for each address that a name has. The
    answer is kept for the life of the process, so that a machine without a network waits once.
    """
    requests = optional("requests")
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def ask(url: str) -> None:
        try:
            requests.head(url, timeout=PROBE, allow_redirects=False).close()
        except Exception:  # whatever went wrong, this mirror did not answer
            answers.put(None)
        else:
            answers.put(url)

    for url in urls:
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    deadline = time.monotonic() + PROBE
    for _ in urls:
        try:
            answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        if answer is not None:
            return answer
    return None


def fetch(urls: Sequence[str], path: Path, check: Callable[[Path], object], *, max_bytes: int) -> None:
    """Put the file that all of `urls` offer at `path`, once it has passed `check`.

    The urls are tried in order. What has arrived lies in ``<path>.part``, is resumed where the server
    can do that, and takes its name only when it is whole, checked and on the disk. ``<path>.lock`` lets one
    process at a time do this; the others wait and then find the file there.

    Args:
        urls: the same file on one or more mirrors. HTTPS certificates are checked.
        path: where it shall lie; folders are made. A file that is there already and passes `check` is kept.
        check: called with a path; raises ValueError if the file there is not the right one.
        max_bytes: a server that announces or sends more is not listened to.

    Raises:
        DownloadError: no mirror gave a good file, the disk could not be written, or a package is missing.
    """
    filelock = optional("filelock")
    for name in ("requests", "urllib3", "tqdm"):
        optional(name)
    part = path.with_name(path.name + ".part")
    failures = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock", timeout=TIME_LIMIT):
            if path.exists() and _passes(check, path):
                return
            for url in urls:
                try:
                    _try_mirror(url, part, check, max_bytes)
                except _MirrorError as error:
                    failures.append(f"{url}: {error}")
                else:
                    os.replace(part, path)
                    return
    except (OSError, NotImplementedError) as error:  # filelock's word for a file system without locks
        raise DownloadError(f"cannot write {path} ({error})") from error
    raise DownloadError("; ".join(failures) or "no mirror is known")


def _passes(check: Callable[[Path], object], path: Path) -> bool:
    try:
        check(path)
    except ValueError:
        return False
    return True


def _try_mirror(url: str, part: Path, check: Callable[[Path], object], max_bytes: int) -> None:
    """Leave a file that passes `check` at `part`, or raise _MirrorError."""
    deadline = time.monotonic() + TIME_LIMIT
    for attempt in range(TRIES):
        if attempt:
            time.sleep(BACKOFF * 2 ** (attempt - 1))
        resumed = part.exists()
        try:
            _transfer(url, part, max_bytes, deadline)
        except _TransferError as error:
            failure = str(error)
            continue
        try:
            check(part)
            return
        except ValueError as error:
            part.unlink()
            if not resumed:
                raise _MirrorError(f"sent a wrong file ({error})") from error
            # The first bytes may be another mirror's or an older file's: no proof against this mirror.
            failure = "what it sent does not continue what an interrupted download had left"
    raise _MirrorError(f"{failure}, at the last of {TRIES} tries")


def _transfer(url: str, part: Path, max_bytes: int, deadline: float) -> None:
    """Append to `part` what it lacks, or write all of it anew if the server doesn't resume."""
    tqdm = optional("tqdm")
    have = part.stat().st_size if part.exists() else 0
    # The bytes as they are stored: the .gz file itself, not what a helpful client unpacks on the way.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with contextlib.closing(_in_time(_answer(url, headers), deadline)) as arriving:
        response, rest = next(arriving)
        status = response.status_code
        if status == 416 and have:  # nothing follows what we have: perhaps it is whole, `check` will tell
            return
        if status in (408, 429) or status >= 500:
            raise _TransferError(f"answered {status} {_printable(response.reason)}")
        if status not in (200, 206):
            raise _MirrorError(f"answered {status} {_printable(response.reason)}")
        if status == 200:
            have = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink(missing_ok=True)
            raise _TransferError("resumed at another place than it was asked to")
        total = None if rest is None else have + rest
        if total is not None and total > max_bytes:
            raise _MirrorError(f"announces {total:,} bytes, where {max_bytes:,} are the most expected")
        with (
            part.open("ab" if have else "wb") as file,
            tqdm.tqdm(desc=part.stem, total=total, initial=have, unit="B", unit_scale=True, leave=False) as bar,
        ):
            for chunk in arriving:
                have += len(chunk)
                if have > max_bytes:
                    raise _MirrorError(f"sends more than {max_bytes:,} bytes, the most expected")
                file.write(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())


def _answer(url: str, headers: dict[str, str]) -> Generator[Any, None, None]:
    """What a server answers: the response and its length first, then the body in pieces as they arrive. _MirrorError, _TransferError."""
    requests, urllib3 = optional("requests"), optional("urllib3")
    try:
        with requests.Session() as session:
            # To requests nothing is a redirect: it reads and unpacks their bodies however long they are, even those it isn't to follow.
            session.get_redirect_target = lambda response: None
            for _ in range(REDIRECTS + 1):
                with session.get(url, headers=headers, stream=True, timeout=STALL) as response:
                    if response.is_redirect:
                        target = urljoin(url, response.headers["Location"])
                        if urlsplit(target).scheme not in ("https", urlsplit(url).scheme):
                            raise _MirrorError(f"redirects to {_printable(target)}, which is no better protected than {_printable(url)}")
                        url = target
                        continue
                    yield response, response.raw.length_remaining  # Content-Length as a number, or None
                    # read1() returns what has arrived, and raises when the connection closes before Content-Length bytes
                    while chunk := response.raw.read1(1 << 16, decode_content=False):
                        yield chunk
                    return
        raise _MirrorError(f"redirects more than {REDIRECTS} times")
    except requests.ConnectTimeout as error:  # counted once for each of its addresses: not worth another try
        raise _MirrorError("does not answer") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:  # ValueError: a number or url in a header
        raise _TransferError(_root_cause(error)) from error


def _in_time(pieces: Generator[Any, None, None], deadline: float) -> Generator[Any, None, None]:
    """`pieces`, made in a thread that is left behind at the `deadline`, with _MirrorError.

    Nothing else bounds the wait: looking up a name has no timeout, and that of a connection starts anew with every byte of a
    header, of which a server may send as many as it likes.
    """
    arrived: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(1)
    over = threading.Event()

    def make() -> None:
        error: BaseException | None = None
        try:
            with contextlib.closing(pieces):
                for piece in pieces:
                    arrived.put((piece, None))
                    if over.is_set():
                        return
        except BaseException as raised:
            error = raised
        arrived.put((None, error))

    threading.Thread(target=make, daemon=True).start()
    try:
        while (left := deadline - time.monotonic()) > 0:
            piece, error = arrived.get(timeout=left)
            if error is not None:
                raise error
            if piece is None:
                return
            yield piece
        raise queue.Empty
    except queue.Empty:
        raise _MirrorError(f"is too slow: it was not done after {TIME_LIMIT:g} s") from None
    finally:
        over.set()
        with contextlib.suppress(queue.Empty):
            arrived.get_nowait()  # makes room for the piece that the thread has in hand: then it sees that it is over


def _root_cause(error: BaseException) -> str:
    """What happened, without the four layers of wrapping that requests and urllib3 put around it."""
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return _printable(str(error) or type(error).__name__)


def _printable(text: str) -> str:
    """A server's words, without what would move the cursor of a terminal, and not too many of them."""
    return "".join(c if c.isprintable() else "?" for c in text[:200])
