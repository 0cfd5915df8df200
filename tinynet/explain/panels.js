// The panels of each mode.
//
// A panel has labels of rows and columns, and for a place (r, c) its address in the relation, its
// value and kind; perhaps a note ("·2"), a count of contributions, the name of the array that a
// person may change in it (`edits`, with the place of a cell in that array), and `lit` where the
// address does not decide what is lit.

const isUnread = q => model.coverage[q] === 0;
const cellKind = q => model.isPad(q) ? "pad" : isUnread(q) ? "unread" : "";
const onlyOne = list => list && list.length === 1 ? list[0] : null;
const times = value => "·" + factor(value);
const tapLabels = () => range(model.geometry.T).map(t => Object.values(tapOf(t)).join());
const windowLabels = () => range(model.geometry.P).map(p => Object.values(windowOf(p)).join());

const windowPanel = (values, more = {}) => {
  const { rows, cols } = model;
  return {
    rows: range(rows.out).map(rows.windowLabel), cols: range(cols.out).map(cols.windowLabel),
    address: (r, c) => ({ p: r * cols.out + c }), value: (r, c) => values[r * cols.out + c],
    kind: () => "", ...more,
  };
};
const cellPanel = (values, more = {}) => {
  const { rows, cols } = model, at = (r, c) => r * cols.padded + c;
  return {
    rows: range(rows.padded).map(rows.label), cols: range(cols.padded).map(cols.label),
    address: (r, c) => ({ q: at(r, c) }), value: (r, c) => values[at(r, c)],
    kind: (r, c) => cellKind(at(r, c)), ...more,
  };
};
const matrix = (rowLabels, colLabels, address, value) =>
  ({ rows: rowLabels, cols: colLabels, address, value, kind: () => "" });
const gradientPanel = () => {
  const { n, o } = state, { O, P } = model.geometry;
  return windowPanel(model.gOf(n, o), {
    edits: "g", place: (r, c) => (n * O + o) * P + r * model.cols.out + c,
    note: (r, c) => reluOff(r * model.cols.out + c) ? "ReLU" : "",
  });
};

function kernel(turned) {
  const { rows, cols, geometry: { T, KW, Cg } } = model, { o, c } = state;
  const places = axis => range(axis.extent).map(k => {
    const tap = k % axis.dilation ? -1 : k / axis.dilation;
    return tap < 0 ? -1 : turned ? axis.kernel - 1 - tap : tap;
  });
  const down = places(rows), across = places(cols), values = model.wOf(o, c);
  const isGap = (r, q) => down[r] < 0 || across[q] < 0, tap = (r, q) => down[r] * KW + across[q];
  return {
    rows: down.map(t => t < 0 ? "" : t), cols: across.map(t => t < 0 ? "" : t),
    address: (r, q) => isGap(r, q) ? {} : { t: tap(r, q) },
    value: (r, q) => isGap(r, q) ? null : values[tap(r, q)],
    kind: (r, q) => isGap(r, q) ? "gap" : "",
    edits: "w", place: (r, q) => isGap(r, q) ? -1 : (o * Cg + c % Cg) * T + tap(r, q),
    note: (r, q, lit) => state.mode === "dx" && "p" in lit.address && !isGap(r, q)
      ? times(model.gOf(state.n, o)[lit.address.p]) : "",
  };
}

// Which window stands at each place of G with zeros, −1 for a zero. Window i stands at
// i·s + (K−1)·d, so that the turned kernel, laid on places r … r + (K−1)·d, gives dX[r]. Only what
// the visited cells need is drawn: with zeros as padding, these are the pixels.
function spreadAxis(axis) {
  const isAll = model.problem.padding_mode !== "zeros" || !axis.size;
  const first = isAll ? 0 : axis.before, end = isAll ? axis.padded : axis.before + axis.size;
  const windows = range(end - first + axis.extent - 1).map(k =>
    (k + first - axis.extent + 1) / axis.stride);
  const places = windows.map(i => Number.isInteger(i) && i >= 0 && i < axis.out ? i : -1);
  // in a crop: whether a window of the whole begins here
  const begins = windows.map(i => Number.isInteger(i) && axis.windowLabel(i) >= 0
    && axis.windowLabel(i) < axis.wholeOut);
  return { first, places, begins, labels: places.map(i => i < 0 ? "" : axis.windowLabel(i)) };
}

