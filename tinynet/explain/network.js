// The page of a network: what it computes stands in network_layers.js; here is what one sees.
const root = document.currentScript.closest(".tn");
const data = JSON.parse(root.querySelector(".tn-data").textContent);
const convolutionPage = inflated(root.querySelector(".tn-page").textContent);   // a promise
const LANGUAGES = data.languages, CLASSES = data.classes;

// -- words: an element keeps the key of its text, so the language can change at any time ----------

function say(key, slots = {}) {
  const column = LANGUAGES.indexOf(root.lang);
  return data.texts[key][column].replace(/\{(\w+)\}/g, (_, name) => {
    const value = slots[name];
    return typeof value === "string" && value.startsWith("@") ? say(value.slice(1)) : value;
  });
}

function tell(node, key, slots = {}, attribute = "text") {
  const told = JSON.parse(node.dataset.told ?? "{}");
  told[attribute] = [key, slots];
  node.dataset.told = JSON.stringify(told);
  const text = say(key, slots);
  if (attribute === "text") node.textContent = text;
  else node.setAttribute(attribute, text);
  return node;
}

function speak(lang) {
  const column = LANGUAGES.indexOf(lang);
  root.lang = lang;
  for (const node of root.querySelectorAll("[data-told]")) {
    for (const [attribute, [key, slots]] of Object.entries(JSON.parse(node.dataset.told))) {
      tell(node, key, slots, attribute);
    }
  }
  for (const node of root.querySelectorAll("[data-say]")) {
    node.textContent = JSON.parse(node.dataset.say)[column];
  }
  for (const name of ["aria-label", "alt"]) {
    for (const node of root.querySelectorAll(`[data-${name}]`)) {
      node.setAttribute(name, JSON.parse(node.getAttribute("data-" + name))[column]);
    }
  }
  root.querySelector(".tn-language").lang = LANGUAGES[(column + 1) % LANGUAGES.length];
  refresh();                                // names are wider or narrower now
}

function make(tag, kind = "", ...children) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  node.append(...children);
  return node;
}

const spoken = (tag, kind, key, slots) => tell(make(tag, kind), key, slots);

function button(kind, key, press) {
  const node = key ? spoken("button", kind, key) : make("button", kind);
  node.type = "button";
  node.addEventListener("click", press);
  return node;
}

// -- the numbers ----------------------------------------------------------------------------------

const layers = data.layers.map((layer, k) => ({
  ...layer, from: k ? data.layers[k - 1].shape : data.shape,
  ...Object.fromEntries(["weight", "bias", "mean", "inverse"].filter(name => layer[name])
    .map(name => [name, unpack(layer[name])])),
}));
const images = unpack(data.images).data, pixels = sizeOf(data.shape);
const imageAt = k => images.slice(k * pixels, (k + 1) * pixels);
const [, HEIGHT, WIDTH] = data.shape;
const canDraw = data.shape[0] === 1;
const INK_RANGE = [data.low, data.high];

// What the page shows of the network, from left to right: the image, each layer (flattening changes
// no number), and the loss. values[at] and gradients[at] of a pass belong to a column.
const columns = [
  { kind: "input", at: 0, shape: data.shape, path: "" },
  ...layers.map((layer, k) => ({ ...layer, layer, at: k + 1 }))
    .filter(column => column.kind !== "flatten"),
  { kind: "loss", at: layers.length, shape: [CLASSES.length], path: "" },
];
const scores = columns.at(-2), lossColumn = columns.at(-1);
const isBars = column => column === scores || column === lossColumn;

let pass = null, wantedLabel = null;        // null: the class that it reads

function compute(image, label) {
  pass = runNetwork(layers, image, label ?? 0);
  pass.guess = pass.probabilities.indexOf(highOf(pass.probabilities));
  if (label === null && pass.guess !== 0) {
    pass = { ...runNetwork(layers, image, pass.guess), guess: pass.guess };
  }
  root.network = pass;                      // for tests, and for whoever opens the console
}

// The browser's loss and norms of each example, against those of the library.
function selfCheck() {
  const length = values => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));
  let error = 0, count = 0;
  data.expected.forEach((expected, n) => {
    const own = runNetwork(layers, imageAt(n), data.labels[n]);
    const weights = own.parameters.flatMap(({ dw, db }, k) =>
      [layers[k].weight && dw, layers[k].bias && db].filter(Boolean));
    const sums = [own.loss, ...[...own.values, ...own.gradients, ...weights].map(length)];
    count += sums.length;
    sums.forEach((sum, k) => {
      error = Math.max(error, Math.abs(sum - expected[k]) / Math.max(Math.abs(expected[k]), 1e-8));
    });
  });
  const agrees = error < 1e-6;
  tell(checked, agrees ? "network.checked" : "network.differs",
    { count, images: data.expected.length, error: numberText(error) });
  checked.classList.toggle("is-wrong", !agrees);
  checked.dataset.agrees = agrees;
}

