// The guided tour: twelve stops, each with one sentence and one question. Numbers that a question
// asks for are hidden until it is answered. The texts stand in texts/tour.py.
//
// A stop: how its convolution differs from the lesson's, the mode and step, which numbers are
// hidden, which cell is asked for, the answer, and what typical wrong answers come from.

const cellIs = (panel, r, c) => (id, row, col) =>
  id === panel && (r === null || (row === r && col === c));
const at = (name, k) => () => model[name][k];
const BY_TWO = { stride: [2, 2] };
const unturned = () => sumOf(range(9).map(k => model.g[k] * model.w[k]));
const STOPS = [
  { mode: "forward", step: 0, hides: (id, r, c) => id === "y" && r + c > 0, asks: ["y", 1, 0],
    answer: at("y", 3),
    wrong: { turned: () => sumOf(range(9).map(t => model.w[8 - t] * model.column(0, 0, t, 3))) },
    after: { step: 3 } },
  { mode: "forward", step: 8, answer: () => 2, wrong: { same: () => 3 },
    after: { options: BY_TWO } },
  { mode: "matrix", step: 4, answer: () => 9, wrong: { once: () => 1, windows: () => 3 },
    after: { pin: ["x", 2, 2] } },
  { mode: "db", step: 0, hides: cellIs("db", null), answer: () => 3 * model.g[0],
    wrong: { only: at("g", 0), plus: () => 3 + model.g[0] } },
  { mode: "dx", step: 2, hides: cellIs("dx", null), asks: ["dx", 0, 3],
    answer: () => model.g[2] * model.w[1],
    wrong: { weight: at("w", 1), plus: () => model.g[2] + model.w[1] } },
  { mode: "dx", step: 1, hides: cellIs("dx", 0, 1), asks: ["dx", 0, 1],
    answer: () => model.g[0] * model.w[1] + model.g[1] * model.w[0],
    wrong: { assigned: () => model.g[1] * model.w[0], before: () => model.g[0] * model.w[1] } },
  { mode: "dx_gather", step: 12, hides: cellIs("dx", null), answer: () => "2,2",
    wrong: { first: () => "0,0", middle: () => "1,1" }, after: { turn: true } },
  { mode: "dx_gather", step: 12, hides: cellIs("dx", 2, 2), asks: ["dx", 2, 2], answer: at("dx", 12),
    wrong: { unturned } },
  { mode: "dx_gather", step: 6, options: BY_TWO, hides: cellIs("dx", 1, 1), asks: ["dx", 1, 1],
    answer: at("dx", 6), wrong: { all: () => sumOf(Array.from(model.g)) } },
  { mode: "dw_gather", step: 0, options: BY_TWO, hides: cellIs("dw", null), asks: ["dw", 0, 0],
    answer: at("dw", 0), wrong: { dense: () => sumOf([0, 1, 5, 6].map((q, k) => model.x[q] * model.g[k])) } },
  { mode: "db", step: 8, hides: cellIs("db", null), answer: at("db", 0),
    wrong: { count: () => 9, mean: () => model.db[0] / 9 } },
  { mode: "borders", step: 1, options: { shape: [1, 1, 6, 6], ...BY_TWO },
    hides: (id, r, c) => id === "dx" && (r === 5 || c === 5), answer: () => 0, wrong: {} },
];

function lessonProblem(options = {}) {
  const lesson = { ...DATA.lesson, g: null }, next = changed(lesson, options);
  return { ...next, g: distinctGradient(next) };
}

function startTour(number_) {
  if (!STOPS[number_ - 1]) return;
  if (!state.tour) {
    state.tour = { kept: { problem: model.problem, frame: model.frame, isChanged: state.changed,
      mode: state.mode } };
  }
  Object.assign(state.tour, { stop: number_, isDone: false, said: null });
  goToStop();
}

function goToStop() {
  const stop_ = STOPS[state.tour.stop - 1];
  stop();
  setProblem(lessonProblem(stop_.options));
  Object.assign(state, { mode: stop_.mode, pinned: null, pointed: null, assign: false });
  state.step = clamp(stop_.step, steps() - 1);
  state.mask = stop_.hides ?? (() => false);
  state.asked = stop_.asks ? cellIs(...stop_.asks) : null;
  buildSettings();
  showTour();
  build();
  writeHash();
}

