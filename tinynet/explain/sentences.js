// What every step says: a list of texts, each a key of the table of texts with its slots.
// sentences.py says the same; a test compares the two.

const place = q =>
  ({ r: number(model.rows.label(rowOf(q))), q: number(model.cols.label(colOf(q))) });
const place2 = q => { const { r, q: c } = place(q); return { r2: r, q2: c }; };
const windowOf = p => {
  const { rows, cols } = model, i = Math.floor(p / cols.out), j = p % cols.out;
  return { i: rows.windowLabel(i), j: cols.windowLabel(j) };
};
const tapOf = t => ({ kh: Math.floor(t / model.geometry.KW), kw: t % model.geometry.KW });

// the rows or columns of x that a window reads
function windowSpan(kind, axis, window) {
  const first = axis.label(axis.at(0, window));
  return span(kind, first, first + axis.extent - 1, axis.dilation);
}
const spans = p => ({
  rows: windowSpan("row", model.rows, Math.floor(p / model.cols.out)),
  cols: windowSpan("col", model.cols, p % model.cols.out),
});
const sliceOf = (axis, window) => {
  const start = axis.start + axis.at(0, window);
  return `${start}:${start + axis.extent}` + (axis.dilation > 1 ? ":" + axis.dilation : "");
};
// the slots that name window p of the array `name` as a slice
const slices = (p, name) => ({
  ...windowOf(p), name: name + (model.whole.padded ? "pad" : ""),
  rows: sliceOf(model.rows, Math.floor(p / model.cols.out)),
  cols: sliceOf(model.cols, p % model.cols.out),
});
const unreached = (axis, kind) => {
  const end = axis.label(axis.padded);
  return span(kind, end - axis.remainder, end - 1);
};
const sumOf = values => values.reduce((a, b) => a + b, 0);
const startsLater = (step, hidden) => step === 0 && hidden ? [["start", {}]] : [];
const sayBias = (o, y) => model.b
  ? [["forward.bias", { o: outName(o), b: number(model.b[o]), y: number(y) }]] : [];
const outName = o => model.frame?.outs[o] ?? o, inName = c => model.frame?.ins[c] ?? c;

// what each input channel of the group gives to window p; last, what hidden channels give
function channelShares(n, o, p) {
  const shares = model.insOf(o).map(c => sumOf(range(model.geometry.T).map(t =>
    model.wOf(o, c)[t] * model.column(n, c, t, p))));
  if (model.whole.Cg > model.geometry.Cg) {
    shares.push(model.yOf(n, o)[p] - (model.b ? model.b[o] : 0) - sumOf(shares));
  }
  return shares;
}

