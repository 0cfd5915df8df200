// Changing the numbers: sliders whose limits follow each other, switches, and the way back.

const LARGEST = { size: 9, kernel: 5, stride: 4, padding: 3, dilation: 3 };
const builtIn = () => ({ ...DATA.problem });
let version = 0;

// Show a problem. `keep`: stay at the step. False if its geometry is impossible.
function setProblem(problem, { frame = null, isChanged = true, keep = false } = {}) {
  const next = solve(problem, frame);
  if (next.geometry.error) return false;
  model = next;
  model.version = ++version;
  state.changed = isChanged;
  const { N, O, C } = model.geometry;
  state.n = Math.min(state.n, N - 1);
  state.o = Math.min(state.o, O - 1);
  if (!model.insOf(state.o).includes(state.c) || state.c >= C) state.c = model.first(state.o);
  state.step = keep ? clamp(state.step, steps() - 1) : 0;
  if (!keep) { state.pinned = state.pointed = null; state.offset = {}; }
  return true;
}
function reset() {
  stop();
  leaveTour();
  setProblem(builtIn(), { frame: DATA.frame, isChanged: false });
  buildSettings();
  build();
  writeHash();
}

// What the sliders may be set to, given all others: { name: [least, most] }.
function limits(problem) {
  const [N, C, H, W] = problem.shape, [O, KH, KW] = problem.kernel, axes = [[H, KH], [W, KW]];
  const [s, d] = [problem.stride[0], problem.dilation[0]], [p] = problem.padding[0];
  const fits = (size, kernel, p, d) => d * (kernel - 1) + 1 <= size + 2 * p;
  const most = (top, ok) => Math.max(...range(top + 1).filter(ok));
  const least = (bottom, top, ok) => range(top + 1).find(v => v >= bottom && ok(v)) ?? top;
  const pads = size => problem.padding_mode === "reflect" ? size - 1
    : problem.padding_mode === "circular" ? size : Infinity;
  const size = k => {
    const [, kernel] = axes[k], ok = v => fits(v, kernel, p, d) && p <= pads(v);
    return [least(1, LARGEST.size, ok), Math.max(axes[k][0], Math.min(LARGEST.size, GRID - 2 * p))];
  };
  const kernel = k => [1, most(LARGEST.kernel, K => K < 1 || fits(axes[k][0], K, p, d))];
  return {
    H: size(0), W: size(1), KH: kernel(0), KW: kernel(1), stride: [1, Math.max(s, LARGEST.stride)],
    padding: [least(0, LARGEST.padding, v => axes.every(([n, K]) => fits(n, K, v, d))),
      most(LARGEST.padding, v => v === 0
        || axes.every(([n]) => v <= pads(n) && n + 2 * v <= GRID))],
    dilation: [1, most(LARGEST.dilation, v => v < 1 || axes.every(([n, K]) => fits(n, K, p, v)))],
    C: [1, 2], O: [1, 2], groups: [1, C % 2 || O % 2 ? 1 : 2],
  };
}
const SLIDERS = {
  H: [p => p.shape[2], (p, v) => ({ shape: [p.shape[0], p.shape[1], v, p.shape[3]] })],
  W: [p => p.shape[3], (p, v) => ({ shape: [p.shape[0], p.shape[1], p.shape[2], v] })],
  KH: [p => p.kernel[1], (p, v) => ({ kernel: [p.kernel[0], v, p.kernel[2]] })],
  KW: [p => p.kernel[2], (p, v) => ({ kernel: [p.kernel[0], p.kernel[1], v] })],
  stride: [p => p.stride[0], (p, v) => ({ stride: [v, v] })],
  padding: [p => p.padding[0][0], (p, v) => ({ padding: [[v, v], [v, v]] })],
  dilation: [p => p.dilation[0], (p, v) => ({ dilation: [v, v] })],
  C: [p => p.shape[1], (p, v) => ({ shape: [p.shape[0], v, p.shape[2], p.shape[3]],
    groups: v % p.groups ? 1 : p.groups })],
  O: [p => p.kernel[0], (p, v) => ({ kernel: [v, p.kernel[1], p.kernel[2]],
    groups: v % p.groups ? 1 : p.groups })],
  groups: [p => p.groups, (p, v) => ({ groups: v })],
};

function buildSettings() {
  const { problem } = model, allowed = limits(problem);
  const [top, bottom, left, right] = problem.padding.flat();
  const pad = top === bottom && left === right ? writePair([top, left]) : "…";
  const texts = { stride: writePair(problem.stride), dilation: writePair(problem.dilation),
    padding: pad };
  const slider = name => {
    const [read] = SLIDERS[name], [least, most] = allowed[name], value = read(problem);
    const label = say("set." + name);
    return el("label", { class: "tn-set" }, el("span", {}, label),
      el("input", { type: "range", "data-set": name, min: Math.min(least, value),
        max: Math.max(most, value), value, step: 1, disabled: least >= most, "aria-label": label,
        oninput: event => change(name, +event.target.value) }),
      el("output", {}, (texts[name] ?? String(value)).replaceAll(",", "×")));
  };
  const tick = (name, checked, run, disabled = false) => el("label", { class: "tn-switch" },
    el("input", { type: "checkbox", class: "tn-" + name, checked, disabled,
      onchange: event => run(event.target.checked) }), say("set." + name));
  const possible = mode => !makeGeometry({ ...problem, padding_mode: mode }).error;
  const modes = el("select", { "data-set": "padding_mode", "aria-label": say("set.padding_mode"),
    onchange: event => change("padding_mode", event.target.value) },
  ...PADDING_MODES.map(mode => el("option", { value: mode, disabled: !possible(mode),
    selected: mode === problem.padding_mode }, mode)));
  const locked = model.frame ? [el("p", { class: "tn-note" }, say("set.cropped"))] : [
    ...["H", "W", "KH", "KW", "stride", "padding", "dilation", "C", "O", "groups"].map(slider),
    el("label", { class: "tn-set" }, el("span", {}, say("set.padding_mode")), modes),
    tick("bias", Boolean(problem.b), on => change("bias", on)),
  ];
  parts.side.replaceChildren(el("h2", {}, say("numbers")), el("p", { class: "tn-note" },
    say("numbers.hint")), ...locked,
  tick("ones", model.ones, on => change("ones", on)));
}

