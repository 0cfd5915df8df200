// Is it true? Central differences for the cell that is looked at, and dX under every padding mode.

const STEP = 2 ** -10;                  // a power of two, so whole numbers stay exact

// y at one place with one number moved: `moved` says by how much x, w and b differ.
function outputAt(n, o, p, moved) {
  const { T, P } = model.geometry;
  let y = (model.b ? model.b[o] : 0) + (moved.b ?? 0);
  for (const c of model.insOf(o)) {
    const x = model.xOf(n, c), w = model.wOf(o, c);
    for (let t = 0; t < T; t++) {
      const q = model.cellOf[t * P + p];
      const isMoved = moved.cells?.has(q) && moved.c === c;
      y += (x[q] + (isMoved ? moved.by : 0))
        * (w[t] + (moved.t === t && moved.channel === c ? moved.by : 0));
    }
  }
  return y;
}

// The derivative of the loss ⟨y, G⟩ with respect to one number of dX (cell q), dW (tap t) or db,
// by central difference.
function numeric(name, place) {
  const { n, o, c } = state, { N, P } = model.geometry, all = range(P);
  const difference = (places, moved) => places.reduce((sum, [n, o, p]) => {
    const up = outputAt(n, o, p, moved(STEP)), down = outputAt(n, o, p, moved(-STEP));
    return sum + model.g[(n * model.geometry.O + o) * P + p] * (up - down);
  }, 0) / (2 * STEP);
  if (name === "dx") {
    const cells = new Set([place, ...range(model.cells).filter(q => model.sourceOf[q] === place)]);
    const windows = all.filter(p => readBy(p).some(q => cells.has(q)));
    const places = model.outsOf(c).flatMap(o => windows.map(p => [n, o, p]));
    return difference(places, by => ({ cells, c, by }));
  }
  const places = range(N).flatMap(n => all.map(p => [n, o, p]));
  return difference(places, by => name === "dw" ? { t: place, channel: c, by } : { b: by });
}

// what the hidden part of a cropped convolution contributes, which no difference can see
function hiddenShare(name, place) {
  const { n, o, c } = state, { base, geometry: { Cg, T, C } } = model;
  if (name === "db") return base.db?.[o] ?? 0;
  if (name === "dw") return base.dw?.[(o * Cg + c % Cg) * T + place] ?? 0;
  const alone = model.isPad(place) ? [place]
    : [place, ...range(model.cells).filter(q => model.isPad(q) && model.sourceOf[q] === place)];
  const at = q => base.dxpad?.[(n * C + c) * model.cells + q] ?? 0;
  const { rows, cols, geometry: { H, W } } = model;
  const pixel = (rowOf(place) - rows.before) * W + colOf(place) - cols.before;
  return sumOf(alone.map(at)) + (base.dx?.[(n * C + c) * H * W + pixel] ?? 0);
}

const analytic = (name, place) => name === "db" ? model.db[state.o]
  : name === "dw" ? model.dwOf(state.o, state.c)[place] : model.dxAt(state.n, state.c, place);

function compared(name, place) {
  const exact = analytic(name, place);
  if (exact === null) return null;
  const measured = numeric(name, place) + hiddenShare(name, place);
  return { exact, measured, error: Math.abs(exact - measured) };
}

// The largest error over all cells of the gradient that is shown.
let worst = {};
function worstError(name) {
  const key = [name, state.n, state.o, state.c, model.version].join();
  if (worst.key !== key) {
    const places = name === "db" ? [0] : range(name === "dw" ? model.geometry.T : model.cells);
    const errors = places.map(place => compared(name, place)).filter(Boolean);
    worst = { key, count: errors.length, error: Math.max(...errors.map(({ error }) => error)) };
  }
  return worst;
}

// -- cards ----------------------------------------------------------------------------------------
const card = (name, heading, ...children) =>
  el("section", { class: "tn-card " + name }, el("h2", {}, heading), ...children);

function checkCard() {
  const name = GROWS[state.mode], { count, error } = worstError(name);
  parts.check = el("tbody");
  const heads = ["cell", "now", "analytic", "numeric", "error"].map(head =>
    el("th", { scope: "col" }, say("check." + head)));
  return card("tn-check", say("panel.check"), el("p", {}, say("check.text")),
    el("table", {}, el("thead", {}, el("tr", {}, ...heads)), parts.check),
    el("p", { class: "tn-worst" }, say("check.worst", { count, error: scientific(error) })));
}

// The row of the numeric check: the cell pointed at, or the one that the step follows.
function showCheck() {
  const name = GROWS[state.mode], axis = { dw: "t", dx: "q" }[name], now = stepNow();
  const address = active()?.address ?? {};
  const place_ = name === "db" ? 0 : address[axis] ?? now.mark?.[axis] ?? now.focus[axis]
    ?? now.cells[now.cells.length >> 1];
  const result = compared(name, place_), { kh, kw } = tapOf(place_);
  const { r, q } = name === "dx" ? place(place_) : {};
  const label = name === "db" ? `db(${outName(state.o)})`
    : name === "dw" ? `dW(${kh},${kw})` : `dX(${r},${q})`;
  const digits = value => value.toFixed(6).replace("-", "−");
  parts.check.replaceChildren(el("tr", {}, el("th", { scope: "row" }, label),
    ...(result ? [number(grown().values[place_]), number(result.exact), digits(result.measured),
      scientific(result.error)].map(text => el("td", {}, text))
      : [el("td", { colspan: 4 }, say("mark.pad"))])));
}