// -- the left side: draw, choose ------------------------------------------------------------------

const live = root.querySelector(".tn-live");
const padCanvas = make("canvas", "tn-pad");
padCanvas.width = padCanvas.height = 336;
const pad = drawingPad(padCanvas, (strokes, done) => {
  if (wantedLabel !== null && labelChosen !== "hand") chooseLabel(null);
  show(imageOf(strokes, HEIGHT, WIDTH).map(v => data.low + v * (data.high - data.low)), done);
});
let labelChosen = "";                       // "hand": by the reader, so a new drawing keeps it
const labelSelect = make("select", "tn-net-label");
labelSelect.append(spoken("option", "", "network.label_auto"),
  ...CLASSES.map(name => make("option", "", name)));
labelSelect.options[0].value = "";
CLASSES.forEach((_, k) => { labelSelect.options[k + 1].value = k; });
labelSelect.addEventListener("change", () => {
  labelChosen = "hand";
  chooseLabel(labelSelect.value === "" ? null : Number(labelSelect.value));
  show(pass.values[0], true);
});

function chooseLabel(label) {
  wantedLabel = label;
  labelSelect.value = label === null ? "" : String(label);
}

const examples = data.labels.map((label, k) => {
  const canvas = make("canvas"), node = button("tn-net-example", null, () => takeExample(k));
  tell(node, "network.example", { k, truth: CLASSES[label] }, "aria-label");
  node.append(canvas);
  return node;
});

function takeExample(k) {
  pad.clear();
  pad.fresh = true;
  labelChosen = "";
  chooseLabel(data.labels[k]);
  show(imageAt(k), true);
}

const guessText = make("output", "tn-net-guess"), certaintyText = make("span", "tn-net-certainty");
const summary = make("p", "tn-net-summary");
summary.setAttribute("aria-live", "polite");
const checked = make("p", "tn-note tn-net-checked");

function leftSide() {
  const side = make("div", "tn-net-side");
  tell(padCanvas, "network.pad", {}, "aria-label");
  padCanvas.setAttribute("role", "img");
  const answer = make("p", "tn-net-answer", spoken("span", "", "network.reads"), " ", guessText,
    " ", certaintyText);
  const label = make("label", "tn-net-choice", spoken("span", "", "network.label"), labelSelect);
  const list = make("div", "tn-net-examples", ...examples);
  if (canDraw) {
    const clear = button("", "network.clear", () => {
      pad.clear();
      pad.fresh = false;
      show(new Float64Array(pixels).fill(data.low), true);
    });
    run.hidden = matchMedia("(prefers-reduced-motion: reduce)").matches;
const over = make("p", "tn-net-over", spoken("span", "", "network.draw"), clear);
    side.append(over, padCanvas);
  }
  side.append(answer, label);
  if (examples.length > 1) side.append(list);
  return side;
}

// -- the flow: one column per layer ---------------------------------------------------------------

const flow = make("div", "tn-flow");

// The name of a layer with the size of its kernel or window.
function titleOf({ kind, settings, layer }) {
  const size = kind === "conv" ? layer.weight.shape.slice(2) : settings?.size;
  return { name: `@network.kind.${kind}`, size: size ? " " + size.join("×") : "" };
}

for (const [place, column] of columns.entries()) {
  const head = button("tn-layer-head", null, () => look(column, {}, true));
  const short = column.kind === "conv" ? "network.head." : "network.kind.";
  head.append(spoken("b", "", short + column.kind),
    make("small", "", column === lossColumn ? "−log p" : column.shape.join("×")));
  column.node = make("section", "tn-layer", head);
  column.node.style.setProperty("--k", place);
  column.node.style.gridColumn = place + 1;
  column.parts = ["values", "gradients"].map(what => {
    const box = make("div", `tn-sheet-box is-${what === "values" ? "forward" : "backward"}`);
    box.append(spoken("span", "tn-narrow", what === "values" ? "network.values_of"
      : "network.gradients_of"));
    const scale = make("small", "tn-scale");
    if (isBars(column)) {
      const bars = make("table", "tn-bars");
      tell(bars, column === lossColumn ? "network.probability" : what === "values"
        ? "network.score" : "network.gradients_of", {}, "aria-label");
      if (column === lossColumn && what === "gradients") box.append(make("p", "tn-one", "1"));
      else box.append(bars);
      box.append(scale);
      column.node.append(box);
      return { what, bars, scale };
    }
    const canvas = make("canvas", "tn-sheet-canvas");
    canvas.setAttribute("role", "img");
    canvas.addEventListener("click", event => lookAt(column, canvas, event));
    box.classList.toggle("is-single", mapShape(column.shape)[0] === 1);
    box.append(canvas, scale);
    column.node.append(box);
    return { what, canvas, scale };
  });
  flow.append(column.node);
}
flow.append(spoken("p", "tn-way-forward", "network.forward"),
  spoken("p", "tn-way-back", "network.backward"));

