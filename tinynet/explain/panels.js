// The panels of each mode, and how a panel is drawn.
//
// A panel has labels of rows and columns, and for a place (r, c) its address in the relation, its
// value and kind; perhaps a note ("·2"), a count of contributions, and `lit` where the address does
// not decide what is lit.
const isUnread = q => DATA.grids.coverage[""][q] === 0;
const cellKind = q => DATA.pad[q] ? "pad" : isUnread(q) ? "unread" : "";
const onlyOne = list => list && list.length === 1 ? list[0] : null;
const times = value => "·" + (value < 0 ? "(" + show(value) + ")" : show(value));

// The accumulator of the mode, after the steps so far.
function grown() {
  const grows = mode().grows, view = key(grows.views);
  const values = grows.start[view].slice(), counts = grows.before.slice();
  for (let step = 0; step <= state.step; step++) {
    grows.touched[step].forEach((cell, k) => {
      values[cell] = grows.values[view][step][k];
      if (counts.length) counts[cell] = grows.counts[step][k];
    });
  }
  return { values, counts, inAll: grows.in_all };
}

const tapLabels = rows.taps.flatMap(kh => cols.taps.map(kw => kh + "," + kw));
const windowLabels = rows.windows.flatMap(i => cols.windows.map(j => i + "," + j));

const windowPanel = values => ({
  rows: rows.windows, cols: cols.windows, address: (r, c) => ({ p: r * ACROSS + c }),
  value: (r, c) => values[r * ACROSS + c], kind: () => "",
});
const cellPanel = values => ({
  rows: rows.labels, cols: cols.labels, address: (r, c) => ({ q: r * WIDTH + c }),
  value: (r, c) => values[r * WIDTH + c], kind: (r, c) => cellKind(r * WIDTH + c),
});
const matrix = (rowLabels, colLabels, address, value) =>
  ({ rows: rowLabels, cols: colLabels, address, value, kind: () => "" });
const column = (t, p) => grid("x", "nc")[CELL_OF.get(t + "," + p)];

function kernel(turned) {
  const place = axis => Array.from({ length: axis.extent }, (_, k) => {
    const tap = axis.taps.find(tap => tap * axis.dilation === k);
    return tap === undefined ? -1 : turned ? axis.taps[axis.taps.length - 1 - tap] : tap;
  });
  const down = place(rows), across = place(cols);
  const isGap = (r, c) => down[r] < 0 || across[c] < 0;
  const tap = (r, c) => down[r] * KW + across[c];
  return {
    rows: down.map(t => t < 0 ? "" : t), cols: across.map(t => t < 0 ? "" : t),
    address: (r, c) => isGap(r, c) ? {} : { t: tap(r, c) },
    value: (r, c) => isGap(r, c) ? null : grid("w", "oc")[tap(r, c)],
    kind: (r, c) => isGap(r, c) ? "gap" : "",
    note: (r, c, lit) => state.mode === "dx" && "p" in lit.address && !isGap(r, c)
      ? times(grid("g", "no")[lit.address.p]) : "",
  };
}

