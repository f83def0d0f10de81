"use strict";
// Tables that can be sorted and filtered, and the confusion matrix of many classes as a picture.

const collator = new Intl.Collator("en", { numeric: true });
const compare = (a, b) => (isNaN(a) || isNaN(b) ? collator.compare(a, b) : a - b);

function sortBy(table, column, header) {
  const rising = header.getAttribute("aria-sort") !== "ascending";
  for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const rows = [...table.tBodies[0].rows].map((row) => [value(row), row]);
  rows.sort(([a], [b]) => (rising ? 1 : -1) * compare(a, b));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sorts")) {
  for (const [column, header] of [...table.tHead.rows[0].cells].entries()) {
    const words = header.textContent;
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: words });
    button.addEventListener("click", () => sortBy(table, column, header));
    header.replaceChildren(button);
  }
}

for (const field of document.querySelectorAll("input[data-filters]")) {
  const table = document.getElementById(field.dataset.filters);
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLocaleLowerCase();
    for (const row of table.tBodies[0].rows) {
      row.hidden = !row.cells[0].textContent.toLocaleLowerCase().includes(wanted);
    }
  });
}

const FEWEST = 8; // classes in a view
const NAMED_PX = 11; // of a cell beside which there is room for a class's name
const NEAR_PX = 5; // from the pointer, within which a count is found

class Matrix {
  constructor(figure, { names, cells }) {
    this.figure = figure;
    this.names = names;
    this.count = names.length;
    this.canvas = figure.querySelector("canvas");
    this.told = figure.querySelector("[role=status]");
    this.byCell = new Map();
    this.totals = new Array(this.count).fill(0);
    this.rows = names.map(() => []);
    this.most = 1;
    for (let at = 0; at < cells.length; at += 3) {
      const [row, column, count] = cells.slice(at, at + 3);
      this.byCell.set(row * this.count + column, count);
      this.totals[row] += count;
      this.rows[row].push([column, count]);
      if (row !== column) this.most = Math.max(this.most, count);
    }
    // The largest last, so that they are on top where cells are smaller than a pixel.
    this.cells = [...this.byCell].sort(([, a], [, b]) => a - b);
    this.view = { row: 0, column: 0, size: this.count };
    this.cursor = null;
    this.listen();
    this.draw();
  }

  listen() {
    const { canvas, figure } = this;
    new ResizeObserver(() => this.draw()).observe(canvas);
    for (const query of ["(prefers-color-scheme: dark)", "print"]) {
      matchMedia(query).addEventListener("change", () => this.draw());
    }
    canvas.addEventListener("pointermove", (event) => this.point(event));
    canvas.addEventListener("pointerdown", (event) => {
      this.grabbed = this.whole ? null : this.at(event);
      this.point(event);
    });
    canvas.addEventListener("pointerup", () => (this.grabbed = null));
    canvas.addEventListener("pointercancel", () => (this.grabbed = null));
    canvas.addEventListener("dblclick", () => this.zoom(1 / 3));
    canvas.addEventListener("keydown", (event) => this.key(event));
    const named = (name) => figure.querySelector(`[data-do=${name}]`);
    named("closer").addEventListener("click", () => this.zoom(1 / 3));
    named("wider").addEventListener("click", () => this.zoom(3));
    named("whole").addEventListener("click", () => this.zoom(Infinity));
    const list = figure.querySelector("datalist");
    list.append(...this.names.map((value) => Object.assign(document.createElement("option"), { value })));
    named("find").addEventListener("change", (event) => this.find(event.target.value));
  }

  get whole() {
    return this.view.size === this.count;
  }

  find(words) {
    const wanted = words.trim().toLocaleLowerCase();
    if (!wanted) return;
    const names = this.names.map((name) => name.toLocaleLowerCase());
    const exact = names.indexOf(wanted);
    const row = exact >= 0 ? exact : names.findIndex((name) => name.includes(wanted));
    if (row < 0) {
      this.told.textContent = "No class is called so.";
      return;
    }
    this.cursor = { row, column: row };
    this.zoom(24 / this.view.size);
  }

  zoom(factor) {
    const { view, count } = this;
    const middle = this.cursor ?? { row: view.row + view.size / 2, column: view.column + view.size / 2 };
    const size = Math.min(count, Math.max(Math.min(FEWEST, count), Math.round(view.size * factor)));
    const begin = (at) => Math.min(count - size, Math.max(0, Math.round(at - size / 2)));
    this.view = { row: begin(middle.row), column: begin(middle.column), size };
    this.canvas.style.touchAction = this.whole ? "auto" : "none"; // a finger scrolls the page, or the view
    this.draw();
    this.tell();
  }

