// Numbers out of the page's data, and numbers as pictures.

function bytesOf(text) {
  return Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
}

// A text that Python compressed by zlib.
async function inflated(text) {
  const stream = new Blob([bytesOf(text)]).stream();
  return new Response(stream.pipeThrough(new DecompressionStream("deflate"))).text();
}

// What network_page.packed wrote: { shape, type, data, table? } becomes { shape, data }.
function unpack(entry) {
  const bytes = bytesOf(entry.data), view = new DataView(bytes.buffer);
  const read = {
    u1: k => bytes[k], f2: k => halfAt(view, 2 * k), f4: k => view.getFloat32(4 * k, true),
    f8: k => view.getFloat64(8 * k, true),
  }[entry.type];
  const length = bytes.length / Number(entry.type[1]);
  let values = Float64Array.from({ length }, (_, k) => read(k));
  if (entry.table) {
    const table = unpack({ type: "f8", data: entry.table }).data;
    values = values.map(k => table[k]);
  }
  return { shape: entry.shape, data: values };
}

// A number of 16 bits (IEEE 754): 1 sign, 5 exponent, 10 fraction.
function halfAt(view, at) {
  const bits = view.getUint16(at, true), sign = bits & 0x8000 ? -1 : 1;
  const exponent = bits >> 10 & 31, fraction = bits & 1023;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
}

// Written as everywhere on these pages: whole numbers as they are, others with three digits.
function numberText(value) {
  if (!Number.isFinite(value)) return String(value);
  const whole = value === Math.round(value) && Math.abs(value) < 1e6;
  const short = whole ? value : Number(value.toPrecision(3));
  let text = String(short);
  if (short && !(Math.abs(short) >= 1e-3 && Math.abs(short) < 1e6)) {
    const [mantissa, exponent] = value.toExponential(2).split("e");
    text = `${Number(mantissa)}e${exponent}`;
  }
  return text.replaceAll("-", "−");
}

// Nobody is told a certainty of 100 % that isn't one.
function percentText(part) {
  const text = (100 * part).toFixed(1);
  return text === "100.0" && part < 1 ? "> 99.9 %" : `${text} %`;
}

const BLUE = [40, 115, 230], RED = [225, 60, 45];

const mostOf = values => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
const lowOf = values => values.reduce((a, b) => Math.min(a, b), Infinity);
const highOf = values => values.reduce((a, b) => Math.max(a, b), -Infinity);

// Numbers of one layer as maps: [channels, height, width]; a vector becomes one map.
function mapShape(shape) {
  if (shape.length === 3) return shape;
  const width = Math.ceil(Math.sqrt(shape[0]));
  return [1, Math.ceil(shape[0] / width), width];
}

// The colours of the page as it looks now: of ink, and of a map without numbers. An element wears
// them, because a canvas knows no variables.
function pageColours() {
  let probe = root.querySelector(".tn-probe");
  if (!probe) {
    probe = document.createElement("i");
    probe.className = "tn-probe";
    probe.hidden = true;
    root.append(probe);
  }
  const { color, backgroundColor } = getComputedStyle(probe);
  return { ink: color, tile: backgroundColor, shade: color.match(/\d+/g).map(Number) };
}

// The maps of one layer, one below the other, as a picture of `width` pixels. `ink`: [low, high]
// paints from nothing to full; else red and blue, full at ±most, growing with the square root so
// that small numbers can be seen. Nothing is painted at 0, so one picture suits light and dark.
function mapPicture(values, width, height, { most = mostOf(values), ink = null, shade }) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  const pixels = image.data, scale = 1 / (most || 1);
  const count = Math.min(values.length, width * height);
  for (let k = 0; k < count; k++) {
    const v = values[k], colour = ink ? shade : v < 0 ? BLUE : RED;
    const part = ink ? (v - ink[0]) / (ink[1] - ink[0] || 1) : Math.sqrt(Math.abs(v) * scale);
    pixels[4 * k] = colour[0];
    pixels[4 * k + 1] = colour[1];
    pixels[4 * k + 2] = colour[2];
    pixels[4 * k + 3] = 255 * part;                     // a byte array clamps
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// Paint the maps of one layer into `canvas`, `across` in a row, each `tile` CSS pixels wide, with
// `gap` between. Small maps get whole pixels with sharp edges, large ones are smoothed.
function paintSheet(canvas, values, shape, { across, tile, gap = 2, ink = null, chosen = -1 }) {
  const [C, H, W] = mapShape(shape), zoom = devicePixelRatio || 1, colours = pageColours();
  const high = tile * H / W, down = Math.ceil(C / across);
  const width = across * (tile + gap) - gap, height = down * (high + gap) - gap;
  const size = [Math.round(width * zoom), Math.round(height * zoom)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) {
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    [canvas.width, canvas.height] = size;
  }
  const context = canvas.getContext("2d");
  const picture = mapPicture(values, W, C * H, { ink, shade: colours.shade });
  context.setTransform(zoom, 0, 0, zoom, 0, 0);
  context.clearRect(0, 0, width, height);
  context.imageSmoothingEnabled = tile * zoom < W;
  context.fillStyle = colours.tile;
  for (let c = 0; c < C; c++) {
    const [x, y] = [c % across * (tile + gap), Math.floor(c / across) * (high + gap)];
    context.fillRect(x, y, tile, high);
    context.drawImage(picture, 0, c * H, W, H, x, y, tile, high);
    if (c === chosen) {
      context.strokeStyle = colours.ink;
      context.lineWidth = 2;
      context.strokeRect(x + 1, y + 1, tile - 2, high - 2);
    }
  }
}
