// The switches of language and light; without this script the report is complete but for these.
const root = document.currentScript.closest(".tn");
const LANGUAGES = JSON.parse(root.dataset.languages);

function speak(lang) {
  const column = LANGUAGES.indexOf(lang);
  root.lang = lang;
  for (const node of root.querySelectorAll("[data-say]")) {
    node.textContent = JSON.parse(node.dataset.say)[column];
  }
  for (const name of ["aria-label", "alt"]) {
    for (const node of root.querySelectorAll(`[data-${name}]`)) {
      node.setAttribute(name, JSON.parse(node.getAttribute("data-" + name))[column]);
    }
  }
  root.querySelector(".tn-language").lang = LANGUAGES[(column + 1) % LANGUAGES.length];
}
root.querySelector(".tn-language").addEventListener("click", () =>
  speak(LANGUAGES[(LANGUAGES.indexOf(root.lang) + 1) % LANGUAGES.length]));
root.querySelector(".tn-theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.style.colorScheme = root.dataset.theme = dark ? "light" : "dark";
});
root.querySelector(".tn-tools").hidden = false;
speak(root.lang);