const SPEAKERS = {
  forward(n, o, c, { focus: { p } }) {
    const { T, KW } = model.geometry, Cg = model.whole.Cg, shares = channelShares(n, o, p);
    const expr = products(model.wOf(o, c), range(T).map(t => model.column(n, c, t, p)), KW);
    const own = number(shares[c - model.first(o)]);
    const sums = Cg === 1 ? [["forward.sum", { expr, sum: own }]] : [
      ["forward.channel", { c: inName(c), expr, sum: own }],
      ["forward.channels", { count: Cg, expr: total(shares), sum: number(sumOf(shares)) }]];
    const rule = T > 1 ? "rule" : Cg === 1 ? "rule_one" : "rule_channels";
    return [["forward.window", { ...windowOf(p), ...spans(p) }], ...sums,
      ...sayBias(o, model.yOf(n, o)[p]), ["forward." + rule, {}]];
  },
  matrix(n, o, c, { focus: { p } }) {
    const { whole, geometry: { T } } = model, count = whole.Cg * T, { i, j } = windowOf(p);
    const y = model.yOf(n, o)[p], product = model.b ? y - model.b[o] : y;
    const read = whole.read ?? model.own.filter(times => times > 0).length;
    const rule = Math.max(...model.coverage) > 1
      ? ["matrix.rule", { cells: whole.Cg * read, entries: count * whole.P }]
      : ["matrix.rule_once", {}];
    return [[count > 1 ? "matrix.column" : "matrix.column_one",
      { p: i * whole.OW + j, i, j, count }],
    ["matrix.product", { o: outName(o), sum: number(product) }], ...sayBias(o, y), rule];
  },
  dw(n, o, c, { focus: { p }, values }, step) {
    const { whole, geometry: { T, P } } = model, count = whole.N * whole.P, tap = T >> 1;
    return [...startsLater(step, count > P),
      ["dw.window", { ...slices(p, "x"), g: number(model.gOf(n, o)[p]) }],
      ["dw.tap", { ...tapOf(tap), x: number(model.column(n, c, tap, p)),
        before: number(beforeStep(step, tap)), after: number(values[tap]),
        k: count - P + step + 1, n: count }],
      [count > 1 ? "dw.rule" : "dw.rule_one", {}]];
  },
  dx(n, o, c, now, step) {
    const { focus: { p }, tap, cells, values, counts } = now, { T } = model.geometry;
    if (p === undefined) return borderOfDx();
    const outs = model.outsOf(c), at = cells[tap], all = model.coverage[at];
    const window = outs.length === 1
      ? [T > 1 ? "dx.window" : "dx.window_one",
        { ...slices(p, "dX"), g: number(model.gOf(n, outs[0])[p]), taps: T }]
      : ["dx.windows", { ...slices(p, "dX"), expr: shorten(outs.map(out =>
        `${factor(model.gOf(n, out)[p])}·w[${outName(out)}]`), 4, "…").join(" + ") }];
    const overlap = Math.max(...model.coverage) <= 1 ? "dx.apart"
      : all <= 1 ? "dx.alone" : "dx.overlap";
    const cell = { ...place(at), before: number(beforeStep(step, at)),
      after: number(values[tap]), k: counts[tap], n: all };
    return [...startsLater(step, model.whole.hidden), window,
      ...(assigns() ? [["dx.assigned", cell]] : [["dx.cell", cell], [overlap, {}]])];
  },
  dx_gather: (n, o, c, { focus: { q } }) =>
    q === undefined ? borderOfDx() : gather(n, c, q),
  db(n, o, c, { focus: { p }, values }, step) {
    const { whole, geometry: { P } } = model, count = whole.N * whole.P;
    return [...startsLater(step, count > P),
      ["db.add", { ...windowOf(p), g: number(model.gOf(n, o)[p]), after: number(values[0]),
        before: number(beforeStep(step, 0)), k: count - P + step + 1, n: count }],
      ["db.rule", {}]];
  },
  borders(n, o, c, now, step) {
    const { rows, cols, problem, whole: { padded } } = model, { focus: { q, to } } = now;
    if (step === 0) {
      const [a, b] = extremes(), [low, high] = [model.coverage[a], model.coverage[b]];
      const reaches = [rows, cols].some(axis => axis.kernel > 1 && axis.padded > axis.size);
      const padding = !padded ? (low !== high ? "no_pad" : "no_pad_even")
        : reaches ? "pad_helps" : "pad_idle";
      return [low === high ? ["borders.even", { low }]
        : ["borders.coverage", { ...place(a), ...place2(b), low, high }],
      ["borders." + padding, {}]];
    }
    if (step <= remainders().length) {
      const [axis, kind] = remainders()[step - 1];
      const isLost = axis.padded - axis.remainder - axis.before < axis.size;
      return [[isLost ? "borders.remainder" : "borders.remainder_pad", { s: axis.stride,
        span: axis.padded - axis.extent, left: axis.remainder, what: unreached(axis, kind) }]];
    }
    const value = number(model.dxpadOf(n, c)[q]);
    if (to !== undefined) {
      return [["borders.copy", { ...place(q), ...place2(to), mode: problem.padding_mode, value,
        before: number(now.before), after: number(now.values[1]) }]];
    }
    const kind = problem.padding_mode === "zeros" ? "drop" : "copy_hidden";
    return [["borders." + kind, { ...place(q), value, mode: problem.padding_mode }]];
  },
  dw_gather: (n, o, c, { focus: { t } }) => tapByTap(n, o, c, t),
};

// the value of a cell of the accumulator before a step
const beforeStep = (step, cell) => step ? grown(step - 1).values[cell] : timeline().start[cell];

function borderOfDx() {
  const { rows, cols, problem, geometry, frame } = model;
  if (problem.padding_mode !== "zeros") return [["dx.give_back", { mode: problem.padding_mode }]];
  const cut = (axis, size) => `${axis.before}:${axis.before + size}`;
  const whole = frame?.cut ?? { rows: cut(rows, geometry.H), cols: cut(cols, geometry.W) };
  return [["dx.crop", whole]];
}

// the windows that read cell q, each with the tap that reads it, in the order of the windows
function readersOf(q) {
  const { rows, cols, geometry: { KW } } = model;
  return rows.readers(rowOf(q)).flatMap(([kh, i]) => cols.readers(colOf(q)).map(([kw, j]) =>
    ({ p: i * cols.out + j, t: kh * KW + kw })));
}

