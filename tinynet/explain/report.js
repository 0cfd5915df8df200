// The switches of language and light, and the slider over kept kernels; without this script the
// report is complete but for these.
const root = document.currentScript.closest(".tn");
const LANGUAGES = JSON.parse(root.dataset.languages);

function speak(lang) {
  const column = LANGUAGES.indexOf(lang);
  root.lang = lang;
  for (const node of root.querySelectorAll("[data-say]")) {
    node.textContent = JSON.parse(node.dataset.say)[column];
  }
  for (const name of ["aria-label", "aria-valuetext", "alt"]) {
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

// -- kernels as they were -------------------------------------------------------------------------

const NOTHING = 127;                        // the shade of the weight 0
const BLUE = [40, 115, 230], RED = [225, 60, 45];

// One kernel, from its shades, as the address of a picture.
function kernelPicture(canvas, bytes, start, [height, width]) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let k = 0; k < width * height; k++) {
    const shade = bytes[start + k] - NOTHING;
    image.data.set([...(shade < 0 ? BLUE : RED), 255 * Math.abs(shade) / NOTHING], 4 * k);
  }
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

function keptSteps(box) {
  const { size, texts, marks, frames, play } = JSON.parse(box.dataset.kept);
  const input = box.querySelector("input"), output = box.querySelector("output");
  const button = box.querySelector("button"), canvas = document.createElement("canvas");
  const pictures = [...box.parentNode.querySelectorAll("img")], last = frames.length - 1;
  const mark = root.querySelector(".tn-now");
  let timer = null;
  const tell = (node, said) => {
    node.dataset.say = JSON.stringify(said);
    node.textContent = said[LANGUAGES.indexOf(root.lang)];
  };
  const show = () => {
    const k = Number(input.value), bytes = atob(frames[k]);
    const shades = Uint8Array.from(bytes, letter => letter.charCodeAt(0));
    pictures.forEach((picture, n) => {
      picture.src = kernelPicture(canvas, shades, n * size[0] * size[1], size);
    });
    tell(output, texts[k]);
    input.setAttribute("data-aria-valuetext", output.dataset.say);
    input.setAttribute("aria-valuetext", output.textContent);
    if (mark && marks.length) {
      mark.setAttribute("d", mark.getAttribute("d").replace(/^M[\d.]+/, `M${marks[k]}`));
      mark.setAttribute("visibility", "visible");
    }
  };
  const pause = () => {
    clearInterval(timer);
    timer = null;
    tell(button, play[0]);
  };
  input.addEventListener("input", () => {
    pause();
    show();
  });
  button.addEventListener("click", () => {
    if (timer) {
      pause();
      return;
    }
    if (Number(input.value) === last) input.value = 0;
    tell(button, play[1]);
    show();
    timer = setInterval(() => {
      input.value = Number(input.value) + 1;
      show();
      if (Number(input.value) === last) pause();
    }, 180);
  });
  tell(output, texts[last]);
  box.hidden = false;
}

root.querySelectorAll(".tn-kept").forEach(keptSteps);
root.querySelector(".tn-tools").hidden = false;
speak(root.lang);
