// The page that follows a training: it asks the program for what is new, and paints it.
const root = document.currentScript.closest(".tn");
const data = JSON.parse(root.querySelector(".tn-data").textContent);
const LANGUAGES = data.languages;
const live = root.querySelector(".tn-live");
const PAUSE = 250;                          // milliseconds between two questions
const NOISE = 1e-5;                         // a gradient smaller than this part of the largest

const curves = { loss: [], accuracy: [], gradients: {} };
const have = { loss: 0, accuracy: 0, gradients: 0, picture: 0 };
const page = Math.random().toString(36).slice(2);
let picture = null, state = "waiting";

function say(key, slots = {}) {
  return data.texts[key][LANGUAGES.indexOf(root.lang)]
    .replace(/\{(\w+)\}/g, (_, name) => slots[name]);
}

function make(tag, kind = "", ...children) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  node.append(...children);
  return node;
}

// -- the parts of the page ------------------------------------------------------------------------

const status = make("p", "tn-watch-state");
status.setAttribute("role", "status");
const figures = Object.fromEntries(["loss", "accuracy", "seen"].map(name =>
  [name, { value: make("b"), label: make("span") }]));
const numbers = make("div", "tn-watch-numbers", ...Object.values(figures).map(({ value, label }) =>
  make("div", "", value, label)));

function card(kind) {
  const svg = draw("svg", { class: `tn-chart is-${kind}`, role: "img" });
  const title = make("h2"), note = make("figcaption");
  return { title, note, svg, node: make("figure", "tn-card", title, svg, note) };
}

const loss = card("loss"), accuracy = card("accuracy");
const imageCanvas = make("canvas"), imageNote = make("span");
imageCanvas.setAttribute("role", "img");
const imageBox = make("figure", "tn-watch-image", make("h2"), imageCanvas, imageNote);
const sheets = make("div", "tn-watch-sheets");
const norms = make("div", "tn-watch-norms"), normsTitle = make("h2");
const normsNote = make("p", "tn-note");
const normsBox = make("section", "tn-watch-gradients", normsTitle, norms, normsNote);
normsBox.hidden = true;
live.append(make("div", "tn-watch-top", numbers, status), make("div", "tn-watch-stage",
  make("div", "tn-watch-charts", loss.node, accuracy.node),
  make("div", "tn-watch-pictures", imageBox, sheets)), normsBox);

// -- painting -------------------------------------------------------------------------------------

function paintNumbers() {
  const last = curves.loss.at(-1), best = curves.accuracy.at(-1);
  figures.loss.value.textContent = last ? last[1] === null ? "nan" : numberText(last[1]) : "–";
  figures.seen.value.textContent = last ? last[0].toLocaleString("en") : "–";
  figures.accuracy.value.textContent = best ? percentText(best[1]) : "–";
  for (const [name, { label }] of Object.entries(figures)) {
    label.textContent = say(`watch.${name}_now`);
  }
  const waits = state === "running" && !last;
  status.textContent = say(`watch.${waits ? "waiting" : state}`);
  status.className = `tn-watch-state is-${state}`;
}

function paintCharts() {
  for (const [part, name] of [[loss, "loss"], [accuracy, "accuracy"]]) {
    part.title.textContent = say(`watch.${name}`);
    part.svg.setAttribute("aria-label", say(`watch.${name}`));
  }
  loss.note.textContent = curves.loss.length > 30 ? say("watch.loss_note") : "";
  accuracy.note.textContent = curves.accuracy.length ? "" : say("watch.accuracy_none");
  accuracy.svg.style.display = curves.accuracy.length ? "" : "none";
  chart(loss.svg, curves.loss, { log: true, label: say("watch.seen") });
  chart(accuracy.svg, curves.accuracy, { form: percentText, label: say("watch.epoch"),
    dots: true });
}

