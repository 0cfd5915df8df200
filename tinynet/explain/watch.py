"""A page on this machine that shows a training as it goes: loss, accuracy, gradient norms, the
kernels of the first convolution, and the feature maps of one image."""
from __future__ import annotations

import base64
import contextlib
import html
import json
import math
import threading
import time
from collections.abc import Mapping, Sequence
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

import tinynet

from . import report_elements as parts
from .page import compact, document, read, script_json
from .report_charts import thinned
from .texts import LANGUAGES, TEXTS, both, check_language, same, say
from .training import as_numpy, observed

if TYPE_CHECKING:
    from .watch_server import LocalServer

INTERVAL = 0.5              # seconds between two pictures at least
SHARE = 0.02                # of the training's time that pictures may take
PATIENCE = 8.0              # seconds that a request waits for something new
RECENT = 3.0                # a page that asked so many seconds ago is still open
GOODBYE = 1.5               # seconds that `close` waits for open pages at most
MOST_POINTS = 1000          # of a curve, when a page opens
MOST_KERNELS, MOST_MAPS = 32, 32
SHADES = 127                # of each sign


class TrainingWatch:
    """What `tinynet.explain.watch` returns: a page at `url` that follows a training.

    Call `update` in the training loop and `close` at its end, or use it as a context manager.
    """

    def __init__(self, model: Any, image: Any, loss: Sequence[Any], accuracy: Sequence[Any],
                 gradients: Mapping[str, Sequence[Any]], classes: Sequence[str] | None,
                 address: str, name: str | None, lang: str) -> None:
        from .watch_server import LocalServer, loopback     # takes a while to import

        where = "explain.watch"
        check_language(where, lang)
        host, port = loopback(where, address)
        if not isinstance(model, tinynet.nn.Module):
            raise TypeError(f"{where}: model is a {type(model).__name__}; it must be an nn.Module")
        if not isinstance(image, tinynet.Tensor) or image.dim() not in (3, 4) or not len(image):
            shape = tuple(image.shape) if isinstance(image, tinynet.Tensor) else type(image)
            raise ValueError(f"{where}: image has {shape}; it must be a tensor (C, H, W)")
        for what, value, kind in (("loss", loss, Sequence), ("accuracy", accuracy, Sequence),
                                  ("gradients", gradients, Mapping)):
            if not isinstance(value, kind):
                raise TypeError(f"{where}: {what} is a {type(value).__name__}; it must be a "
                                f"{'dict' if kind is Mapping else 'list'} that the training goes "
                                "on filling")
        self.model, self.image = model, image[None] if image.dim() == 3 else image[:1]
        self.loss, self.accuracy, self.gradients = loss, accuracy, gradients
        self.classes = None if classes is None else [str(c) for c in classes]
        self.name = type(model).__name__ if name is None else name
        self.lang = lang
        self._first_conv = next(((path, m) for path, m in model.named_modules()
                                 if isinstance(m, tinynet.nn.Conv2d)), None)
        self._pages: dict[str, float] = {}          # when each open page asked last
        self._told: set[str] = set()                # the pages that know of the end
        self._waiting, self._lock = 0, threading.Lock()
        self._closed = threading.Event()
        self._due, self._number = 0.0, 0
        self._picture: dict[str, Any] = {}
        self._take_picture()
        self._server: LocalServer = LocalServer(host, port, self.page().encode(), self._answer)
        self.url = self._server.url

    # -- in the thread of the training -------------------------------------------------------------

    def update(self) -> None:
        """Show the kernels and feature maps of now, if a page is open and time has come.

        Call it after each step: it costs a few microseconds while nobody watches, and at most 2 %
        of the time while somebody does. Curves need no call; the page reads them from the lists.
        """
        now = time.perf_counter()
        if now < self._due or self._closed.is_set() or not self._watched():
            return
        self._take_picture()
        spent = time.perf_counter() - now
        self._due = now + max(INTERVAL, spent / SHARE)

    def close(self) -> None:
        """Tell open pages that the training has ended, and stop serving."""
        if self._closed.is_set():
            return
        if self._watched():
            self._take_picture()
        self._closed.set()
        end = time.perf_counter() + GOODBYE
        while time.perf_counter() < end and not self._all_told():
            time.sleep(0.02)
        self._server.stop()

    def __enter__(self) -> TrainingWatch:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _watched(self) -> bool:
        """Whether a page is open."""
        last = max(list(self._pages.values()), default=-math.inf)
        return self._waiting > 0 or time.monotonic() - last < RECENT

    def _all_told(self) -> bool:
        now = time.monotonic()
        return not self._waiting and all(page in self._told or now - last > RECENT
                                         for page, last in list(self._pages.items()))

    def _take_picture(self) -> None:
        maps, output = observed(self.model, self.image)
        scores = as_numpy(output).astype(np.float64).reshape(-1)
        powers = np.exp(scores - scores.max())
        certainty = float(powers.max() / powers.sum())
        guess = int(scores.argmax())
        known = self.classes is not None and guess < len(self.classes)
        sheets = [sheet("maps", path, values[:MOST_MAPS]) for path, values in maps.items()]
        if self._first_conv is not None:
            path, module = self._first_conv
            weight = as_numpy(module.weight)
            kernels = weight.reshape(-1, *weight.shape[2:])[:MOST_KERNELS]
            sheets.insert(0, sheet("kernels", path, kernels))
        self._number += 1
        self._picture = {
            "number": self._number, "sheets": sheets, "guess": self.classes[guess]
            if known and self.classes else str(guess), "certainty": finite(certainty)}

    # -- in the threads of the server --------------------------------------------------------------

    def _answer(self, given: dict[str, str]) -> bytes:
        """What is new since what the page has; waits until there is something."""
        page = given.get("page", "")[:40]
        counts = {key: whole(given.get(key)) for key in ("loss", "accuracy", "gradients")}
        picture = whole(given.get("picture"))
        end = time.monotonic() + PATIENCE
        with self._lock:
            self._waiting += 1
            if len(self._pages) > 100:
                self._pages.clear()
            self._pages[page] = time.monotonic()
        try:
            while not (news := self._news(counts, picture)) and time.monotonic() < end:
                if self._closed.wait(0.1):
                    break
            ended = self._closed.is_set()       # before the last look, so that nothing is missed
            news = self._news(counts, picture)
        finally:
            with self._lock:
                self._waiting -= 1
                self._pages[page] = time.monotonic()
        if ended:
            self._told.add(page)
        return json.dumps({**news, "ended": ended}, allow_nan=False).encode()

    def _news(self, counts: dict[str, int], picture: int) -> dict[str, Any]:
        news: dict[str, Any] = {}
        for key, pairs in (("loss", self.loss), ("accuracy", self.accuracy)):
            if len(pairs) > counts[key]:
                new = list(pairs[counts[key]:])
                news[key] = {"count": counts[key] + len(new), "points": points(new)}
        # the lists of all parameters grow one after the other: only what all have is complete
        curves = list(self.gradients.items())
        length = min((len(pairs) for _, pairs in curves), default=0)
        if length > counts["gradients"]:
            new_norms = {key: points(list(pairs[counts["gradients"]:length]))
                         for key, pairs in curves}
            news["gradients"] = {"count": length, "points": new_norms}
        if self._picture["number"] > picture:
            news["picture"] = self._picture
        return news

    # -- the page ----------------------------------------------------------------------------------

    def page(self) -> str:
        """The page as text. It asks the address that it came from for what is new."""
        button = 'type="button"'
        theme = f'{button} class="tn-theme" {parts.label(self.lang, both("theme"))}'
        image = as_numpy(self.image)[0].astype(np.float64)
        data = {
            "lang": self.lang, "languages": list(LANGUAGES),
            "texts": {key: list(text) for key, text in TEXTS.items() if key.startswith("watch.")},
            "image": {"shape": list(image.shape), "values": np.round(image, 4).ravel().tolist()}}
        body = Template(read("watch.html")).substitute(
            lang=self.lang, style=read("page.css", "report.css", "watch.css"),
            title=parts.element(self.lang, "h1", both("watch.title")), name=html.escape(self.name),
            language=parts.element(self.lang, "button", both("language"),
                                   f'{button} class="tn-language"'),
            theme=parts.element(self.lang, "button", same("◐"), theme),
            noscript=html.escape(say(self.lang, "watch.noscript")), data=script_json(data),
            script=compact("network_pictures.js", "watch_charts.js", "watch.js"))
        page = document(f"{say(self.lang, 'watch.title')}: {self.name}", self.lang, body)
        policy = "default-src 'none';"
        return page.replace(policy, f"{policy} connect-src 'self';", 1)