const PANELS = {
  x: () => ({
    ...cellPanel(grid("x", "nc")),
    note: (r, c, lit) => {
      const triple = "p" in lit.address && onlyOne(lit.q.get(r * WIDTH + c));
      if (!triple) return "";
      return times(state.mode === "dw" ? grid("g", "no")[triple.p] : grid("w", "oc")[triple.t]);
    },
  }),
  w: () => kernel(false),
  w_turned: () => kernel(true),
  y: () => windowPanel(grown().values),
  g: () => windowPanel(grid("g", "no")),
  spread: () => {                       // G with zeros inserted and around it
    const isZero = (r, c) => rows.spread[r] < 0 || cols.spread[c] < 0;
    const place = (r, c) => rows.spread[r] * cols.near.length + cols.spread[c];
    return {
      rows: rows.spread.map(i => i < 0 ? "" : rows.near[i]),
      cols: cols.spread.map(j => j < 0 ? "" : cols.near[j]),
      address: (r, c) => {
        const i = rows.near_shown[rows.spread[r]] ?? -1, j = cols.near_shown[cols.spread[c]] ?? -1;
        return i < 0 || j < 0 ? {} : { p: i * ACROSS + j };
      },
      value: (r, c) => isZero(r, c) ? 0 : grid("near", "no")[place(r, c)],
      kind: (r, c) => isZero(r, c) ? "zero" : "",
      lit: (r, c, lit) => lit.spread.has(r + "," + c),
      note: (r, c, lit) => lit.spread.has(r + "," + c)
        ? times(grid("w", "oc")[lit.spread.get(r + "," + c)]) : "",
    };
  },
  dw: () => {
    const now = grown(), t = (r, c) => r * KW + c;
    return {
      rows: rows.taps, cols: cols.taps, address: (r, c) => ({ t: t(r, c) }),
      value: (r, c) => now.values[t(r, c)], kind: () => "",
      count: (r, c) => [now.counts[t(r, c)], now.inAll[t(r, c)]],
    };
  },
  dx: () => {
    const now = grown(), q = (r, c) => r * WIDTH + c;
    return {
      ...cellPanel(now.values),
      count: now.inAll.length ? (r, c) => [now.counts[q(r, c)], now.inAll[q(r, c)]] : null,
      note: (r, c, lit) => {
        const triple = state.mode === "dx" && "p" in lit.address && onlyOne(lit.q.get(q(r, c)));
        if (!triple) return "";
        return "+" + show(grid("dcols", "nc")[triple.t][triple.p]).replace(/^(−.*)$/, "($1)");
      },
    };
  },
  db: () => {
    const now = grown();
    return {
      rows: [""], cols: [state.o], address: () => ({ all: true }), value: () => now.values[0],
      kind: () => "", lit: () => true, count: () => [now.counts[0], now.inAll[0]],
    };
  },
  coverage: () => cellPanel(DATA.grids.coverage[""]),
  // matrices: rows are taps and columns are windows, or the other way round
  cols: () => matrix(tapLabels, windowLabels, (r, c) => ({ t: r, p: c }), column),
  cols_t: () => matrix(windowLabels, tapLabels, (r, c) => ({ t: c, p: r }),
    (r, c) => column(c, r)),
  dcols: () => matrix(tapLabels, windowLabels, (r, c) => ({ t: r, p: c }),
    (r, c) => grid("dcols", "nc")[r][c]),
  w_row: () => matrix([state.o], tapLabels, (r, c) => ({ t: c }), (r, c) => grid("w", "oc")[c]),
  w_col: () => matrix(tapLabels, [state.o], r => ({ t: r }), r => grid("w", "oc")[r]),
  g_row: () => matrix([state.o], windowLabels, (r, c) => ({ p: c }), (r, c) => grid("g", "no")[c]),
  y_row: () => {
    const now = grown();
    return matrix([state.o], windowLabels, (r, c) => ({ p: c }), (r, c) => now.values[c]);
  },
  dw_row: () => {
    const now = grown();
    return matrix([state.o], tapLabels, (r, c) => ({ t: c }), (r, c) => now.values[c]);
  },
};

const STAGE = {
  forward: ["x", "∗", "w", "=", "y"], matrix: [], dw: ["x", "∗", "g", "=", "dw"],
  dx: ["g", "·", "w", "→", "dx"], dx_gather: ["spread", "∗", "w_turned", "=", "dx"],
  db: ["g", "Σ", "db"], borders: ["coverage", "dx"],
};
// Falk's scheme: the product stands below its right factor and beside its left one
const FALK = {
  matrix: ["cols", "w_row", "y_row"], dw: ["cols_t", "g_row", "dw_row"],
  dx: ["g_row", "w_col", "dcols"],
};

// -- drawing a panel ------------------------------------------------------------------------------
const offsetOf = id => state.offset[id] || (state.offset[id] = { row: 0, col: 0 });

