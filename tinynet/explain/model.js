// The numbers that the page shows, computed from those that a person may change.
//
// `problem` is what makeGeometry takes, with the numbers x, w, b (or null) and g (null: all ones).
// A large convolution is cropped in Python: the page gets a small problem, and `frame` says where
// its cells and windows lie in the whole and what the hidden rest contributes (`base`).

const PLAIN_AXIS = { window: 0, cell: 0 };

function solve(problem, frame) {
  const geometry = makeGeometry(problem), { rows, cols } = geometry, base = frame?.base ?? {};
  for (const [axis, place] of [[rows, frame?.rows], [cols, frame?.cols]]) {
    const { window, cell, before = axis.before, source, out = axis.out } = place ?? PLAIN_AXIS;
    if (source) axis.source = source;                   // pixels that are not shown count as −1
    axis.label = r => r + cell - before;                // cells have the coordinates of x
    axis.start = cell;                                  // and slices those of the padded x
    axis.windowLabel = i => i + window;
    axis.wholeOut = out;
  }
  if (frame) geometry.error = null;
  if (geometry.error) return { geometry };
  const { N, C, O, P, T, KW, Cg, Og } = geometry;
  const filled = (values, size) => values ? Float64Array.from(values) : new Float64Array(size);
  const x = filled(problem.x), w = filled(problem.w), b = problem.b && filled(problem.b);
  const g = problem.g ? filled(problem.g) : new Float64Array(N * O * P).fill(1);
  const plus = (values, more) => more ? values.map((v, k) => v + more[k]) : values;
  const xpad = plus(padInput(geometry, x), base.xpad);
  const y = plus(multiplyForward(geometry, xpad, w, b), base.y);
  const backward = multiplyBackward(geometry, xpad, w, g);
  const dxpad = plus(backward.dxpad, base.dxpad);
  const dx = plus(unpadGradient(geometry, dxpad), base.dx);
  const cells = rows.padded * cols.padded, own = countReaders(geometry);
  const cellOf = new Int32Array(T * P);                 // cellOf[t·P + p]: what tap t of p reads
  for (let t = 0; t < T; t++) for (let p = 0; p < P; p++) {
    cellOf[t * P + p] = rows.at(Math.floor(t / KW), Math.floor(p / cols.out)) * cols.padded
      + cols.at(t % KW, p % cols.out);
  }
  const sourceOf = Int32Array.from({ length: cells }, (_, q) => {
    const [r, s] = [rows.source[Math.floor(q / cols.padded)], cols.source[q % cols.padded]];
    return r < 0 || s < 0 ? -1 : (r + rows.before) * cols.padded + s + cols.before;
  });
  const part = (values, k, size) => values.subarray(k * size, (k + 1) * size);
  const isPad = q => !rows.isPixel(Math.floor(q / cols.padded)) || !cols.isPixel(q % cols.padded);
  const pixelOf = q => (Math.floor(q / cols.padded) - rows.before) * geometry.W
    + q % cols.padded - cols.before;
  const model = {
    problem, frame, geometry, rows, cols, cells, cellOf, sourceOf, isPad, x, w, b, g, xpad, y,
    dxpad, dx, ones: !problem.g,
    dw: plus(backward.dw, base.dw), db: plus(backward.db, base.db),
    own, coverage: base.coverage ?? own, base,
    whole: frame?.whole ?? { N, Cg, P, OW: cols.out, hidden: 0, padded: geometry.padded },
    group: o => Math.floor(o / Og), first: o => Math.floor(o / Og) * Cg,
    outsOf: c => Array.from({ length: Og }, (_, k) => Math.floor(c / Cg) * Og + k),
    insOf: o => Array.from({ length: Cg }, (_, k) => Math.floor(o / Og) * Cg + k),
    // one grid of an array; c counts over all channels, also for w and dw
    xOf: (n, c) => part(xpad, n * C + c, cells),
    wOf: (o, c) => part(w, o * Cg + c % Cg, T),
    gOf: (n, o) => part(g, n * O + o, P),
    yOf: (n, o) => part(y, n * O + o, P),
    dxpadOf: (n, c) => part(dxpad, n * C + c, cells),
    dwOf: (o, c) => part(model.dw, o * Cg + c % Cg, T),
    dxAt: (n, c, q) => isPad(q) ? null : part(dx, n * C + c, geometry.H * geometry.W)[pixelOf(q)],
    column: (n, c, t, p) => model.xOf(n, c)[cellOf[t * P + p]],
    // what window p adds to the cell that its tap t read: one number per output channel, summed
    dcol: (n, c, t, p) => model.outsOf(c).reduce(
      (sum, o) => sum + model.wOf(o, c)[t] * model.gOf(n, o)[p], 0),
  };
  return model;
}

// How far the page's numbers are from those that Python put in.
function selfCheck(model, expected) {
  let worst = 0, count = 0;
  for (const [name, values] of Object.entries(expected)) {
    if (model[name].length !== values.length) return { worst: Infinity, count };
    values.forEach((value, k) => {
      const scale = Math.max(1, Math.abs(value));
      worst = Math.max(worst, Math.abs(value - model[name][k]) / scale);
    });
    count += values.length;
  }
  return { worst, count };
}

// -- changing the numbers -------------------------------------------------------------------------
// What fills the cells that a larger size adds: small numbers, the same each time.
const FILL = { x: [1, 2, 0, 3, 1, -1, 2, 0, 1, 4, -2], w: [1, 2, 1, 0, -1, 2, 0, 1, -2, 1, 3] };
const fill = (name, place) => {
  const [a, b, r, q] = place, list = name === "g" ? DATA.gradient : FILL[name];
  return list[(3 * r + q + 5 * b + 7 * a) % list.length];
};

// The values of an array of one shape in another shape: what lies in both is kept.
function reshaped(name, values, from, to) {
  const result = [];
  const [A, B, R, Q] = to;
  for (let a = 0; a < A; a++) for (let b = 0; b < B; b++) for (let r = 0; r < R; r++) {
    for (let q = 0; q < Q; q++) {
      const kept = values && a < from[0] && b < from[1] && r < from[2] && q < from[3];
      const old = ((a * from[1] + b) * from[2] + r) * from[3] + q;
      result.push(kept ? values[old] : fill(name, [a, b, r, q]));
    }
  }
  return result;
}

// A problem with other options: its arrays get the new shapes. G is made anew where its shape
// changes, since its cells then belong to other windows.
function changed(problem, options) {
  const next = { ...problem, ...options };
  const [O, KH, KW] = next.kernel, weight = ({ kernel, shape, groups }) =>
    [kernel[0], shape[1] / groups, kernel[1], kernel[2]];
  next.x = reshaped("x", problem.x, problem.shape, next.shape);
  next.w = reshaped("w", problem.w, weight(problem), [O, next.shape[1] / next.groups, KH, KW]);
  if (next.b) next.b = Array.from({ length: O }, (_, o) => problem.b?.[o] ?? o + 1);
  const size = problem => {
    const { N, O, OH, OW } = makeGeometry(problem);
    return [N, O, OH, OW];
  };
  const now = size(next);
  if (problem.g && String(now) !== String(size(problem))) next.g = reshaped("g", null, now, now);
  return next;
}
const distinctGradient = problem => {
  const { N, O, OH, OW } = makeGeometry(problem);
  return reshaped("g", null, [0, 0, 0, 0], [N, O, OH, OW]);
};
