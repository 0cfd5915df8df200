// The steps of each mode: what a step singles out, and how the accumulator, the panel that grows,
// changes from step to step until it holds y, dX, dW or db. steps.py has the same steps.
//
// A step is { focus, mark, cells, values, counts }: `focus` an address (window p, tap t, cell q,
// and for borders the cell `to` that the gradient is added to), `mark` the cell of the accumulator
// that the sentence follows, `cells` what changes, to which `values`, after how many contributions.

const MODES = ["forward", "matrix", "dw", "dx", "dx_gather", "db", "borders", "dw_gather"];
// which samples and channels a mode's accumulator and its steps depend on
const GROWS = { forward: "y", matrix: "y", dw: "dw", dx: "dx", dx_gather: "dx", db: "db",
  borders: "dx", dw_gather: "dw" };
const GRID = 12;                        // rows and columns of a panel; larger ones are paged

const range = size => Array.from({ length: size }, (_, k) => k);
const rowOf = q => Math.floor(q / model.cols.padded), colOf = q => q % model.cols.padded;
const visible = q => rowOf(q) < GRID && colOf(q) < GRID;
const readBy = p => range(model.geometry.T).map(t => model.cellOf[t * model.geometry.P + p]);

// the cells that "dx_gather" visits: pixels, and padding where its gradient is used
const gathered = () => range(model.cells).filter(q => visible(q)
  && (model.problem.padding_mode !== "zeros" || !model.isPad(q)));
const ring = () => range(model.cells).filter(q => visible(q) && model.isPad(q));
const visitedTaps = () => range(model.geometry.T).filter(t =>
  Math.floor(t / model.geometry.KW) < GRID && t % model.geometry.KW < GRID);
const remainders = () => model.frame ? [] : [[model.rows, "row"], [model.cols, "col"]]
  .filter(([axis]) => axis.remainder);

// The pixels that the fewest and the most windows read.
function extremes() {
  const pixels = range(model.cells).filter(q => !model.isPad(q)), count = q => model.coverage[q];
  return [pixels.reduce((a, q) => count(q) < count(a) ? q : a, pixels[0]),
    pixels.reduce((a, q) => count(q) > count(a) ? q : a, pixels[0])];
}

// Of the taps of a window, the one whose cell has the most contributions so far, then in all; of
// equals the one nearest to the middle. Pixels come before padding.
function busiest(cells, counts) {
  const middle = model.geometry.T >> 1;
  const rank = t => [!model.isPad(cells[t]), counts[t], model.coverage[cells[t]],
    -Math.abs(t - middle), -t];
  const isMore = (a, b) => { const k = a.findIndex((v, i) => v !== b[i]); return a[k] > b[k]; };
  return cells.reduce((best, _, t) => isMore(rank(t), rank(best)) ? t : best, 0);
}

const TIMELINES = {
  forward: (n, o) => ({
    start: range(model.geometry.P).map(() => null),
    steps: range(model.geometry.P).map(p =>
      ({ focus: { p }, cells: [p], values: [model.yOf(n, o)[p]] })),
  }),
  dw: (n, o, c) => sumOverWindows("t", model.geometry.T, model.dwOf(o, c), n, o,
    (t, p) => model.gOf(n, o)[p] * model.column(n, c, t, p)),
  db: (n, o) => sumOverWindows(null, 1, model.db.subarray(o, o + 1), n, o,
    (_, p) => model.gOf(n, o)[p]),
  dx: scattered,
  dx_gather(n, o, c) {
    const cells = gathered(), values = model.dxpadOf(n, c), all = Array.from(model.coverage);
    const steps = cells.map(q =>
      ({ focus: { q }, cells: [q], values: [values[q]], counts: [model.coverage[q]] }));
    const visited = new Set(cells);
    return {
      start: range(model.cells).map(q => visible(q) ? null : values[q]),
      before: all.map(() => 0), inAll: all.map((count, q) => visited.has(q) ? count : null),
      steps: [...steps, ...lastOfDx(q => model.dxAt(n, c, q))],
    };
  },
  borders(n, o, c) {
    const [fewest, most] = extremes(), state = Array.from(model.dxpadOf(n, c));
    const start = state.slice(), steps = [{ focus: fewest === most ? { q: fewest }
      : { q: fewest, to: most }, cells: [], values: [] }];
    for (const _ of remainders()) steps.push({ focus: {}, cells: [], values: [] });
    const visited = new Set(ring());
    for (const q of range(model.cells)) {                // hidden padding is added first
      const to = model.sourceOf[q];
      if (to >= 0 && model.isPad(q) && !visited.has(q)) start[to] = state[to] += state[q];
    }
    for (const q of visited) {
      const to = model.sourceOf[q], before = to < 0 ? 0 : state[to];
      if (to < 0) { steps.push({ focus: { q }, cells: [q], values: [null] }); continue; }
      state[to] += state[q];
      steps.push({ focus: { q, to }, cells: [q, to], values: [null, state[to]], before });
    }
    return { start, steps };
  },
  dw_gather(n, o, c) {
    const whole = model.dwOf(o, c), visited = visitedTaps();
    return {
      start: range(whole.length).map(t => visited.includes(t) ? null : whole[t]),
      steps: visited.map(t => ({ focus: { t }, cells: [t], values: [whole[t]] })),
    };
  },
};
TIMELINES.matrix = TIMELINES.forward;

