// A convolution, forward and backward, from one relation:
//
//     tap (kh, kw) of window (i, j) reads cell (i·s + kh·d, j·s + kw·d) of the padded input,
//
// which is pixel (i·s + kh·d − p, j·s + kw·d − p) of x. This file knows no page: every function
// takes numbers and returns numbers. Arrays are flat, in the order of their shapes:
// x (N, C, H, W), w (O, C/groups, KH, KW), b (O), y and the upstream gradient G (N, O, OH, OW).

const PADDING_MODES = ["zeros", "reflect", "replicate", "circular"];

// The pixel that cell `r` of an axis shows; −1 where the padding is a constant 0. `r` counts from
// the first pixel, so the padding before it has negative numbers.
function sourcePixel(r, size, mode) {
  if (r >= 0 && r < size) return r;
  if (mode === "reflect") return r < 0 ? -r : 2 * (size - 1) - r;
  if (mode === "replicate") return r < 0 ? 0 : size - 1;
  if (mode === "circular") return (r % size + size) % size;
  return -1;
}

// One direction of a convolution, rows or columns.
function makeAxis(size, kernel, stride, dilation, [before, after], mode) {
  const padded = before + size + after, extent = dilation * (kernel - 1) + 1;
  const free = padded - extent, out = free < 0 ? 0 : Math.floor(free / stride) + 1;
  return {
    size, kernel, stride, dilation, before, after, padded, extent, out,
    remainder: free < 0 ? 0 : free % stride,            // cells at the end that no window reaches
    source: Array.from({ length: padded }, (_, r) => sourcePixel(r - before, size, mode)),
    isPixel: r => r >= before && r < before + size,
    at: (tap, window) => window * stride + tap * dilation,
    // the [tap, window] pairs that read cell r, in the order of the windows
    readers(r) {
      const pairs = [];
      for (let tap = kernel - 1; tap >= 0; tap--) {
        const start = r - tap * dilation;
        if (start >= 0 && start % stride === 0 && start / stride < out) {
          pairs.push([tap, start / stride]);
        }
      }
      return pairs;
    },
  };
}

const pairOf = value => Array.isArray(value) ? value : [value, value];

// The sizes of a convolution. `padding` is a number, [rows, columns], or [[top, bottom],
// [left, right]]. `geometry.error` says why a geometry is impossible: "kernel" (larger than the
// padded input), "groups" (do not divide the channels) or "padding" (reflect and circular copy
// pixels, so there must be enough of them).
function makeGeometry({ shape, kernel, stride = 1, padding = 0, dilation = 1, groups = 1,
  padding_mode = "zeros" }) {
  const [N, C, H, W] = shape, [O, KH, KW] = kernel;
  const [sh, sw] = pairOf(stride), [dh, dw] = pairOf(dilation), [ph, pw] = pairOf(padding);
  const rows = makeAxis(H, KH, sh, dh, pairOf(ph), padding_mode);
  const cols = makeAxis(W, KW, sw, dw, pairOf(pw), padding_mode);
  const geometry = {
    N, C, H, W, O, KH, KW, groups, rows, cols, padding_mode, OH: rows.out, OW: cols.out,
    Cg: C / groups, Og: O / groups, T: KH * KW, P: rows.out * cols.out,
    padded: rows.padded > H || cols.padded > W,
    error: null,
  };
  const longest = axis => padding_mode === "reflect" ? axis.size - 1
    : padding_mode === "circular" ? axis.size : Infinity;
  if (C % groups || O % groups) geometry.error = "groups";
  else if ([rows, cols].some(axis => Math.max(axis.before, axis.after) > longest(axis))) {
    geometry.error = "padding";
  } else if (!geometry.P) geometry.error = "kernel";
  return geometry;
}

// Visit every product of the convolution once, as places in y, in the padded x and in w.
function eachProduct(geometry, visit) {
  const { N, C, O, KH, KW, OH, OW, Cg, Og, rows, cols } = geometry;
  for (let n = 0; n < N; n++) for (let o = 0; o < O; o++) for (let c = 0; c < Cg; c++) {
    const channel = n * C + Math.floor(o / Og) * Cg + c;
    for (let kh = 0; kh < KH; kh++) for (let kw = 0; kw < KW; kw++) {
      const tap = ((o * Cg + c) * KH + kh) * KW + kw;
      for (let i = 0; i < OH; i++) for (let j = 0; j < OW; j++) {
        const cell = (channel * rows.padded + rows.at(kh, i)) * cols.padded + cols.at(kw, j);
        visit(((n * O + o) * OH + i) * OW + j, cell, tap);
      }
    }
  }
}

// Visit every cell of the padded input once: visit(cell, the pixel that it shows, or −1).
function eachCell(geometry, visit) {
  const { N, C, H, W, rows, cols } = geometry;
  for (let channel = 0; channel < N * C; channel++) {
    for (let r = 0; r < rows.padded; r++) for (let q = 0; q < cols.padded; q++) {
      const [a, b] = [rows.source[r], cols.source[q]];
      const pixel = a < 0 || b < 0 ? -1 : (channel * H + a) * W + b;
      visit((channel * rows.padded + r) * cols.padded + q, pixel);
    }
  }
}

const paddedSize = ({ N, C, rows, cols }) => N * C * rows.padded * cols.padded;

function padInput(geometry, x) {
  const xpad = new Float64Array(paddedSize(geometry));
  eachCell(geometry, (cell, pixel) => { if (pixel >= 0) xpad[cell] = x[pixel]; });
  return xpad;
}

// The transpose of padding: every cell gives its gradient to the pixel that it shows, if any.
function unpadGradient(geometry, dxpad) {
  const { N, C, H, W } = geometry, dx = new Float64Array(N * C * H * W);
  eachCell(geometry, (cell, pixel) => { if (pixel >= 0) dx[pixel] += dxpad[cell]; });
  return dx;
}

// y = x ∗ w + b from the padded input. `b` may be null.
function multiplyForward(geometry, xpad, w, b) {
  const { N, O, P } = geometry, y = new Float64Array(N * O * P);
  eachProduct(geometry, (place, cell, tap) => { y[place] += xpad[cell] * w[tap]; });
  if (b) for (let k = 0; k < y.length; k++) y[k] += b[Math.floor(k / P) % O];
  return y;
}

// The gradients of a loss with ∂L/∂y = g: dxpad (of the padded input), dw (of w) and db (of b).
function multiplyBackward(geometry, xpad, w, g) {
  const { O, Cg, T, P } = geometry;
  const dxpad = new Float64Array(xpad.length), dw = new Float64Array(O * Cg * T);
  const db = new Float64Array(O);
  eachProduct(geometry, (place, cell, tap) => {
    dxpad[cell] += g[place] * w[tap];
    dw[tap] += g[place] * xpad[cell];
  });
  for (let k = 0; k < g.length; k++) db[Math.floor(k / P) % O] += g[k];
  return { dxpad, dw, db };
}

// The same with the padding: from x to y, and from g to dx (of x), dxpad, dw and db.
const convForward = (geometry, x, w, b) =>
  multiplyForward(geometry, padInput(geometry, x), w, b);
function convBackward(geometry, x, w, g) {
  const result = multiplyBackward(geometry, padInput(geometry, x), w, g);
  return { dx: unpadGradient(geometry, result.dxpad), ...result };
}

// How many windows read each cell of the padded input (one channel).
function countReaders({ rows, cols }) {
  const along = axis => Array.from({ length: axis.padded }, (_, r) => axis.readers(r).length);
  const across = along(cols);
  return along(rows).flatMap(down => across.map(count => down * count));
}
