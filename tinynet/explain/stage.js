// Drawing the panels, and making their cells as large as the window allows.

const el = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) {
      node.setAttribute(key, value === true ? "" : value);
    }
  }
  node.append(...children);
  return node;
};
const clamp = (value, last) => Math.max(0, Math.min(value, last));
const offsetOf = id => state.offset[id] || (state.offset[id] = { row: 0, col: 0 });
// G with zeros is larger than x, and is drawn whole as long as x is
const pageSize = id => id.split("-")[0] === "spread" ? GRID + 6 : GRID;

function draw(id, panel, make = null, view = {}) {
  const offset = offsetOf(id), most = pageSize(id);
  offset.row = clamp(offset.row, Math.max(0, panel.rows.length - most));
  offset.col = clamp(offset.col, Math.max(0, panel.cols.length - most));
  const corner = () => el("td", { class: "tn-corner" });
  const show = label => typeof label === "number" ? number(label) : label;
  const header = (scope, label) => label === "" ? corner() : el("th", { scope }, show(label));
  const down = panel.rows.slice(offset.row, offset.row + most);
  const across = panel.cols.slice(offset.col, offset.col + most);
  const cell = (r, c) =>
    el("td", { tabindex: -1, "data-row": r + offset.row, "data-col": c + offset.col });
  const table = el("table",
    { role: "grid", class: "tn-grid", "data-panel": id, "aria-label": title(id) },
    el("thead", {}, el("tr", {}, corner(), ...across.map(label => header("col", label)))),
    el("tbody", {}, ...down.map((label, r) =>
      el("tr", {}, header("row", label), ...across.map((_, c) => cell(r, c))))));
  const box = el("div", { class: "tn-panel tn-" + id.split("-")[0], "data-panel": id },
    el("div", { class: "tn-title", "aria-hidden": "true" }, title(id)), table);
  for (const [axis, labels] of [["row", panel.rows], ["col", panel.cols]]) {
    if (labels.length > most) box.append(pager(axis, labels.length, offset, most));
  }
  Object.assign(box, { panel, make, view });
  box.size = { rows: down.length, cols: across.length };
  return box;
}

function title(id) {
  const [, k] = id.split("-"), axis = OTHERS[state.mode]?.[id.split("-")[0]];
  if (k && axis) {
    return axis === "c" ? say("sum.channel", { c: inName(+k) })
      : say("sum.output", { o: outName(+k) });
  }
  if (id.startsWith("compare-")) return id.slice("compare-".length);
  if (id === "spread" && !model.geometry.padded && model.geometry.T === 1) return say("panel.g");
  return say("panel." + (id === "y_row" && model.b ? "y_row_bias" : id));
}

function pager(axis, length, offset, most) {
  const first = offset[axis];
  const text = say(axis === "row" ? "page_rows" : "page_cols",
    { first, last: first + most - 1, n: length });
  const button = (sign, by, disabled) => el("button", {
    type: "button", "aria-label": text + " " + sign, disabled,
    onclick: () => { offset[axis] += by; build(); },
  }, sign);
  return el("div", { class: "tn-pager" },
    button("‹", -most, first === 0), text, button("›", most, first >= length - most));
}

// Turn the pages of a large panel so that what the step lights comes into view.
function follow(id, panel) {
  const most = pageSize(id);
  if (panel.rows.length <= most && panel.cols.length <= most) return;
  const lit = light(stepNow().focus), offset = offsetOf(id), places = { row: [], col: [] };
  panel.rows.forEach((_, r) => panel.cols.forEach((_, c) => {
    if (isLit(panel, r, c, lit)) { places.row.push(r); places.col.push(c); }
  }));
  for (const axis of ["row", "col"]) {
    const first = Math.min(...places[axis]), last = Math.max(...places[axis]);
    const inView = first >= offset[axis] && last < offset[axis] + most;
    if (places[axis].length && last - first < most && !inView) offset[axis] = first;
  }
}

// Every cell of a panel as it is now. Long numbers are drawn as colours, and as numbers only where
// they fit or are lit.
function paint(box, lit) {
  const { panel, dataset: { panel: id } } = box;
  const cells = [...box.querySelectorAll("td[data-row]")];
  const places = cells.map(cell => [+cell.dataset.row, +cell.dataset.col]);
  const values = places.map(([r, c]) => panel.value(r, c));
  const longest = Math.max(1, ...values.map(value => number(value).length));
  box.style.setProperty("--long", longest);
  const size = box.closest(".tn-stage") !== parts.stage ? 34
    : parts.stage.cell * (box.closest(".tn-others") ? .45 : 1);
  box.classList.toggle("is-tiny", longest > 2 && (size - 4) * 1.6 / longest < 7.5);
  box.isFine = values.some(value => value !== null && !Number.isInteger(value));
  const most = Math.max(...values.map(value => Math.abs(value ?? 0))) || 1;
  cells.forEach((cell, k) => {
    const isMasked = state.mask && state.mask(id, ...places[k]);
    paintCell(cell, id, panel, ...places[k], isMasked ? undefined : values[k], lit, k === 0);
    const share = box.isFine && !isMasked ? Math.round(100 * (values[k] ?? 0) / most) : 0;
    cell.style.setProperty("--share", Math.abs(share) + "%");
  });
  box.classList.toggle("is-fine", box.isFine);
  if (!box.querySelector('td[tabindex="0"]')) cells[0].tabIndex = 0;
}