  // Where the cells are: the space for names, if there is any, and a cell's side in CSS pixels.
  layout() {
    const side = this.canvas.clientWidth;
    const names = Math.min(160, Math.round(side * 0.28));
    const begin = (side - names) / this.view.size >= NAMED_PX ? names : 0;
    return { side, begin, cell: (side - begin) / this.view.size };
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const { begin, cell } = this.layout();
    const column = Math.floor((event.clientX - box.left - this.canvas.clientLeft - begin) / cell);
    const row = Math.floor((event.clientY - box.top - this.canvas.clientTop - begin) / cell);
    return { row: row + this.view.row, column: column + this.view.column };
  }

  point(event) {
    const at = this.at(event);
    const { row, column, size } = this.view;
    if (this.grabbed && event.buttons) {
      const begin = (from, to, now) => Math.min(this.count - size, Math.max(0, now + from - to));
      this.view = {
        row: begin(this.grabbed.row, at.row, row),
        column: begin(this.grabbed.column, at.column, column),
        size,
      };
      this.draw();
      return;
    }
    const inside = (value, from) => Math.min(from + size - 1, Math.max(from, value));
    this.cursor = this.nearest(inside(at.row, row), inside(at.column, column));
    this.show();
    this.tell();
  }

  // The nearest cell with a count, as far as cells are too small to be hit.
  nearest(row, column) {
    const reach = Math.floor(NEAR_PX / this.layout().cell);
    let best = { row, column, far: this.byCell.has(row * this.count + column) ? -1 : Infinity };
    for (let y = Math.max(0, row - reach); y <= Math.min(this.count - 1, row + reach); y++) {
      for (let x = Math.max(0, column - reach); x <= Math.min(this.count - 1, column + reach); x++) {
        const far = (x - column) ** 2 + (y - row) ** 2;
        if (far < best.far && this.byCell.has(y * this.count + x)) best = { row: y, column: x, far };
      }
    }
    return { row: best.row, column: best.column };
  }