function draw(id, panel) {
  const offset = offsetOf(id);
  offset.row = clamp(offset.row, Math.max(0, panel.rows.length - GRID));
  offset.col = clamp(offset.col, Math.max(0, panel.cols.length - GRID));
  const corner = () => el("td", { class: "tn-corner" });
  const header = (scope, label) => label === "" ? corner() : el("th", { scope }, show(label));
  const down = panel.rows.slice(offset.row, offset.row + GRID);
  const across = panel.cols.slice(offset.col, offset.col + GRID);
  const cell = (r, c) =>
    el("td", { tabindex: -1, "data-row": r + offset.row, "data-col": c + offset.col });
  const table = el("table",
    { role: "grid", class: "tn-grid", "data-panel": id, "aria-label": title(id) },
    el("thead", {}, el("tr", {}, corner(), ...across.map(label => header("col", label)))),
    el("tbody", {}, ...down.map((label, r) =>
      el("tr", {}, header("row", label), ...across.map((_, c) => cell(r, c))))));
  const box = el("div", { class: "tn-panel tn-" + id.split("-")[0], "data-panel": id },
    el("div", { class: "tn-title", "aria-hidden": "true" }, title(id)), table);
  for (const [axis, labels] of [["row", panel.rows], ["col", panel.cols]]) {
    if (labels.length > GRID) box.append(pager(axis, labels.length, offset));
  }
  box.panel = panel;
  return box;
}

function title(id) {
  if (id.startsWith("compare-")) return id.slice("compare-".length);
  return say("panel." + (id === "y_row" && DATA.bias ? "y_row_bias" : id));
}

function pager(axis, length, offset) {
  const first = offset[axis];
  const text = say(axis === "row" ? "page_rows" : "page_cols",
    { first, last: first + GRID - 1, n: length });
  const button = (sign, by, disabled) => el("button", {
    type: "button", "aria-label": text + " " + sign, disabled,
    onclick: () => { offset[axis] += by; build(); },
  }, sign);
  return el("div", { class: "tn-pager" },
    button("‹", -GRID, first === 0), text, button("›", GRID, first >= length - GRID));
}

// Turn the pages of a large panel so that what the step lights comes into view.
function follow(id, panel) {
  if (panel.rows.length <= GRID && panel.cols.length <= GRID) return;
  const lit = light(mode().focus[state.step]), offset = offsetOf(id);
  const places = { row: [], col: [] };
  panel.rows.forEach((_, r) => panel.cols.forEach((_, c) => {
    if (isLit(panel, r, c, lit)) { places.row.push(r); places.col.push(c); }
  }));
  for (const axis of ["row", "col"]) {
    const first = Math.min(...places[axis]), last = Math.max(...places[axis]);
    const inView = first >= offset[axis] && last < offset[axis] + GRID;
    if (places[axis].length && last - first < GRID && !inView) offset[axis] = first;
  }
}

function paint(box, lit) {
  const { panel } = box, cells = [...box.querySelectorAll("td[data-row]")];
  const place = cell => [+cell.dataset.row, +cell.dataset.col];
  // one size of letters for the whole panel
  box.classList.toggle("is-fine", cells.some(cell => show(panel.value(...place(cell))).length > 4));
  cells.forEach((cell, k) =>
    paintCell(cell, box.dataset.panel, panel, ...place(cell), lit, k === 0));
  if (!box.querySelector('td[tabindex="0"]')) cells[0].tabIndex = 0;
}

function paintCell(cell, id, panel, r, c, lit, isFirst) {
  const value = panel.value(r, c), kind = panel.kind(r, c), lighted = isLit(panel, r, c, lit);
  const pinned = state.pinned && same(state.pinned, { panel: id, row: r, col: c });
  const sign = value === null ? "is-empty" : value < 0 ? "is-negative"
    : value === 0 ? "is-none" : "";
  cell.className = [kind && "is-" + kind, lighted && "is-lit",
    isFocus(id, panel, r, c, lit) && "is-focus", pinned && "is-pinned", sign]
    .filter(Boolean).join(" ");
  cell.dataset.value = value === null ? "" : value;
  const tabbable = state.focus[id];
  cell.tabIndex = (tabbable ? tabbable.row === r && tabbable.col === c : isFirst) ? 0 : -1;
  const children = [el("span", { class: "tn-value" }, show(value))];
  const note = lighted && panel.note ? panel.note(r, c, lit) : "";
  if (note) children.push(el("span", { class: "tn-times" }, note));
  const [k, n] = panel.count ? panel.count(r, c) : [0, null];
  if (n !== null) {
    const text = say("mark.contributions", { k, n });
    children.push(el("span", { class: "tn-count", title: text }, k + "/" + n));
  }
  const empty = value === null ? "empty" : "";
  const mark = pinned ? "pinned" : empty && kind === "pad" ? "cut" : kind || empty;
  if (mark) children.push(el("span", { class: "tn-sr" }, " " + say("mark." + mark)));
  cell.replaceChildren(...children);
}
