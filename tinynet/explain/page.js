// The page around the panels, and what a reader can do with it: mouse, keys, paper.
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const live = root.querySelector(".tn-live");
const parts = {};                       // the elements that change, by name

// -- the page -------------------------------------------------------------------------------------
const translated = text => text[DATA.languages.indexOf(state.lang)];
const card = (name, heading, ...children) =>
  el("section", { class: "tn-card " + name }, el("h2", {}, heading), ...children);

// Everything that depends on the language.
function frame() {
  const button = (name, text, run, more = {}) => {
    const attributes = { type: "button", class: "tn-" + name, onclick: run, ...more };
    return parts[name] = el("button", attributes, text);
  };
  const sign = (name, text, run) => button(name, text, run, { "aria-label": say(name) });
  for (const node of root.querySelectorAll("[data-say]")) {
    node.textContent = say(...JSON.parse(node.dataset.say));
  }
  root.lang = state.lang;
  const tools = el("div", { class: "tn-tools" },
    button("language", say("language"), nextLanguage, { lang: state.lang === "en" ? "zh" : "en" }),
    button("theme", "◐", nextTheme, { "aria-label": say("theme"), title: say("theme") }),
    button("help", "?", openHelp, { "aria-label": say("help"), title: say("help") }));
  const facts = el("dl", { class: "tn-facts" });
  for (const { label, text } of DATA.facts) {
    const lines = translated(text).split("    ").map(line => el("span", {}, line));
    facts.append(el("div", { class: label.replace("fact.", "is-") },
      el("dt", {}, say(label)), el("dd", {}, ...lines)));
  }
  const modes = el("div", { class: "tn-modes", role: "group", "aria-label": say("modes") },
    ...MODES.map((name, k) =>
      el("button", { type: "button", "data-mode": name, onclick: () => setMode(name) },
        el("kbd", {}, String(k + 1)), el("span", {}, say("mode." + name)))));
  parts.slider = el("input", { type: "range", min: 0, step: 1, "aria-label": say("slider"),
    oninput: event => setStep(+event.target.value) });
  parts.where = el("output", { class: "tn-where" });
  const controls = el("div", { class: "tn-controls" },
    sign("first", "⇤", () => setStep(0)),
    sign("back", "←", () => setStep(state.step - 1)),
    parts.slider,
    sign("forth", "→", () => setStep(state.step + 1)),
    sign("last", "⇥", () => setStep(steps() - 1)),
    button("play", say("play"), togglePlay,
      calm.matches ? { disabled: true, title: say("no_motion") } : {}),
    parts.where);
  parts.tabs = el("div", { class: "tn-tabs" });
  parts.lead = el("p", { class: "tn-lead" });
  parts.sentence = el("p", { class: "tn-sentence", "aria-live": "polite" });
  parts.formula = el("p", { class: "tn-formula" });
  parts.code = el("p", { class: "tn-code" }, el("code"));
  parts.stage = el("div", { class: "tn-stage", role: "group", "aria-label": say("panels") });
  parts.more = el("div", { class: "tn-more" });
  parts.help = help();
  const head = root.querySelector(".tn-head");
  head.replaceChildren(head.firstElementChild, tools);
  live.replaceChildren(facts, modes,
    el("div", { class: "tn-bar" }, parts.lead, controls, parts.tabs),
    parts.sentence, parts.stage, el("div", { class: "tn-words" }, parts.formula, parts.code),
    parts.more, parts.help);
  build();
}

function help() {
  const keys = [["1 – 7", "modes"], ["← →", "step"], ["Home End", "ends"], ["Space", "space"],
    ["Tab", "tab"], ["↑ ↓ ← →", "arrows"], ["Enter", "enter"], ["Esc", "esc"], ["?", "help"]];
  const caps = names => names.split(" ").map(name => name === "–" ? name : el("kbd", {}, name));
  const swatch = name => el("span", { class: "tn-swatch is-" + name, "aria-hidden": "true" });
  const dialog = el("dialog", { class: "tn-dialog", "aria-label": say("help") },
    el("h2", {}, say("help")),
    el("dl", {}, ...keys.flatMap(([names, text]) =>
      [el("dt", {}, ...caps(names)), el("dd", {}, say("key." + text))])),
    el("ul", {}, ...["focus", "lit", "pad", "unread"].map(name =>
      el("li", {}, swatch(name), say("legend." + name)))),
    el("button", { type: "button", onclick: () => dialog.close() }, say("close")));
  return dialog;
}

