// The page around the panels. frame() makes what depends on the language, build() what depends on
// the mode and the numbers, update() what depends on the step and on the cell pointed at.

function frame() {
  const button = (name, text, run, more = {}) => {
    const attributes = { type: "button", class: "tn-" + name, onclick: run, ...more };
    return parts[name] = el("button", attributes, text);
  };
  const sign = (name, text, run) =>
    button(name, text, run, { "aria-label": say(name), title: say(name) });
  for (const node of root.querySelectorAll("[data-say]")) {
    node.textContent = say(...JSON.parse(node.dataset.say));
  }
  root.lang = state.lang;
  parts.badge = el("span", { class: "tn-badge" });
  const tools = el("div", { class: "tn-tools" }, parts.badge,
    button("reset", say("reset"), reset, { title: say("reset.long") }),
    button("begin", say("tour"), () => startTour(1)),
    button("numbers", say("numbers"), goToSettings),
    button("link", say("link.short"), copyLink, { title: say("link") }),
    button("present", say("present.short"), present, { title: say("present") }),
    button("language", say("language"), nextLanguage, { lang: state.lang === "en" ? "zh" : "en" }),
    sign("theme", "◐", nextTheme), sign("help", "?", openHelp));
  parts.modes = el("div", { class: "tn-modes", role: "group", "aria-label": say("modes") },
    ...MODES.map((name, k) => el("button", { type: "button", "data-mode": name,
      title: say("mode." + name), onclick: () => setMode(name) },
    el("kbd", {}, String(k + 1)), el("b", {}, say("tab." + name)),
    el("span", {}, say("sub." + name)))));
  parts.slider = el("input", { type: "range", min: 0, step: 1, "aria-label": say("slider"),
    oninput: event => setStep(+event.target.value) });
  parts.where = el("output", { class: "tn-where" });
  parts.speed = el("select", { class: "tn-speed", "aria-label": say("speed"), title: say("speed"),
    onchange: event => setSpeed(+event.target.value) },
  ...[.5, 1, 2, 4].map(value => el("option", { value, selected: value === state.speed },
    value + "×")));
  parts.extra = el("div", { class: "tn-extra" });
  parts.bar = el("div", { class: "tn-bar", role: "group", "aria-label": say("controls") },
    sign("first", "⇤", () => setStep(0)), sign("back", "←", () => setStep(state.step - 1)),
    parts.slider, sign("forth", "→", () => setStep(state.step + 1)),
    sign("last", "⇥", () => setStep(steps() - 1)),
    button("play", say("play"), togglePlay,
      calm.matches ? { disabled: true, title: say("no_motion") } : {}),
    parts.speed, parts.where, parts.extra);
  parts.tabs = el("div", { class: "tn-tabs" });
  parts.lead = el("p", { class: "tn-lead" });
  parts.sums = el("div", { class: "tn-sums", role: "group", "aria-label": say("sum") });
  parts.sentence = el("p", { class: "tn-sentence", "aria-live": "polite" });
  parts.tour = el("section", { class: "tn-tour", hidden: true, "aria-label": say("tour") });
  parts.formula = el("p", { class: "tn-formula" });
  parts.code = el("p", { class: "tn-code" }, el("code"));
  parts.stage = el("div", { class: "tn-stage", role: "group", "aria-label": say("panels") });
  parts.more = el("div", { class: "tn-more" });
  parts.facts = el("dl", { class: "tn-facts" });
  parts.side = el("aside", { class: "tn-side", "aria-label": say("numbers") });
  parts.main = el("div", { class: "tn-main" },
    el("div", { class: "tn-work" }, parts.lead, parts.tabs, parts.stage, parts.sums,
      parts.tour, parts.sentence), parts.side);
  parts.help = help();
  parts.said = el("p", { class: "tn-sr", role: "status" });
  parts.below = el("div", { class: "tn-below" },
    el("div", { class: "tn-words" }, parts.formula, parts.code), parts.more,
    el("details", { class: "tn-about" }, el("summary", {}, say("facts")), parts.facts));
  parts.head = root.querySelector(".tn-head");
  parts.head.replaceChildren(parts.head.firstElementChild, tools);
  live.replaceChildren(parts.modes, parts.bar, parts.main, parts.below, parts.help, parts.said);
  buildSettings();
  build();
  if (state.tour) showTour();
}