// A click into a sheet: which map, and which cell of it.
function lookAt(column, canvas, event) {
  const [C, H, W] = mapShape(column.shape), box = canvas.getBoundingClientRect();
  const { across, tile } = column.fit, high = tile * H / W;
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const [q, r] = [Math.floor(x / (tile + 2)), Math.floor(y / (high + 2))];
  const inside = (v, size, cells) =>
    Math.min(cells - 1, Math.max(0, Math.floor((v % (size + 2)) / size * cells)));
  const channel = Math.min(C - 1, r * across + Math.min(across - 1, q));
  const [row, col] = [inside(y, high, H), inside(x, tile, W)], vector = column.shape.length === 1;
  look(column, vector ? { col: Math.min(row * W + col, column.shape[0] - 1) }
    : { channel, row, col }, true);
}

const BARS = 112, GAP = 12;                 // width of a column of bars, and between columns

// The size of the tiles: as large as width and height allow, all layers with the same number of
// tiles from top to bottom; a layer with one map gets what is left. On a page that is too narrow
// for its layers side by side, each layer takes the whole width instead.
function fit() {
  const sheets = columns.filter(column => !isBars(column));
  const counts = sheets.map(column => mapShape(column.shape)[0]);
  root.classList.toggle("is-narrow", live.clientWidth < 900);
  const narrow = live.clientWidth < 900 || !fitSideBySide(sheets, counts);
  root.classList.toggle("is-narrow", narrow);
  placeNear();
  if (narrow) {
    const width = flow.clientWidth;
    sheets.forEach((column, k) => {
      const across = Math.min(counts[k], 8);
      const tile = Math.floor(Math.min((width + 2) / across - 2, counts[k] === 1 ? 150 : 60));
      column.fit = { across, tile };
    });
  }
}

function fitSideBySide(sheets, counts) {
  const room = flow.clientWidth - 2 * BARS - GAP * columns.length;
  const height = Math.min(340, Math.max(120, (innerHeight - 310) / 2));
  const heads = sheets.map(({ node }) => 8 + Math.max(...[...node.querySelectorAll(
    ".tn-layer-head > *")].map(text => text.getBoundingClientRect().width)));
  const single = (tile, down) => Math.min(down * (tile + 2) - 2, Math.floor(room / 7));
  const needs = (tile, down) => counts.reduce((sum, C, k) => sum + Math.max(heads[k],
    C === 1 ? single(tile, down) : (tile + 2) * Math.ceil(C / down) - 2), 0);
  let best = { tile: 0, down: 1 };
  for (let down = 1; down <= 12; down++) {
    let tile = Math.floor((height + 2) / down - 2);
    while (tile > best.tile && needs(tile, down) > room) tile--;
    if (tile > best.tile) best = { tile, down };
  }
  if (!best.tile) return false;             // the names of the layers alone take more
  const { tile, down } = best, band = down * (tile + 2) - 2;
  const spare = (room - needs(tile, down)) / counts.filter(C => C === 1).length;
  flow.style.setProperty("--band", `${band}px`);
  sheets.forEach((column, k) => {
    const C = counts[k];
    column.fit = C === 1 ? { across: 1, tile: Math.floor(Math.min(band,
      single(tile, down) + Math.max(0, spare))) }
      : { across: Math.ceil(C / down), tile };
  });
  return true;
}

function bars(table, values, { form, order, signed = true }) {
  const low = signed ? Math.min(0, lowOf(values)) : 0, high = signed ? Math.max(0, highOf(values))
    : 1;
  const span = high - low || 1;
  table.replaceChildren(...order.map(k => {
    const v = values[k], row = make("tr"), head = make("th", "", CLASSES[k]), bar = make("i");
    head.scope = "row";
    bar.style.left = `${100 * (Math.min(0, v) - low) / span}%`;
    bar.style.width = `${100 * Math.abs(v) / span}%`;
    bar.className = v < 0 ? "is-negative" : "";
    row.append(head, make("td", "tn-bar", bar), make("td", "", form(v)));
    row.classList.toggle("is-label", k === pass.label);
    row.classList.toggle("is-guess", k === pass.guess);
    return row;
  }));
}