// Everything that depends on the mode, the sample and the channels. The keyboard stays in its cell.
function build() {
  const position = document.activeElement;
  const inPanels = parts.stage.contains(position) || parts.more.contains(position);
  const held = inPanels ? placed(position) : null;
  const box = id => { const panel = PANELS[id](); follow(id, panel); return draw(id, panel); };
  parts.stage.replaceChildren(...STAGE[state.mode].map(item => item in PANELS ? box(item)
    : el("div", { class: "tn-operator", "aria-hidden": "true" }, item)));
  parts.stage.dataset.mode = state.mode;
  parts.more.replaceChildren();
  parts.check = null;
  if (FALK[state.mode]) (state.mode === "matrix" ? parts.stage : parts.more).append(falk(box));
  if (state.mode === "borders" && Object.keys(DATA.compare).length) parts.more.append(compared());
  if (["dx", "dx_gather", "db"].includes(state.mode)) parts.more.append(checkCard());
  drawTabs();
  for (const button of root.querySelectorAll("button[data-mode]")) {
    button.setAttribute("aria-pressed", String(button.dataset.mode === state.mode));
  }
  parts.lead.textContent = say("lead." + state.mode);
  parts.formula.innerHTML = say("formula." + state.mode);       // trusted text of our own table
  parts.code.firstChild.textContent =
    state.mode === "forward" ? "y = " + DATA.call : say("code." + state.mode);
  update();
  if (held) find(held.panel, held.row, held.col)?.focus();
}

// The mode as a matrix product.
function falk(box) {
  const [top, left, product] = FALK[state.mode];
  // the empty corner of the scheme holds what helps to read it
  const corner = state.mode === "matrix" ? box("x") : state.mode === "dw" ? checkCard() : el("div");
  const words = card("tn-matrix", say("panel.matrix"),
    el("div", { class: "tn-falk" }, corner, box(top), box(left), box(product)));
  const note = text => words.append(el("p", { class: "tn-note" }, text));
  if (state.mode === "dx") {
    const outs = DATA.outs_of_group;
    if (outs > 1) note(say("panel.matrix_sum", { outs }));
  } else if (DATA.channels > 1) note(say("panel.matrix_share", { c: state.c }));
  return words;
}

function checkCard() {
  parts.check = el("tbody");
  const heads = ["cell", "analytic", "numeric", "error"].map(name =>
    el("th", { scope: "col" }, say("check." + name)));
  const { count, worst } = DATA.check;
  return card("tn-check", say("panel.check"), el("p", {}, say("check.text")),
    el("table", {}, el("thead", {}, el("tr", {}, ...heads)), parts.check),
    el("p", {}, say("check.worst", { count, error: worst })));
}

// dX under each padding mode.
function compared() {
  const list = el("div", { class: "tn-stage" });
  for (const [name, result] of Object.entries(DATA.compare)) {
    if (!result) {
      list.append(el("div", { class: "tn-panel" }, el("h3", {}, name),
        el("p", { class: "tn-note" }, say("compare.none"))));
      continue;
    }
    const row = r => rows.labels.indexOf(result.rows[r]);
    const place = (r, c) => row(r) * WIDTH + cols.labels.indexOf(result.cols[c]);
    list.append(draw("compare-" + name, {
      rows: result.rows, cols: result.cols, address: (r, c) => ({ q: place(r, c) }),
      value: (r, c) => result.views[key("nc")][r * result.cols.length + c],
      kind: (r, c) => cellKind(place(r, c)),
    }));
  }
  return card("tn-compare", say("panel.compare"), list);
}

function drawTabs() {
  const axes = [["n", "sample", DATA.samples], ["o", "out_channel", DATA.outs],
    ["c", "in_channel", DATA.ins[state.o]]];
  const tab = (axis, name, value) => el("button", {
    type: "button", "data-axis": axis, "data-value": value,
    "aria-pressed": String(state[axis] === value), "aria-label": say(name) + " " + value,
    onclick: () => setView(axis, value),
  }, String(value));
  const group = ([axis, name, values]) =>
    el("div", { class: "tn-tab", role: "group", "aria-label": say(name) },
      el("span", { "aria-hidden": "true" }, say(name)),
      ...values.map(value => tab(axis, name, value)));
  parts.tabs.replaceChildren(...axes.filter(([, , values]) => values.length > 1).map(group));
}