function help() {
  const keys = [["1 – 8", "modes"], ["← →", "step"], ["Home End", "ends"], ["Space", "space"],
    ["Tab", "tab"], ["↑ ↓ ← →", "arrows"], ["Enter", "enter"], ["E", "edit"], ["T", "turn"],
    ["P", "present"], ["Esc", "esc"], ["?", "help"]];
  const caps = names => names.split(" ").map(name => name === "–" ? name : el("kbd", {}, name));
  const swatch = name => el("span", { class: "tn-swatch is-" + name, "aria-hidden": "true" });
  const dialog = el("dialog", { class: "tn-dialog", "aria-label": say("help") },
    el("h2", {}, say("help")),
    el("dl", {}, ...keys.flatMap(([names, text]) =>
      [el("dt", {}, ...caps(names)), el("dd", {}, say("key." + text))])),
    el("ul", {}, ...["focus", "lit", "pad", "unread"].map(name =>
      el("li", {}, swatch(name), say("legend." + name)))),
    el("button", { type: "button", onclick: () => dialog.close() }, say("close")));
  return dialog;
}

// The keyboard stays in its cell.
function build() {
  const position = document.activeElement;
  const inPanels = parts.stage.contains(position) || parts.more.contains(position);
  const held = inPanels ? placed(position) : null;
  const box = (id, view = {}) => {
    const name = id.split("-")[0], make = () => inView(view, PANELS[name]), panel = make();
    follow(id, panel);
    return draw(id, panel, make, view);
  };
  const beside = name => {
    const others = othersOf(name), shown = others.slice(0, MOST_OTHERS), main = box(name);
    if (!others.length || main.size.rows > 9) return main;     // too small to be read
    const more = others.length > shown.length ? ["…"] : [];
    return el("div", { class: "tn-beside" }, main, el("div", { class: "tn-others" },
      ...shown.map(view => box(name + "-" + Object.values(view)[0], view)), ...more));
  };
  const item = name => Array.isArray(name) ? el("div", { class: "tn-pile" }, ...name.map(item))
    : name in PANELS ? beside(name)
      : el("div", { class: "tn-operator", "aria-hidden": "true" }, name);
  endTurn();
  root.dataset.mode = parts.stage.dataset.mode = state.mode;
  parts.stage.replaceChildren(...STAGE[state.mode].map(item));
  parts.more.replaceChildren();
  parts.check = null;
  if (FALK[state.mode]) parts.more.append(falk(box));
  if (GROWS[state.mode] !== "y" && state.mode !== "borders") parts.more.append(checkCard());
  if (state.mode === "matrix" && model.geometry.Cg > 1) {
    parts.more.append(el("p", { class: "tn-note" },
      say("panel.matrix_share", { c: inName(state.c) })));
  }
  if (state.mode === "borders" && model.geometry.padded && !model.frame) {
    parts.more.append(comparison());
  }
  drawTabs();
  drawExtra();
  for (const button of root.querySelectorAll(".tn-modes button")) {
    button.setAttribute("aria-pressed", String(button.dataset.mode === state.mode));
  }
  parts.lead.textContent = say("lead." + state.mode);
  parts.formula.innerHTML = say("formula." + state.mode);       // trusted text of our own table
  parts.code.firstChild.textContent =
    state.mode === "forward" ? "y = " + callText() : say("code." + state.mode);
  root.querySelector(".tn-call code").textContent = callText();
  parts.facts.replaceChildren(...facts().map(([label, lines]) => el("div",
    { class: label.replace("fact.", "is-") }, el("dt", {}, say(label)),
    el("dd", {}, ...lines.map(line => el("span", {}, line))))));
  reserveSentence();
  fit();
  update();
  if (held) find(held.panel, held.row, held.col)?.focus();
}

// The height of the largest sentence of the mode, so that nothing moves while stepping.
function reserveSentence() {
  const probe = parts.sentence, all = range(steps()).map(step => speak(stepSentence(step)));
  const longest = all.sort((a, b) => b.length - a.length).slice(0, 8);
  probe.style.minHeight = "";
  const heights = longest.map(text => {
    probe.textContent = text;
    return Math.ceil(probe.getBoundingClientRect().height);
  });
  probe.style.minHeight = Math.max(...heights) + "px";
}

function drawTabs() {
  const { samples, outs, ins } = model.frame ?? {}, { N, O } = model.geometry;
  const label = (names, k) => names?.[k] ?? k;
  const axes = [["n", "sample", range(N), samples], ["o", "out_channel", range(O), outs],
    ["c", "in_channel", model.insOf(state.o), ins]];
  const tab = (axis, name, value, names) => el("button", {
    type: "button", "data-axis": axis, "data-value": label(names, value),
    "aria-pressed": String(state[axis] === value),
    "aria-label": say(name) + " " + label(names, value), onclick: () => setView(axis, value),
  }, String(label(names, value)));
  const group = ([axis, name, values, names]) =>
    el("div", { class: "tn-tab", role: "group", "aria-label": say(name) },
      el("span", { "aria-hidden": "true" }, say(name)),
      ...values.map(value => tab(axis, name, value, names)));
  const groups = axes.filter(([, , values]) => values.length > 1).map(group);
  parts.tabs.replaceChildren(...groups);
  parts.lead.hidden = groups.length > 0;                // leaves the height to the cells
}

