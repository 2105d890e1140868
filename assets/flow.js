const STEP_MS = 1100;

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const find = (selector) => parentElement.querySelector(selector);
  const strip = find(".strip");
  const show = find(".show");
  const play = find(".play");

  const tiles = data.layers.map((layer) => {
    const tile = document.createElement(layer.name ? "button" : "div");
    if (layer.name) tile.type = "button";
    tile.className = `tile ${layer.kind === "pooling" ? "pool" : ""} ${layer.first ? "block" : ""}`;
    tile.dataset.layer = layer.name;
    if (layer.name) tile.setAttribute("aria-pressed", String(layer.name === data.chosen));
    const picture = document.createElement("img");
    picture.src = layer.tile;
    picture.alt = "";
    const name = document.createElement("b");
    name.textContent = layer.label;
    const size = document.createElement("span");
    size.textContent = layer.facts;
    tile.append(picture, name, size);
    if (layer.name) {
      tile.title = layer.name;
      tile.onclick = () => {
        stop();
        setTriggerValue("layer", layer.name);
      };
    } else {
      tile.classList.add("end");
    }
    return tile;
  });
  const end = document.createElement("div");
  end.className = "tile end";
  const answer = document.createElement("div");
  answer.className = `answer ${data.answer.yes ? "yes" : ""}`;
  answer.textContent = data.answer.share;
  const said = document.createElement("b");
  said.textContent = data.answer.verdict;
  end.append(answer, said);
  strip.replaceChildren(...tiles, end);

  const stops = [...data.layers, { show: "", label: data.answer.verdict, words: data.answer.words }];
  const places = [...tiles, end];
  find(".hint").textContent = data.hint;

  function light(step) {
    places.forEach((place, k) => place.classList.toggle("lit", k === step));
    show.hidden = step < 0;
    if (step < 0) return;
    const now = stops[step];
    const picture = show.querySelector("img");
    picture.src = now.show || data.layers[0].show;
    show.querySelector("b").textContent = now.label;
    show.querySelector("span").textContent = now.words;
    const place = places[step];
    strip.scrollTo({ left: place.offsetLeft - strip.clientWidth / 2 + place.clientWidth / 2, behavior: "smooth" });
  }

  function word(text, pressed) {
    play.querySelector(".word").textContent = text;
    play.setAttribute("aria-pressed", String(pressed));
  }

  function stop() {
    clearInterval(strip.timer);
    strip.timer = undefined;
    word("Play", false);
    light(-1);
  }

  stop();
  play.onclick = () => {
    if (strip.timer !== undefined) {
      stop();
      return;
    }
    let step = 0;
    light(step);
    word("Stop", true);
    strip.timer = setInterval(() => {
      step += 1;
      if (step < places.length) light(step);
      else {
        clearInterval(strip.timer);
        strip.timer = undefined;
        word("Play again", false);
      }
    }, STEP_MS);
  };
  const chosen = tiles.find((tile) => tile.dataset.layer === data.chosen);
  if (chosen && strip.seen !== data.chosen) {
    strip.scrollLeft = chosen.offsetLeft - strip.clientWidth / 2 + chosen.clientWidth / 2;
    strip.seen = data.chosen;
  }
  return () => clearInterval(strip.timer);
}
