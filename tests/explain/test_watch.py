"""The page that follows a training: what it tells, to whom, and that the training goes on as if
nobody watched."""

from __future__ import annotations

import base64
import http.client
import importlib
import json
import re
import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from browser import needs_axe, needs_browser
from trained import HOSTILE, Fixed, bands

import tinynet
import tinynet.explain.watch_server
from tinynet import nn
from tinynet.explain import watch
from tinynet.explain.texts import LANGUAGES, TEXTS
from tinynet.explain.training import feature_maps

EXAMPLES = Path(__file__).parents[2] / "examples"


class Run:
    """A training that is watched: its lists, and what a browser would ask."""

    def __init__(self, model=None, **more):
        self.loss, self.accuracy, self.gradients = [], [], {"conv.weight": []}
        self.model = Fixed() if model is None else model
        self.page = watch(
            self.model, bands(1)[0], loss=self.loss, accuracy=self.accuracy,
            gradients=self.gradients, **more,
        )  # fmt: skip
        self.address = urlsplit(self.page.url).netloc

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.page.close()

    def get(self, path="/", host=None, method="GET", **headers):
        """Status, headers and body of an answer."""
        connection = http.client.HTTPConnection(self.address, timeout=20)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", self.address if host is None else host)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def state(self, **have):
        have = {"page": "p", "loss": 0, "accuracy": 0, "gradients": 0, "picture": 0, **have}
        query = "&".join(f"{name}={value}" for name, value in have.items())
        return json.loads(self.get(f"/state?{query}")[2])


@pytest.fixture
def run():
    with Run() as started:
        yield started


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    """Waits that are short enough for a test."""
    module = importlib.import_module("tinynet.explain.watch")
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    monkeypatch.setattr(module, "GOODBYE", 0.05)


# -- what it tells ---------------------------------------------------------------------------------


def test_it_tells_what_is_new_and_only_that(run):
    run.loss += [(0, 2.5), (64, 1.0)]
    run.accuracy.append((1, 0.5))
    run.gradients["conv.weight"] += [(0, 4.0), (64, float("nan"))]
    state = run.state()
    assert state["loss"] == {"count": 2, "points": [[0, 2.5], [64, 1.0]]}
    assert state["accuracy"]["points"] == [[1, 0.5]]
    assert state["gradients"]["points"] == {"conv.weight": [[0, 4.0], [64, None]]}
    assert not state["ended"]
    run.loss.append((128, 0.5))
    state = run.state(loss=2, accuracy=1, gradients=2, picture=1)
    assert state == {"loss": {"count": 3, "points": [[128, 0.5]]}, "ended": False}
    assert run.state(loss=3, accuracy=1, gradients=2, picture=1) == {"ended": False}


def test_the_picture_holds_the_kernels_and_maps_of_the_model(run):
    picture = run.state()["picture"]
    kernels, maps = picture["sheets"]
    assert (kernels["kind"], kernels["name"], kernels["shape"]) == ("kernels", "conv", [1, 1, 1])
    assert kernels["most"] == 2 and base64.b64decode(kernels["data"]) == bytes([254])
    expected = feature_maps(run.model, bands(1))["conv"]
    shades = np.frombuffer(base64.b64decode(maps["data"]), np.uint8).astype(float)
    shown = (shades - 127) / 127 * maps["most"]
    np.testing.assert_allclose(shown.reshape(maps["shape"]), expected, atol=0.01)
    assert picture["guess"] == "1" and 0.3 < picture["certainty"] < 1


def test_a_new_picture_is_taken_when_somebody_watches(run, monkeypatch):
    module = importlib.import_module("tinynet.explain.watch")
    taken = []
    observed = module.observed
    monkeypatch.setattr(module, "observed", lambda *a: taken.append(1) or observed(*a))
    for _ in range(1000):
        run.page.update()
    assert not taken  # nobody is there
    run.state()
    with tinynet.no_grad():
        run.model.conv.weight.fill_(-3.0)
    for _ in range(1000):
        run.page.update()
    assert len(taken) == 1  # and not again so soon
    picture = run.state(picture=1)["picture"]
    assert picture["number"] == 2 and picture["sheets"][0]["most"] == 3
    monkeypatch.setattr(module, "RECENT", 0)
    run.page._due = 0
    run.page.update()
    assert len(taken) == 1  # the page was closed