// Everything that depends on the step and on the cell pointed at.
function update() {
  const lit = light(chosen());
  parts.slider.max = steps() - 1;
  parts.slider.value = state.step;
  const where = say("step", { k: state.step + 1, n: steps() });
  parts.slider.setAttribute("aria-valuetext", where);
  parts.where.textContent = where;
  for (const name of ["first", "back"]) parts[name].disabled = state.step === 0;
  for (const name of ["last", "forth"]) parts[name].disabled = state.step === steps() - 1;
  parts.play.textContent = say(state.timer ? "pause" : "play");
  const sentence = mode().sentences[key(mode().views)][state.step];
  const gap = state.lang === "zh" ? "" : " ";
  parts.sentence.replaceChildren(...sentence.flatMap(([name, slots], k) =>
    [k ? gap : "", el("span", { class: "tn-part" }, say(name, slots))]));
  root.dataset.mode = state.mode;
  root.dataset.step = state.step;
  for (const box of panelBoxes()) paint(box, lit);
  if (parts.check) checked();
}

const panelBoxes = () => [...root.querySelectorAll(".tn-panel")].filter(box => box.panel);

// Panels read the accumulator when they are made, so a new step makes them again.
function renew() {
  for (const box of panelBoxes()) {
    if (box.dataset.panel in PANELS) box.panel = PANELS[box.dataset.panel]();
  }
  const isLarge = ({ panel }) => panel.rows.length > GRID || panel.cols.length > GRID;
  if (panelBoxes().some(isLarge)) build(); else update();
}

// The row of the numeric check: the cell pointed at, or the middle one of those the step changes.
function checked() {
  const { panel } = mode().grows, now = active();
  const axis = { dw: "t", dx: "q" }[panel];
  const touched = mode().grows.touched[state.step];
  const place = panel === "db" ? 0 : now && axis in now.address ? now.address[axis]
    : touched[Math.floor(touched.length / 2)];
  const view = { dw: "oc", dx: "nc", db: "o" }[panel];
  const result = DATA.check[panel][key(view)][place];
  const cell = () => show(rows.labels[Math.floor(place / WIDTH)]) + ","
    + show(cols.labels[place % WIDTH]);
  const label = panel === "db" ? "db(" + state.o + ")"
    : panel === "dw" ? "dW(" + tapLabels[place] + ")" : "dX(" + cell() + ")";
  const reason = DATA.pad[place] && panel === "dx" ? "mark.pad" : "check.none";
  parts.check.replaceChildren(el("tr", {}, el("th", { scope: "row" }, label),
    ...(result ? result.map(text => el("td", {}, text))
      : [el("td", { colspan: 3 }, say(reason))])));
}

// -- what a reader can do -------------------------------------------------------------------------
function setStep(step) {
  state.step = clamp(step, steps() - 1);
  if (state.timer && state.step === steps() - 1) stop();
  renew();
}
function setMode(name) {
  stop();
  Object.assign(state, { mode: name, step: 0, pinned: null, pointed: null });
  build();
}
function setView(axis, value) {
  state[axis] = value;
  const ins = DATA.ins[state.o];                        // another group reads other channels
  if (!ins.includes(state.c)) state.c = ins[0];
  build();
  root.querySelector(`.tn-tabs [data-axis="${axis}"][data-value="${value}"]`).focus();
}
function nextLanguage() {
  const next = DATA.languages.indexOf(state.lang) + 1;
  state.lang = DATA.languages[next % DATA.languages.length];
  frame();
  parts.language.focus();
}
function nextTheme() {
  const scheme = getComputedStyle(root).colorScheme;
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const dark = scheme === "dark" || (scheme !== "light" && systemIsDark);
  root.style.colorScheme = root.dataset.theme = dark ? "light" : "dark";
}
function openHelp() { if (parts.help.open) parts.help.close(); else parts.help.showModal(); }
function stop() { clearInterval(state.timer); state.timer = null; }
function togglePlay() {
  if (calm.matches) return;
  if (state.timer) { stop(); update(); return; }
  if (state.step === steps() - 1) state.step = -1;
  state.timer = setInterval(() => setStep(state.step + 1), 1200);
  setStep(state.step + 1);
}