const PANELS = {
  x() {
    const { rows, cols, cells, geometry: { C, H, W } } = model, { n, o, c } = state;
    return cellPanel(model.xOf(n, c), {
      edits: "x",
      place: (r, q) => rows.isPixel(r) && cols.isPixel(q)
        ? ((n * C + c) * H + r - rows.before) * W + q - cols.before : -1,
      note: (r, q, lit) => {
        const triple = ("p" in lit.address || "t" in lit.address)
          && onlyOne(lit.q.get(r * cols.padded + q));
        if (!triple || state.mode === "borders") return "";
        return state.mode.startsWith("dw") ? times(model.gOf(n, o)[triple.p])
          : "p" in lit.address ? times(model.wOf(o, c)[triple.t]) : "";
      },
    });
  },
  w: () => kernel(false),
  w_turned: () => kernel(true),
  y() {
    const { n, o, c } = state, own = model.geometry.Cg > 1 ? stepShares : () => "";
    return windowPanel(grown().values, {
      note: (r, q, lit) => {
        const p = r * model.cols.out + q;
        return lit.address.p === p && grown().values[p] !== null ? own(n, o, c, p) : "";
      },
    });
  },
  g: gradientPanel,
  spread() {                            // G with zeros inserted and around it
    const down = spreadAxis(model.rows), across = spreadAxis(model.cols);
    const windowAt = (r, c) => down.places[r] < 0 || across.places[c] < 0 ? -1
      : down.places[r] * model.cols.out + across.places[c];
    const tap = (r, c, lit) => lit.spread.get(`${r + down.first},${c + across.first}`);
    const isHidden = (r, c) => windowAt(r, c) < 0 && down.begins[r] && across.begins[c];
    const g = gradientPanel(), { n, o, c } = state;
    return {
      rows: down.labels, cols: across.labels,
      address: (r, c) => windowAt(r, c) < 0 ? {} : { p: windowAt(r, c) },
      value: (r, c) => windowAt(r, c) >= 0 ? model.gOf(n, o)[windowAt(r, c)]
        : isHidden(r, c) ? null : 0,
      kind: (r, c) => windowAt(r, c) >= 0 ? "" : isHidden(r, c) ? "hidden" : "zero",
      edits: "g", place: (r, c) => windowAt(r, c) < 0 ? -1
        : g.place(down.places[r], across.places[c]),
      lit: (r, c, lit) => tap(r, c, lit) !== undefined,
      note: (r, q, lit) => tap(r, q, lit) === undefined || isHidden(r, q) ? ""
        : times(model.wOf(o, c)[tap(r, q, lit)]),
    };
  },
  g_kernel() {                          // G as a kernel: the stride spreads it
    const { rows, cols } = model, at = (axis, k) => k % axis.stride ? -1 : k / axis.stride;
    const size = axis => (axis.out - 1) * axis.stride + 1;
    const windowAt = (r, c) => at(rows, r) < 0 || at(cols, c) < 0 ? -1
      : at(rows, r) * cols.out + at(cols, c);
    const label = axis => range(size(axis)).map(k => at(axis, k) < 0 ? ""
      : axis.windowLabel(at(axis, k)));
    const g = gradientPanel();
    return {
      rows: label(rows), cols: label(cols),
      address: (r, c) => windowAt(r, c) < 0 ? {} : { p: windowAt(r, c) },
      value: (r, c) => windowAt(r, c) < 0 ? null : model.gOf(state.n, state.o)[windowAt(r, c)],
      kind: (r, c) => windowAt(r, c) < 0 ? "gap" : "",
      edits: "g", place: (r, c) => windowAt(r, c) < 0 ? -1 : g.place(at(rows, r), at(cols, c)),
      note: (r, c, lit) => windowAt(r, c) >= 0 && "t" in lit.address
        ? times(model.column(state.n, state.c, lit.address.t, windowAt(r, c))) : "",
    };
  },
  dw() {
    const now = grown(), { KW, KH } = model.geometry, t = (r, c) => r * KW + c;
    return {
      rows: range(KH), cols: range(KW), address: (r, c) => ({ t: t(r, c) }),
      value: (r, c) => now.values[t(r, c)], kind: () => "",
      count: now.inAll.length ? (r, c) => [now.counts[t(r, c)], now.inAll[t(r, c)]] : null,
    };
  },
  dx() {
    const now = grown(), { n, c } = state, q = (r, s) => r * model.cols.padded + s;
    return cellPanel(now.values, {
      count: now.inAll.length ? (r, s) => [now.counts[q(r, s)], now.inAll[q(r, s)]] : null,
      wrong: (r, s) => assigns() && state.step === steps() - 1 && !model.isPad(q(r, s))
        && Math.abs(now.values[q(r, s)] - model.dxAt(n, c, q(r, s))) > 1e-9,
      note: (r, s, lit) => {
        const triple = state.mode === "dx" && "p" in lit.address && onlyOne(lit.q.get(q(r, s)));
        return triple ? (assigns() ? "=" : "+") + factor(model.dcol(n, c, triple.t, triple.p)) : "";
      },
    });
  },
  db() {
    const now = grown();
    return {
      rows: [""], cols: [outName(state.o)], address: () => ({ all: true }),
      value: () => now.values[0], kind: () => "", lit: () => true,
      count: () => [now.counts[0], now.inAll[0]],
    };
  },
  coverage: () => cellPanel(model.coverage),
  // matrices: rows are taps and columns are windows, or the other way round
  cols: () => matrix(tapLabels(), windowLabels(), (r, c) => ({ t: r, p: c }),
    (r, c) => model.column(state.n, state.c, r, c)),
  cols_t: () => matrix(windowLabels(), tapLabels(), (r, c) => ({ t: c, p: r }),
    (r, c) => model.column(state.n, state.c, c, r)),
  dcols: () => matrix(tapLabels(), windowLabels(), (r, c) => ({ t: r, p: c }),
    (r, c) => model.dcol(state.n, state.c, r, c)),
  w_row: () => matrix([outName(state.o)], tapLabels(), (r, c) => ({ t: c }),
    (r, c) => model.wOf(state.o, state.c)[c]),
  w_col: () => matrix(tapLabels(), [outName(state.o)], r => ({ t: r }),
    r => model.wOf(state.o, state.c)[r]),
  g_row: () => matrix([outName(state.o)], windowLabels(), (r, c) => ({ p: c }),
    (r, c) => model.gOf(state.n, state.o)[c]),
  y_row() {
    const now = grown();
    return matrix([outName(state.o)], windowLabels(), (r, c) => ({ p: c }),
      (r, c) => now.values[c]);
  },
  dw_row() {
    const now = grown();
    return matrix([outName(state.o)], tapLabels(), (r, c) => ({ t: c }), (r, c) => now.values[c]);
  },
};