def test_pictures_take_a_small_share_of_the_time(run, monkeypatch):
    module = importlib.import_module("tinynet.explain.watch")
    now = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    taken = []

    def slow():
        taken.append(now[0])
        now[0] += 0.2  # a large model

    monkeypatch.setattr(run.page, "_take_picture", slow)
    monkeypatch.setattr(run.page, "_watched", lambda: True)
    while now[0] < 200:
        now[0] += 0.01
        run.page.update()
    assert 5 <= len(taken) and len(taken) * 0.2 <= 0.021 * 100


def test_an_answer_comes_as_soon_as_there_is_something(run, monkeypatch):
    module = importlib.import_module("tinynet.explain.watch")
    monkeypatch.setattr(module, "PATIENCE", 30.0)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(run.state(picture=1)))
    asking.start()
    run.loss.append((0, 1.0))
    asking.join(10)
    assert answers[0]["loss"]["points"] == [[0, 1.0]]


def test_the_end_is_told_to_those_who_wait_and_then_nobody_answers(monkeypatch):
    module = importlib.import_module("tinynet.explain.watch")
    monkeypatch.setattr(module, "PATIENCE", 30.0)
    with Run() as run:
        answers = []
        asking = threading.Thread(target=lambda: answers.append(run.state(picture=1)))
        asking.start()
        while not run.page._waiting:
            time.sleep(0.01)
        run.page.close()
        asking.join(10)
        assert answers[0]["ended"]
        with pytest.raises(ConnectionRefusedError):
            run.get()
        run.page.close()  # a second time, nothing happens


def test_nonsense_in_an_address_is_no_error(run):
    run.loss.append((0, 1.0))
    for value in ("x", "-5", "", "1e9", "9" * 40):
        assert run.get(f"/state?loss={value}&picture={value}")[0] == 200


def test_a_browser_that_goes_away_disturbs_nobody(run, capfd):
    for request in (b"GET /state HTTP/1.1\r\nHost: ", b"nonsense\r\n\r\n", b"\x00\xff\r\n"):
        with socket.create_connection(urlsplit(run.page.url).netloc.split(":")) as connection:
            connection.sendall(request)
    with socket.create_connection(urlsplit(run.page.url).netloc.split(":")) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {run.address}\r\n\r\n".encode())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    run.loss.append((0, 1.0))
    run.page.update()
    assert run.state()["loss"]["count"] == 1
    assert capfd.readouterr() == ("", "")


# -- to whom ---------------------------------------------------------------------------------------


ELSEWHERE = ["0.0.0.0", "0.0.0.0:8000", "192.168.1.5", "::", "[::]:80", "example.org", "", ":8000",
             "8.8.8.8:80", "127.0.0.1.example.org", "[2001:db8::1]:1"]  # fmt: skip


@pytest.mark.parametrize("address", ELSEWHERE)
def test_an_address_that_others_can_reach_is_refused(address):
    with pytest.raises(ValueError, match=r"^explain.watch: address=.*loopback.*ssh -L"):
        Run(address=address)


@pytest.mark.parametrize("address", ["127.0.0.1:x", "127.0.0.1:-1", "127.0.0.1:70000"])
def test_a_port_must_be_a_port(address):
    with pytest.raises(ValueError, match="the port must be"):
        Run(address=address)
    with pytest.raises(TypeError, match="must be a str"):
        Run(address=8000)


def test_it_listens_at_this_machine_alone(run):
    assert run.page._server.socket.getsockname()[0] == "127.0.0.1"
    with Run(address="localhost") as other:
        assert other.page._server.socket.getsockname()[0] == "127.0.0.1"
        assert other.address != run.address
    with pytest.raises(OSError, match="in use"):
        Run(address=run.address)


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_the_loopback_of_ipv6(run):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no ::1")
    with Run(address="[::1]:0") as other:
        assert other.page.url.startswith("http://[::1]:") and other.get()[0] == 200


def test_only_its_own_name_is_answered(run):
    port = run.address.rpartition(":")[2]
    assert run.get()[0] == 200
    assert run.get(host=f"localhost:{port}")[0] == 200
    for host in (f"evil.example:{port}", "127.0.0.1", "", f"127.0.0.1:{port}.evil.example"):
        status, _, body = run.get("/state", host=host)
        assert status == 403 and "loss" not in body
        assert run.get("/", host=host)[0] == 403