const find = (panel, row, col) => root.querySelector(
  `table[data-panel="${panel}"] td[data-row="${row}"][data-col="${col}"]`);
const placed = target => {
  const cell = target.closest?.("td[data-row]"), box = cell && cell.closest(".tn-panel");
  if (!box) return null;
  const row = +cell.dataset.row, col = +cell.dataset.col;
  return { panel: box.dataset.panel, row, col, address: box.panel.address(row, col) };
};
function point(place) {
  if (same(place, state.pointed) || (!place && !state.pointed)) return;
  state.pointed = place;
  update();
}
function pin(place) {
  state.pinned = same(place, state.pinned) ? null : place;
  update();
}
live.addEventListener("pointerover", event => {
  if (event.pointerType !== "touch") point(placed(event.target));
});
live.addEventListener("pointerleave", () => point(null));
live.addEventListener("focusin", event => {
  const place = placed(event.target);
  if (place) state.focus[place.panel] = { row: place.row, col: place.col };
  if (place && event.target.matches(":focus-visible")) point(place);
});
live.addEventListener("focusout", event => { if (placed(event.target)) point(null); });
live.addEventListener("click", event => {
  const place = placed(event.target);
  if (place) pin(place);
});

// An arrow key inside a panel: to the next cell, turning the page if necessary.
function walk(place, name) {
  const [down, across] =
    { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[name];
  const { panel } = root.querySelector(`.tn-panel[data-panel="${place.panel}"]`);
  const row = clamp(place.row + down, panel.rows.length - 1);
  const col = clamp(place.col + across, panel.cols.length - 1);
  const offset = state.offset[place.panel];
  for (const [axis, at] of [["row", row], ["col", col]]) {
    if (at < offset[axis] || at >= offset[axis] + GRID) {
      offset[axis] = at < offset[axis] ? at : at - GRID + 1;
      build();
    }
  }
  find(place.panel, row, col)?.focus();
}

// Keys go to the explainer that has the focus; without focus, to the last one used, or the first.
const current = () => {
  const focused = document.activeElement;
  if (root.contains(focused)) return true;
  const last = document.querySelector(".tn.is-current") || document.querySelector(".tn[data-step]");
  return (!focused || focused === document.body) && last === root;
};
const use = () => {
  for (const node of document.querySelectorAll(".tn.is-current")) {
    node.classList.remove("is-current");
  }
  root.classList.add("is-current");
};
root.addEventListener("pointerdown", use);
root.addEventListener("focusin", use);
document.addEventListener("keydown", event => {
  const modified = event.ctrlKey || event.altKey || event.metaKey;
  if (!current() || modified || event.defaultPrevented) return;
  const { target, key: name } = event, place = placed(target);
  if (parts.help.open) { if (name === "?") parts.help.close(); return; }
  if (target.matches?.("input, textarea, select") && !/^[1-7?]$|^Escape$/.test(name)) return;
  if ((name === " " || name === "Enter") && target.closest?.("button, summary")) return;
  if (/^[1-7]$/.test(name)) setMode(MODES[+name - 1]);
  else if (name.startsWith("Arrow") && place) walk(place, name);
  else if (name === "ArrowLeft") setStep(state.step - 1);
  else if (name === "ArrowRight") setStep(state.step + 1);
  else if (name === "Home") setStep(0);
  else if (name === "End") setStep(steps() - 1);
  else if (name === " ") togglePlay();
  else if (name === "Enter" && place) pin(place);
  else if (name === "Escape") { state.pinned = state.pointed = null; stop(); update(); }
  else if (name === "?") openHelp();
  else return;
  event.preventDefault();
});

// -- paper: every step of the mode on one contact sheet -------------------------------------------
addEventListener("beforeprint", () => {
  const now = state.step, sheet = el("div", { class: "tn-sheet" });
  for (state.step = 0; state.step < steps(); state.step++) {
    renew();
    sheet.append(el("figure", {}, parts.stage.cloneNode(true),
      el("figcaption", {}, parts.where.textContent + ": " + parts.sentence.textContent)));
  }
  state.step = now;
  renew();
  live.append(sheet);
});
addEventListener("afterprint", () => {
  for (const sheet of live.querySelectorAll(".tn-sheet")) sheet.remove();
});

root.querySelector(".tn-noscript").remove();
root.querySelector(".tn-static").open = false;
frame();
