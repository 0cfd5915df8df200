// What is lit: the cells that belong together because tap t of window p reads cell q.
//
// An address names a tap t, a window p, a cell q, or several; all the triples (t, p, q) that agree
// with it are lit, in every panel.

const active = () => state.pinned || state.pointed;
const chosen = () => active() ? active().address : stepNow().focus;
const same = (a, b) => a && b && a.panel === b.panel && a.row === b.row && a.col === b.col;

// the places that tap t covers in G with zeros, for cell q: the turned kernel lies on these
const spreadAt = (axis, tap, cell) => cell + axis.extent - 1 - tap * axis.dilation;

function light(address) {
  const { rows, cols, cellOf, geometry: { T, P, KW } } = model;
  const lit = { t: new Map(), p: new Map(), q: new Map(), pairs: new Set(), spread: new Map(),
    address };
  const named = ["t", "p", "q"].filter(axis => axis in address);
  if (named.length || address.all) {
    for (let t = 0; t < T; t++) for (let p = 0; p < P; p++) {
      const triple = { t, p, q: cellOf[t * P + p] };
      if (!named.every(axis => triple[axis] === address[axis])) continue;
      for (const axis of "tpq") {
        const list = lit[axis].get(triple[axis]);
        if (list) list.push(triple); else lit[axis].set(triple[axis], [triple]);
      }
      lit.pairs.add(t + "," + p);
    }
  }
  for (const axis of named) if (!lit[axis].has(address[axis])) lit[axis].set(address[axis], []);
  if ("to" in address) lit.q.set(address.to, []);
  if ("q" in address) {
    for (let t = 0; t < T; t++) {
      lit.spread.set(spreadAt(rows, Math.floor(t / KW), rowOf(address.q)) + ","
        + spreadAt(cols, t % KW, colOf(address.q)), t);
    }
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
  const now = active(), address = panel.address(r, c);
  if (state.asked && id === GROWS[state.mode]) return false;    // the tour's question comes first
  if (now) return same(now, { panel: id, row: r, col: c });
  const names = target => {
    const axes = Object.keys(target).filter(axis => axis !== "to");
    return axes.length > 0 && axes.length === Object.keys(address).length
      && axes.every(axis => address[axis] === target[axis]);
  };
  const mark = stepNow().mark ?? {};
  return id === GROWS[state.mode] && Object.keys(mark).length ? names(mark) : names(lit.address);
}
