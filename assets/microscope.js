const MOST = 4;
const TELL_MS = 120;
const SETTLE_MS = 2500;
const OPACITY = "pneumoscope-map-opacity";

function kept(value) {
  try {
    if (value === undefined) return sessionStorage.getItem(OPACITY);
    sessionStorage.setItem(OPACITY, value);
  } catch {
    return null;
  }
  return null;
}

function written(value, digits = 3) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e7) return value.toExponential(1).replace("-", "−");
  const text = size >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(digits)));
  return text.replace("-", "−");
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function workOut(header, arrays, row, column) {
  const { values, before, inputs, kernel, rows, columns, channels, rest } = arrays;
  const [height, width] = values.shape;
  const [count, inputHeight, inputWidth] = inputs.shape;
  const [, kernelRows, kernelColumns] = kernel.shape;
  const cell = row * width + column;
  const ys = rows.subarray(row * kernelRows, (row + 1) * kernelRows);
  const xs = columns.subarray(column * kernelColumns, (column + 1) * kernelColumns);
  const sums = new Float64Array(count);
  for (let k = 0; k < count; k += 1) {
    let sum = 0;
    for (let i = 0; i < kernelRows; i += 1) {
      if (ys[i] < 0 || ys[i] >= inputHeight) continue;
      const line = (k * inputHeight + ys[i]) * inputWidth;
      const weights = (k * kernelRows + i) * kernelColumns;
      for (let j = 0; j < kernelColumns; j += 1) {
        if (xs[j] >= 0 && xs[j] < inputWidth) sum += inputs[line + xs[j]] * kernel[weights + j];
      }
    }
    sums[k] = sum;
  }
  const patch = (k) =>
    Array.from(ys, (y, i) =>
      Array.from(xs, (x, j) => {
        const inside = y >= 0 && y < inputHeight && x >= 0 && x < inputWidth;
        const input = inside ? inputs[(k * inputHeight + y) * inputWidth + x] : 0;
        const weight = kernel[(k * kernelRows + i) * kernelColumns + j];
        return { inside, input, weight, product: input * weight };
      }),
    );
  return {
    value: values[cell],
    before: before[cell],
    rest: rest[cell],
    products: (count + header.left_out) * kernelRows * kernelColumns,
    inside: ys.filter((y) => y >= 0 && y < inputHeight).length * xs.filter((x) => x >= 0 && x < inputWidth).length,
    sums,
    channels,
    patch,
    height,
    width,
  };
}

function table(title, rows, key) {
  const figure = element("figure", "grid");
  figure.append(element("figcaption", "", title));
  const body = element("table");
  for (const line of rows) {
    const tr = element("tr");
    for (const place of line) {
      const td = element("td", place.inside ? "" : "out", key(place));
      tr.append(td);
    }
    body.append(tr);
  }
  figure.append(body);
  return figure;
}