  key(event) {
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const zooms = { "+": 1 / 3, "=": 1 / 3, "-": 3, 0: Infinity, Escape: Infinity };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) this.move(...steps[event.key]);
    else if (event.key === "Enter") this.next(event.shiftKey ? -1 : 1);
    else if (event.key in zooms) this.zoom(zooms[event.key]);
    else return;
    event.preventDefault();
  }

  move(down, right) {
    const { row, column } = this.cursor ?? { row: this.view.row - down, column: this.view.column - right };
    const inside = (value) => Math.min(this.count - 1, Math.max(0, value));
    this.moveTo({ row: inside(row + down), column: inside(column + right) });
  }

  // From error to error, the most frequent first.
  next(step) {
    this.errors ??= this.cells
      .map(([key]) => ({ row: Math.floor(key / this.count), column: key % this.count }))
      .filter(({ row, column }) => row !== column)
      .reverse();
    const { errors, cursor } = this;
    if (!errors.length) return;
    const now = cursor ? errors.findIndex((each) => each.row === cursor.row && each.column === cursor.column) : -1;
    const from = now < 0 && step < 0 ? 0 : now;
    this.moveTo(errors[(from + step + errors.length) % errors.length]);
  }

  moveTo(cursor) {
    const { view } = this;
    const into = (value, from) => Math.min(value, Math.max(from, value - view.size + 1));
    this.cursor = cursor;
    this.view = { row: into(cursor.row, view.row), column: into(cursor.column, view.column), size: view.size };
    this.draw();
    this.tell();
  }

  tell() {
    if (!this.cursor) return;
    const { row, column } = this.cursor;
    const total = this.totals[row];
    const count = this.byCell.get(row * this.count + column) ?? 0;
    const share = total ? ` (${Math.round((100 * count) / total)} %)` : "";
    const images = `${total} ${total === 1 ? "image" : "images"} of “${this.names[row]}”`;
    if (!total) this.told.textContent = `There are no images of “${this.names[row]}”.`;
    else if (row !== column) {
      this.told.textContent = `${count || "None"} of ${images} answered “${this.names[column]}”${count ? share : ""}.`;
    } else {
      const others = this.rows[row].filter(([each]) => each !== row).sort(([, a], [, b]) => b - a);
      const most = others.slice(0, 3).map(([each, times]) => `“${this.names[each]}” ${times}`);
      const rest = most.length ? ` Answered otherwise: ${most.join(", ")}${others.length > 3 ? ", …" : ""}.` : "";
      this.told.textContent = `${count || "None"} of ${images} answered right${share}.${rest}`;
    }
  }

  colors() {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => {
      const digits = style.getPropertyValue(`--${name}`).trim().slice(1);
      const pairs = digits.length === 3 ? [...digits].map((each) => each + each) : digits.match(/../g);
      return pairs.map((pair) => parseInt(pair, 16));
    };
    const mix = (kind) => {
      const [low, high] = [color(`${kind}-low`), color(`${kind}-high`)];
      return (level) => low.map((from, at) => Math.round(from + level * (high[at] - from)));
    };
    const plain = (name) => `rgb(${color(name).join(" ")})`;
    return {
      right: mix("right"), wrong: mix("wrong"), paper: plain("card"), ink: plain("ink"), line: plain("line"),
    };
  }

  // Draws everything but the cursor, which is drawn over it, so that it moves at once.
  draw() {
    const { canvas, view } = this;
    const { side, begin, cell } = this.layout();
    if (!side) return;
    const scale = Math.min(3, window.devicePixelRatio || 1);
    canvas.width = canvas.height = Math.round(side * scale);
    const picture = (this.picture = document.createElement("canvas"));
    picture.width = picture.height = canvas.width;
    const context = picture.getContext("2d");
    context.scale(scale, scale);
    const colors = this.colors();
    context.fillStyle = colors.paper;
    context.fillRect(0, 0, side, side);
    const level = (row, column, count) =>
      row === column ? count / this.totals[row] : Math.log(1 + count) / Math.log(1 + this.most);
    context.font = `${Math.min(13, cell * 0.5)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const [key, count] of this.cells) {
      const row = Math.floor(key / this.count);
      const column = key % this.count;
      const [down, right] = [row - view.row, column - view.column];
      if (down < 0 || right < 0 || down >= view.size || right >= view.size) continue;
      const strength = level(row, column, count);
      // Cells smaller than a pixel would vanish: what is frequent is drawn larger than it is.
      const shown = Math.max(cell, row === column ? 1 : 1 + 2.5 * strength);
      const [x, y] = [begin + (right + 0.5) * cell, begin + (down + 0.5) * cell];
      const [red, green, blue] = colors[row === column ? "right" : "wrong"](strength);
      context.fillStyle = `rgb(${red} ${green} ${blue})`;
      context.fillRect(x - shown / 2, y - shown / 2, shown, shown);
      if (cell >= 18) {
        const light = 0.299 * red + 0.587 * green + 0.114 * blue; // luma, ITU-R BT.601
        context.fillStyle = light > 120 ? "#131417" : "#fff";
        context.fillText(count, x, y);
      }
    }
    if (begin) this.drawNames(context, colors, begin, cell);
    this.show();
  }

  drawNames(context, colors, begin, cell) {
    const { view, names } = this;
    context.font = `${Math.min(12, cell * 0.85)}px system-ui, sans-serif`;
    context.fillStyle = colors.ink;
    context.strokeStyle = colors.line;
    context.textAlign = "right";
    const fit = (name) => {
      let shown = name;
      while (shown.length > 1 && context.measureText(shown).width > begin - 10) {
        shown = `${shown.slice(0, Math.floor(shown.length * 0.9) - 1)}…`;
      }
      return shown;
    };
    for (let at = 0; at < view.size; at++) {
      const middle = begin + (at + 0.5) * cell;
      context.fillText(fit(names[view.row + at]), begin - 5, middle);
      context.save();
      context.translate(middle, begin - 5);
      context.rotate(Math.PI / 2);
      context.fillText(fit(names[view.column + at]), 0, 0);
      context.restore();
      context.strokeRect(begin, begin + at * cell, cell * view.size, cell);
      context.strokeRect(begin + at * cell, begin, cell, cell * view.size);
    }
  }

  show() {
    const { canvas, cursor, view } = this;
    if (!this.picture) return;
    const context = canvas.getContext("2d");
    const scale = canvas.width / canvas.clientWidth;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(this.picture, 0, 0);
    if (!cursor) return;
    const { side, begin, cell } = this.layout();
    const [x, y] = [begin + (cursor.column - view.column) * cell, begin + (cursor.row - view.row) * cell];
    if (x < begin || y < begin || x >= side || y >= side) return;
    context.scale(scale, scale);
    context.strokeStyle = this.colors().ink;
    context.globalAlpha = 0.35;
    context.beginPath();
    context.moveTo(begin, y + cell / 2);
    context.lineTo(side, y + cell / 2);
    context.moveTo(x + cell / 2, begin);
    context.lineTo(x + cell / 2, side);
    context.stroke();
    context.globalAlpha = 1;
    context.lineWidth = 2;
    const box = Math.max(cell, 9);
    context.strokeRect(x + (cell - box) / 2, y + (cell - box) / 2, box, box);
  }
}

const matrix = document.getElementById("matrix");
if (matrix?.querySelector("canvas")) {
  new Matrix(matrix, JSON.parse(document.getElementById("matrix-counts").textContent));
}
