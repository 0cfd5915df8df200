"""What the page computes and says, compared with Python over many random convolutions.

The page's functions are inside one function, so a test document gives them a way in: `inside`.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from browser import needs_browser
from test_convolution_js import random_problem

import tinynet
from tinynet.explain import page
from tinynet.explain.convolution import PADDING_MODES
from tinynet.explain.steps import MODES
from tinynet.explain.texts import LANGUAGES, TEXTS

pytestmark = [needs_browser, pytest.mark.usefixtures("still")]
COUNT = 48


def open_inside(tab, *explanations) -> None:
    """Show explanations in a document whose scripts can be asked from outside."""
    body = "".join(e.html() for e in explanations)
    end = "})();\n</script>"
    body = body.replace(end, "root.inside = code => eval(code);\n" + end)
    text = page.document("test", "en", body)
    start, end = text.index("<meta http-equiv"), text.index("<link rel")
    tab.file.write_text(text[:start] + text[end:], encoding="utf-8")
    tab.driver.get(tab.file.as_uri())


def inside(tab, code: str, *arguments, explainer: int = 0):
    """Evaluate an expression inside an explainer; it may use `given`, a list."""
    return tab.script(
        "const root = document.querySelectorAll('.tn')[arguments[0]];"
        "window.given = JSON.parse(arguments[2]); return root.inside(arguments[1])",
        explainer,
        code,
        json.dumps(arguments),
    )


def explanation(k: int):
    random = np.random.default_rng([7, k])
    problem = random_problem(random, PADDING_MODES[k % 4])
    for margin in problem["padding"]:  # conv2d pads both sides alike
        margin[:] = [min(margin)] * 2
    shape = problem["shape"]
    for axis in (0, 1):
        extent = problem["dilation"][axis] * (problem["kernel"][1 + axis] - 1) + 1
        least = max(extent - 2 * problem["padding"][axis][0], 1)
        shape[2 + axis] = min(max(shape[2 + axis], least), 12 - 2 * problem["padding"][axis][0])
    shape[0] = min(shape[0], 2)

    def numbers(*size):
        # eighths: numbers with three digits, ties among them, and exact sums
        return random.integers(-24, 25, size) / (8 if k % 3 == 0 else 1)

    x, w = numbers(*shape), numbers(*problem["w"].shape)
    b = numbers(shape[1] and problem["kernel"][0]) if k % 2 else None
    arguments = (problem["stride"], [m[0] for m in problem["padding"]], problem["dilation"],
                 problem["groups"], problem["padding_mode"])  # fmt: skip
    e = tinynet.explain.conv2d(x, w, b, *arguments)
    g = None if k % 5 == 0 else numbers(*e.y.shape)
    return tinynet.explain.conv2d(x, w, b, *arguments, g)


@pytest.fixture(scope="module")
def many():
    found = [explanation(k) for k in range(COUNT)]
    assert {e.padding_mode for e in found} == set(PADDING_MODES)
    assert sum(e.groups > 1 for e in found) > 8
    assert sum(max(e.stride) > 1 for e in found) > 8
    return found


SAY_ALL = """
(() => {
  const [cases, languages] = given;
  return cases.map(({ problem, views }) => {
    if (!setProblem(problem)) return "impossible";
    return views.map(([n, o, c]) => MODES.map(mode => {
      Object.assign(state, { n, o, c, mode });
      return languages.map(lang => {
        state.lang = lang;
        return range(steps()).map(step => speak(stepSentence(step)));
      });
    }));
  });
})()
"""


def test_every_sentence_is_the_one_that_python_says(tab, many):
    open_inside(tab, many[0])
    cases = [{"problem": page.data(e)["problem"], "views": e.views("noc")[:3]} for e in many]
    said = inside(tab, SAY_ALL, cases, list(LANGUAGES))
    for e, case, views in zip(many, cases, said, strict=True):
        for (n, o, c), modes in zip(case["views"], views, strict=True):
            for mode, texts in zip(MODES, modes, strict=True):
                for lang, steps in zip(LANGUAGES, texts, strict=True):
                    expected = e.steps(mode, lang, sample=n, out_channel=o, in_channel=c)
                    assert steps == expected, (e.call, mode, n, o, c)


GROW_ALL = """
given[0].map(({ problem, views }) => {
  setProblem(problem);
  return views.map(([n, o, c]) => MODES.map(mode => {
    Object.assign(state, { n, o, c, mode });
    const { values, counts, inAll } = grown(steps() - 1);
    return { values, counts, inAll, focus: timeline().steps.map(({ focus }) => focus) };
  }));
})
"""


def test_accumulators_count_and_end_as_in_python(tab, many):
    open_inside(tab, many[0])
    cases = [{"problem": page.data(e)["problem"], "views": e.views("noc")[:3]} for e in many]
    grown = inside(tab, GROW_ALL, cases)
    for e, case, views in zip(many, cases, grown, strict=True):
        for view, modes in zip(case["views"], views, strict=True):
            for mode, found in zip(MODES, modes, strict=True):
                state, values = e.changes(mode, *view)
                counts, steps, in_all = (list(part) for part in e.counts(mode))
                for k, cells in enumerate(e.touched(mode)):
                    for cell, value in zip(cells, values[k], strict=True):
                        state[cell] = value
                    for cell, count in zip(cells, steps[k] if steps else [], strict=False):
                        counts[cell] = count
                assert found["focus"] == e.focus(mode), (e.call, mode)
                assert (found["counts"], found["inAll"]) == (counts, in_all), (e.call, mode)
                got, expected = (np.array(v, dtype=float) for v in (found["values"], state))
                np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_central_differences_agree_with_the_gradients(tab, many):
    open_inside(tab, many[0])
    problems = [page.data(e)["problem"] for e in many]
    worst = inside(
        tab,
        """given[0].map(problem => {
          setProblem(problem);
          Object.assign(state, { n: 0, o: 0, c: 0 });
          return ["dx", "dw", "db"].map(name => worstError(name).error);
        })""",
        problems,
    )
    assert np.max(worst) < 1e-8
    assert np.shape(worst) == (COUNT, 3)


def test_a_wrong_gradient_would_be_noticed(tab):
    """The check compares two ways of computing: it sees an error in one of them."""
    open_inside(tab, explanation(1))
    assert inside(tab, "(model.dx[0] += 0.01, state.n = 0, state.c = 0, worst = {}, "
                       "worstError('dx').error)") > 0.009  # fmt: skip
    assert inside(tab, "selfCheck(model, DATA.expected).worst > 0.0001")


def test_every_problem_survives_an_address(tab, many):
    open_inside(tab, many[0])
    problems = [page.data(e)["problem"] for e in many]
    lost = inside(
        tab,
        """given[0].filter(problem => {
          const copy = readData(readAddress(writeAddress({ data: writeData(problem) })).data);
          const same = name => JSON.stringify(copy[name]) === JSON.stringify(problem[name]);
          return !Object.keys(problem).every(same);
        }).length""",
        problems,
    )
    assert lost == 0


def test_the_page_checks_itself_and_says_so(tab):
    open_inside(tab, explanation(3), explanation(6))
    for root in tab.all(".tn"):
        assert root.get_attribute("data-checked") == "right"
    badge = tab.one(".tn-badge")
    assert badge.text == TEXTS["self.right"][0]
    assert "all are equal" in badge.get_attribute("title")
    html = explanation(3).html()
    broken = re.sub(r'("expected":{"y":\[)[^,]*', r"\g<1>999", html, count=1)
    tab.file.write_text(page.document("test", "en", broken), encoding="utf-8")
    tab.driver.get(tab.file.as_uri())
    assert tab.one(".tn").get_attribute("data-checked") == "wrong"
    assert tab.one(".tn-badge").text == TEXTS["self.wrong"][0]


def test_a_cropped_convolution_ends_at_the_numbers_of_the_whole(tab):
    random = np.random.default_rng(0)
    x, w = random.normal(size=(10, 10, 20, 25)), random.normal(size=(12, 10, 3, 3))
    cropped = [
        tinynet.explain.conv2d(x[:samples], w, np.ones(12), padding=1, cell=cell,
                               sample=samples - 1, stride=stride, padding_mode=mode, grad_out=None)
        for cell, mode, stride, samples in (  # of ten samples the page holds some, of three all
            ((9, 12), "zeros", 1, 10), ((0, 0), "reflect", 1, 3),
            ((5, 12), "circular", (2, 1), 3), ((2, 3), "replicate", (3, 2), 3))
    ]  # fmt: skip
    cropped.append(tinynet.explain.conv2d(x, random.normal(size=(20, 5, 5, 5)), groups=2,
                                          padding=2, cell=(1, 23)))  # fmt: skip
    for e in cropped:
        open_inside(tab, e)
        assert tab.one(".tn").get_attribute("data-checked") == "right"
        shown = inside(tab, "[DATA.frame.samples, DATA.frame.outs, DATA.frame.ins]")
        n, o = e.samples.index(shown[0][-1]), len(shown[1]) - 1
        c = inside(tab, "model.first(given[0])", o)
        assert inside(
            tab, "(Object.assign(state, {n: given[0], o: given[1], c: given[2]}), "
                 "['dx', 'dw', 'db'].map(name => worstError(name).error))", n, o, c
        ) == pytest.approx([0, 0, 0], abs=1e-8)  # fmt: skip
        for mode in ("forward", "dw", "dx", "db"):
            steps = inside(
                tab, "(state.mode = given[0], state.lang = 'en', "
                     "range(steps()).map(step => speak(stepSentence(step))))", mode
            )  # fmt: skip
            expected = e.steps(mode, sample=shown[0][n], out_channel=shown[1][o],
                               in_channel=shown[2][c])  # fmt: skip
            assert len(steps) == len(expected)
            if mode in ("dw", "db"):
                assert steps == expected
        last = inside(tab, "(state.mode = 'dx', grown(steps() - 1).values)")
        inside_ = [k for k, cell in enumerate(e.cells) if not e.outside(*cell)]
        want = [
            e.dx[shown[0][n], shown[2][c], r - e.rows.before, q - e.cols.before]
            for r, q in (e.cells[k] for k in inside_)
        ]
        np.testing.assert_allclose([last[k] for k in inside_], want, rtol=1e-9, atol=1e-9)
