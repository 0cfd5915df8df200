// The data of the page, what is shown of it now, and which cells belong together.
//
// The page computes no number of the convolution: it looks numbers up in DATA and lights the cells
// that belong together. Cells belong together by one rule: tap t of window p reads cell q.
// relation.js, panels.js and page.js run in this order, inside one function (see page.html).
const root = document.currentScript.closest(".tn");
const DATA = JSON.parse(root.querySelector(".tn-data").textContent);
const MODES = Object.keys(DATA.modes);
const GRID = 12;                        // rows and columns of a panel; larger ones are paged
const { rows, cols } = DATA;
const WIDTH = cols.labels.length, ACROSS = cols.windows.length, KW = cols.taps.length;

// every (tap, window, cell) of the shown windows
const TRIPLES = rows.taps.flatMap(kh => cols.taps.flatMap(kw => rows.windows.flatMap((_, i) =>
  cols.windows.map((_, j) => ({
    t: kh * KW + kw, p: i * ACROSS + j, q: rows.at[kh][i] * WIDTH + cols.at[kw][j],
  })))));
const CELL_OF = new Map(TRIPLES.map(triple => [triple.t + "," + triple.p, triple.q]));

const state = {
  lang: DATA.lang, mode: "forward", step: 0,
  n: DATA.sample, o: DATA.outs[0], c: DATA.ins[DATA.outs[0]][0],
  pinned: null, pointed: null,          // the cell that is clicked, or under the pointer
  timer: null, offset: {}, focus: {},   // offset and keyboard position of each panel
};

// -- small helpers --------------------------------------------------------------------------------
const el = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
};
const say = (key, slots = {}) => {
  const column = DATA.languages.indexOf(state.lang);
  return DATA.texts[key][column].replace(/\{(\w+)\}/g, (_, name) => {
    const value = slots[name];
    return Array.isArray(value) ? value[column] : value;
  });
};
const show = value => {
  const size = Math.abs(value);
  const extreme = typeof value === "number" && value !== 0 && (size < 1e-3 || size >= 1e6);
  return (extreme ? value.toExponential() : String(value ?? "")).replaceAll("-", "−");
};
const clamp = (value, last) => Math.max(0, Math.min(value, last));
const key = axes => [...axes].map(axis => state[axis]).join(",");
const grid = (name, axes) => DATA.grids[name][key(axes)];
const mode = () => DATA.modes[state.mode];
const steps = () => mode().focus.length;
const same = (a, b) => a && b && a.panel === b.panel && a.row === b.row && a.col === b.col;

// -- what is lit ----------------------------------------------------------------------------------
const active = () => state.pinned || state.pointed;
const chosen = () => active() ? active().address : mode().focus[state.step];

// An address names a tap t, a window p, a cell q, or several; all the triples that agree with it
// are lit. `spread` holds the places of G with zeros that the turned kernel covers for cell q.
function light(address) {
  const lit = {
    t: new Map(), p: new Map(), q: new Map(), pairs: new Set(), spread: new Map(), address,
  };
  const named = ["t", "p", "q"].filter(axis => axis in address);
  if (named.length || address.all) {
    for (const triple of TRIPLES) {
      if (!named.every(axis => triple[axis] === address[axis])) continue;
      for (const axis of "tpq") {
        lit[axis].set(triple[axis], [...(lit[axis].get(triple[axis]) || []), triple]);
      }
      lit.pairs.add(triple.t + "," + triple.p);
    }
  }
  for (const axis of named) if (!lit[axis].has(address[axis])) lit[axis].set(address[axis], []);
  if ("to" in address) lit.q.set(address.to, []);
  if ("q" in address) {
    const r = Math.floor(address.q / WIDTH), q = address.q % WIDTH;
    rows.taps.forEach(kh => cols.taps.forEach(kw =>
      lit.spread.set(rows.spread_at[r][kh] + "," + cols.spread_at[q][kw], kh * KW + kw)));
  }
  return lit;
}

function isLit(panel, r, c, lit) {
  if (panel.lit && panel.lit(r, c, lit)) return true;
  const address = panel.address(r, c);
  if ("t" in address && "p" in address) return lit.pairs.has(address.t + "," + address.p);
  return ["t", "p", "q"].some(axis => axis in address && lit[axis].has(address[axis]));
}

// The cell that a step is about, in the panel that grows; or the cell pointed at.
function isFocus(id, panel, r, c, lit) {
  const now = active();
  if (now) return same(now, { panel: id, row: r, col: c });
  const address = panel.address(r, c);
  const axes = Object.keys(lit.address).filter(axis => axis !== "to");
  return axes.length > 0 && axes.every(axis => address[axis] === lit.address[axis])
    && Object.keys(address).length === axes.length;
}
