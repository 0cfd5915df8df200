// What a reader can do: mouse, touch, keys, paper. Then the page begins.

function setStep(step) {
  endTurn();
  closeEditor();
  state.step = clamp(step, steps() - 1);
  if (state.timer && state.step === steps() - 1) stop();
  renew();
  writeHash();
}
function setMode(name) {
  stop();
  closeEditor();
  if (state.tour) leaveTour();
  Object.assign(state, { mode: name, pinned: null, pointed: null });
  state.step = firstStep();
  if (name !== "dx" && name !== "dw" && name !== "db") state.assign = false;
  build();
  writeHash();
}
// A layer opens at the window where |G| is largest, so that something happens there.
function firstStep() {
  const p = DATA.start.step;
  if (state.changed || !p) return 0;
  const q = readBy(p)[model.geometry.T >> 1];
  return Math.max(0, timeline().steps.findIndex(({ focus }) => focus.p === p || focus.q === q));
}
function setView(axis, value) {
  const inTabs = parts.tabs.contains(document.activeElement);
  state[axis] = value;
  const ins = model.insOf(state.o);                     // another group reads other channels
  if (!ins.includes(state.c)) state.c = ins[0];
  build();
  if (inTabs) parts.tabs.querySelector(`[data-axis="${axis}"][aria-pressed="true"]`)?.focus();
}
function nextLanguage() {
  const next = DATA.languages.indexOf(state.lang) + 1;
  state.lang = DATA.languages[next % DATA.languages.length];
  closeEditor();
  frame();
  parts.language.focus({ preventScroll: true });
  writeHash();
}
function nextTheme() {
  const scheme = getComputedStyle(root).colorScheme;
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const dark = scheme === "dark" || (scheme !== "light" && systemIsDark);
  root.style.colorScheme = root.dataset.theme = dark ? "light" : "dark";
}
function present() {
  root.classList.toggle("is-presenting");
  reserveSentence();
  fit();
  update();
  const isOn = root.classList.contains("is-presenting");
  parts.said.textContent = say(isOn ? "presenting" : "present.off");
}
function openHelp() { if (parts.help.open) parts.help.close(); else parts.help.showModal(); }
function stop() { clearInterval(state.timer); state.timer = null; }
function play() {
  clearInterval(state.timer);
  state.timer = setInterval(() => setStep(state.step + 1), 1200 / state.speed);
}
function setSpeed(value) { state.speed = value; if (state.timer) play(); }
function togglePlay() {
  if (calm.matches) return;
  if (state.timer) { stop(); update(); return; }
  const begin = state.step === steps() - 1 ? 0 : state.step + 1;
  play();
  setStep(begin);
}

const find = (panel, row, col) => root.querySelector(
  `table[data-panel="${panel}"] td[data-row="${row}"][data-col="${col}"]`);
const placed = target => {
  const cell = target.closest?.("td[data-row]"), box = cell && cell.closest(".tn-panel");
  if (!box) return null;
  const row = +cell.dataset.row, col = +cell.dataset.col;
  const { panel, view, dataset } = box;
  return { panel: dataset.panel, row, col, view, address: panel.address(row, col) };
};
function point(place) {
  if (same(place, state.pointed) || (!place && !state.pointed) || turning) return;
  state.pointed = place;
  update();
}
function pin(place) {
  state.pinned = same(place, state.pinned) ? null : place;
  update();
  return state.pinned;
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
  if (!place) return;
  endTurn();
  const isPinned = pin(place), cell = find(place.panel, place.row, place.col);
  if (!isPinned || !cell) { closeEditor(); return; }
  const input = openEditor(cell);
  if (input && event.pointerType !== "touch") input.select();
});

// An arrow key inside a panel: to the next cell, turning the page if necessary.
function walk(place, name) {
  const [down, across] =
    { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[name];
  const { panel } = root.querySelector(`.tn-panel[data-panel="${place.panel}"]`);
  const row = clamp(place.row + down, panel.rows.length - 1);
  const col = clamp(place.col + across, panel.cols.length - 1);
  const offset = state.offset[place.panel], most = pageSize(place.panel);
  for (const [axis, at] of [["row", row], ["col", col]]) {
    if (at < offset[axis] || at >= offset[axis] + most) {
      offset[axis] = at < offset[axis] ? at : at - most + 1;
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
root.addEventListener("pointerdown", event => {
  use();
  if (editor && !editor.node.contains(event.target)) closeEditor();
});
root.addEventListener("focusin", use);
document.addEventListener("keydown", event => {
  const modified = event.ctrlKey || event.altKey || event.metaKey;
  if (!current() || modified || event.defaultPrevented) return;
  const { target, key: name } = event, place = placed(target);
  if (parts.help.open) { if (name === "?") parts.help.close(); return; }
  if (target.matches?.("input[type=text], select") && name !== "Escape") return;
  if (target.matches?.("input") && !/^[1-8?pPtT]$|^Escape$/.test(name)) return;
  if ((name === " " || name === "Enter") && target.closest?.("button, summary")) return;
  const cell = place && find(place.panel, place.row, place.col);
  const canEdit = cell?.classList.contains("is-editable");
  if (/^[1-8]$/.test(name)) setMode(MODES[+name - 1]);
  else if (name.startsWith("Arrow") && place) walk(place, name);
  else if (name === "ArrowLeft") setStep(state.step - 1);
  else if (name === "ArrowRight") setStep(state.step + 1);
  else if (name === "Home") setStep(0);
  else if (name === "End") setStep(steps() - 1);
  else if (name === " ") togglePlay();
  else if (name === "Enter" && place) pin(place);
  else if (/^([eE]|F2)$/.test(name) && canEdit) openEditor(cell)?.select();
  else if (/^[pP]$/.test(name)) present();
  else if (/^[tT]$/.test(name)) playTurn();
  else if (name === "Escape") {
    if (root.classList.contains("is-presenting") && !active()) present();
    state.pinned = state.pointed = null;
    stop();
    endTurn();
    closeEditor();
    update();
  } else if (name === "?") openHelp();
  else return;
  event.preventDefault();
});

let width = 0, height = 0;
new ResizeObserver(() => {
  if (width === root.clientWidth && height === innerHeight) return;
  refit();
}).observe(root);
addEventListener("resize", refit);
function refit() {
  [width, height] = [root.clientWidth, innerHeight];
  closeEditor();
  endTurn();
  reserveSentence();
  fit();
  update();
}
addEventListener("hashchange", () => {
  if (!readHash()) return;
  const stop_ = state.wanted;
  frame();
  if (stop_) startTour(stop_);
});

// -- paper: every step of the mode on one contact sheet -------------------------------------------
const HALF_A_PAGE = 335;
addEventListener("beforeprint", () => {
  const now = state.step, sheet = el("div", { class: "tn-sheet" });
  const boxes = [...parts.stage.children].map(node => node.getBoundingClientRect());
  const size = Math.max(...boxes.map(({ right }) => right)) - Math.min(...boxes.map(({ left }) =>
    left));
  const zoom = Math.min(1, HALF_A_PAGE / size);
  for (state.step = 0; state.step < steps(); state.step++) {
    renew();
    const picture = parts.stage.cloneNode(true);
    picture.style.zoom = zoom;
    sheet.append(el("figure", {}, picture,
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
checkItself();
setProblem(builtIn(), { frame: DATA.frame, isChanged: false });
state.n = DATA.start.n;
state.o = DATA.start.o;
state.c = model.first(state.o);
state.step = clamp(DATA.start.step, steps() - 1);
readHash();
frame();
if (state.wanted) startTour(state.wanted);
