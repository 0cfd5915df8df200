// Why the kernel turns, as a motion of three seconds: as the window that reads a cell moves right
// and down, the tap that reads it moves left and up. Sorted by windows, the taps are the turned
// kernel, and it lies down on G. Without motion the same is shown as four still pictures.

const TURN_TIME = 3000, STILLS = [.1, .45, .75, 1];
let turning = null;                     // { layer, cell, pairs, tiles, still, request, phase }

const centre = (node, layer) => {
  const box = node.getBoundingClientRect(), base = layer.getBoundingClientRect();
  return { x: box.left - base.left + box.width / 2, y: box.top - base.top + box.height / 2,
    width: box.width, height: box.height };
};

function beginTurn() {
  endTurn();
  stop();
  const now = stepNow().focus.q, all = gathered();
  const most = all.reduce((a, q) => readersOf(q).length > readersOf(a).length ? q : a, all[0]);
  const cell = now !== undefined && readersOf(now).length > 1 ? now : most;
  state.pinned = state.pointed = null;
  state.step = timeline().steps.findIndex(({ focus }) => focus.q === cell);
  renew();
  const layer = el("div", { class: "tn-layer", "aria-hidden": "true" });
  layer.innerHTML = "<svg></svg>";
  const svg = layer.firstChild, kernel_ = parts.stage.querySelector(".tn-w_turned");
  kernel_.style.minWidth = kernel_.offsetWidth + "px";      // its title changes, its place must not
  parts.stage.append(layer);
  const { rows, cols, geometry: { T, KW, KH } } = model, w = model.wOf(state.o, state.c);
  const at = (id, r, c) => centre(find(id, r, c), layer);
  const spread = [spreadAxis(rows), spreadAxis(cols)];
  const tiles = range(T).map(t => {
    const kh = Math.floor(t / KW), kw = t % KW;
    const down = kh * rows.dilation, across = kw * cols.dilation;
    const node = el("div", { class: "tn-tile" }, el("b", {}, number(w[t])),
      el("small", {}, `${kh},${kw}`));
    layer.append(node);
    const lies = [spreadAt(rows, kh, rowOf(cell)) - spread[0].first,
      spreadAt(cols, kw, colOf(cell)) - spread[1].first];
    const under = find("spread", ...lies);
    return { node, from: at("w_turned", down, across),
      turned: at("w_turned", (KH - 1) * rows.dilation - down, (KW - 1) * cols.dilation - across),
      lies: under ? centre(under, layer) : null };
  });
  turning = { layer, svg, cell, tiles, pairs: readersOf(cell), still: -1, phase: "" };
  parts.stage.classList.add("is-turning");
}

// Draw the moment `time`, from 0 to 1.
function drawTurn(time) {
  const { layer, svg, tiles, pairs, cell } = turning, { rows, cols } = model;
  const part = (from, to) => Math.max(0, Math.min(1, (time - from) / (to - from)));
  const ease = v => v * v * (3 - 2 * v), turn = ease(part(.55, .75)), lie = ease(part(.75, .95));
  const phase = time < .55 ? "windows" : time < .75 ? "turning" : "lying";
  const index = Math.min(pairs.length - 1, Math.floor(part(0, .55) * pairs.length));
  const { p, t } = pairs[index], isSliding = phase === "windows";
  const mix = (a, b, share) => a + (b - a) * share;
  tiles.forEach(({ node, from, turned, lies }, k) => {
    const x = mix(from.x, turned.x, turn), y = mix(from.y, turned.y, turn);
    const end = lies ?? turned;
    node.style.cssText = `width:${from.width}px;height:${from.height}px;transform:translate(`
      + `${mix(x, end.x, lie) - from.width / 2}px,${mix(y, end.y, lie) - from.height / 2}px)`;
    node.classList.toggle("is-now", isSliding && k === t);
    node.classList.toggle("is-lying", lie === 1);
  });
  const shapes = [], shape = (tag, attributes) => shapes.push(`<${tag} `
    + Object.entries(attributes).map(([key, value]) => `${key}="${value}"`).join(" ") + "/>");
  const i = Math.floor(p / cols.out), j = p % cols.out;
  if (isSliding) {
    const spread = [spreadAxis(rows), spreadAxis(cols)];
    const place = [i * rows.stride + rows.extent - 1 - spread[0].first,
      j * cols.stride + cols.extent - 1 - spread[1].first];
    const g = find("spread", ...place), target = find("dx", rowOf(cell), colOf(cell));
    const first = find("dx", rows.at(0, i), cols.at(0, j));
    const last = find("dx", rows.at(rows.kernel - 1, i), cols.at(cols.kernel - 1, j));
    const [a, b] = [first, last].map(node => centre(node, layer));
    shape("rect", { class: "tn-window", x: a.x - a.width / 2, y: a.y - a.height / 2, rx: 8,
      width: b.x - a.x + a.width, height: b.y - a.y + a.height });
    const points = [g && centre(g, layer), tiles[t].from, centre(target, layer)].filter(Boolean);
    shape("path", { class: "tn-thread", d: points.map(({ x, y }, k) =>
      (k ? "L" : "M") + x + " " + y).join("") });
    for (const { x, y } of points) shape("circle", { class: "tn-knot", cx: x, cy: y, r: 5 });
  }
  svg.innerHTML = shapes.join("");      // numbers and names of our own
  turning.phase = root.dataset.turn = phase;
  const heading = parts.stage.querySelector(".tn-w_turned .tn-title");
  heading.textContent = say(isSliding ? "panel.w" : "panel.w_turned");
  const key = isSliding ? "turn.windows" : phase === "turning" ? "turn.turning" : "turn.lying";
  const words = say(key, { ...windowOf(p), ...tapOf(t), ...place(cell) });
  const spoken = state.tour ? parts.story : parts.sentence;
  if (spoken.textContent !== words) spoken.textContent = words;
}

// The button: play it, again as often as one likes; without motion, the next still picture.
function playTurn() {
  if (state.mode !== "dx_gather" || model.geometry.T < 2 || state.mask) return;
  if (calm.matches) {
    const next = turning ? turning.still + 1 : 0;
    if (next >= STILLS.length) { endTurn(); update(); return; }
    if (!turning) beginTurn();
    turning.still = next;
    drawTurn(STILLS[next]);
    parts.turn.textContent = say("turn.still", { k: next + 1, n: STILLS.length });
    return;
  }
  beginTurn();
  const mine = turning, begin = performance.now();
  const tick = now => {
    if (turning !== mine) return;
    const time = Math.max(0, now - begin) / (TURN_TIME / state.speed);
    drawTurn(Math.min(1, time));
    if (time < 1.7) mine.request = requestAnimationFrame(tick);
    else { endTurn(); update(); }
  };
  mine.request = requestAnimationFrame(tick);
}

function endTurn() {
  if (!turning) return;
  cancelAnimationFrame(turning.request);
  turning.layer.remove();
  turning = null;
  delete root.dataset.turn;
  const box = parts.stage.querySelector(".tn-w_turned");
  if (box) {
    box.style.minWidth = "";
    box.firstChild.textContent = say("panel.w_turned");
  }
  parts.stage.classList.remove("is-turning");
  if (state.tour) parts.story.textContent = say(`tour.${state.tour.stop}.text`);
  if (parts.turn) parts.turn.textContent = say("turn");
}
