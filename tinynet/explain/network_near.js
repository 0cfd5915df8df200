// One layer from near: one of its maps and its gradient with a cell that one moves, the numbers
// around that cell, how they came about, and the kernels with their gradients.

const near = { column: null, channel: 0, row: 0, col: 0, from: 0 };
const MOST_WINDOWS = 5, LARGEST_GRID = 12;  // what is handed to the convolution's page
const TERMS = 9;                            // numbers that a sentence lists

const nearNode = document.createElement("section");
nearNode.className = "tn-near tn-card";
nearNode.hidden = true;
let parts = null;                           // the elements of the layer that is shown

// Below the network; on a narrow page right below its layer.
function placeNear() {
  const narrow = root.classList.contains("is-narrow") && near.column;
  const after = narrow ? near.column.node : stage;
  if (after.nextElementSibling !== nearNode) after.after(nearNode);
}

// Choose a layer and, in `place`, a cell of it.
function look(column, place, scroll) {
  const [C, H, W] = mapShape(column.shape);
  if (near.column !== column) {
    Object.assign(near, { column, channel: 0, row: H >> 1, col: W >> 1, from: 0 });
    // begin where the gradient is largest
    const g = pass.gradients[column.at], most = mostOf(g);
    if (column.shape.length === 3) {
      const k = g.findIndex(v => Math.abs(v) === most);
      Object.assign(near, {
        channel: Math.floor(k / (H * W)), row: Math.floor(k / W) % H, col: k % W,
      });
    } else near.col = isBars(column) ? pass.label : g.findIndex(v => Math.abs(v) === most);
    buildNear();
    placeNear();
  }
  Object.assign(near, place);
  near.channel = Math.min(near.channel, C - 1);
  paint();
  showNear();
  if (scroll) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    nearNode.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
  }
}

function buildNear() {
  const { column } = near, [C, H, W] = mapShape(column.shape), isMap = column.shape.length === 3;
  const layer = column.layer, weights = layer?.weight && column.kind !== "norm";
  parts = { inputs: {}, maps: [], tables: [] };
  nearNode.hidden = false;
  const head = spoken("h2", "", "network.detail", {
    ...titleOf(column), shape: column.shape.join(" × "),
  });
  parts.words = make("p", "tn-near-words");
  parts.words.setAttribute("aria-live", "polite");
  const hands = make("div", "tn-near-hands");
  const chooser = (name, key, count) => {
    const input = make("input");
    Object.assign(input, { type: "number", min: 0, max: count - 1 });
    input.addEventListener("input", () => {
      const value = Math.round(Number(input.value));
      if (input.value !== "" && value >= 0 && value < count) look(column, { [name]: value }, false);
    });
    parts.inputs[name] = input;
    hands.append(make("label", "", spoken("span", "", key), input));
  };
  if (isMap && C > 1) chooser("channel", "network.channel", C);
  if (isMap) {
    chooser("row", "network.row", H);
    chooser("col", "network.column", W);
  } else if (column !== lossColumn) {
    chooser("col", column === scores ? "network.class_chosen" : "network.unit", column.shape[0]);
  }
  nearNode.replaceChildren(head, hands, parts.words);
  if (column.kind === "conv") nearNode.append(spoken("p", "tn-note", "network.click"));
  if (isMap) nearNode.append(buildMaps());
  if (weights) nearNode.append(buildKernels());
}

