// The address of the page holds what it shows, so a link leads to one picture:
//
//     play.html#mode=dx&step=3&lang=zh&tour=7&data=x:1x1x5x5:1,2,0,…;w:1x1x3x3:…;g:…;s:2;p:1
//
// mode   forward, matrix, dw, dx, dx_gather, db, borders or dw_gather
// step   counted from 0; lang en or zh; tour the stop, counted from 1
// data   the numbers and options, fields in any order, separated by ";":
//          x:N×C×H×W:numbers     w:O×Cg×KH×KW:numbers     b:numbers     g:numbers (as y)
//          s:stride  p:padding  d:dilation, one number, or two "rows,columns"; padding also four,
//          "top,bottom,left,right"      groups:2      mode:reflect (the padding mode)
//        Shapes are written with "x" between the sizes. Without b there is no bias, without g all
//        of G is 1; s, p, d, groups and mode have the defaults of conv2d.
//
// g      "ones" sets all of the upstream gradient to 1
//
// An address comes from anywhere, so what does not fit gives null, never an error.

const writeNumbers = values => Array.from(values, value => String(value)).join(",");
const writePair = pair => pair.every(v => v === pair[0]) ? String(pair[0]) : pair.join(",");

// `problem`: { shape, kernel, x, w, b, g, stride, padding, dilation, groups, padding_mode }, as
// makeGeometry takes it; b and g may be null.
function writeData(problem) {
  const { shape, kernel, x, w, b, g, groups = 1, padding_mode = "zeros" } = problem;
  const weight = [kernel[0], shape[1] / groups, kernel[1], kernel[2]];
  const fields = [`x:${shape.join("x")}:${writeNumbers(x)}`,
    `w:${weight.join("x")}:${writeNumbers(w)}`];
  if (b) fields.push("b:" + writeNumbers(b));
  if (g) fields.push("g:" + writeNumbers(g));
  const stride = pairOf(problem.stride ?? 1), dilation = pairOf(problem.dilation ?? 1);
  const padding = pairOf(problem.padding ?? 0).map(pairOf).flat();
  if (writePair(stride) !== "1") fields.push("s:" + writePair(stride));
  const [top, bottom, left, right] = padding, even = top === bottom && left === right;
  if (writePair(padding) !== "0") fields.push("p:" + writePair(even ? [top, left] : padding));
  if (writePair(dilation) !== "1") fields.push("d:" + writePair(dilation));
  if (groups !== 1) fields.push("groups:" + groups);
  if (padding_mode !== "zeros") fields.push("mode:" + padding_mode);
  return fields.join(";");
}

const LARGEST_ADDRESS = 4096;           // numbers in one array of an address

function readData(text) {
  const fields = Object.fromEntries(String(text).split(";").map(field => {
    const [name, ...rest] = field.split(":");
    return [name, rest];
  }));
  const numbers = list => list === undefined || list === "" ? [] : list.split(",").map(Number);
  const whole = (list, least) => list.every(v => Number.isInteger(v) && v >= least && v < 100);
  const sizes = list => (list ?? "").split("x").map(Number);
  const two = (name, otherwise) => numbers(fields[name]?.[0] ?? String(otherwise));
  if (!fields.x || !fields.w) return null;
  const shape = sizes(fields.x[0]), weight = sizes(fields.w[0]), [groups] = two("groups", 1);
  const stride = two("s", 1), padding = two("p", 0), dilation = two("d", 1);
  const padding_mode = fields.mode?.[0] ?? "zeros";
  if (shape.length !== 4 || weight.length !== 4 || !whole([...shape, ...weight], 1)
    || !whole([...stride, ...dilation, groups], 1) || !whole(padding, 0)
    || [stride, dilation].some(list => list.length > 2) || ![1, 2, 4].includes(padding.length)
    || !PADDING_MODES.includes(padding_mode) || weight[1] * groups !== shape[1]) return null;
  const spread = list => list.length === 1 ? [list[0], list[0]] : list;
  const [top, bottom, left, right] = padding.length === 4 ? padding
    : spread(padding).flatMap(p => [p, p]);
  const problem = {
    shape, kernel: [weight[0], weight[2], weight[3]], stride: spread(stride),
    padding: [[top, bottom], [left, right]], dilation: spread(dilation), groups, padding_mode,
    x: numbers(fields.x[1]), w: numbers(fields.w[1]),
    b: fields.b ? numbers(fields.b[0]) : null, g: fields.g ? numbers(fields.g[0]) : null,
  };
  const geometry = makeGeometry(problem);
  if (geometry.error) return null;
  const count = list => list.reduce((product, size) => product * size, 1);
  const fits = (values, size) => values.length === size && size <= LARGEST_ADDRESS
    && values.every(Number.isFinite);
  return fits(problem.x, count(shape)) && fits(problem.w, count(weight))
    && (!problem.b || fits(problem.b, geometry.O))
    && (!problem.g || fits(problem.g, geometry.N * geometry.O * geometry.P)) ? problem : null;
}

const readAddress = hash => Object.fromEntries(hash.replace(/^#/, "").split("&").filter(Boolean)
  .map(part => [part.split("=")[0], part.slice(part.indexOf("=") + 1)])
  .map(([name, value]) => {
    try { return [name, decodeURIComponent(value)]; } catch { return []; }
  })
  .filter(pair => pair.length));
const writeAddress = parts => "#" + Object.entries(parts)
  .filter(([, value]) => value !== null && value !== undefined)
  .map(([name, value]) => `${name}=${value}`).join("&");
