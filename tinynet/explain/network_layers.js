// The layers of a network, forward and backward, for one image. This file knows no page: every
// function takes numbers and returns numbers. Arrays are flat, in the order of their shapes, for
// example (C, H, W); sizes and padding come from convolution.js.
//
// A layer is { kind, shape, from, settings, weight, bias, mean, inverse }: `from` is the shape of
// what it gets, `shape` of what it makes. forward(layer, x) returns y; backward(layer, x, y, g)
// returns { dx, dw, db } for ∂L/∂y = g, where dw and db only exist where weight and bias do.

const sizeOf = shape => shape.reduce((product, size) => product * size, 1);

// -- convolution ----------------------------------------------------------------------------------

function geometryOf(layer) {
  const { settings: s, weight, from, shape } = layer;
  const [KH, KW] = weight.shape.slice(2);
  return layer.geometry ??= makeGeometry({
    shape: [1, ...from], kernel: [shape[0], KH, KW], stride: s.stride, padding: s.padding,
    dilation: s.dilation, groups: s.groups, padding_mode: s.mode,
  });
}

// Visit each pair (tap of a kernel, row of the output): `visit(tap, place, cell)` gets the place of
// the weight, of the row's first output and of the padded cell which that output reads through it.
function eachRow(geometry, visit) {
  const { O, Cg, Og, KH, KW, OH, OW, rows, cols } = geometry;
  let tap = 0;
  for (let o = 0; o < O; o++) for (let c = 0; c < Cg; c++) {
    const channel = Math.floor(o / Og) * Cg + c;
    for (let kh = 0; kh < KH; kh++) for (let kw = 0; kw < KW; kw++, tap++) {
      for (let i = 0; i < OH; i++) {
        const row = channel * rows.padded + rows.at(kh, i);
        visit(tap, (o * OH + i) * OW, row * cols.padded + cols.at(kw, 0));
      }
    }
  }
}

const conv = {
  forward(layer, x) {
    const geometry = geometryOf(layer), { OW, P, cols } = geometry, stride = cols.stride;
    const xpad = padInput(geometry, x), w = layer.weight.data, b = layer.bias?.data;
    const y = new Float64Array(sizeOf(layer.shape));
    if (b) for (let k = 0; k < y.length; k++) y[k] = b[Math.floor(k / P)];
    eachRow(geometry, (tap, place, cell) => {
      const weight = w[tap];
      for (let j = 0; j < OW; j++) y[place + j] += weight * xpad[cell + j * stride];
    });
    return y;
  },
  backward(layer, x, y, g) {
    const geometry = geometryOf(layer), { O, OW, P, cols } = geometry, stride = cols.stride;
    const xpad = padInput(geometry, x), w = layer.weight.data;
    const dxpad = new Float64Array(xpad.length), dw = new Float64Array(w.length);
    eachRow(geometry, (tap, place, cell) => {
      const weight = w[tap];
      let sum = 0;
      for (let j = 0; j < OW; j++) {
        const at = cell + j * stride, G = g[place + j];
        dxpad[at] += weight * G;
        sum += G * xpad[at];
      }
      dw[tap] += sum;
    });
    const db = new Float64Array(O);
    for (let k = 0; k < g.length; k++) db[Math.floor(k / P)] += g[k];
    return { dx: unpadGradient(geometry, dxpad), dw, db };
  },
};

// -- pooling --------------------------------------------------------------------------------------

// The places (row, column) of x under window (i, j) that lie inside x.
function* windowCells({ settings: s, from: [, H, W] }, i, j) {
  const [dh, dw] = s.dilation ?? [1, 1];
  for (let kh = 0; kh < s.size[0]; kh++) for (let kw = 0; kw < s.size[1]; kw++) {
    const r = i * s.stride[0] - s.padding[0] + kh * dh;
    const q = j * s.stride[1] - s.padding[1] + kw * dw;
    if (r >= 0 && r < H && q >= 0 && q < W) yield r * W + q;
  }
}

// For each window, the places of its cells in one channel of x, made once.
const cellsOf = layer => layer.cells ??= Array.from({ length: layer.shape[1] * layer.shape[2] },
  (_, k) => [...windowCells(layer, Math.floor(k / layer.shape[2]), k % layer.shape[2])]);

// Visit each window of each channel: visit(k, start, cells), where start + cells[n] is in x.
function eachWindow(layer, visit) {
  const cells = cellsOf(layer), pixels = layer.from[1] * layer.from[2];
  for (let k = 0; k < sizeOf(layer.shape); k++) {
    visit(k, Math.floor(k / cells.length) * pixels, cells[k % cells.length]);
  }
}

const largest = (x, start, cells) =>        // the first of equals
  cells.reduce((best, cell) => x[start + cell] > x[start + best] ? cell : best, cells[0]);

