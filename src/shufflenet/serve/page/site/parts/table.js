/** The table of many photos: rows that fill as answers come, sorted and filtered. */

import { bars, element, find, firstName, percent } from "./shown.js";

const CHUNK = 200; // rows that are added before the browser may do something else

/**
 * Return the table.
 *
 * Each of its rows is `{photo, path, answer}`, with elements of its own. Thumbnails are made of the
 * rows that are seen, and given up when they are not: a browser keeps a decoded photo in memory.
 */
export function makeTable() {
  const table = find("table");
  const body = find("rows");
  const rows = new Map(); // by photo, in the order in which photos came
  const seen = new IntersectionObserver(showThumbnails, { rootMargin: "200px" });
  let order = { by: "", ascending: true };

  /** Add photos, until the signal ends it: the table was cleared meanwhile. */
  async function add(photos, signal) {
    for (let at = 0; at < photos.length && !signal.aborted; at += CHUNK) {
      const made = photos.slice(at, at + CHUNK).map(makeRow);
      for (const row of made) {
        rows.set(row.photo, row);
        seen.observe(row.thumb);
      }
      body.append(...made.map(({ line }) => line));
      await new Promise((later) => setTimeout(later));
    }
    const first = body.querySelector("button");
    if (first && !body.querySelector("button[tabindex='0']")) first.tabIndex = 0;
  }

  function makeRow(photo) {
    const line = element("tr", "waiting");
    const thumb = element("td", "thumb");
    const image = element("img");
    image.alt = "";
    image.decoding = "async";
    image.hidden = true; // gray, until there is something to see
    image.onload = () => (image.hidden = false);
    image.onerror = () => (image.hidden = true);
    thumb.append(image);
    const path = element("th", "path", photo.path);
    path.scope = "row";
    const label = element("td", "label");
    const open = element("button", "", "…");
    open.type = "button";
    open.tabIndex = -1; // of all rows one is in the order of Tab
    label.append(open);
    const share = element("td", "percent");
    line.append(thumb, path, label, share);
    line.role = "row";
    for (const cell of [thumb, label, share]) cell.role = "cell";
    path.role = "rowheader";
    const row = { photo, path: photo.path, line, thumb, image, open, share, more: undefined };
    thumb.row = line.row = row;
    return row;
  }

  function answer(photo, told) {
    const row = rows.get(photo);
    if (!row) return; // the table was cleared
    close(row);
    row.answer = told;
    const [best] = told?.predictions ?? [];
    row.line.className = !told ? "waiting" : told.error === undefined ? "answered" : "failed";
    const name = best ? firstName(best.label) : "nothing found";
    row.open.textContent = !told ? "…" : (told.error ?? name);
    row.share.textContent = best ? percent(best.probability) : "";
    if (best) row.open.ariaExpanded = "false";
    else row.open.removeAttribute("aria-expanded");
  }

  function close(row) {
    row.more?.remove();
    row.more = undefined;
    if (row.open.ariaExpanded) row.open.ariaExpanded = "false";
  }

  function toggle(row) {
    if (!row.answer?.predictions?.length) return;
    if (row.more) {
      close(row);
      return;
    }
    row.more = element("tr", "more");
    const cell = element("td");
    const list = element("ol", "classes");
    list.append(...bars(row.answer.predictions));
    cell.colSpan = 4;
    cell.append(list);
    row.more.append(cell);
    [row.more.role, cell.role] = ["row", "cell"];
    row.open.ariaExpanded = "true";
    row.line.after(row.more);
  }

  function sort(by) {
    order = { by, ascending: order.by === by ? !order.ascending : by !== "probability" };
    arrange();
  }

  function arrange() {
    for (const button of table.querySelectorAll("[data-by]")) {
      const heading = button.closest("th");
      if (button.dataset.by !== order.by) heading.removeAttribute("aria-sort");
      else heading.ariaSort = order.ascending ? "ascending" : "descending";
    }
    const all = [...rows.values()];
    if (order.by) {
      const sign = order.ascending ? 1 : -1;
      const keys = new Map(all.map((row) => [row, keyOf(row, order.by)]));
      all.sort((a, b) => compareKeys(keys.get(a), keys.get(b), sign));
    }
    // One by one: a call takes no hundred thousand arguments.
    for (const { line, more } of all) {
      body.append(line);
      if (more) body.append(more);
    }
  }

  function clear() {
    seen.disconnect();
    for (const { image } of rows.values()) URL.revokeObjectURL(image.src);
    rows.clear();
    body.replaceChildren();
    order = { by: "", ascending: true };
    arrange();
  }

  body.onclick = ({ target }) => {
    const row = target.closest("tr")?.row;
    if (row && target.closest("button")) toggle(row);
  };
  body.addEventListener("focusin", ({ target }) => {
    for (const other of body.querySelectorAll("button[tabindex='0']")) other.tabIndex = -1;
    target.tabIndex = 0;
  });
  body.onkeydown = (event) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    let line = step && event.target.closest("tr")?.[step];
    while (line && (!line.row || !line.checkVisibility())) line = line[step];
    if (!line) return;
    event.preventDefault();
    line.row.open.focus();
  };
  table.tHead.onclick = ({ target }) => {
    const by = target.closest("button")?.dataset.by;
    if (by) sort(by);
  };

  return {
    add,
    answer,
    arrange,
    clear,
    rows: () => [...rows.values()],
    show: ({ errorsOnly }) => table.classList.toggle("errors-only", errorsOnly),
  };
}

/** Show the thumbnails of rows that come into view; give up those of rows that leave it. */
function showThumbnails(entries) {
  for (const { target, isIntersecting } of entries) {
    const { image, photo } = target.row;
    if (isIntersecting && !image.src) image.src = URL.createObjectURL(photo.file);
    else if (!isIntersecting && image.src) {
      URL.revokeObjectURL(image.src);
      image.removeAttribute("src");
      image.hidden = true;
    }
  }
}

/** Return what a row is sorted by; nothing without an answer, which comes last. */
function keyOf({ path, answer }, by) {
  if (by === "path") return path;
  const [best] = answer?.predictions ?? [];
  return best?.[by];
}

function compareKeys(a, b, sign) {
  if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
  if (typeof a === "number") return sign * (a - b);
  return sign * a.localeCompare(b, "en", { numeric: true });
}