def test_pages_of_others_cannot_read_it(run):
    for site in ("cross-site", "same-site", "none"):
        assert run.get("/state", Sec_Fetch_Site=site)[0] == 403
    assert run.get("/state", Sec_Fetch_Site="same-origin")[0] == 200
    _, headers, page = run.get()
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert "Access-Control-Allow-Origin" not in headers
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy


def test_what_there_is_not(run):
    assert run.get("/etc/passwd")[0] == 404
    assert run.get("/../state")[0] == 404
    assert run.get("/", method="POST")[0] == 501
    status, headers, body = run.get("/", method="HEAD")
    assert status == 200 and body == "" and int(headers["Content-Length"]) > 1000


def test_too_many_requests_are_refused(run, monkeypatch):
    monkeypatch.setattr(run.page._server, "free", threading.Semaphore(0))
    assert run.get()[0] == 503


# -- what it is given ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((len, bands(1)), TypeError, "model is a builtin"),
        ((Fixed(), [[1.0]]), ValueError, "image has"),
        ((Fixed(), tinynet.zeros(6, 4)), ValueError, r"image has \(6, 4\)"),
        ((Fixed(), bands(1), 5), TypeError, "loss is a int"),
        ((Fixed(), bands(1), [], 5), TypeError, "accuracy is a int"),
        ((Fixed(), bands(1), [], [], []), TypeError, "gradients is a list"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, error, message):
    names = ("model", "image", "loss", "accuracy", "gradients")
    with pytest.raises(error, match="^explain.watch: " + message):
        watch(**dict(zip(names, arguments, strict=False)))
    with pytest.raises(ValueError, match="lang='xx'"):
        watch(Fixed(), bands(1), lang="xx")


def test_a_model_without_convolution_and_one_that_diverged():
    model = nn.Sequential(nn.Flatten(), nn.Linear(24, 3))
    with Run(model, classes=["a", "b", "c"]) as run:
        picture = run.state()["picture"]
        assert picture["sheets"] == [] and picture["guess"] in ("a", "b", "c")
    model = Fixed()
    with tinynet.no_grad():
        model.conv.weight.fill_(float("nan"))
    with Run(model) as run:
        run.loss.append((0, float("inf")))
        state = run.state()
        assert state["picture"]["certainty"] is None and state["loss"]["points"] == [[0, None]]


def test_slots_are_the_same_in_both_languages():
    for key, texts in TEXTS.items():
        if key.startswith("watch."):
            slots = [sorted(re.findall(r"\{(\w+)\}", text)) for text in texts]
            assert len(texts) == len(LANGUAGES) and slots[0] == slots[1], key


# -- the example -----------------------------------------------------------------------------------


