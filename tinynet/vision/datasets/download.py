"""Download published files from the first mirror that has them.

pooch does the work: it downloads over HTTP, checks the SHA-256 and shows a progress bar. It
comes with ``pip install 'tinynet-cnn[examples]'`` and is imported when a download is wanted.
"""

import contextlib
import functools
import importlib
import queue
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

SILENCE = 5.0  # seconds that a server may send nothing
PROBE = 4.0  # seconds that `first_to_answer` waits for any mirror


class Published(NamedTuple):
    """A file as it is published: its name and its checksum, SHA-256 in hexadecimal digits."""

    name: str
    sha256: str


class DownloadError(RuntimeError):
    """A file could not be downloaded; the message says what happened at each mirror."""


def optional(name: str) -> Any:
    """The module `name`; DownloadError says how to install it if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        way_out = "pip install 'tinynet-cnn[examples]'"
        raise DownloadError(f"downloading needs {error.name or name}: {way_out}") from error


def cache_folder() -> Path:
    """The folder where this system keeps caches of tinynet."""
    return Path(optional("platformdirs").user_cache_dir("tinynet"))


def fetch(files: Sequence[Published], mirrors: Sequence[str], folder: Path,
          in_haste: bool) -> list[Path]:
    """Download `files` into `folder`; returns their paths. DownloadError if no mirror has one.

    A file that is there already, with the right checksum, is not downloaded again. With
    `in_haste`, a machine without a network finds out within `PROBE` seconds.

    pooch writes to a temporary file in `folder`, checks it, and then renames it. So a file under
    its own name is always whole and right, also when two processes download it at once: each
    writes its own temporary file, and the second rename replaces the first file by an equal one.
    (On Windows a rename replaces no file, so the second process copies its file over the first.)
    A process that is killed leaves its temporary file behind, which nothing reads.
    """
    if in_haste:
        if (first := first_to_answer(tuple(mirrors))) is None:
            hosts = ", ".join(urlsplit(mirror).netloc for mirror in mirrors)
            raise DownloadError(f"no mirror answered ({hosts})")
        mirrors = sorted(mirrors, key=lambda mirror: mirror != first)
    for file in files:
        _fetch_one(file, mirrors, folder)
    return [folder / file.name for file in files]


def _fetch_one(file: Published, mirrors: Sequence[str], folder: Path) -> None:
    optional("tqdm")  # draws pooch's progress bar
    pooch = optional("pooch")
    get = pooch.HTTPDownloader(True, 1 << 16, timeout=SILENCE,
        headers={"Accept-Encoding": "identity"})  # the .gz file itself, not unpacked on the way
    failures = []
    for mirror in mirrors:
        try:
            pooch.retrieve(mirror + file.name, file.sha256, file.name, folder, downloader=get)
            with contextlib.suppress(PermissionError):  # it was there already, another user's
                (folder / file.name).chmod(0o644)  # a temporary file is closed to other users
            return
        except (OSError, ValueError) as error:  # requests' errors, a full disk; a wrong checksum
            cause: BaseException = error
            while (deeper := cause.__cause__ or cause.__context__) is not None:
                cause = deeper  # what happened, without what requests and urllib3 wrap around it
            failures.append(f"{mirror}{file.name}: {cause}")
    raise DownloadError("; ".join(failures) or "no mirror is known")


@functools.cache
def first_to_answer(mirrors: tuple[str, ...]) -> str | None:
    """The mirror that answers first, with whatever status, within `PROBE` seconds; or None.

    All are asked at once, in daemon threads that are left behind, because nothing else bounds
    the wait: looking up a name has no timeout, and a connection's timeout counts for each address
    of a name. The answer is kept, so that a program without a network waits once.
    """
    pooch = optional("pooch")
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def ask(mirror: str) -> None:
        try:
            pooch.HTTPDownloader(timeout=PROBE)(mirror, None, None, check_only=True)
            answers.put(mirror)
        except Exception:  # whatever went wrong, this mirror did not answer
            answers.put(None)

    for mirror in mirrors:
        threading.Thread(target=ask, args=(mirror,), daemon=True).start()
    deadline = time.monotonic() + PROBE
    with contextlib.suppress(queue.Empty):
        for _ in mirrors:
            if answer := answers.get(timeout=max(0.0, deadline - time.monotonic())):
                return answer
    return None
