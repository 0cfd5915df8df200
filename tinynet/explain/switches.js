// The buttons that change the language and the light of a page. `speak(lang)` says the page in
// another language, `repaint` paints again what has colours of its own.
function switches(root, languages, speak, repaint) {
  root.querySelector(".tn-language").addEventListener("click", () =>
    speak(languages[(languages.indexOf(root.lang) + 1) % languages.length]));
  root.querySelector(".tn-theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.style.colorScheme = root.dataset.theme = dark ? "light" : "dark";
    repaint();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
}