function paint() {
  const most = [...CLASSES.keys()].sort((a, b) => pass.probabilities[b] - pass.probabilities[a]);
  const order = most.slice(0, 12).sort((a, b) => a - b);
  for (const column of columns) {
    for (const part of column.parts) {
      const values = part.what === "values" ? pass.values[column.at] : pass.gradients[column.at];
      if (column === lossColumn) {
        if (part.what === "values") {
          bars(part.bars, pass.probabilities, { form: percentText, order, signed: false });
          tell(part.scale, "network.loss_is", { loss: numberText(pass.loss) });
        }
        continue;
      }
      if (part.bars) bars(part.bars, values, { form: numberText, order });
      else {
        const ink = column.kind === "input" && part.what === "values" && canDraw ? INK_RANGE : null;
        const chosen = near.column === column && column.shape.length === 3 && column.shape[0] > 1
          ? near.channel : -1;
        paintSheet(part.canvas, values, column.shape, { ...column.fit, ink, chosen });
        part.scale.textContent = `±${numberText(mostOf(values))}`;
        tell(part.canvas, "network.look", {
          name: `@network.kind.${column.kind}`, shape: column.shape.join(" × "),
          what: part.what === "values" ? "@network.values_of" : "@network.gradients_of",
          low: numberText(lowOf(values)), high: numberText(highOf(values)),
        }, "aria-label");
      }
    }
    column.node.classList.toggle("is-chosen", near.column === column);
  }
  if (canDraw) pad.paint(pad.strokes.length ? null : pass.values[0], HEIGHT, WIDTH, INK_RANGE);
  guessText.textContent = CLASSES[pass.guess];
  certaintyText.textContent = percentText(pass.probabilities[pass.guess]);
}

// -- everything together --------------------------------------------------------------------------

const SMALL_LOSS = 0.01;
let waiting = null;

// Show what the network makes of an image; `done` also says it, and lets the numbers run.
function show(image, done) {
  if (done) {
    waiting = null;
    draw(image);
    tell(summary, pass.loss < SMALL_LOSS ? "network.summary_sure" : "network.summary", {
      guess: CLASSES[pass.guess], part: percentText(pass.probabilities[pass.guess]),
      label: CLASSES[pass.label], loss: numberText(pass.loss),
    });
    return;
  }
  if (!waiting) requestAnimationFrame(() => { if (waiting) draw(waiting); waiting = null; });
  waiting = image;
}

function draw(image) {
  compute(image, wantedLabel);
  paint();
  showNear();
}

function sweep() {
  flow.classList.remove("is-sweeping");
  void flow.offsetWidth;                    // lets the animation begin anew
  flow.classList.add("is-sweeping");
}

function paintExamples() {
  examples.forEach((node, k) => {
    const [canvas] = node.children, ink = canDraw ? INK_RANGE : null;
    const picture = mapPicture(imageAt(k), WIDTH, HEIGHT, { ink, shade: pageColours().shade });
    canvas.width = WIDTH;
    canvas.height = HEIGHT;
    canvas.getContext("2d").drawImage(picture, 0, 0);
  });
}

function refresh() {
  fit();
  paintExamples();
  if (pass) {
    paint();
    showNear();
  }
}

root.classList.add("is-live");
const run = button("tn-net-run", "network.run", sweep);
const over = make("div", "tn-net-bar", summary, run);
const stage = make("div", "tn-net-stage", leftSide(), make("div", "tn-net-main", over, flow));
live.append(stage, spoken("p", "tn-note", "network.legend"), checked);
flow.style.setProperty("--columns", columns.length);
root.querySelector(".tn-noscript").remove();
root.querySelector(".tn-static").open = false;
root.querySelector(".tn-tools").hidden = false;
switches(root, LANGUAGES, speak, refresh);
const asked = new URLSearchParams(location.hash.slice(1)).get("lang");   // network.html#lang=zh
if (LANGUAGES.includes(asked)) speak(asked);
fit();
paintExamples();
takeExample(0);
new ResizeObserver(refresh).observe(live);
addEventListener("resize", refresh);
requestAnimationFrame(() => setTimeout(selfCheck));