const max_pool = {
  forward(layer, x) {
    const y = new Float64Array(sizeOf(layer.shape));
    eachWindow(layer, (k, start, cells) => { y[k] = x[start + largest(x, start, cells)]; });
    return y;
  },
  backward(layer, x, y, g) {
    const dx = new Float64Array(x.length);
    eachWindow(layer, (k, start, cells) => { dx[start + largest(x, start, cells)] += g[k]; });
    return { dx };
  },
};

const avg_pool = {                          // padding counts as zeros
  forward(layer, x) {
    const y = new Float64Array(sizeOf(layer.shape)), count = sizeOf(layer.settings.size);
    eachWindow(layer, (k, start, cells) => {
      for (const cell of cells) y[k] += x[start + cell] / count;
    });
    return y;
  },
  backward(layer, x, y, g) {
    const dx = new Float64Array(x.length), count = sizeOf(layer.settings.size);
    eachWindow(layer, (k, start, cells) => {
      for (const cell of cells) dx[start + cell] += g[k] / count;
    });
    return { dx };
  },
};

// -- the others -----------------------------------------------------------------------------------

// A function of each number; `slope` is its derivative, from x and y.
const elementwise = (value, slope) => ({
  forward: (layer, x) => x.map(v => value(v, layer.settings)),
  backward: (layer, x, y, g) => ({ dx: g.map((v, k) => v * slope(x[k], y[k], layer.settings)) }),
});

const norm = {
  forward(layer, x) {
    const pixels = x.length / layer.shape[0], { mean, inverse, weight, bias } = layer;
    return x.map((v, k) => {
      const c = Math.floor(k / pixels);
      return (v - mean.data[c]) * inverse.data[c] * (weight?.data[c] ?? 1) + (bias?.data[c] ?? 0);
    });
  },
  backward(layer, x, y, g) {
    const C = layer.shape[0], pixels = x.length / C, { mean, inverse, weight } = layer;
    const dw = new Float64Array(C), db = new Float64Array(C);
    const dx = g.map((v, k) => {
      const c = Math.floor(k / pixels);
      dw[c] += v * (x[k] - mean.data[c]) * inverse.data[c];
      db[c] += v;
      return v * inverse.data[c] * (weight?.data[c] ?? 1);
    });
    return { dx, dw, db };
  },
};

const linear = {
  forward(layer, x) {
    const w = layer.weight.data, b = layer.bias?.data, n = x.length;
    return Float64Array.from({ length: layer.shape[0] }, (_, o) => {
      let sum = b ? b[o] : 0;
      for (let k = 0; k < n; k++) sum += w[o * n + k] * x[k];
      return sum;
    });
  },
  backward(layer, x, y, g) {
    const w = layer.weight.data, n = x.length;
    const dx = new Float64Array(n), dw = new Float64Array(w.length);
    g.forEach((v, o) => {
      for (let k = 0; k < n; k++) {
        dx[k] += v * w[o * n + k];
        dw[o * n + k] = v * x[k];
      }
    });
    return { dx, dw, db: g.slice() };
  },
};

const KINDS = {
  conv, max_pool, avg_pool, norm, linear,
  flatten: elementwise(v => v, () => 1),
  relu: elementwise(v => v > 0 ? v : 0, x => x > 0 ? 1 : 0),
  leaky_relu: elementwise((v, s) => v > 0 ? v : s.negative_slope * v,
    (x, y, s) => x > 0 ? 1 : s.negative_slope),
  tanh: elementwise(Math.tanh, (x, y) => 1 - y * y),
  sigmoid: elementwise(v => 1 / (1 + Math.exp(-v)), (x, y) => y * (1 - y)),
};

// -- the whole network ----------------------------------------------------------------------------

function softmax(scores) {
  const most = Math.max(...scores), powers = scores.map(v => Math.exp(v - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map(v => v / sum);
}

// Everything that one image makes: `values[k]` is what layer k gets and `gradients[k]` the
// gradient of the loss with respect to it (the last ones are the scores and theirs);
// `parameters[k]` is { dw, db }. The loss is the cross-entropy −log p(label).
function runNetwork(layers, image, label) {
  const values = [image];
  for (const layer of layers) values.push(KINDS[layer.kind].forward(layer, values.at(-1)));
  const scores = values.at(-1), probabilities = softmax(scores);
  const most = Math.max(...scores);
  const logSum = most + Math.log(scores.reduce((sum, v) => sum + Math.exp(v - most), 0));
  const gradients = [probabilities.map((p, k) => p - (k === label ? 1 : 0))];
  const parameters = [];
  for (let k = layers.length - 1; k >= 0; k--) {
    const { dx, dw, db } =
      KINDS[layers[k].kind].backward(layers[k], values[k], values[k + 1], gradients[0]);
    gradients.unshift(dx);
    parameters.unshift({ dw, db });
  }
  return { values, gradients, parameters, probabilities, loss: logSum - scores[label], label };
}