// The two large maps, and the tables of numbers around the cell.
function buildMaps() {
  const { column } = near, [, H, W] = mapShape(column.shape);
  const box = make("div", "tn-near-maps");
  for (const what of ["values", "gradients"]) {
    const key = `network.${what}_of`, canvas = make("canvas"), cursor = make("i", "tn-cursor");
    const map = make("div", "tn-near-map", canvas, cursor), scale = make("small", "tn-scale");
    const table = make("table", "tn-around");
    map.tabIndex = 0;
    map.setAttribute("role", "group");
    const cellAt = event => {
      const area = canvas.getBoundingClientRect();
      const inside = (v, size, count) =>
        Math.min(count - 1, Math.max(0, Math.floor(v / size * count)));
      return { row: inside(event.clientY - area.top, area.height, H),
        col: inside(event.clientX - area.left, area.width, W) };
    };
    map.addEventListener("click", event => {
      look(column, cellAt(event), false);
      if (column.kind === "conv") openConvolution();
    });
    map.addEventListener("pointermove", event => {
      if (event.pointerType === "mouse") showCell(cellAt(event));
    });
    map.addEventListener("pointerleave", () => showCell(near));
    map.addEventListener("keydown", event => {
      if (event.key === "Enter" && column.kind === "conv") openConvolution();
      const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1],
        ArrowRight: [0, 1] }[event.key] ?? [];
      if (down === undefined) return;
      event.preventDefault();
      look(column, { row: Math.min(H - 1, Math.max(0, near.row + down)),
        col: Math.min(W - 1, Math.max(0, near.col + right)) }, false);
    });
    parts.maps.push({ what, canvas, cursor, map, scale });
    parts.tables.push({ what, table });
    box.append(make("figure", "", spoken("figcaption", "", key), map, scale), table);
  }
  return box;
}

// The weights that made this channel, and their gradients.
function buildKernels() {
  const { column } = near, { layer } = column, box = make("div", "tn-near-kernels");
  parts.kernels = [["weight", "network.weights_of"], ["dw", "network.dw"]].map(([what, key]) => {
    const canvas = make("canvas"), scale = make("small", "tn-scale");
    canvas.setAttribute("role", "img");
    tell(canvas, key, {}, "aria-label");
    if (column.kind === "conv") {
      canvas.addEventListener("click", event => {
        const area = canvas.getBoundingClientRect(), { across, tile } = parts.kernelFit;
        const high = tile * column.layer.weight.shape[2] / column.layer.weight.shape[3];
        const q = Math.floor((event.clientX - area.left) / (tile + 2));
        const r = Math.floor((event.clientY - area.top) / (high + 2));
        look(column, { from: Math.min(column.layer.weight.shape[1] - 1, r * across + q) }, false);
      });
    }
    box.append(make("figure", "", spoken("figcaption", "", key), canvas, scale));
    return { what, canvas, scale };
  });
  const lead = spoken("h3", "", `network.${column.kind !== "conv" ? "row_weights"
    : layer.weight.shape[1] > 1 ? "kernels" : "kernel"}`);
  const whole = make("div", "tn-near-weights", lead, box);
  if (column.kind === "conv") {
    parts.note = make("p", "tn-note");
    whole.append(button("tn-net-open", "network.open", openConvolution), parts.note);
    const count = column.layer.weight.shape[1];
    if (count > 1) {
      const input = make("input");
      Object.assign(input, { type: "number", min: 0, max: count - 1 });
      input.addEventListener("input", () => {
        const value = Math.round(Number(input.value));
        if (input.value !== "" && value >= 0 && value < count) look(column, { from: value }, false);
      });
      parts.inputs.from = input;
      lead.after(make("div", "tn-near-hands", make("label", "",
        spoken("span", "", "network.from_channel"), input)));
    }
  }
  return whole;
}

function showNear() {
  const { column } = near;
  if (!column) return;
  for (const [name, input] of Object.entries(parts.inputs)) {
    if (document.activeElement !== input) input.value = near[name];
  }
  const [, H, W] = mapShape(column.shape), size = H * W;
  for (const { what, canvas, map, scale } of parts.maps) {
    const all = pass[what][column.at];
    const values = all.slice(near.channel * size, (near.channel + 1) * size);
    const side = Math.min(252, Math.max(180, live.clientWidth - 60));
    const ink = column.kind === "input" && what === "values" && canDraw ? INK_RANGE : null;
    paintSheet(canvas, values, [1, H, W], { across: 1, tile: side * Math.min(1, W / H), ink });
    scale.textContent = `±${numberText(mostOf(values))}`;
    tell(map, "network.cell_map", { what: `@network.${what}_of`, channel: near.channel },
      "aria-label");
  }
  if (parts.kernels) showKernels();
  showCell(near);
}