function signed(sign, figure) {
  const pair = element("div", "pair");
  pair.append(element("span", "sign", sign), figure);
  return pair;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const { header, arrays } = unpack(data);
  const find = (selector) => parentElement.querySelector(selector);
  const scope = find(".scope");
  const stage = find(".stage");
  const canvas = find(".map");
  const [height, width] = arrays.values.shape;

  scope.classList.toggle("wide", header.wide);
  const shape = header.width / header.height;
  stage.style.aspectRatio = `${header.width} / ${header.height}`;
  stage.style.maxWidth = `calc(min(70vh, 640px) * ${shape})`;
  stage.setAttribute(
    "aria-label",
    `${header.caption} under channel ${header.channel} of ${header.layer}. Arrow keys move the cell, Enter pins it.`,
  );
  find(".film").src = header.film;
  find(".film").alt = `Chest X-ray: ${header.caption}`;
  find(".name").textContent = header.caption;
  find(".corner").textContent = `${header.layer} · channel ${header.channel}`;
  find(".hint").textContent = `${header.hint} The colors end at ${written(header.top, 4)}.`;

  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  const picture = pen.createImageData(width, height);
  const peak = header.top;
  const levels = arrays.values.map((value) => (peak > 0 ? Math.min(Math.max(value, 0) / peak, 1) : 0));
  for (let k = 0; k < width * height; k += 1) {
    const level = Math.round(255 * levels[k]);
    picture.data.set(arrays.colors.subarray(3 * level, 3 * level + 3), 4 * k);
  }

  const slider = find("input");
  const fade = () => {
    // Where the channel is silent the film shows through a little more, except when all of it is covered.
    const share = slider.value / 100;
    for (let k = 0; k < width * height; k += 1) picture.data[4 * k + 3] = Math.round(255 * share ** (2 - levels[k]));
    pen.putImageData(picture, 0, 0);
    find("output").textContent = `${slider.value} %`;
  };
  const before = kept();
  if (before !== null) slider.value = before;
  fade();
  slider.oninput = () => {
    fade();
    kept(slider.value);
  };

  // What the server says may be older than what was pinned here a moment ago.
  const here = `${header.caption} ${header.layer} ${header.channel}`;
  const recent = scope.recent && scope.recent.here === here && Date.now() - scope.recent.at < SETTLE_MS;
  let pinned = recent ? scope.recent.cell : header.cell;
  let shown = null;
  let chosenInput = null;

  function place(box, top, left, bottom, right) {
    box.style.top = `${100 * top}%`;
    box.style.left = `${100 * left}%`;
    box.style.height = `${100 * (bottom - top)}%`;
    box.style.width = `${100 * (right - left)}%`;
  }

  function show(row, column) {
    shown = [row, column];
    const rowSpan = arrays.row_spans.subarray(2 * row, 2 * row + 2);
    const columnSpan = arrays.column_spans.subarray(2 * column, 2 * column + 2);
    place(find(".field"), rowSpan[0], columnSpan[0], rowSpan[1], columnSpan[1]);
    place(find(".cell"), row / height, column / width, (row + 1) / height, (column + 1) / width);
    scope.classList.remove("idle");
    scope.classList.toggle("pinned", pinned !== null);
    stage.dataset.row = String(row);
    stage.dataset.column = String(column);
    describe(workOut(header, arrays, row, column), row, column);
  }

  function describe(work, row, column) {
    const pooling = header.operation !== "convolution";
    find(".where").textContent = `row ${row}, column ${column} of ${work.height} × ${work.width} · ${header.sees(row, column)}`;
    find(".value strong").textContent = written(work.value, 4);
    find(".value span").textContent = pinned ? "pinned: click the cell again, or press Escape, to let go" : "";
    const equation = find(".equation");
    const strong = (tag, text) => element(tag, "", text);
    if (pooling) {
      const kind = header.operation === "maximum" ? "the largest" : "the mean";
      equation.replaceChildren(`${kind} of the ${work.inside} values below = `, strong("b", written(work.value, 4)));
    } else {
      const sum = work.before - header.bias;
      equation.replaceChildren(
        `${work.products.toLocaleString("en")} products add up to `,
        strong("i", written(sum, 4)),
        ` ${header.bias < 0 ? "−" : "+"} ${written(Math.abs(header.bias), 4)} bias = `,
        strong("i", written(work.before, 4)),
        header.activation === "relu" ? " → ReLU → " : header.activation === "linear" ? " = " : ` → ${header.activation} → `,
        strong("b", written(work.value, 4)),
      );
    }
    drawBars(work, pooling);
  }

  function drawBars(work, pooling) {
    const bars = find(".bars");
    const grids = find(".grids");
    const order = Array.from(work.sums.keys()).sort((a, b) => work.sums[b] - work.sums[a]);
    const up = order.filter((k) => work.sums[k] > 0).slice(0, MOST);
    const down = order.filter((k) => work.sums[k] < 0).reverse().slice(0, MOST).reverse();
    const listed = pooling ? [] : [...up, ...down];
    const longest = Math.max(...listed.map((k) => Math.abs(work.sums[k])), 1e-30);
    const strongest = listed.reduce((a, k) => (a === null || Math.abs(work.sums[k]) > Math.abs(work.sums[a]) ? k : a), null);
    const opened = listed.includes(chosenInput) ? chosenInput : pooling ? 0 : strongest;
    bars.replaceChildren(
      ...listed.map((k) => {
        const bar = element("button", "bar");
        bar.type = "button";
        bar.setAttribute("aria-pressed", String(k === opened));
        const track = element("span", "track");
        const fill = element("i", work.sums[k] > 0 ? "up" : "down");
        fill.style.width = `${(50 * Math.abs(work.sums[k])) / longest}%`;
        track.append(fill);
        const sign = work.sums[k] > 0 ? "+" : "";
        bar.append(element("span", "", header.input_names[k] ?? `#${work.channels[k]}`), track, element("span", "", sign + written(work.sums[k])));
        bar.onclick = () => {
          chosenInput = k;
          drawBars(work, pooling);
        };
        return bar;
      }),
    );
    const others = work.sums.length - listed.length + header.left_out;
    const listedSum = listed.reduce((sum, k) => sum + work.sums[k], 0);
    const otherSum = work.before - header.bias - listedSum;
    find(".rest").textContent =
      pooling || others === 0 ? "" : `The other ${others} input channels together: ${otherSum > 0 ? "+" : ""}${written(otherSum)}`;
    if (opened === null) {
      grids.replaceChildren();
      return;
    }
    const patch = work.patch(opened);
    const name = header.input_names[opened] ?? `channel ${work.channels[opened]}`;
    const input = table(`input, ${name}`, patch, (p) => (p.inside ? written(p.input) : pooling ? "" : "0"));
    if (pooling) {
      grids.replaceChildren(input);
      return;
    }
    grids.replaceChildren(
      input,
      signed("×", table("kernel", patch, (p) => written(p.weight))),
      signed("=", table(`products, sum ${written(work.sums[opened])}`, patch, (p) => written(p.product))),
    );
  }

  header.sees = (row, column) => {
    const rows = arrays.row_spans.subarray(2 * row, 2 * row + 2);
    const columns = arrays.column_spans.subarray(2 * column, 2 * column + 2);
    const tall = Math.round((rows[1] - rows[0]) * header.film_height);
    const broad = Math.round((columns[1] - columns[0]) * header.film_width);
    return `sees ${broad} × ${tall} of the film's ${header.film_width} × ${header.film_height} pixels`;
  };

  function under(event) {
    const box = stage.getBoundingClientRect();
    const inside = (share, count) => Math.min(Math.max(Math.floor(share * count), 0), count - 1);
    return [inside((event.clientY - box.top) / box.height, height), inside((event.clientX - box.left) / box.width, width)];
  }

  function pin(cell) {
    pinned = cell;
    scope.recent = { here, cell, at: Date.now() };
    clearTimeout(scope.telling);
    scope.telling = setTimeout(() => setTriggerValue("cell", cell ?? [-1, -1]), TELL_MS);
    if (cell) show(...cell);
    else scope.classList.remove("pinned");
  }

  stage.onpointermove = (event) => {
    if (pinned === null && event.pointerType !== "touch") show(...under(event));
  };
  stage.onclick = (event) => {
    const cell = under(event);
    pin(pinned && pinned[0] === cell[0] && pinned[1] === cell[1] ? null : cell);
  };
  stage.onkeydown = (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const move = moves[event.key];
    if (move) {
      event.preventDefault();
      const from = shown ?? [Math.floor(height / 2), Math.floor(width / 2)];
      const to = [Math.min(Math.max(from[0] + move[0], 0), height - 1), Math.min(Math.max(from[1] + move[1], 0), width - 1)];
      if (pinned) pin(to);
      else show(...to);
    } else if (event.key === "Enter" && shown) pin(shown);
    else if (event.key === "Escape" && pinned) pin(null);
  };
  stage.ondragstart = (event) => event.preventDefault();

  if (pinned) show(...pinned);
  else {
    scope.classList.remove("pinned");
    show(...header.start);
  }
}
