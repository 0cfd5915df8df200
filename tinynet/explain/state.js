// The page: one element of class "tn", its data, and what is shown of it now.
//
// All scripts run in this order, inside one function (see page.html): state, words, convolution,
// address, model, timeline, relation, sentences, panels, stage, checks, page, settings, edit, turn,
// tour, hands.
const root = document.currentScript.closest(".tn");
const DATA = JSON.parse(root.querySelector(".tn-data").textContent);

const state = {
  lang: DATA.lang, mode: "forward", step: 0, n: 0, o: 0, c: 0,
  pinned: null, pointed: null,          // the cell that is clicked, or under the pointer
  timer: null, speed: 1, assign: false,
  mask: null, asked: null, tour: null,  // the tour marks the number it asks for, and hides some
  offset: {}, focus: {},                // offset and keyboard position of each panel
};
let model;                              // see model.js
const parts = {};                       // the elements that change, by name
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const live = root.querySelector(".tn-live");