const CHANGES = {
  padding_mode: (p, mode) => ({ padding_mode: mode }),
  bias: (p, on) => ({ b: on ? range(p.kernel[0]).map(o => o + 1) : null }),
  ones: (p, on) => ({ g: on ? null : distinctGradient(p) }),
};

// A slider or switch was moved: a new problem, from which everything else follows.
function change(name, value) {
  const { problem } = model, options = (CHANGES[name] ?? SLIDERS[name][1])(problem, value);
  const isSame = ["padding_mode", "bias", "ones"].includes(name), frame = model.frame;
  const next = name === "ones" ? { ...problem, ...options } : changed(problem, options);
  if (!setProblem(next, { frame, keep: isSame })) { buildSettings(); return; }
  stop();
  const selector = name === "bias" || name === "ones" ? ".tn-" + name : `[data-set="${name}"]`;
  buildSettings();
  build();
  parts.side.querySelector(selector)?.focus({ preventScroll: true });
  writeHash();
}

// One number of x, w, b or G was changed.
function setNumber(name, k, value) {
  const numbers = Array.from(model[name]);
  numbers[k] = value;
  const isOnes = name !== "g" && model.ones;
  setProblem({ ...model.problem, [name]: numbers, ...(isOnes ? { g: null } : {}) },
    { frame: model.frame, keep: true });
  const ones = parts.side.querySelector(".tn-ones");
  if (ones) ones.checked = model.ones;
  renew();
  writeHash();
}

const goToSettings = () => {
  parts.side.scrollIntoView({ block: "center" });
  parts.side.querySelector("input, select")?.focus({ preventScroll: true });
};

// -- what the page has checked --------------------------------------------------------------------
let checked;
function checkItself() {
  const own = solve(builtIn(), DATA.frame);
  checked = selfCheck(own, DATA.expected);
  checked.isRight = checked.worst < 1e-9;
  root.dataset.checked = checked.isRight ? "right" : "wrong";
}
function showBadge() {
  const { count, worst, isRight } = checked;
  parts.badge.textContent = say(isRight ? "self.right" : "self.wrong");
  parts.badge.title = say(isRight ? "self.right.long" : "self.wrong.long",
    { count, error: scientific(worst) });
  parts.badge.classList.toggle("is-wrong", !isRight);
  parts.reset.hidden = !state.changed;
}

// -- the address ----------------------------------------------------------------------------------
const isFirst = () => document.querySelector(".tn[data-checked]") === root;
const addressNow = () => writeAddress({
  mode: state.mode, step: state.step, lang: state.lang, tour: state.tour?.stop,
  data: state.changed && !model.frame && !state.tour ? writeData(model.problem) : null,
});
let written = null, waiting = null;
function writeHash() {                  // once things have come to rest: browsers count the calls
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    if (!isFirst()) return;
    written = addressNow();
    try { history.replaceState(history.state, "", written); } catch { written = null; }
  }, 200);
}
function readHash() {
  if (!isFirst() || location.hash === written || location.hash.length < 2) return false;
  const { mode, step, lang, tour, data, g } = readAddress(location.hash);
  const problem = data && readData(data);
  if (problem) setProblem(problem);
  const { frame } = model;
  if (g === "ones" && !model.ones) setProblem({ ...model.problem, g: null }, { frame });
  if (DATA.languages.includes(lang)) state.lang = lang;
  if (MODES.includes(mode)) state.mode = mode;
  if (/^\d+$/.test(step ?? "")) state.step = clamp(+step, steps() - 1);
  state.wanted = /^\d+$/.test(tour ?? "") ? +tour : null;
  return true;
}
// Where a page may not use the clipboard, the link is shown to be copied by hand.
function showLink(link) {
  const field = el("input", { type: "text", readonly: true, value: link, "aria-label": say("link") });
  const dialog = el("dialog", { class: "tn-dialog", "aria-label": say("link"),
    onclose: () => dialog.remove() }, el("h2", {}, say("link")), field,
  el("button", { type: "button", onclick: () => dialog.close() }, say("close")));
  live.append(dialog);
  dialog.showModal();
  field.select();
}
async function copyLink() {
  const link = location.href.split("#")[0] + addressNow();
  try { await navigator.clipboard.writeText(link); }
  catch { showLink(link); return; }
  parts.said.textContent = say("copied");
  parts.link.classList.add("is-done");
  setTimeout(() => parts.link.classList.remove("is-done"), 1500);
}