function gather(n, c, q) {
  const pairs = readersOf(q), { rows, cols, geometry: { T } } = model, sum = model.dxpadOf(n, c)[q];
  if (!model.coverage[q]) return [["gather.none", place(q)]];
  const outs = model.outsOf(c), named = shorten(pairs, 3, null).map(pair =>
    pair ? say("gather.pair", { ...windowOf(pair.p), ...tapOf(pair.t) }) : "…");
  const left = outs.flatMap(o => pairs.map(({ p }) => model.gOf(n, o)[p]));
  const right = outs.flatMap(o => pairs.map(({ t }) => model.wOf(o, c)[t]));
  const shown = sumOf(left.map((g, k) => g * right[k]));
  const isHidden = pairs.length < model.coverage[q] || model.whole.hiddenOuts;
  const spread = [rows, cols].some(axis => axis.stride > 1 && axis.out > 1);
  return [
    ["gather.which", { ...place(q), list: named.join(state.lang === "zh" ? "，" : ", ") }],
    ["gather.sum", { expr: products(left, right, pairs.length), sum: number(shown) }],
    ...(isHidden ? [["gather.hidden", { rest: number(sum - shown), sum: number(sum) }]] : []),
    [T > 1 ? "gather.turn" : "gather.turn_one", {}],
    ...(spread ? [["gather.stride", { s: by(rows.stride, cols.stride) }]] : [])];
}

function tapByTap(n, o, c, t) {
  const { rows, cols, geometry: { P }, whole } = model;
  const read = range(P).map(p => model.column(n, c, t, p)), g = model.gOf(n, o);
  const seen = sumOf(read.map((x, p) => x * g[p])), all = model.dwOf(o, c)[t];
  const grows = (kind, size) =>
    (rows[kind] > 1 && rows[size] > 1) || (cols[kind] > 1 && cols[size] > 1);
  return [["dwg.place", { ...tapOf(t), ...place(model.cellOf[t * P]) }],
    ["dwg.sum", { expr: products(g, read, cols.out), sum: number(seen) }],
    ...(whole.N * whole.P > P
      ? [["dwg.others", { rest: number(all - seen), sum: number(all) }]] : []),
    ["dwg.rule", {}],
    ...(grows("stride", "out") ? [["dwg.stride", { s: by(rows.stride, cols.stride) }]] : []),
    ...(grows("dilation", "kernel")
      ? [["dwg.dilation", { d: by(rows.dilation, cols.dilation) }]] : [])];
}

const stepSentence = (step = state.step) =>
  SPEAKERS[state.mode](state.n, state.o, state.c, timeline().steps[step], step);

// -- what is said of the cell that is pointed at --------------------------------------------------
// A cell of the panel `id`. Where a step of the mode is about the same thing, it speaks.
function pointSentence(id, address) {
  const { n, o, c, mode } = state, { t, p, q } = address, key = Object.keys(address).join();
  const kind = id.split("-")[0];
  if (key === "t,p" || key === "p,t") {
    const cell = place(model.cellOf[t * model.geometry.P + p]), name = kind === "dcols";
    return [[name ? "point.dcols" : "point.cols", { ...tapOf(t), ...windowOf(p), ...cell,
      value: number(name ? model.dcol(n, c, t, p) : model.column(n, c, t, p)) }]];
  }
  if (key === "p") {
    if (["y", "y_row"].includes(kind)) return SPEAKERS.forward(n, o, c, { focus: { p } });
    const g = ["point.g", { ...windowOf(p), value: number(model.gOf(n, o)[p]) }];
    const step = timeline().steps.findIndex(({ focus }) => focus.p === p);
    return step < 0 ? [g, ...reluSentence(p)] : [...stepSentence(step), ...reluSentence(p)];
  }
  if (key === "t") {
    if (kind.startsWith("dw")) return tapByTap(n, o, c, t);
    return [["point.w", { ...tapOf(t), value: number(model.wOf(o, c)[t]),
      count: model.whole.N * model.whole.P, sum: number(model.dwOf(o, c)[t]) }]];
  }
  if (key !== "q") return null;
  if (kind === "x") {
    const pairs = readersOf(q), list = shorten(pairs, 3, null).map(pair =>
      pair ? say("gather.pair", { ...windowOf(pair.p), ...tapOf(pair.t) }) : "…")
      .join(state.lang === "zh" ? "，" : ", ");
    const value = number(model.xOf(n, c)[q]);
    return [[model.isPad(q) ? "point.x_pad" : "point.x", { ...place(q), value }],
      pairs.length ? ["point.readers", { list, count: model.coverage[q] }] : ["point.unread", {}]];
  }
  if (kind === "coverage") {
    return [["point.coverage", { ...place(q), count: model.coverage[q] }]];
  }
  return mode === "borders" && model.isPad(q)
    ? SPEAKERS.borders(n, o, c, ...borderStep(q)) : gather(n, c, q);
}
const borderStep = q => {
  const first = remainders().length;
  const step = timeline().steps.findIndex(({ focus }, k) => k > first && focus.q === q);
  return [timeline().steps[step] ?? timeline().steps[0], Math.max(step, 0)];
};