function leaveTour() {
  if (!state.tour) return;
  const { kept } = state.tour;
  state.tour = state.mask = state.asked = null;
  state.mode = kept.mode;
  setProblem(kept.problem, kept);
  parts.tour.hidden = true;
  parts.sentence.hidden = false;
}
function endTour() {
  leaveTour();
  buildSettings();
  build();
  writeHash();
  parts.begin.focus();
}

// One answer as it is compared: "(2, 2)" and "2,2" are the same, and so are "−1" and "-1".
const plain = text => String(text).trim().replace(/−/g, "-").replace(/[()（）\s]/g, " ").trim()
  .replace(/\s*[,，;、 ]\s*/g, ",");
const agree = (given, right) => typeof right === "number"
  ? given !== "" && Math.abs(Number(given) - right) < .006 : given === right;

function answerTour(text) {
  const { stop: k } = state.tour, { answer, wrong } = STOPS[k - 1], given = plain(text);
  if (!given) return;
  if (agree(given, answer())) { solveTour("tour.right"); return; }
  const known = Object.entries(wrong).find(([, value]) => agree(given, value()));
  const isNumber = typeof answer() !== "number" || Number.isFinite(Number(given));
  state.tour.said = !isNumber ? say("tour.number")
    : known ? say(`tour.${k}.wrong.${known[0]}`)
      : say("tour.wrong") + (state.lang === "zh" ? "" : " ") + say(`tour.${k}.hint`);
  state.tour.isWrong = true;
  drawTourAnswer();
}

function solveTour(key) {
  const { tour } = state, { answer, after = {} } = STOPS[tour.stop - 1], right = answer();
  const shown = typeof right === "number" ? number(right) : right;
  const gap = state.lang === "zh" ? "" : " ";
  tour.isDone = true;
  tour.isWrong = false;
  tour.said = say(key, { answer: shown }) + gap + say(`tour.${tour.stop}.why`);
  state.mask = state.asked = null;
  if (after.options) setProblem(lessonProblem(after.options));
  if (after.step !== undefined) state.step = after.step;
  build();
  if (after.pin) {
    const [panel, row, col] = after.pin;
    state.pinned = { panel, row, col, address: { q: row * model.cols.padded + col } };
    update();
  }
  drawTourAnswer();
  parts.next.focus();
  if (after.turn && !calm.matches) playTurn();
}

function showTour() {
  const { stop: k, isDone } = state.tour, last = STOPS.length;
  const button = (name, text, run, more = {}) =>
    el("button", { type: "button", class: "tn-" + name, onclick: run, ...more }, text);
  parts.answer = el("input", { type: "text", class: "tn-answer", size: 6, autocomplete: "off",
    "aria-label": say("tour.answer") });
  const form = el("form", { onsubmit: event => {
    event.preventDefault();
    answerTour(parts.answer.value);
  } }, parts.answer, button("try", say("tour.check"), null, { type: "submit" }),
  button("show", say("tour.show"), () => solveTour("tour.shown")));
  parts.next = button("next", say(k < last ? "tour.next" : "tour.end"),
    () => k < last ? startTour(k + 1) : endTour());
  parts.verdict = el("p", { class: "tn-verdict", role: "status" });
  parts.tour.replaceChildren(
    el("div", { class: "tn-stop" }, el("b", {}, say("tour.stop", { k, n: last })),
      el("progress", { max: last, value: k, "aria-label": say("tour") }),
      button("before", "←", () => startTour(k - 1), { disabled: k === 1,
        "aria-label": say("tour.back") }), parts.next,
      button("leave", "✕", endTour, { "aria-label": say("tour.leave"), title: say("tour.leave") })),
    parts.story = el("p", { class: "tn-text" }, say(`tour.${k}.text`)),
    el("div", { class: "tn-ask" }, el("p", {}, say(`tour.${k}.ask`)), form), parts.verdict);
  parts.tour.hidden = false;
  parts.sentence.hidden = !isDone;
  drawTourAnswer();
  if (!isDone) parts.answer.focus({ preventScroll: true });
}

function drawTourAnswer() {
  const { said, isDone, isWrong } = state.tour;
  parts.verdict.textContent = said ?? "";
  const sign = isDone ? " is-right" : isWrong && said ? " is-wrong" : "";
  parts.verdict.className = "tn-verdict" + sign;
  parts.sentence.hidden = !isDone;
  parts.next.classList.toggle("is-due", isDone);
}
