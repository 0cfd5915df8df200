// Charts that grow: a curve with axes, and a small one without.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 560, LEFT = 54, RIGHT = 14, TOP = 14, BOTTOM = 40;

function draw(tag, attributes, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

// Values from `low` to `high`, drawn from `start` to `end`.
function scaleOf(values, start, end, log, margin = 0.06) {
  let [low, high] = [lowOf(values), highOf(values)];
  const f = log ? Math.log : v => v;
  if (log) {
    const room = Math.max((high / low) ** margin, 1.05);
    [low, high] = [low / room, high * room];
  } else {
    const room = (high - low) * margin || Math.abs(high) * 0.1 || 1;
    [low, high] = [low - room, high + room];
  }
  const at = value => start + (end - start) * (f(value) - f(low)) / (f(high) - f(low));
  return Object.assign(at, { ticks: ticksOf(low, high, log) });
}

// Round numbers: powers of ten (and 2 and 5 times these, where there are few), or even steps.
function ticksOf(low, high, log) {
  const inside = list => list.filter(v => v >= low && v <= high);
  if (log) {
    const first = Math.floor(Math.log10(low)), powers = Array.from({
      length: Math.ceil(Math.log10(high)) - first + 1 }, (_, k) => 10 ** (first + k));
    const fine = inside(powers.flatMap(p => [p, 2 * p, 5 * p])), coarse = inside(powers);
    const ticks = fine.length <= 7 ? fine : coarse;
    return ticks.filter((_, k) => k % Math.ceil(ticks.length / 7) === 0);
  }
  const power = 10 ** Math.floor(Math.log10((high - low) / 4));
  const step = [1, 2, 5, 10].map(m => m * power).find(s => (high - low) / s <= 6);
  const first = Math.ceil(low / step - 1e-9);
  return inside(Array.from({ length: 8 }, (_, k) => Number(((first + k) * step).toPrecision(12))));
}

// Each value replaced by the mean of itself and its neighbours.
function smooth(points) {
  const reach = Math.floor(points.length / 30), sums = [0];
  for (const [, y] of points) sums.push(sums.at(-1) + y);
  return points.map(([x], k) => {
    const [from, to] = [Math.max(0, k - reach), Math.min(points.length, k + reach + 1)];
    return [x, (sums[to] - sums[from]) / (to - from)];
  });
}

const lineOf = (points, x, y) =>
  "M" + points.map(([a, b]) => `${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("L");

// At most `most` of the points, always with the last.
function thinned(points, most) {
  const every = Math.ceil(points.length / most);
  return every < 2 ? points : points.filter((_, k) => (points.length - 1 - k) % every === 0);
}

const drawable = (points, log) => points.filter(([x, y]) =>
  x !== null && y !== null && (y > 0 || !log));

// Paint a curve into `svg`. `form` writes the numbers of y, `label` says what x is; `dots`: few
// points, such as one per epoch.
function chart(svg, all, { log = false, form = numberText, label, dots = false }) {
  const HEIGHT = dots ? 160 : 250;
  const points = thinned(drawable(all, log), 600);
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.replaceChildren();
  if (!points.length) return;
  const x = scaleOf(points.map(p => p[0]), LEFT, WIDTH - RIGHT, false, 0.02);
  const y = scaleOf(points.map(p => p[1]), HEIGHT - BOTTOM, TOP, log, log ? 0.06 : 0.2);
  for (const v of y.ticks) {
    svg.append(draw("path", { class: "tn-rule", d: `M${LEFT} ${y(v)}H${WIDTH - RIGHT}` }),
      draw("text", { x: LEFT - 7, y: y(v) + 4, "text-anchor": "end" }, form(v)));
  }
  for (const v of x.ticks.filter(tick => !dots || Number.isInteger(tick))) {
    svg.append(draw("text", { x: x(v), y: HEIGHT - BOTTOM + 17, "text-anchor": "middle" },
      v.toLocaleString("en")));
  }
  svg.append(draw("path", { class: "tn-rule is-base", d: `M${LEFT} ${HEIGHT - BOTTOM}H${WIDTH
    - RIGHT}` }), draw("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 5,
    "text-anchor": "middle" }, label));
  if (!dots && points.length > 30) {
    svg.append(draw("path", { class: "tn-thin", d: lineOf(points, x, y) }));
  }
  svg.append(draw("path", { class: "tn-line", d: lineOf(dots ? points : smooth(points), x, y) }));
  for (const [a, b] of dots ? points : points.slice(-1)) {
    svg.append(draw("circle", { cx: x(a), cy: y(b), r: 4 }));
  }
}

// A small curve on a scale that it shares with others.
function spark(svg, all, low, high) {
  const points = smooth(thinned(drawable(all, true), 200));
  svg.setAttribute("viewBox", "0 0 200 48");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.replaceChildren();
  if (points.length < 2) return;
  const x = scaleOf(points.map(p => p[0]), 2, 198, false, 0.005);
  const y = scaleOf([low, high], 44, 4, true);
  for (const v of y.ticks) svg.append(draw("path", { class: "tn-rule", d: `M0 ${y(v)}H200` }));
  svg.append(draw("path", { d: lineOf(points, x, v => y(Math.max(v, low))) }));
}
