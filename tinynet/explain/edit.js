// A click on a number of x, w or G opens a small editor beside it; everything follows at once.

let editor = null;                      // { node, input, name, place, back }

function openEditor(cell) {
  const box = cell.closest(".tn-panel"), { panel } = box, id = box.dataset.panel;
  const row = +cell.dataset.row, col = +cell.dataset.col;
  closeEditor();
  if (!panel.edits || state.mask) return;
  const place_ = panel.place(row, col);
  if (place_ < 0) return;
  const now = model[panel.edits][place_], label = say("edit", { name: title(id),
    r: panel.rows[row] === "" ? row : number(panel.rows[row]),
    q: panel.cols[col] === "" ? col : number(panel.cols[col]) });
  const input = el("input", { type: "text", inputmode: "decimal", "aria-label": label,
    value: String(now), size: 5, oninput: read, onkeydown: keys });
  const nudge = by => () => {
    input.value = String(+(model[panel.edits][place_] + by).toFixed(6));
    read();
  };
  const node = el("div", { class: "tn-editor", role: "group", "aria-label": label },
    el("button", { type: "button", "aria-label": say("edit.less"), onclick: nudge(-1) }, "−"),
    input,
    el("button", { type: "button", "aria-label": say("edit.more"), onclick: nudge(1) }, "+"));
  function read() {
    const value = Number(input.value.trim().replace("−", "-").replace(",", "."));
    const ok = input.value.trim() !== "" && Number.isFinite(value) && Math.abs(value) <= 1e6;
    input.setAttribute("aria-invalid", String(!ok));
    if (ok) setNumber(panel.edits, place_, value);
  }
  function keys(event) {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (by) { nudge(by)(); event.preventDefault(); }
    else if (event.key === "Enter" || event.key === "Escape") {
      if (event.key === "Escape") setNumber(panel.edits, place_, now);
      closeEditor(true);
      event.preventDefault();
    }
    event.stopPropagation();
  }
  editor = { node, back: () => find(id, row, col) };
  root.append(node);
  const at = cell.getBoundingClientRect(), base = root.getBoundingClientRect();
  const left = Math.max(4, Math.min(at.left + at.width / 2 - base.left - node.offsetWidth / 2,
    root.clientWidth - node.offsetWidth - 4));
  const isBelow = at.bottom + node.offsetHeight + 60 < innerHeight || at.top < node.offsetHeight;
  node.style.left = left + "px";
  node.style.top = (isBelow ? at.bottom + 6 : at.top - node.offsetHeight - 6) - base.top + "px";
  return input;
}
function closeEditor(isBack = false) {
  if (!editor) return;
  const { node, back } = editor;
  editor = null;
  node.remove();
  if (isBack) back()?.focus();
}