// After a layer's ReLU: where y is negative, the gradient that comes back is 0.
const reluOff = p => DATA.relu && model.yOf(state.n, state.o)[p] < 0
  && model.gOf(state.n, state.o)[p] === 0;
const reluSentence = p => p !== undefined && reluOff(p)
  ? [["relu.off", { ...windowOf(p), y: number(model.yOf(state.n, state.o)[p]) }]] : [];

// -- the small sum --------------------------------------------------------------------------------
// The pieces that add up to one number: { name, pieces: [{ text, from, view }], sum }. For the
// cell pointed at, or for the one that the step follows.
function smallSum(id, address) {
  const { n, o, c, mode, step } = state, { T, P } = model.geometry, { t, p, q } = address;
  const kind = id?.split("-")[0];
  const windowName = p => { const { i, j } = windowOf(p); return `(${i},${j})`; };
  const growing = { y: "y", y_row: "y", g: mode === "db" ? "db" : "", dw: "dw", dw_row: "dw",
    dx: "dx", db: "db" }[kind] ?? "";
  const upTo = id || mode === "dw_gather" ? P : Math.min(step + 1, P);
  if (p !== undefined && t === undefined && (growing === "y" || (!id && GROWS[mode] === "y"))) {
    const { i, j } = windowOf(p), shares = channelShares(n, o, p), ins = model.insOf(o);
    const pieces = model.whole.Cg > 1
      ? shares.map((share, k) => ({ value: share, view: ins[k], from: k < ins.length
        ? say("sum.channel", { c: inName(ins[k]) }) : say("sum.hidden") }))
      : range(T).map(tap => ({ value: model.wOf(o, c)[tap] * model.column(n, c, tap, p),
        text: factor(model.wOf(o, c)[tap]) + "·" + factor(model.column(n, c, tap, p)) }));
    if (model.b) pieces.push({ value: model.b[o], from: say("sum.bias") });
    return { name: `y(${i},${j})`, pieces, sum: model.yOf(n, o)[p] };
  }
  if (t !== undefined && p === undefined && (growing === "dw" || !id)) {
    const { kh, kw } = tapOf(t), pieces = range(upTo).map(p => ({
      value: model.gOf(n, o)[p] * model.column(n, c, t, p), from: windowName(p),
    }));
    const rest = timeline().start[t];
    if (mode === "dw" && rest) pieces.unshift({ value: rest, from: say("sum.hidden") });
    return { name: `dW(${kh},${kw})`, pieces,
      sum: mode === "dw" && !id ? grown().values[t] : model.dwOf(o, c)[t] };
  }
  const isDx = growing === "dx" || (!id && GROWS[mode] === "dx" && mode !== "borders");
  if (q !== undefined && isDx) {
    const { r, q: s } = place(q), outs = model.outsOf(c), pairs = readersOf(q);
    const shown = mode === "dx" ? pairs.filter(({ p }) => p <= step) : pairs;
    const pieces = outs.length * shown.length > 9
      ? shown.map(({ p, t }) => ({ value: model.dcol(n, c, t, p), from: windowName(p) }))
      : shown.flatMap(({ p, t }) => outs.map(out => ({
        value: model.gOf(n, out)[p] * model.wOf(out, c)[t],
        from: windowName(p) + (outs.length > 1 ? " o" + outName(out) : ""),
      })));
    const rest = model.base.dxpad?.[(n * model.geometry.C + c) * model.cells + q];
    if (rest) pieces.unshift({ value: rest, from: say("sum.hidden") });
    return { name: `dX(${r},${s})`, pieces, assigned: assigns(),
      sum: assigns() ? (pieces.at(-1)?.value ?? 0) : sumOf(pieces.map(piece => piece.value)) };
  }
  if (growing === "db" || (!id && mode === "db")) {
    const upto = id && p === undefined ? P : Math.min(step + 1, P);
    const pieces = range(upto).map(p => ({ value: model.gOf(n, o)[p], from: windowName(p) }));
    const [rest] = timeline().start;
    if (rest) pieces.unshift({ value: rest, from: say("sum.hidden") });
    return { name: "db", pieces, sum: sumOf(pieces.map(piece => piece.value)) };
  }
  return null;
}
