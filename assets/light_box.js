const REMEMBERED = "pneumoscope-heatmap-opacity";

function remembered() {
  try {
    return sessionStorage.getItem(REMEMBERED);
  } catch {
    return null;
  }
}

function remember(value) {
  try {
    sessionStorage.setItem(REMEMBERED, value);
  } catch {
    return;
  }
}

export default function (component) {
  const { data, parentElement } = component;
  const find = (selector) => parentElement.querySelector(selector);
  const stage = find(".stage");
  const glow = find(".glow");
  const slider = find("input");

  const fade = () => {
    glow.style.opacity = String(slider.value / 100);
    find("output").textContent = `${slider.value} %`;
  };

  const shape = data.width / data.height;
  stage.style.aspectRatio = `${data.width} / ${data.height}`;
  stage.style.maxWidth = `calc(min(72vh, 760px) * ${shape})`;

  const film = find(".film");
  film.src = data.film;
  film.alt = `Chest X-ray: ${data.caption}`;
  find(".name").textContent = data.caption;
  find(".corner").textContent = data.corner;

  const plain = data.glow === "";
  find(".box").classList.toggle("plain", plain);
  glow.style.display = plain ? "none" : "block";
  if (!plain) {
    glow.src = data.glow;
    find(".legend img").src = data.legend;
    find(".hint").textContent = `${data.hint} Press and hold the film to see it bare.`;
  } else {
    find(".title").textContent = data.title;
    find(".nothing").textContent = data.nothing;
    glow.removeAttribute("src");
  }

  find(".marks").replaceChildren(
    ...data.boxes.map(([x, y, width, height]) => {
      const mark = document.createElement("i");
      mark.style.cssText = `left:${100 * x}%;top:${100 * y}%;width:${100 * width}%;height:${100 * height}%`;
      return mark;
    }),
  );

  const before = remembered();
  if (before !== null) slider.value = before;
  fade();
  slider.oninput = () => {
    fade();
    remember(slider.value);
  };

  const bare = (on) => () => stage.classList.toggle("bare", on);
  stage.onpointerdown = bare(true);
  stage.onpointerup = stage.onpointerleave = stage.onpointercancel = bare(false);
  stage.ondragstart = (event) => event.preventDefault();
}