def test_a_watched_training_ends_with_the_same_bits(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tqdm", reason="the example needs tqdm")
    pytest.importorskip("matplotlib", reason="the example draws with matplotlib")
    monkeypatch.syspath_prepend(EXAMPLES)
    module = importlib.import_module("tinynet.explain.watch")
    monkeypatch.setattr(module, "INTERVAL", 0.0)
    monkeypatch.setattr(module, "SHARE", 1e9)  # a picture at every step
    monkeypatch.setattr(module, "GOODBYE", 5.0)
    example = importlib.import_module("mnist_resumable")

    class Few(tinynet.datasets.MNIST):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options, download=False)
            self.data, self.targets = self.data[:200], self.targets[:200]

    monkeypatch.setattr(example, "MNIST", Few)
    monkeypatch.setattr(example, "draw", lambda *arguments: None)
    states, made = [], []
    start = tinynet.explain.watch

    def watched(*arguments, **options):
        page = start(*arguments, **options)
        host, port = urlsplit(page.url).netloc.split(":")

        def follow():
            have = {"loss": 0, "accuracy": 0, "gradients": 0, "picture": 0}
            while not states or not states[-1]["ended"]:
                connection = http.client.HTTPConnection(host, int(port), timeout=20)
                query = "&".join(f"{k}={v}" for k, v in have.items())
                connection.request("GET", f"/state?page=p&{query}")
                states.append(json.loads(connection.getresponse().read()))
                for name in ("loss", "accuracy", "gradients"):
                    have[name] = states[-1].get(name, {"count": have[name]})["count"]
                have["picture"] = states[-1].get("picture", {"number": have["picture"]})["number"]

        made.append(threading.Thread(target=follow))
        made[0].start()
        return page

    monkeypatch.setattr(tinynet.explain, "watch", watched)
    for name, options in (("plain", []), ("watched", ["--watch"])):
        arguments = ["mnist_resumable.py", "--epochs", "2", "--batch-size", "20", *options]
        monkeypatch.setattr(sys, "argv", [*arguments, "--out", str(tmp_path / name)])
        example.main()
    made[0].join(10)
    files = [tmp_path / name / "mnist.safetensors" for name in ("plain", "watched")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert states[-1]["ended"]
    assert max(state["picture"]["number"] for state in states if "picture" in state) > 3
    accuracies = [p for s in states for p in s.get("accuracy", {"points": []})["points"]]
    shown = re.findall(r"test accuracy ([\d.]+)%", capsys.readouterr().out)
    assert [f"{100 * share:.2f}" for _, share in accuracies] == shown[2:]
    losses = [p for s in states for p in s.get("loss", {"points": []})["points"]]
    assert [seen for seen, _ in losses] == [0, 200]


def test_the_example_refuses_to_listen_elsewhere(monkeypatch, tmp_path):
    pytest.importorskip("tqdm", reason="the example needs tqdm")
    pytest.importorskip("matplotlib", reason="the example draws with matplotlib")
    monkeypatch.syspath_prepend(EXAMPLES)
    example = importlib.import_module("mnist_resumable")
    monkeypatch.setattr(sys, "argv", ["x", "--watch", "0.0.0.0:8000", "--out", str(tmp_path)])
    with pytest.raises(ValueError, match="loopback"):
        example.main()
    tinynet.distributed.destroy_process_group()  # which the program's end would have done


# -- in the browser --------------------------------------------------------------------------------


@pytest.fixture
def shown(tab, monkeypatch):
    """A page that has got its first numbers."""
    monkeypatch.setattr(importlib.import_module("tinynet.explain.watch"), "GOODBYE", 3.0)
    tab.driver.get_log("browser")
    tab.screen()
    with Run(name=HOSTILE) as run:
        run.loss += [(64 * k, 2.0 / (k + 1)) for k in range(50)]
        run.accuracy += [(1, 0.5), (2, 0.75)]
        run.gradients["conv.weight"] += [(64 * k, 1.0 / (k + 1)) for k in range(50)]
        tab.driver.get(run.page.url)
        run.tab = tab
        until(tab, "document.querySelector('.tn-watch-state.is-running')")
        yield run
    tab.driver.get("about:blank")
    assert tab.driver.get_log("browser") == []


def until(tab, condition):
    tab.driver.execute_async_script(
        f"const done = arguments[0], look = () => {condition} ? done() : setTimeout(look, 20);"
        "look()"
    )


@needs_browser
def test_the_page_shows_what_is_new(shown):
    tab = shown.tab
    values = [node.text for node in tab.all(".tn-watch-numbers b")]
    assert values == ["0.04", "75.0 %", "3,136"]
    assert tab.one(".tn-name").text == HOSTILE
    assert len(tab.all(".tn-watch-sheets canvas")) == 2
    assert "conv.weight" in tab.one(".tn-watch-norms").text
    shown.loss.append((64 * 50, 0.5))
    until(tab, "document.querySelector('.tn-watch-numbers b').textContent === '0.5'")
    tab.one(".tn-language").click()
    assert tab.one("h1").text == TEXTS["watch.title"][1]
    assert TEXTS["watch.running"][1] in tab.one(".tn-watch-state").text
    shown.page.close()
    until(tab, "document.querySelector('.tn-watch-state.is-ended')")
    assert TEXTS["watch.ended"][1] in tab.one(".tn-watch-state").text


@needs_browser
def test_nothing_sticks_out_at_any_width(shown):
    for width in (400, 1366):
        shown.tab.resize(width, 900)
        assert shown.tab.script("return document.documentElement.scrollWidth") <= width


@needs_browser
@needs_axe
def test_axe_finds_no_violation(shown):
    assert shown.tab.violations_light_and_dark() == []