function paintNorms() {
  const all = Object.values(curves.gradients).flatMap(points => drawable(points, true))
    .map(([, y]) => y);
  normsBox.hidden = !all.length;
  if (!all.length) return;
  const high = highOf(all), low = lowOf(all.filter(v => v >= high * NOISE));
  normsTitle.textContent = say("watch.gradients");
  normsNote.textContent = say("watch.gradients_note", { low: numberText(low),
    high: numberText(high) });
  norms.replaceChildren(...Object.entries(curves.gradients).map(([name, points]) => {
    const svg = draw("svg", { class: "tn-spark", "aria-hidden": "true" });
    const last = points.at(-1)?.[1] ?? NaN;
    spark(svg, points.filter(([, y]) => y >= low), low, high);
    const text = last < high * NOISE ? "≈ 0" : numberText(last);
    return make("div", "", make("code", "", name), make("span", "", text), svg);
  }));
}

function paintPicture() {
  const { shape: [C, H, W], values } = data.image;
  const ink = C === 1 ? [lowOf(values), highOf(values)] : null;
  paintSheet(imageCanvas, values.slice(0, H * W), [1, H, W], { across: 1, tile: 112, ink });
  imageBox.firstChild.textContent = say("watch.image");
  imageCanvas.setAttribute("aria-label", say("watch.image"));
  if (!picture) return;
  imageNote.textContent = say("watch.reads", { guess: picture.guess,
    part: picture.certainty === null ? "nan" : percentText(picture.certainty) });
  sheets.replaceChildren(...picture.sheets.map(({ kind, name, shape, most, data: text }) => {
    const canvas = make("canvas"), title = say(`watch.${kind}`, { name });
    const room = sheets.clientWidth || 600, [count, , width] = shape;
    const tile = kind === "kernels" ? 40 : Math.max(28, Math.min(48, 3 * width));
    const across = Math.max(1, Math.min(count, Math.floor((room + 2) / (tile + 2))));
    const shades = Float64Array.from(bytesOf(text), v => (v - 127) / 127);
    paintSheet(canvas, shades, shape, { across, tile });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", say("watch.picture", { title, most: numberText(most) }));
    return make("figure", "", make("h3", "", title), canvas,
      make("small", "tn-scale", `±${numberText(most)}`));
  }), make("p", "tn-note", say("watch.legend")));
}

function paint() {
  paintNumbers();
  paintCharts();
  paintNorms();
  paintPicture();
}

// -- asking ---------------------------------------------------------------------------------------

function take(news) {
  for (const name of ["loss", "accuracy"]) {
    if (!news[name]) continue;
    have[name] = news[name].count;
    curves[name].push(...news[name].points);
  }
  if (news.gradients) {
    have.gradients = news.gradients.count;
    for (const [name, points] of Object.entries(news.gradients.points)) {
      (curves.gradients[name] ??= []).push(...points);
    }
  }
  if (news.picture) {
    picture = news.picture;
    have.picture = picture.number;
  }
}

async function follow() {
  try {
    while (state !== "ended") {
      const query = new URLSearchParams({ page, ...have });
      const answer = await fetch(`state?${query}`);
      if (!answer.ok) throw new Error(answer.statusText);
      const news = await answer.json();
      take(news);
      state = news.ended ? "ended" : "running";
      paint();
      await new Promise(done => setTimeout(done, PAUSE));
    }
  } catch {
    state = "lost";
    paint();
  }
}

function speak(lang) {
  const column = LANGUAGES.indexOf(lang);
  root.lang = lang;
  for (const node of root.querySelectorAll("[data-say]")) {
    node.textContent = JSON.parse(node.dataset.say)[column];
  }
  for (const node of root.querySelectorAll("[data-aria-label]")) {
    node.setAttribute("aria-label", JSON.parse(node.dataset.ariaLabel)[column]);
  }
  root.querySelector(".tn-language").lang = LANGUAGES[(column + 1) % LANGUAGES.length];
  paint();
}

root.querySelector(".tn-noscript").remove();
root.querySelector(".tn-tools").hidden = false;
root.querySelector(".tn-language").addEventListener("click", () =>
  speak(LANGUAGES[(LANGUAGES.indexOf(root.lang) + 1) % LANGUAGES.length]));
root.querySelector(".tn-theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.style.colorScheme = root.dataset.theme = dark ? "light" : "dark";
  paint();
});
addEventListener("resize", paint);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
paint();
follow();
