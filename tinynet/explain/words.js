// Texts, numbers and ranges as the sentences write them. sentences.py writes the same.

const column = () => DATA.languages.indexOf(state.lang);
const say = (key, slots = {}) =>
  DATA.texts[key][column()].replace(/\{(\w+)\}/g, (_, name) => slots[name]);
const speak = sentence =>
  sentence.map(([key, slots]) => say(key, slots)).join(state.lang === "zh" ? "" : " ");

// Three significant digits, a tie to the even digit as in Python.
function threeDigits(value) {
  const [digits, exponent] = Math.abs(value).toExponential(60).split("e");
  const all = digits.replace(".", ""), rest = all.slice(3);
  let head = +all.slice(0, 3);
  if (/^50*$/.test(rest)) head += head % 2; else if (rest[0] >= "5") head++;
  return Math.sign(value) * +(head + "e" + (exponent - 2));
}
const rounded = value =>
  Number.isInteger(value) && Math.abs(value) < 1e6 ? value : threeDigits(value);

function number(value) {
  if (value === null || value === undefined) return "";
  const short = rounded(value), size = Math.abs(short);
  const isNearlyWhole = Number.isInteger(short) && short !== value;
  const text = short && (size < 1e-3 || size >= 1e6) ? short.toExponential()
    : short + (isNearlyWhole ? ".0" : "");
  return text.replaceAll("-", "−");
}
// how large an error is, "1.2e-15"
const scientific = value => value.toExponential(1).replace(/e([+-])(\d)$/, "e$10$2");
// a number as it stands in a product or a sum: negative ones in parentheses
const factor = value => value < 0 && number(value) !== "0" ? `(${number(value)})` : number(value);

// The first and last `ends` items with `gap` between, or all items if they are not more.
const shorten = (items, ends, gap) =>
  items.length <= 2 * ends ? items : [...items.slice(0, ends), gap, ...items.slice(-ends)];
const TERMS = 16;                       // products written out in a sentence
const total = terms => shorten(terms.map(factor), TERMS / 2, "…").join(" + ");

// Σ left·right written out row by row, "1·1+2·2 + 0·2+1·1"; a long sum only at its ends.
function products(left, right, width) {
  let rows = [];
  for (let k = 0; k < left.length; k += width) {
    rows.push(Array.from({ length: width }, (_, i) => [left[k + i], right[k + i]]));
  }
  if (left.length > TERMS) rows = shorten(rows.map(row => shorten(row, 3, null)), 1, [null]);
  const term = pair => pair ? `${factor(pair[0])}·${factor(pair[1])}` : "…";
  return rows.map(row => row.map(term).join("+")).join(" + ");
}

// "row 1", "rows 1–3", "rows 0, 2, 4"; `kind` is "row" or "col"
function span(kind, first, last, step = 1) {
  const indices = [];
  for (let i = first; i <= last; i += step) indices.push(i);
  if (indices.length === 1) return say(kind, { i: number(first) });
  const list = step === 1 ? number(first) + (first >= 0 ? "–" : " … ") + number(last)
    : shorten(indices.map(number), 6, "…").join(", ");
  return say(kind + "s", { i: list });
}
// one number if both are equal, "2 × 1" if not
const by = (first, second) => first === second ? String(first) : `${first} × ${second}`;