function paintCell(cell, id, panel, r, c, value, lit, isFirst) {
  const kind = panel.kind(r, c), lighted = isLit(panel, r, c, lit), isMasked = value === undefined;
  const pinned = state.pinned && same(state.pinned, { panel: id, row: r, col: c });
  const sign = isMasked ? "is-masked" : value === null ? "is-empty" : value < 0 ? "is-negative"
    : value === 0 ? "is-none" : "";
  const isWrong = !isMasked && panel.wrong?.(r, c);
  const editable = panel.edits && panel.place(r, c) >= 0;
  cell.className = [kind && "is-" + kind, lighted && "is-lit", editable && "is-editable",
    state.asked?.(id, r, c) ? "is-asked" : isFocus(id, panel, r, c, lit) && "is-focus", pinned && "is-pinned", isWrong && "is-wrong", sign]
    .filter(Boolean).join(" ");
  const tabbable = state.focus[id];
  cell.tabIndex = (tabbable ? tabbable.row === r && tabbable.col === c : isFirst) ? 0 : -1;
  const children = [el("span", { class: "tn-value" }, isMasked ? "?" : number(value))];
  const note = lighted && !isMasked && panel.note ? panel.note(r, c, lit)
    : id === "g" && panel.note?.(r, c, lit) === "ReLU" ? "ReLU" : "";
  if (note) {
    children.push(el("span", { class: "tn-times", style: `--n:${note.length}` }, note));
  }
  const [k, n] = panel.count && !isMasked ? panel.count(r, c) : [0, null];
  if (n) {
    const text = say("mark.contributions", { k, n });
    children.push(el("span", { class: "tn-count", title: text }, k + "/" + n));
  }
  const empty = value === null ? "empty" : "";
  const marks = [pinned ? "pinned" : empty && kind === "pad" ? "cut" : kind || empty,
    isWrong && "wrong"].filter(Boolean);
  for (const mark of marks) {
    children.push(el("span", { class: "tn-sr" }, " " + say("mark." + mark)));
  }
  cell.replaceChildren(...children);
}

// -- size -----------------------------------------------------------------------------------------
const LARGEST_CELL = 100, ON_A_WALL = 150, SMALLEST_CELL = 11;

// One size for all cells of the stage: the largest with which its panels stand whole in one row in
// the first screen. On a phone, or where one row would be too small to read, they stand below each
// other, or the last two side by side.
const stageBoxes = () => [...parts.stage.querySelectorAll(".tn-panel")]
  .filter(box => box.offsetParent && !box.closest(".tn-others"));
function fit() {
  const { stage } = parts;
  if (!stage.clientWidth) return;
  root.classList.toggle("is-narrow",
    root.clientWidth < 620 && innerHeight > root.clientWidth);
  root.classList.toggle("is-short", innerHeight < 560);
  const isNarrow = root.classList.contains("is-narrow");
  const hide = (node, isHidden) => node.classList.toggle("tn-sr", isHidden);
  hide(root.querySelector("h1"), isNarrow);             // a heading for screen readers alone
  hide(parts.head.firstElementChild, root.classList.contains("is-short"));
  hide(parts.head, root.classList.contains("is-presenting"));
  const boxes = stageBoxes();           // a phone leaves one out
  const isShort = root.classList.contains("is-short"), { head, modes, bar } = parts;
  const reserve = isShort ? [] : [parts.lead, parts.tabs, parts.sums, parts.tour];
  const style = getComputedStyle(root), gap = parseFloat(style.getPropertyValue("--gap"));
  const needed = [head, modes, bar, ...reserve].filter(node => node.offsetParent)
    .map(node => node.offsetHeight);
  if (!isShort && !state.tour) {
    const sentence = parseFloat(getComputedStyle(parts.sentence).minHeight);
    needed.push(isNarrow ? Math.min(sentence, 74) : sentence);
  }
  const used = needed.reduce((sum, size) => sum + size + gap, parseFloat(style.paddingTop) + gap);
  const height = Math.max(innerHeight - used, isShort ? 120 : 180);
  const width = stage.clientWidth;
  const fits = cell => {
    stage.style.setProperty("--cell", cell + "px");
    return stage.scrollHeight <= height + 1 && stage.scrollWidth <= width + 1;
  };
  let best = { cell: 0 };
  for (const layout of isNarrow ? ["column", "wrap"] : ["row", "column", "wrap"]) {
    if (!isNarrow && best.cell >= SMALLEST_CELL) break; // one row wherever it can be read
    stage.dataset.layout = layout;
    let low = SMALLEST_CELL - 1, high = Math.max(low, guess(boxes, layout, width, height));
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (fits(middle)) low = middle; else high = middle - 1;
    }
    if (low > best.cell) best = { cell: low, layout };
  }
  stage.dataset.layout = best.layout;
  stage.style.setProperty("--cell", Math.max(best.cell, SMALLEST_CELL) + "px");
  stage.classList.toggle("is-scrolling", best.cell < SMALLEST_CELL);
  stage.cell = best.cell;
  stage.classList.toggle("is-small", best.cell < 30);
  stage.classList.toggle("is-medium", best.cell < 46);
}

// The largest size that the numbers of cells allow; titles and operators only make it smaller.
function guess(boxes, layout, width, height) {
  const sizes = boxes.map(box => box.size), sum = list => list.reduce((a, b) => a + b, 0);
  const across = sizes.map(size => size.cols), down = sizes.map(size => size.rows);
  const most = layout === "row" ? [sum(across), Math.max(...down)]
    : [Math.max(...across),
      layout === "column" ? sum(down) : down[0] + Math.max(...down.slice(1), 0)];
  const largest = root.classList.contains("is-presenting") ? ON_A_WALL : LARGEST_CELL;
  return Math.floor(Math.min(width / most[0], height / most[1], largest));
}