def sheet(kind: str, name: str, values: np.ndarray) -> dict[str, Any]:
    """Maps (C, H, W) as shades of one byte: 127 is nothing, 0 and 254 full."""
    known = np.nan_to_num(values.astype(np.float64))
    most = float(np.abs(known).max(initial=0.0))
    shades = np.rint(SHADES + SHADES * known / (most or 1.0)).astype(np.uint8)
    return {"kind": kind, "name": name, "shape": list(values.shape), "most": most,
            "data": base64.b64encode(shades.tobytes()).decode()}


def points(pairs: list[Any]) -> list[list[float | None]]:
    """Pairs as JSON can hold them; of very many, only some."""
    return [[finite(x), finite(y)] for x, y in thinned(pairs, MOST_POINTS)]


def finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def whole(text: str | None) -> int:
    """A count from an address; 0 for anything else."""
    with contextlib.suppress(TypeError, ValueError):
        return max(0, int(text or 0))
    return 0


def watch(model: Any, image: Any, *, loss: Sequence[Any] = (), accuracy: Sequence[Any] = (),
          gradients: Mapping[str, Sequence[Any]] | None = None,
          classes: Sequence[str] | None = None, address: str = "127.0.0.1",
          name: str | None = None, lang: str = "en") -> TrainingWatch:
    """Serve a page on this machine alone that shows a training as it goes.

    Args:
        model: the module that is trained; it maps images (N, C, H, W) to scores (N, K).
        image: the image (C, H, W) whose way through the convolutions is shown.
        loss, accuracy, gradients: the lists (and the dict of lists) that the training goes on
            appending to; as for `report`, pairs (images seen, loss), (epoch, share), and for names
            of parameters pairs (images seen, norm).
        classes: K names; None: 0 … K−1.
        address: a loopback address, "127.0.0.1" or "127.0.0.1:8000", "localhost", "[::1]:8000";
            without a port, or with port 0, any free one.
        name: the title; None: the model's type.
        lang: "en" or "zh", the language shown first (the page has a switch).

    The page is at the `url` of what is returned. Call its `update()` after each step and `close()`
    at the end; a `with` statement closes it too. The server runs in threads that end with the
    program, answers only requests to its own address, and never waits for a browser. `update`
    runs the image through the model in eval mode without gradients; the modules keep their modes,
    and no random number is drawn, so the training ends with the same bits.

    Raises ValueError for an address that other machines can reach and for an image that isn't
    (C, H, W), TypeError for other types, OSError if the port is taken.

    >>> import tinynet
    >>> model = tinynet.nn.Sequential(tinynet.nn.Flatten(), tinynet.nn.Linear(4, 2))
    >>> with tinynet.explain.watch(model, tinynet.ones(1, 2, 2)) as page:
    ...     page.url.startswith("http://127.0.0.1:")
    True
    """
    return TrainingWatch(model, image, loss, accuracy, {} if gradients is None else gradients,
                         classes, address, name, lang)