function showKernels() {
  const { layer, kind, at } = near.column, unit = kind === "conv" ? near.channel : near.col;
  const before = columns[columns.indexOf(near.column) - 1];
  const shape = kind === "conv" ? layer.weight.shape.slice(1) : mapShape(before.shape);
  const count = sizeOf(layer.weight.shape.slice(1)), [C, , W] = shape;
  const tile = C === 1 ? 120 : kind === "conv" ? Math.max(30, 6 * W) : Math.max(22, 3 * W);
  const across = Math.min(C, Math.max(1, Math.floor(Math.min(250, live.clientWidth - 60) / tile)));
  parts.kernelFit = { across, tile };
  for (const { what, canvas, scale } of parts.kernels) {
    const all = what === "weight" ? layer.weight.data : pass.parameters[at - 1].dw;
    const values = all.slice(unit * count, (unit + 1) * count);
    const chosen = kind === "conv" && C > 1 ? near.from : -1;
    paintSheet(canvas, values, shape, { across, tile, chosen });
    scale.textContent = `±${numberText(mostOf(values))}`;
  }
  if (parts.note) {
    tell(parts.note, `network.open_note${C > 1 ? "" : "_one"}`, { c: near.from, all: C });
  }
}

// Light one cell, and put its words and the numbers around it.
function showCell({ row, col }) {
  const { column, channel } = near, [, H, W] = mapShape(column.shape);
  for (const { cursor } of parts.maps) {
    cursor.style.cssText = `left:${100 * col / W}%;top:${100 * row / H}%;width:${100 / W}%;`
      + `height:${100 / H}%`;
  }
  for (const { what, table } of parts.tables) {
    const values = pass[what][column.at], start = (v, size) =>
      Math.max(0, Math.min(v - 2, size - 5));
    const rows = Array.from({ length: Math.min(5, H) }, (_, k) => start(row, H) + k);
    const cols = Array.from({ length: Math.min(5, W) }, (_, k) => start(col, W) + k);
    const head = make("tr", "", make("td"), ...cols.map(q => {
      const cell = make("th", "", String(q));
      cell.scope = "col";
      return cell;
    }));
    table.replaceChildren(make("thead", "", head), make("tbody", "", ...rows.map(r => {
      const first = make("th", "", String(r));
      first.scope = "row";
      return make("tr", "", first, ...cols.map(q => {
        const v = values[(channel * H + r) * W + q];
        const kind = [r === row && q === col ? "is-cell" : "", v < 0 ? "is-negative" : ""];
        return make("td", kind.join(" "), numberText(v));
      }));
    })));
    tell(table, "network.around", { what: `@network.${what}_of` }, "aria-label");
  }
  tell(parts.words, ...words(column, channel, row, col));
}

// -- how a number came about ----------------------------------------------------------------------

function words(column, channel, i, j) {
  const { kind, at, layer } = column, [, H, W] = mapShape(column.shape);
  const k = column.shape.length === 3 ? (channel * H + i) * W + j : j;
  const v = pass.values[at][k], g = pass.gradients[at][k];
  const says = (name, more) => ["network.says." + name,
    { i, j, value: numberText(v), gradient: numberText(g), ...more }];
  const p = numberText(pass.probabilities[kind === "loss" ? pass.label : k]);
  if (kind === "loss") return says("loss", { p, loss: numberText(pass.loss) });
  if (kind === "input") {
    const how = g > 0 ? "up" : g < 0 ? "down" : "none";
    return says("input", { how: "@" + "network.how." + how });
  }
  const x = pass.values[at - 1], before = numberText(x[k]);
  const bias = numberText(layer.bias?.data[kind === "conv" ? channel : k] ?? 0);
  if (kind === "conv") {
    const { products, part } = windowSum(layer, x, channel, i, j);
    return says(layer.weight.shape[1] > 1 ? "conv" : "conv_one",
      { count: products, part: numberText(part), c: near.from, bias });
  }
  if (kind === "linear") {
    const more = { count: x.length, bias, name: CLASSES[k], p };
    return says(column !== scores ? "linear" : k === pass.label ? "score_label" : "score", more);
  }
  if (kind === "relu") return says(x[k] > 0 ? "relu_on" : "relu_off", { before });
  if (kind === "norm") {
    const scale = layer.inverse.data[channel] * (layer.weight?.data[channel] ?? 1);
    return says("norm", { before, scale: numberText(scale) });
  }
  if (kind === "max_pool" || kind === "avg_pool") {
    const cells = [...windowCells(layer, i, j)], start = channel * layer.from[1] * layer.from[2];
    const list = cells.map(cell => numberText(x[start + cell]));
    if (list.length > TERMS) list.splice(TERMS - 1, list.length - TERMS, "…");
    return says(kind, { list: list.join(", "),
      count: kind === "avg_pool" ? sizeOf(layer.settings.size) : cells.length });
  }
  return says("elementwise", { before, after: numberText(pass.gradients[at - 1][k]) });
}

