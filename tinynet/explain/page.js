(() => {
  "use strict";
  // The page computes no number of the convolution: it looks numbers up in DATA and lights the cells that belong together.
  // They belong together by one relation, TRIPLES: tap t of window p reads cell q.
  const root = document.currentScript.closest(".tn");
  const DATA = JSON.parse(root.querySelector(".tn-data").textContent);
  const MODES = Object.keys(DATA.modes);
  const GRID = 12;                                   // a panel shows at most 12 × 12 cells; more can be paged through
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const { rows, cols } = DATA;
  const WIDTH = cols.labels.length, ACROSS = cols.windows.length, KW = cols.taps.length;

  const TRIPLES = [];
  rows.taps.forEach(kh => cols.taps.forEach(kw => rows.windows.forEach((_, i) => cols.windows.forEach((_, j) =>
    TRIPLES.push({ t: kh * KW + kw, p: i * ACROSS + j, q: rows.at[kh][i] * WIDTH + cols.at[kw][j] })))));

  const state = {
    lang: DATA.lang, mode: "forward", step: 0, n: DATA.sample, o: DATA.outs[0], c: DATA.ins[DATA.outs[0]][0],
    pinned: null, pointed: null, timer: null, offset: {}, focus: {},
  };

  // -- small helpers ------------------------------------------------------------------------------------------------
  const el = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children);
    return node;
  };
  const say = (key, slots = {}) => {
    const column = DATA.languages.indexOf(state.lang);
    return DATA.texts[key][column].replace(/\{(\w+)\}/g, (_, name) => {
      const value = slots[name];
      return Array.isArray(value) ? value[column] : value;
    });
  };
  const show = value => {
    const size = Math.abs(value);
    const text = typeof value === "number" && value !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential() : String(value ?? "");
    return text.replaceAll("-", "−");
  };
  const key = axes => [...axes].map(axis => state[axis]).join(",");
  const grid = (name, axes) => DATA.grids[name][key(axes)];
  const mode = () => DATA.modes[state.mode];
  const steps = () => mode().focus.length;
  const same = (a, b) => a && b && a.panel === b.panel && a.row === b.row && a.col === b.col;

  // -- what is lit --------------------------------------------------------------------------------------------------
  const active = () => state.pinned || state.pointed;
  const chosen = () => active() ? active().address : mode().focus[state.step];

  function light(address) {
    const lit = { t: new Map(), p: new Map(), q: new Map(), pairs: new Set(), spread: new Map(), address };
    const named = ["t", "p", "q"].filter(axis => axis in address);
    if (named.length || address.all) {
      for (const triple of TRIPLES) {
        if (!named.every(axis => triple[axis] === address[axis])) continue;
        for (const axis of "tpq") lit[axis].set(triple[axis], [...(lit[axis].get(triple[axis]) || []), triple]);
        lit.pairs.add(triple.t + "," + triple.p);
      }
    }
    for (const axis of named) if (!lit[axis].has(address[axis])) lit[axis].set(address[axis], []);
    if ("to" in address) lit.q.set(address.to, []);
    if ("q" in address) {
      const r = Math.floor(address.q / WIDTH), q = address.q % WIDTH;
      rows.taps.forEach(kh => cols.taps.forEach(kw =>
        lit.spread.set(rows.spread_at[r][kh] + "," + cols.spread_at[q][kw], kh * KW + kw)));
    }
    return lit;
  }

  // -- the panels of each mode --------------------------------------------------------------------------------------
  // A panel: id, labels of rows and columns, and for a place (r, c) its address in the relation, value, kind and note.
  const cellKind = q => DATA.pad[q] ? "pad" : DATA.grids.coverage[""][q] === 0 ? "unread" : "";
  const onlyOne = list => list && list.length === 1 ? list[0] : null;
  const times = value => "·" + (value < 0 ? "(" + show(value) + ")" : show(value));

  function grown() {
    const grows = mode().grows, view = key(grows.views), values = grows.start[view].slice(), counts = grows.before.slice();
    for (let step = 0; step <= state.step; step++) {
      grows.touched[step].forEach((cell, k) => {
        values[cell] = grows.values[view][step][k];
        if (counts.length) counts[cell] = grows.counts[step][k];
      });
    }
    return { values, counts, inAll: grows.in_all };
  }

  const PANELS = {
    x: () => ({
      rows: rows.labels, cols: cols.labels, address: (r, c) => ({ q: r * WIDTH + c }),
      value: (r, c) => grid("x", "nc")[r * WIDTH + c], kind: (r, c) => cellKind(r * WIDTH + c),
      note: (r, c, lit) => {
        const triple = "p" in lit.address && onlyOne(lit.q.get(r * WIDTH + c));
        if (!triple) return "";
        return state.mode === "dw" ? times(grid("g", "no")[triple.p]) : times(grid("w", "oc")[triple.t]);
      },
    }),
    w: () => kernel(false),
    w_turned: () => kernel(true),
    y: () => windowPanel((p) => grown().values[p]),
    g: () => windowPanel((p) => grid("g", "no")[p]),
    spread: () => ({
      rows: rows.spread.map(i => i < 0 ? "" : rows.near[i]), cols: cols.spread.map(j => j < 0 ? "" : cols.near[j]),
      address: (r, c) => {
        const i = rows.near_shown[rows.spread[r]] ?? -1, j = cols.near_shown[cols.spread[c]] ?? -1;
        return i < 0 || j < 0 ? {} : { p: i * ACROSS + j };
      },
      value: (r, c) => rows.spread[r] < 0 || cols.spread[c] < 0 ? 0
        : grid("near", "no")[rows.spread[r] * cols.near.length + cols.spread[c]],
      kind: (r, c) => rows.spread[r] < 0 || cols.spread[c] < 0 ? "zero" : "",
      lit: (r, c, lit) => lit.spread.has(r + "," + c),
      note: (r, c, lit) => lit.spread.has(r + "," + c) ? times(grid("w", "oc")[lit.spread.get(r + "," + c)]) : "",
    }),
    dw: () => {
      const now = grown();
      return {
        rows: rows.taps, cols: cols.taps, address: (r, c) => ({ t: r * KW + c }), value: (r, c) => now.values[r * KW + c],
        kind: () => "", count: (r, c) => [now.counts[r * KW + c], now.inAll[r * KW + c]],
      };
    },
    dx: () => {
      const now = grown(), q = (r, c) => r * WIDTH + c;
      return {
        rows: rows.labels, cols: cols.labels, address: (r, c) => ({ q: q(r, c) }), value: (r, c) => now.values[q(r, c)],
        kind: (r, c) => cellKind(q(r, c)), count: now.inAll.length ? (r, c) => [now.counts[q(r, c)], now.inAll[q(r, c)]] : null,
        note: (r, c, lit) => {
          const triple = state.mode === "dx" && "p" in lit.address && onlyOne(lit.q.get(q(r, c)));
          return triple ? "+" + show(grid("dcols", "nc")[triple.t][triple.p]).replace(/^(−.*)$/, "($1)") : "";
        },
      };
    },
    db: () => {
      const now = grown();
      return {
        rows: [""], cols: [state.o], address: () => ({ all: true }), value: () => now.values[0], kind: () => "",
        lit: () => true, count: () => [now.counts[0], now.inAll[0]],
      };
    },
    coverage: () => ({
      rows: rows.labels, cols: cols.labels, address: (r, c) => ({ q: r * WIDTH + c }),
      value: (r, c) => DATA.grids.coverage[""][r * WIDTH + c], kind: (r, c) => cellKind(r * WIDTH + c),
    }),
    // matrices: rows are taps, columns are windows, or the other way round
    cols: () => matrix(tapLabels, windowLabels, (r, c) => ({ t: r, p: c }), (r, c) => column(r, c)),
    cols_t: () => matrix(windowLabels, tapLabels, (r, c) => ({ t: c, p: r }), (r, c) => column(c, r)),
    dcols: () => matrix(tapLabels, windowLabels, (r, c) => ({ t: r, p: c }), (r, c) => grid("dcols", "nc")[r][c]),
    w_row: () => matrix([state.o], tapLabels, (r, c) => ({ t: c }), (r, c) => grid("w", "oc")[c]),
    w_col: () => matrix(tapLabels, [state.o], (r) => ({ t: r }), (r) => grid("w", "oc")[r]),
    g_row: () => matrix([state.o], windowLabels, (r, c) => ({ p: c }), (r, c) => grid("g", "no")[c]),
    y_row: () => { const now = grown(); return matrix([state.o], windowLabels, (r, c) => ({ p: c }), (r, c) => now.values[c]); },
    dw_row: () => { const now = grown(); return matrix([state.o], tapLabels, (r, c) => ({ t: c }), (r, c) => now.values[c]); },
  };
  const tapLabels = TRIPLES.length ? rows.taps.flatMap(kh => cols.taps.map(kw => kh + "," + kw)) : [];
  const windowLabels = rows.windows.flatMap(i => cols.windows.map(j => i + "," + j));
  const WHERE = new Map(TRIPLES.map(triple => [triple.t + "," + triple.p, triple.q]));
  const column = (t, p) => grid("x", "nc")[WHERE.get(t + "," + p)];
  const matrix = (rowLabels, colLabels, address, value) => ({ rows: rowLabels, cols: colLabels, address, value, kind: () => "" });

  function windowPanel(value) {
    return {
      rows: rows.windows, cols: cols.windows, address: (r, c) => ({ p: r * ACROSS + c }),
      value: (r, c) => value(r * ACROSS + c), kind: () => "",
    };
  }

  function kernel(turned) {
    const place = axis => Array.from({ length: axis.extent }, (_, k) => {
      const tap = axis.taps.find(tap => tap * axis.dilation === k);
      return tap === undefined ? -1 : turned ? axis.taps[axis.taps.length - 1 - tap] : tap;
    });
    const down = place(rows), across = place(cols);
    return {
      rows: down.map(t => t < 0 ? "" : t), cols: across.map(t => t < 0 ? "" : t),
      address: (r, c) => down[r] < 0 || across[c] < 0 ? {} : { t: down[r] * KW + across[c] },
      value: (r, c) => down[r] < 0 || across[c] < 0 ? null : grid("w", "oc")[down[r] * KW + across[c]],
      kind: (r, c) => down[r] < 0 || across[c] < 0 ? "gap" : "",
      note: (r, c, lit) => {
        const triple = state.mode === "dx" && "p" in lit.address && down[r] >= 0 && across[c] >= 0;
        return triple ? times(grid("g", "no")[lit.address.p]) : "";
      },
    };
  }

  const STAGE = {
    forward: ["x", "∗", "w", "=", "y"], matrix: [], dw: ["x", "∗", "g", "=", "dw"], dx: ["g", "·", "w", "→", "dx"],
    dx_gather: ["spread", "∗", "w_turned", "=", "dx"], db: ["g", "Σ", "db"], borders: ["coverage", "dx"],
  };
  // Falk's scheme: the product stands below its right factor and beside its left one
  const FALK = { matrix: ["cols", "w_row", "y_row"], dw: ["cols_t", "g_row", "dw_row"], dx: ["g_row", "w_col", "dcols"] };

  // -- drawing a panel ----------------------------------------------------------------------------------------------
  function draw(id, panel) {
    const offset = state.offset[id] || (state.offset[id] = { row: 0, col: 0 });
    offset.row = Math.max(0, Math.min(offset.row, panel.rows.length - GRID));
    offset.col = Math.max(0, Math.min(offset.col, panel.cols.length - GRID));
    const header = (scope, label) => label === "" ? el("td", { class: "tn-corner" }) : el("th", { scope }, show(label));
    const visible = (labels, first) => labels.slice(first, first + GRID);
    const table = el("table", { role: "grid", class: "tn-grid", "data-panel": id, "aria-label": title(id) });
    const down = visible(panel.rows, offset.row), across = visible(panel.cols, offset.col);
    table.append(el("thead", {}, el("tr", {}, el("td", { class: "tn-corner" }),
      ...across.map(label => header("col", label)))));
    table.append(el("tbody", {}, ...down.map((label, r) => el("tr", {}, header("row", label),
      ...across.map((_, c) => el("td", { tabindex: -1, "data-row": r + offset.row, "data-col": c + offset.col }))))));
    const box = el("div", { class: "tn-panel tn-" + id.split("-")[0], "data-panel": id },
      el("div", { class: "tn-title", "aria-hidden": "true" }, title(id)), table);
    for (const [axis, labels] of [["row", panel.rows], ["col", panel.cols]]) {
      if (labels.length > GRID) box.append(pager(id, axis, labels.length, offset));
    }
    box.panel = panel;
    return box;
  }

  function title(id) {
    if (id.startsWith("compare-")) return id.slice("compare-".length);
    return say("panel." + (id === "y_row" && DATA.bias ? "y_row_bias" : id));
  }

  function pager(id, axis, length, offset) {
    const text = say(axis === "row" ? "page_rows" : "page_cols",
      { first: offset[axis], last: offset[axis] + GRID - 1, n: length });
    const turn = by => () => { offset[axis] += by * GRID; build(); };
    return el("div", { class: "tn-pager" },
      el("button", { type: "button", "aria-label": text + " ‹", disabled: offset[axis] === 0, onclick: turn(-1) }, "‹"), text,
      el("button", { type: "button", "aria-label": text + " ›", disabled: offset[axis] >= length - GRID, onclick: turn(1) }, "›"));
  }

  // The part of a large panel that is shown follows the step: whatever the step lights comes into view.
  function follow(id, panel) {
    const lit = light(mode().focus[state.step]), offset = state.offset[id] || (state.offset[id] = { row: 0, col: 0 });
    const found = { row: [], col: [] };
    if (panel.rows.length <= GRID && panel.cols.length <= GRID) return;
    panel.rows.forEach((_, r) => panel.cols.forEach((_, c) => {
      if (isLit(panel, r, c, lit)) { found.row.push(r); found.col.push(c); }
    }));
    for (const axis of ["row", "col"]) {
      const first = Math.min(...found[axis]), last = Math.max(...found[axis]);
      if (found[axis].length && last - first < GRID && (first < offset[axis] || last >= offset[axis] + GRID)) offset[axis] = first;
    }
  }

  function isLit(panel, r, c, lit) {
    if (panel.lit && panel.lit(r, c, lit)) return true;
    const address = panel.address(r, c);
    if ("t" in address && "p" in address) return lit.pairs.has(address.t + "," + address.p);
    return ["t", "p", "q"].some(axis => axis in address && lit[axis].has(address[axis]));
  }

  // The cell that a step is about, in the panel that grows; or the cell pointed at.
  function isFocus(id, panel, r, c, lit) {
    const now = active();
    if (now) return same(now, { panel: id, row: r, col: c });
    const address = panel.address(r, c), axes = Object.keys(lit.address).filter(axis => axis !== "to");
    return axes.length > 0 && axes.every(axis => address[axis] === lit.address[axis]) && Object.keys(address).length === axes.length;
  }

  function paint(box, lit) {
    const { panel } = box, id = box.dataset.panel;
    const tabbable = state.focus[id];
    box.classList.toggle("is-fine", [...box.querySelectorAll("td[data-row]")].some(cell =>
      show(panel.value(+cell.dataset.row, +cell.dataset.col)).length > 4));      // one size of letters for the whole panel
    box.querySelectorAll("td[data-row]").forEach((cell, k) => {
      const r = +cell.dataset.row, c = +cell.dataset.col, value = panel.value(r, c), kind = panel.kind(r, c);
      const lighted = isLit(panel, r, c, lit), note = lighted && panel.note ? panel.note(r, c, lit) : "";
      const pin = state.pinned && same(state.pinned, { panel: id, row: r, col: c });
      const names = [kind && "is-" + kind, lighted && "is-lit", isFocus(id, panel, r, c, lit) && "is-focus", pin && "is-pinned",
        value === null ? "is-empty" : value < 0 ? "is-negative" : value === 0 ? "is-none" : ""];
      cell.className = names.filter(Boolean).join(" ");
      cell.dataset.value = value === null ? "" : value;
      cell.tabIndex = (tabbable ? tabbable.row === r && tabbable.col === c : k === 0) ? 0 : -1;
      const parts = [el("span", { class: "tn-value" }, show(value))];
      if (note) parts.push(el("span", { class: "tn-times" }, note));
      const [so, all] = panel.count ? panel.count(r, c) : [0, null];
      if (all !== null) {
        parts.push(el("span", { class: "tn-count", title: say("mark.contributions", { k: so, n: all }) }, so + "/" + all));
      }
      const mark = pin ? "pinned" : value === null && kind === "pad" ? "cut" : kind || (value === null ? "empty" : "");
      if (mark) parts.push(el("span", { class: "tn-sr" }, " " + say("mark." + mark)));
      cell.replaceChildren(...parts);
    });
    if (!box.querySelector('td[tabindex="0"]')) box.querySelector("td[data-row]").tabIndex = 0;
  }

  // -- the page -----------------------------------------------------------------------------------------------------
  const live = root.querySelector(".tn-live");
  const parts = {};

  function frame() {
    const button = (name, text, run, more = {}) =>
      parts[name] = el("button", { type: "button", class: "tn-" + name, onclick: run, ...more }, text);
    root.querySelectorAll("[data-say]").forEach(node => { node.textContent = say(...JSON.parse(node.dataset.say)); });
    root.lang = state.lang;
    const tools = el("div", { class: "tn-tools" },
      button("language", say("language"), nextLanguage, { lang: state.lang === "en" ? "zh" : "en" }),
      button("theme", "◐", nextTheme, { "aria-label": say("theme"), title: say("theme") }),
      button("help", "?", openHelp, { "aria-label": say("help"), title: say("help") }));
    const facts = el("dl", { class: "tn-facts" });
    for (const { label, text } of DATA.facts) {
      const value = text[DATA.languages.indexOf(state.lang)];
      facts.append(el("div", { class: label.replace("fact.", "is-") }, el("dt", {}, say(label)),
        el("dd", {}, ...value.split("    ").map(line => el("span", {}, line)))));
    }
    const modes = el("div", { class: "tn-modes", role: "group", "aria-label": say("modes") }, ...MODES.map((name, k) =>
      el("button", { type: "button", "data-mode": name, onclick: () => setMode(name) },
        el("kbd", {}, String(k + 1)), el("span", {}, say("mode." + name)))));
    parts.slider = el("input", { type: "range", min: 0, step: 1, "aria-label": say("slider"),
      oninput: event => setStep(+event.target.value) });
    parts.where = el("output", { class: "tn-where" });
    const controls = el("div", { class: "tn-controls" },
      button("first", "⇤", () => setStep(0), { "aria-label": say("first") }),
      button("back", "←", () => setStep(state.step - 1), { "aria-label": say("back") }),
      parts.slider,
      button("forth", "→", () => setStep(state.step + 1), { "aria-label": say("forth") }),
      button("last", "⇥", () => setStep(steps() - 1), { "aria-label": say("last") }),
      button("play", say("play"), togglePlay, calm.matches ? { disabled: true, title: say("no_motion") } : {}),
      parts.where);
    parts.tabs = el("div", { class: "tn-tabs" });
    parts.lead = el("p", { class: "tn-lead" });
    parts.sentence = el("p", { class: "tn-sentence", "aria-live": "polite" });
    parts.formula = el("p", { class: "tn-formula" });
    parts.code = el("p", { class: "tn-code" }, el("code"));
    parts.stage = el("div", { class: "tn-stage", role: "group", "aria-label": say("panels") });
    parts.more = el("div", { class: "tn-more" });
    parts.help = help();
    const head = root.querySelector(".tn-head");
    head.replaceChildren(head.firstElementChild, tools);
    live.replaceChildren(facts, modes, el("div", { class: "tn-bar" }, parts.lead, controls, parts.tabs),
      parts.sentence, parts.stage, el("div", { class: "tn-words" }, parts.formula, parts.code), parts.more, parts.help);
    build();
  }

  function help() {
    const keys = [["1 – 7", "modes"], ["← →", "step"], ["Home End", "ends"], ["Space", "space"], ["Tab", "tab"],
      ["↑ ↓ ← →", "arrows"], ["Enter", "enter"], ["Esc", "esc"], ["?", "help"]];
    const dialog = el("dialog", { class: "tn-dialog", "aria-label": say("help") }, el("h2", {}, say("help")),
      el("dl", {}, ...keys.flatMap(([names, text]) =>
        [el("dt", {}, ...names.split(" ").map(name => name === "–" ? name : el("kbd", {}, name))), el("dd", {}, say("key." + text))])),
      el("ul", {}, ...["focus", "lit", "pad", "unread"].map(name =>
        el("li", {}, el("span", { class: "tn-swatch is-" + name, "aria-hidden": "true" }), say("legend." + name)))),
      el("button", { type: "button", onclick: () => dialog.close() }, say("close")));
    return dialog;
  }

  function build() {
    const [position, stage] = [document.activeElement, STAGE[state.mode]];
    const held = parts.stage.contains(position) || parts.more.contains(position) ? position.closest("td[data-row]") : null;
    const mark = held && { panel: held.closest("[data-panel]").dataset.panel, row: held.dataset.row, col: held.dataset.col };
    const box = id => { const panel = PANELS[id](); follow(id, panel); return draw(id, panel); };
    parts.stage.replaceChildren(...stage.map(item =>
      item in PANELS ? box(item) : el("div", { class: "tn-operator", "aria-hidden": "true" }, item)));
    parts.stage.dataset.mode = state.mode;
    parts.more.replaceChildren();
    parts.check = null;
    if (FALK[state.mode]) {
      const [top, left, product] = FALK[state.mode];
      // the empty corner of the scheme holds what helps to read it
      const corner = state.mode === "matrix" ? box("x") : state.mode === "dw" ? checkCard() : el("div");
      const falk = el("div", { class: "tn-falk" }, corner, box(top), box(left), box(product));
      const share = DATA.channels > 1 && state.mode !== "dx" ? say("panel.matrix_share", { c: state.c })
        : DATA.outs_of_group > 1 && state.mode === "dx" ? say("panel.matrix_sum", { outs: DATA.outs_of_group }) : "";
      const words = el("section", { class: "tn-card tn-matrix" }, el("h2", {}, say("panel.matrix")), falk);
      if (share) words.append(el("p", { class: "tn-note" }, share));
      (state.mode === "matrix" ? parts.stage : parts.more).append(words);
    }
    if (state.mode === "borders" && Object.keys(DATA.compare).length) parts.more.append(compared());
    if (["dx", "dx_gather", "db"].includes(state.mode)) parts.more.append(checkCard());
    drawTabs();
    root.querySelectorAll("[data-mode]").forEach(button => {
      if (button.tagName === "BUTTON") button.setAttribute("aria-pressed", String(button.dataset.mode === state.mode));
    });
    parts.lead.textContent = say("lead." + state.mode);
    parts.formula.innerHTML = say("formula." + state.mode);       // trusted text of our own table
    parts.code.firstChild.textContent = state.mode === "forward" ? "y = " + DATA.call : say("code." + state.mode);
    update();
    if (mark) find(mark.panel, mark.row, mark.col)?.focus();
  }

  function checkCard() {
    parts.check = el("tbody");
    return el("section", { class: "tn-card tn-check" }, el("h2", {}, say("panel.check")), el("p", {}, say("check.text")),
      el("table", {}, el("thead", {}, el("tr", {}, ...["cell", "analytic", "numeric", "error"].map(name =>
        el("th", { scope: "col" }, say("check." + name))))), parts.check),
      el("p", {}, say("check.worst", { count: DATA.check.count, error: DATA.check.worst })));
  }

  function compared() {
    const card = el("section", { class: "tn-card tn-compare" }, el("h2", {}, say("panel.compare")));
    const list = el("div", { class: "tn-stage" });
    for (const [name, found] of Object.entries(DATA.compare)) {
      const id = "compare-" + name;
      if (!found) { list.append(el("div", { class: "tn-panel" }, el("h3", {}, name), el("p", { class: "tn-note" }, say("compare.none")))); continue; }
      const place = (r, c) => rows.labels.indexOf(found.rows[r]) * WIDTH + cols.labels.indexOf(found.cols[c]);
      list.append(draw(id, {
        rows: found.rows, cols: found.cols, address: (r, c) => ({ q: place(r, c) }),
        value: (r, c) => found.views[key("nc")][r * found.cols.length + c], kind: (r, c) => cellKind(place(r, c)),
      }));
    }
    card.append(list);
    return card;
  }

  function drawTabs() {
    const axes = [["n", "sample", DATA.samples], ["o", "out_channel", DATA.outs], ["c", "in_channel", DATA.ins[state.o]]];
    parts.tabs.replaceChildren(...axes.filter(([, , all]) => all.length > 1).map(([axis, name, all]) =>
      el("div", { class: "tn-tab", role: "group", "aria-label": say(name) }, el("span", { "aria-hidden": "true" }, say(name)),
        ...all.map(value => el("button", { type: "button", "data-axis": axis, "data-value": value,
          "aria-pressed": String(state[axis] === value), "aria-label": say(name) + " " + value,
          onclick: () => setView(axis, value) }, String(value))))));
  }

  function update() {
    const lit = light(chosen());
    parts.slider.max = steps() - 1;
    parts.slider.value = state.step;
    const where = say("step", { k: state.step + 1, n: steps() });
    parts.slider.setAttribute("aria-valuetext", where);
    parts.where.textContent = where;
    for (const name of ["first", "back"]) parts[name].disabled = state.step === 0;
    for (const name of ["last", "forth"]) parts[name].disabled = state.step === steps() - 1;
    parts.play.textContent = say(state.timer ? "pause" : "play");
    const sentence = mode().sentences[key(mode().views)][state.step];
    const gap = state.lang === "zh" ? "" : " ";
    parts.sentence.replaceChildren(...sentence.flatMap(([name, slots], k) =>
      [k ? gap : "", el("span", { class: "tn-part" }, say(name, slots))]));
    root.dataset.mode = state.mode;
    root.dataset.step = state.step;
    root.querySelectorAll(".tn-panel").forEach(box => { if (box.panel) paint(box, lit); });
    if (parts.check) checked(lit);
  }

  // Panels read the accumulator when they are made, so a new step makes them anew.
  function renew() {
    root.querySelectorAll(".tn-panel").forEach(box => {
      if (!box.panel || !(box.dataset.panel in PANELS)) return;
      box.panel = PANELS[box.dataset.panel]();
    });
    const slides = [...root.querySelectorAll(".tn-panel")].some(box => box.panel
      && (box.panel.rows.length > GRID || box.panel.cols.length > GRID));
    if (slides) build(); else update();
  }

  function checked(lit) {
    const { panel, views } = mode().grows, now = active();
    const axis = { dw: "t", dx: "q", db: "all" }[panel];
    const touched = mode().grows.touched[state.step];
    let place = now && axis in now.address ? now.address[axis] : touched[Math.floor(touched.length / 2)];
    if (panel === "db") place = 0;
    const view = { dw: key("oc"), dx: key("nc"), db: key("o") }[panel];
    const found = DATA.check[panel][view][place];
    const label = panel === "db" ? "db(" + state.o + ")" : panel === "dw"
      ? "dW(" + tapLabels[place] + ")" : "dX(" + show(rows.labels[Math.floor(place / WIDTH)]) + "," + show(cols.labels[place % WIDTH]) + ")";
    parts.check.replaceChildren(el("tr", {}, el("th", { scope: "row" }, label),
      ...(found ? found.map(text => el("td", {}, text)) : [el("td", { colspan: 3 }, say(DATA.pad[place] && panel === "dx" ? "mark.pad" : "check.none"))])));
  }

  // -- hands --------------------------------------------------------------------------------------------------------
  function setStep(step) {
    state.step = Math.max(0, Math.min(step, steps() - 1));
    if (state.timer && state.step === steps() - 1) stop();
    renew();
  }
  function setMode(name) { stop(); state.mode = name; state.step = 0; state.pinned = state.pointed = null; build(); }
  function setView(axis, value) {
    state[axis] = value;
    if (!DATA.ins[state.o].includes(state.c)) state.c = DATA.ins[state.o][0];   // another group sees other channels
    build();
    root.querySelector(`.tn-tabs [data-axis="${axis}"][data-value="${value}"]`).focus();
  }
  function nextLanguage() {
    state.lang = DATA.languages[(DATA.languages.indexOf(state.lang) + 1) % DATA.languages.length];
    frame();
    parts.language.focus();
  }
  function nextTheme() {
    const dark = getComputedStyle(root).colorScheme === "dark"
      || (getComputedStyle(root).colorScheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    root.style.colorScheme = dark ? "light" : "dark";
    root.dataset.theme = dark ? "light" : "dark";
  }
  function openHelp() { if (parts.help.open) parts.help.close(); else parts.help.showModal(); }
  function stop() { clearInterval(state.timer); state.timer = null; }
  function togglePlay() {
    if (calm.matches) return;
    if (state.timer) { stop(); update(); return; }
    if (state.step === steps() - 1) state.step = -1;
    state.timer = setInterval(() => setStep(state.step + 1), 1200);
    setStep(state.step + 1);
  }

  const find = (panel, row, col) => root.querySelector(`table[data-panel="${panel}"] td[data-row="${row}"][data-col="${col}"]`);
  const placed = target => {
    const cell = target.closest?.("td[data-row]"), box = cell && cell.closest(".tn-panel");
    return box && { panel: box.dataset.panel, row: +cell.dataset.row, col: +cell.dataset.col,
      address: box.panel.address(+cell.dataset.row, +cell.dataset.col) };
  };
  function point(place) {
    if (same(place, state.pointed) || (!place && !state.pointed)) return;
    state.pointed = place;
    update();
  }
  function pin(place) {
    state.pinned = same(place, state.pinned) ? null : place;
    update();
  }
  live.addEventListener("pointerover", event => { if (event.pointerType !== "touch") point(placed(event.target)); });
  live.addEventListener("pointerleave", () => point(null));
  live.addEventListener("focusin", event => {
    const place = placed(event.target);
    if (place) state.focus[place.panel] = { row: place.row, col: place.col };
    if (place && event.target.matches(":focus-visible")) point(place);
  });
  live.addEventListener("focusout", event => { if (placed(event.target)) point(null); });
  live.addEventListener("click", event => { const place = placed(event.target); if (place) pin(place); });

  function walk(place, key) {
    const [down, across] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
    const { panel } = root.querySelector(`.tn-panel[data-panel="${place.panel}"]`);
    const row = Math.max(0, Math.min(place.row + down, panel.rows.length - 1));
    const col = Math.max(0, Math.min(place.col + across, panel.cols.length - 1));
    const offset = state.offset[place.panel];
    for (const [axis, at] of [["row", row], ["col", col]]) {
      if (at < offset[axis] || at >= offset[axis] + GRID) { offset[axis] = at < offset[axis] ? at : at - GRID + 1; build(); }
    }
    find(place.panel, row, col)?.focus();
  }

  // Keys go to the explainer that has the focus; with no focus, to the one used last, at first the first one.
  const current = () => root.contains(document.activeElement) || ((!document.activeElement || document.activeElement === document.body)
    && (document.querySelector(".tn.is-current") || document.querySelector(".tn[data-step]")) === root);
  const use = () => {
    document.querySelectorAll(".tn.is-current").forEach(node => node.classList.remove("is-current"));
    root.classList.add("is-current");
  };
  root.addEventListener("pointerdown", use);
  root.addEventListener("focusin", use);
  document.addEventListener("keydown", event => {
    if (!current() || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const { target, key: name } = event, place = placed(target);
    if (parts.help.open) { if (name === "?") parts.help.close(); return; }
    if (target.matches?.("input, textarea, select") && !/^[1-7?]$|^Escape$/.test(name)) return;
    if ((name === " " || name === "Enter") && target.closest?.("button, summary")) return;
    if (/^[1-7]$/.test(name)) setMode(MODES[+name - 1]);
    else if (name.startsWith("Arrow") && place) walk(place, name);
    else if (name === "ArrowLeft") setStep(state.step - 1);
    else if (name === "ArrowRight") setStep(state.step + 1);
    else if (name === "Home") setStep(0);
    else if (name === "End") setStep(steps() - 1);
    else if (name === " ") togglePlay();
    else if (name === "Enter" && place) pin(place);
    else if (name === "Escape") { state.pinned = state.pointed = null; stop(); update(); }
    else if (name === "?") openHelp();
    else return;
    event.preventDefault();
  });

  // -- paper: every step of the mode on one contact sheet -----------------------------------------------------------
  addEventListener("beforeprint", () => {
    const now = state.step, sheet = el("div", { class: "tn-sheet" });
    for (state.step = 0; state.step < steps(); state.step++) {
      renew();
      sheet.append(el("figure", {}, parts.stage.cloneNode(true),
        el("figcaption", {}, parts.where.textContent + ": " + parts.sentence.textContent)));
    }
    state.step = now;
    renew();
    live.append(sheet);
  });
  addEventListener("afterprint", () => live.querySelectorAll(".tn-sheet").forEach(sheet => sheet.remove()));

  root.querySelector(".tn-noscript").remove();
  root.querySelector(".tn-static").open = false;
  frame();
})();