// dX under each padding mode, with the same G.
function comparison() {
  const list = el("div", { class: "tn-stage" }), { rows, cols } = model;
  for (const padding_mode of PADDING_MODES) {
    const other = solve({ ...model.problem, padding_mode, g: Array.from(model.g) }, null);
    if (other.geometry.error) {
      list.append(el("div", { class: "tn-panel" }, el("h3", {}, padding_mode),
        el("p", { class: "tn-note" }, say("compare.none"))));
      continue;
    }
    const at = (r, c) => (r + rows.before) * cols.padded + c + cols.before;
    list.append(draw("compare-" + padding_mode, {
      rows: range(rows.size), cols: range(cols.size), address: (r, c) => ({ q: at(r, c) }),
      value: (r, c) => other.dxAt(state.n, state.c, at(r, c)), kind: (r, c) => cellKind(at(r, c)),
    }));
  }
  return card("tn-compare", say("panel.compare"), list);
}

// The mode as a matrix product.
function falk(box) {
  const [top, left, product] = FALK[state.mode];
  const words = card("tn-matrix", say("panel.matrix"),
    el("div", { class: "tn-falk" }, el("div"), box(top), box(left), box(product)));
  const note = text => words.append(el("p", { class: "tn-note" }, text));
  const { Og, Cg } = model.geometry;
  if (state.mode === "dx" && Og > 1) note(say("panel.matrix_sum", { outs: Og }));
  if (state.mode !== "dx" && Cg > 1) note(say("panel.matrix_share", { c: inName(state.c) }));
  return words;
}

// -- facts ----------------------------------------------------------------------------------------
function facts() {
  const { count, worst: error, isRight } = checked;
  const check = say(isRight ? "self.right.long" : "self.wrong.long",
    { count, error: scientific(error) });
  return [...sizesAndNotes(), ["fact.check", [check]]];
}

function sizesAndNotes() {
  if (model.frame) {
    return DATA.facts.map(({ label, text }) => [label, text[column()].split("    ")]);
  }
  const { rows, cols, b, geometry: { N, C, H, W, O, OH, OW, KH, KW, Cg, groups } } = model;
  const formula = a => `⌊(${a.size} + ${a.before} + ${a.after} − ${a.dilation}·(${a.kernel} − 1)`
    + ` − 1) / ${a.stride}⌋ + 1 = ${a.out}`;
  const shapes = [`x ${N} × ${C} × ${H} × ${W}`, `w ${O} × ${Cg} × ${KH} × ${KW}`,
    ...(b ? ["b " + O] : []), `y ${N} × ${O} × ${OH} × ${OW}`];
  const size = O * Cg * KH * KW, factors = [N, O, OH, OW, Cg, KH, KW];
  const notes = remainders().map(([axis, kind]) =>
    say("note.remainder_rows", { what: unreached(axis, kind) }));
  const unread = range(model.cells).filter(q => !model.isPad(q) && isUnread(q)).length;
  if (unread) notes.push(say("note.unread", { count: unread }));
  if (groups > 1) notes.push(say("note.groups", { groups, outs: O / groups, ins: Cg }));
  notes.push(say(model.ones ? "note.ones" : "note.given"));
  if (!b) notes.push(say("note.no_bias"));
  return [["fact.size", ["H: " + formula(rows), "W: " + formula(cols)]],
    ["fact.shapes", [shapes.join(",  ")]],
    ["fact.parameters", [b ? `${size} + ${O} = ${size + O}` : String(size)]],
    ["fact.multiplications", ["N·O·OH·OW·(C/groups)·KH·KW = " + factors.join("·") + " = "
      + factors.reduce((a, f) => a * f, 1).toLocaleString("en")]],
    ["fact.notes", notes]];
}

// The call that makes this convolution, without what equals the default.
function callText() {
  if (!state.changed && DATA.call) return DATA.call;
  const { rows, cols, b, problem } = model, settings = [];
  const two = (first, second) => first === second ? String(first) : `(${first}, ${second})`;
  const add = (name, text, plain) => { if (text !== plain) settings.push(`${name}=${text}`); };
  const isPlain = rows.before === rows.after && cols.before === cols.after
    && problem.padding_mode === "zeros";
  add("stride", two(rows.stride, cols.stride), "1");
  if (isPlain) add("padding", two(rows.before, cols.before), "0");
  add("dilation", two(rows.dilation, cols.dilation), "1");
  add("groups", String(problem.groups), "1");
  const mode = problem.padding_mode === "zeros" ? "constant" : problem.padding_mode;
  const x = isPlain || !model.geometry.padded ? "x"
    : `F.pad(x, (${cols.before}, ${cols.after}, ${rows.before}, ${rows.after}), mode='${mode}')`;
  return `F.conv2d(${[x, "w", ...(b ? ["b"] : []), ...settings].join(", ")})`;
}