// What only some modes have: the switch that assigns instead of adding, and the turn.
function drawExtra() {
  parts.extra.replaceChildren();
  if (["dx", "dw", "db"].includes(state.mode)) {
    parts.extra.append(el("label", { class: "tn-switch" },
      el("input", { type: "checkbox", class: "tn-assign", checked: state.assign,
        onchange: event => { state.assign = event.target.checked; build(); } }),
      say("assign")));
  }
  if (state.mode === "dx_gather" && model.geometry.T > 1) {
    parts.extra.append(parts.turn = el("button", { type: "button", class: "tn-turn",
      onclick: playTurn }, say("turn")));
  }
}

function update() {
  const lit = light(chosen()), isLast = state.step === steps() - 1, now = active();
  parts.slider.max = steps() - 1;
  parts.slider.value = state.step;
  const where = say("step", { k: state.step + 1, n: steps() });
  const isSmall = ["is-narrow", "is-short"].some(name => root.classList.contains(name));
  parts.slider.setAttribute("aria-valuetext", where);
  parts.where.textContent = isSmall ? `${state.step + 1}/${steps()}` : where;
  for (const name of ["first", "back"]) parts[name].disabled = state.step === 0;
  for (const name of ["last", "forth"]) parts[name].disabled = isLast;
  parts.play.textContent = say(state.timer ? "pause" : "play");
  const pointed = now && inView(now.view, () => pointSentence(now.panel, now.address));
  const sentence = pointed ?? [...stepSentence(), ...reluSentence(stepNow().focus.p)];
  const gap = state.lang === "zh" ? "" : " ";
  parts.sentence.replaceChildren(...sentence.flatMap(([name, slots], k) =>
    [k ? gap : "", el("span", { class: "tn-part" }, say(name, slots))]));
  drawSum(now);
  root.dataset.step = state.step;
  for (const box of panelBoxes()) paint(box, lit);
  if (parts.check) showCheck();
  showBadge();
}

// The pieces that add up to one number, as chips: "2 from (0,0) + 2 from (0,1) = 4".
function drawSum(now) {
  const step = stepNow(), own = Object.keys(step.mark ?? {}).length ? step.mark : step.focus;
  const sum = state.mask ? null
    : inView(now?.view, () => smallSum(now?.panel, now?.address ?? own));
  const isNarrow = root.classList.contains("is-narrow");
  parts.sums.replaceChildren();
  if (!sum || !sum.pieces.length) return;
  const chip = ({ value, text, from, view }, k) => {
    const isLost = sum.assigned && k < sum.pieces.length - 1;
    const isFew = !isNarrow && sum.pieces.length <= 5 && /^\(/.test(from ?? "");
    const isNamed = from && (!isNarrow || sum.pieces.length <= 3);
    const inside = [el("b", {}, text ?? number(value)),
      isNamed ? " " + (isFew ? say("sum.from", { from }) : from) : ""];
    return view === undefined
      ? el("span", { class: "tn-chip" + (isLost ? " is-lost" : "") }, ...inside)
      : el("button", { type: "button", class: "tn-chip", onclick: () => setView("c", view),
        "aria-pressed": String(view === state.c) }, ...inside);
  };
  parts.sums.append(el("span", { class: "tn-chip is-name" }, sum.name + " ="),
    ...shorten(sum.pieces.map(chip), isNarrow ? 2 : 6, el("span", {}, "…"))
      .flatMap((node, k) => k ? [sum.assigned ? "," : "+", node] : [node]),
    el("span", { class: "tn-chip is-sum" }, "= " + number(sum.sum)));
  parts.sums.tabIndex = parts.sums.scrollWidth > parts.sums.clientWidth ? 0 : -1;
}

const panelBoxes = () => [...root.querySelectorAll(".tn-panel")].filter(box => box.panel);

// Panels read the accumulator when they are made, so a new step makes them again.
function renew() {
  for (const box of panelBoxes()) {
    if (box.make) box.panel = box.make();
  }
  const isLarge = ({ panel, dataset }) =>
    Math.max(panel.rows.length, panel.cols.length) > pageSize(dataset.panel);
  if (panelBoxes().some(isLarge)) build(); else update();
}
