// The area to draw in. A drawing is a list of strokes, each a list of points; the network gets it
// as MNIST's digits were made: scaled into 20 of 28 pixels, its centre of mass in the middle.

const PEN = 0.042;                          // radius, as part of the image's height
const LARGEST_SCALE = 2.5;                  // so that a dot does not fill the image

// The ink (0 to 1) of strokes, whose points are in pixels, in an image of this size.
function inkOf(strokes, height, width, radius) {
  const ink = new Float64Array(height * width);
  for (const stroke of strokes) {
    stroke.forEach(([x1, y1], k) => {
      const [x0, y0] = stroke[Math.max(0, k - 1)], reach = radius + 1;
      const [dx, dy] = [x1 - x0, y1 - y0], length = dx * dx + dy * dy;
      const from = v => Math.max(0, Math.floor(v - reach));
      for (let r = from(Math.min(y0, y1)); r < height && r <= Math.max(y0, y1) + reach; r++) {
        for (let q = from(Math.min(x0, x1)); q < width && q <= Math.max(x0, x1) + reach; q++) {
          const [px, py] = [q + .5 - x0, r + .5 - y0];
          const along = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
          const distance = Math.hypot(px - along * dx, py - along * dy);
          const value = Math.min(1, Math.max(0, radius + .5 - distance));
          ink[r * width + q] = Math.max(ink[r * width + q], value);
        }
      }
    });
  }
  return ink;
}

// Strokes in a square of side 1, as an image of height × width pixels.
function imageOf(strokes, height, width) {
  const points = strokes.flat(), size = Math.min(height, width);
  if (!points.length) return new Float64Array(height * width);
  const [xs, ys] = [0, 1].map(axis => points.map(point => point[axis]));
  const side = Math.max(highOf(xs) - lowOf(xs), highOf(ys) - lowOf(ys));
  const box = (20 / 28 - 2 * PEN) * size;
  const scale = Math.min(box / side, LARGEST_SCALE * size);
  const place = (middleX, middleY) => strokes.map(stroke => stroke.map(([x, y]) =>
    [width / 2 + (x - middleX) * scale, height / 2 + (y - middleY) * scale]));
  let [x, y] = [(highOf(xs) + lowOf(xs)) / 2, (highOf(ys) + lowOf(ys)) / 2];
  const ink = inkOf(place(x, y), height, width, PEN * size);
  let [mass, right, down] = [0, 0, 0];
  ink.forEach((v, k) => {
    mass += v;
    right += v * (k % width + .5);
    down += v * (Math.floor(k / width) + .5);
  });
  x += (right / mass - width / 2) / scale;
  y += (down / mass - height / 2) / scale;
  return inkOf(place(x, y), height, width, PEN * size);
}

// A canvas to draw in with mouse, pen or finger; `changed(strokes, done)` follows every movement.
function drawingPad(canvas, changed) {
  let strokes = [], pointer = null;
  const at = event => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  canvas.addEventListener("pointerdown", event => {
    if (event.button || pointer !== null) return;
    if (pad.fresh) strokes = [];
    pad.fresh = false;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    strokes.push([at(event)]);
    changed(strokes, false);
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", event => {
    if (event.pointerId !== pointer) return;
    const all = event.getCoalescedEvents?.() ?? [];
    strokes.at(-1).push(...(all.length ? all : [event]).map(at));
    changed(strokes, false);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, event => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      changed(strokes, true);
    });
  }
  const pad = {
    fresh: true,                            // the next stroke begins a new drawing
    get strokes() { return strokes; },
    clear() { strokes = []; },
    // what the area shows: the strokes as they were drawn, or the pixels of an image
    paint(image, height, width, range) {
      const context = canvas.getContext("2d"), side = canvas.width;
      context.clearRect(0, 0, side, side);
      const { ink: colour, shade } = pageColours();
      context.strokeStyle = colour;
      if (!strokes.length && image) {
        context.imageSmoothingEnabled = false;
        const most = Math.max(height, width), zoom = side / most;
        context.drawImage(mapPicture(image, width, height, { ink: range, shade }),
          (side - width * zoom) / 2, (side - height * zoom) / 2, width * zoom, height * zoom);
      }
      context.lineWidth = 2 * PEN * side;
      context.lineCap = context.lineJoin = "round";
      for (const stroke of strokes) {
        context.beginPath();
        stroke.forEach(([x, y], k) => context[k ? "lineTo" : "moveTo"](x * side, y * side));
        if (stroke.length === 1) context.lineTo(stroke[0][0] * side + .1, stroke[0][1] * side);
        context.stroke();
      }
    },
  };
  return pad;
}