// The products of one window of a convolution: how many, and the sum over the chosen channel.
function windowSum(layer, x, o, i, j) {
  const geometry = geometryOf(layer), { Cg, Og, KH, KW, rows, cols } = geometry;
  const xpad = padInput(geometry, x), channel = Math.floor(o / Og) * Cg + near.from;
  let part = 0;
  for (let kh = 0; kh < KH; kh++) for (let kw = 0; kw < KW; kw++) {
    const cell = (channel * rows.padded + rows.at(kh, i)) * cols.padded + cols.at(kw, j);
    part += xpad[cell] * layer.weight.data[((o * Cg + near.from) * KH + kh) * KW + kw];
  }
  return { products: Cg * KH * KW, part };
}

// -- the page of a convolution, with the numbers around the cell ----------------------------------

// The windows around (row, col) as a convolution of their own: a part of the padded input, one
// kernel (or two, if the layer has no more than two input channels), and the gradient from above.
function aroundCell() {
  const { column, channel: o, row, col } = near, { layer, at } = column;
  const geometry = geometryOf(layer), { Cg, Og, KH, KW, rows, cols, OH, OW } = geometry;
  const xpad = padInput(geometry, pass.values[at - 1]);
  const inputs = Cg <= 2 ? [...Array(Cg).keys()] : [near.from];
  const range = (axis, middle, out) => {
    const most = Math.floor((LARGEST_GRID - axis.extent) / axis.stride) + 1;
    const count = Math.max(1, Math.min(MOST_WINDOWS, most, out));
    const first = Math.max(0, Math.min(middle - (count >> 1), out - count));
    return { first, count, size: (count - 1) * axis.stride + axis.extent };
  };
  const [down, across] = [range(rows, row, OH), range(cols, col, OW)];
  const x = [], w = [], g = [];
  for (const c of inputs) {
    const channel = Math.floor(o / Og) * Cg + c;
    for (let r = 0; r < down.size; r++) for (let q = 0; q < across.size; q++) {
      x.push(xpad[(channel * rows.padded + down.first * rows.stride + r) * cols.padded
        + across.first * cols.stride + q]);
    }
    const start = (o * Cg + c) * KH * KW;
    w.push(...layer.weight.data.slice(start, start + KH * KW));
  }
  for (let i = 0; i < down.count; i++) for (let j = 0; j < across.count; j++) {
    g.push(pass.gradients[at][(o * OH + down.first + i) * OW + across.first + j]);
  }
  return {
    shape: [1, inputs.length, down.size, across.size], kernel: [1, KH, KW], x, w, g,
    b: layer.bias && inputs.length === Cg ? [layer.bias.data[o]] : null,
    stride: [rows.stride, cols.stride], dilation: [rows.dilation, cols.dilation], padding: 0,
    step: (row - down.first) * across.count + col - across.first,
  };
}

async function openConvolution() {
  const problem = aroundCell();
  const hash = writeAddress({ mode: "forward", step: problem.step, lang: root.lang,
    data: writeData(problem) });
  const dialog = make("dialog", "tn-frame"), frame = make("iframe");
  tell(frame, "network.frame", {}, "title");
  tell(dialog, "network.frame", {}, "aria-label");
  frame.setAttribute("sandbox", "allow-scripts");
  const theme = root.dataset.theme ? `document.documentElement.style.colorScheme =
    ${JSON.stringify(root.dataset.theme)};` : "";
  const start = `location.hash = ${JSON.stringify(hash)};${theme}`;
  const page = await convolutionPage;
  frame.srcdoc = page.replace("<head>", () => `<head>\x3cscript>${start}\x3c/script>`);
  dialog.append(button("tn-frame-close", "network.close", () => dialog.close()), frame);
  dialog.addEventListener("close", () => dialog.remove());
  root.append(dialog);
  dialog.showModal();
}