// the shares of the channels (and the bias) in one output, "−3+4" or, with many, "Σ 8"
function stepShares(n, o, c, p) {
  const shares = channelShares(n, o, p).concat(model.b ? [model.b[o]] : []);
  return shares.length <= 3 ? shares.map(factor).join("+") : "Σ " + shares.length;
}

const STAGE = {
  forward: ["x", "∗", "w", "=", "y"], matrix: [["x", "w_row"], "·", "cols", "=", "y_row"],
  dw: ["x", "∗", "g", "=", "dw"], dx: ["g", "·", "w", "→", "dx"],
  dx_gather: ["spread", "∗", "w_turned", "=", "dx"], db: ["g", "Σ", "db"],
  borders: ["coverage", "→", "dx"], dw_gather: ["x", "∗", "g_kernel", "=", "dw"],
};
// Where channels add up, the others stand small beside the one that is shown: input channels, or
// the output channels whose gradients come back.
const OTHERS = { forward: { x: "c", w: "c" }, dx: { g: "o", w: "o" },
  dx_gather: { spread: "o", w_turned: "o" } };
const MOST_OTHERS = 2;
function othersOf(name) {
  const axis = OTHERS[state.mode]?.[name];
  if (!axis) return [];
  const all = axis === "c" ? model.insOf(state.o) : model.outsOf(state.c);
  return all.filter(k => k !== state[axis]).map(k => ({ [axis]: k }));
}
// What `run` gives while another sample or channel is looked at.
function inView(view, run) {
  const { n, o, c } = state;
  Object.assign(state, view);
  try { return run(); } finally { Object.assign(state, { n, o, c }); }
}
// below the stage, as matrices. Falk's scheme: the product stands below its right factor and
// beside its left one
const FALK = { dw: ["cols_t", "g_row", "dw_row"], dx: ["g_row", "w_col", "dcols"] };
