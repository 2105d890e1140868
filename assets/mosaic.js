export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const mosaic = parentElement.querySelector(".mosaic");
  mosaic.setAttribute("aria-label", data.label);
  mosaic.classList.toggle("long", data.tiles.length > 20);
  mosaic.style.setProperty("--least", `${data.least}px`);
  const rows = Math.ceil(data.tiles.length / data.columns);
  const share = (place, count) => (count > 1 ? (100 * place) / (count - 1) : 0);
  mosaic.replaceChildren(
    ...data.tiles.map((tile, k) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = tile.dead ? "tile dead" : "tile";
      button.dataset.channel = String(tile.channel);
      button.setAttribute("aria-pressed", String(tile.channel === data.chosen));
      button.setAttribute("aria-label", tile.words);
      button.title = tile.words;
      const map = document.createElement("div");
      map.className = "map";
      if (tile.dead) map.dataset.note = data.empty;
      map.style.backgroundImage = `url(${data.sheet})`;
      map.style.backgroundSize = `${100 * data.columns}% ${100 * rows}%`;
      map.style.backgroundPosition = `${share(k % data.columns, data.columns)}% ${share(Math.floor(k / data.columns), rows)}%`;
      const line = document.createElement("div");
      line.className = "line";
      const number = document.createElement("span");
      number.textContent = tile.label;
      const push = document.createElement("span");
      push.className = `push ${tile.direction}`;
      push.textContent = tile.note;
      line.append(number, push);
      button.append(map, line);
      button.onclick = () => setTriggerValue("choice", tile.channel);
      return button;
    }),
  );
}