// dW[o, c] or db[o], window by window. Other samples and windows that are not shown come first, so
// the last step is the whole gradient.
function sumOverWindows(axis, size, whole, n, o, term) {
  const { P } = model.geometry, cells = range(size), count = model.whole.N * model.whole.P;
  const state = cells.map(t => whole[t] - range(P).reduce((sum, p) => sum + term(t, p), 0));
  const start = state.map(v => Math.abs(v) < 1e-12 ? 0 : v), first = count - P;
  state.splice(0, size, ...start);
  return {
    start, before: cells.map(() => first), inAll: cells.map(() => count),
    steps: range(P).map(p => {
      for (const t of cells) state[t] = assigns() ? term(t, p) : state[t] + term(t, p);
      return { focus: { p }, mark: axis ? { t: size >> 1 } : {}, cells, values: state.slice(),
        counts: cells.map(() => first + p + 1) };
    }),
  };
}

// With "assign instead of add" every contribution replaces what was there: a wrong result, shown
// on purpose.
const assigns = () => state.assign && ["dx", "dw", "db"].includes(state.mode);

function scattered(n, o, c) {
  const { P } = model.geometry, values = range(model.cells).map(q => model.base.dxpad
    ? model.base.dxpad[(n * model.geometry.C + c) * model.cells + q] : 0);
  const counts = range(model.cells).map(q => model.coverage[q] - model.own[q]);
  const start = values.slice(), before = counts.slice();
  const steps = range(P).map(p => {
    const cells = readBy(p);
    cells.forEach((q, t) => {
      values[q] = (assigns() ? 0 : values[q]) + model.dcol(n, c, t, p);
      counts[q]++;
    });
    const reached = cells.map(q => counts[q]), tap = busiest(cells, reached);
    return { focus: { p }, mark: { q: cells[tap] }, tap, cells,
      values: cells.map(q => values[q]), counts: reached };
  });
  const folded = values.slice();
  model.sourceOf.forEach((to, q) => { if (model.isPad(q) && to >= 0) folded[to] += values[q]; });
  const last = q => !assigns() ? model.dxAt(n, c, q) : model.isPad(q) ? null : folded[q];
  return { start, before, inAll: Array.from(model.coverage), steps: [...steps, ...lastOfDx(last)] };
}

// The last step of dX, if there is padding: it is cut off or given back.
const lastOfDx = value => !model.whole.padded ? [] : [{
  focus: {}, cells: range(model.cells), values: range(model.cells).map(value),
  counts: Array.from(model.coverage),
}];

// The timeline of the mode that is shown, made again only when something changed.
let made = {};
function timeline() {
  const key = [state.mode, state.n, state.o, state.c, assigns(), model.version].join();
  if (made.key !== key) {
    made = { key, ...TIMELINES[state.mode](state.n, state.o, state.c) };
    made.grown = [];
  }
  return made;
}
const steps = () => timeline().steps.length;
const stepNow = () => timeline().steps[state.step];

// The accumulator after a step.
function grown(step = state.step) {
  const line = timeline();
  if (line.grown[step]) return line.grown[step];
  const values = line.start.slice(), counts = (line.before ?? []).slice();
  for (const { cells, values: now, counts: reached } of line.steps.slice(0, step + 1)) {
    cells.forEach((cell, k) => {
      values[cell] = now[k];
      if (reached) counts[cell] = reached[k];
    });
  }
  return line.grown[step] = { values, counts, inAll: line.inAll ?? [] };
}
