/** Numbers, elements, and the classes of a photo as bars. */

export const find = (id) => document.getElementById(id);

const ENGLISH = "en"; // as the rest of the page
export const percent = format({
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
export const count = format({});
const tenths = format({ maximumFractionDigits: 1 });

function format(options) {
  const formatter = new Intl.NumberFormat(ENGLISH, options);
  return (number) => formatter.format(number);
}

/** Return a number of things: "1 photo", "2,000 photos". */
export function counted(number, thing) {
  return `${count(number)} ${thing}${number === 1 ? "" : "s"}`;
}

/** Return a size in megabytes of a million bytes. */
export function megabytes(bytes) {
  return `${tenths(bytes / 1e6)} MB`;
}

/** Return a duration: "3.4 ms", "125 ms", on one line. */
export function duration(milliseconds) {
  return `${milliseconds < 10 ? tenths(milliseconds) : count(Math.round(milliseconds))}\u00a0ms`;
}

/** Say how it stands; screen readers read it out, and before it what is not seen. */
export function say(text, unseen = "") {
  find("status").replaceChildren(element("span", "unseen", unseen), text);
}

/** Show what is wrong; nothing is wrong by the empty sentence. */
export function showProblem(sentence) {
  find("problem").textContent = sentence;
}

/** Make an element; text is text, whatever it holds, for names and labels come from others. */
export function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.textContent = text;
  return made;
}

/** Return the first of a class's names, which WordNet separates by commas. */
export function firstName(label) {
  return label.split(",", 1)[0];
}

/** Make the items of a list of classes: name, other names, percentage, bar. */
export function bars(predictions) {
  return predictions.map(({ index, label, probability }) => {
    const item = document.createElement("li");
    Object.assign(item.dataset, { index, label, probability });
    const name = element("span", "name", firstName(label));
    const others = label.slice(firstName(label).length).replace(/^,\s*/, "");
    if (others) name.append(" ", element("span", "also", others));
    const bar = element("span", "bar");
    bar.setAttribute("aria-hidden", "true");
    bar.append(element("i"));
    bar.style.setProperty("--share", `${100 * probability}%`);
    item.append(name, element("span", "percent", percent(probability)), bar);
    return item;
  });
}

/** Make the rows of a list of facts about a served model. */
export function facts({ name, runtime, parameters, card }) {
  const { network, labels, origin, accuracy, published, int8, preprocess } = card;
  const told = [];
  if (card.name !== name) told.push(["Weights", card.name]);
  told.push(["Network", `${network.name}${int8 ? ", int8" : ""}`]);
  if (parameters) told.push(["Parameters", count(parameters)]);
  told.push(["Classes", count(network.classes ?? labels.length)]);
  const [height, width] = [preprocess.crop_px].flat().concat(preprocess.crop_px);
  told.push(["Sees photos at", `${width} × ${height} pixels`]);
  if (origin.data) told.push(["Trained on", origin.data]);
  const correct = int8?.int8_accuracy ?? accuracy;
  if (correct?.images) {
    const what = int8?.judged_by === "float" ? "Same answer as in float32" : "Accuracy";
    told.push([what, rightOf(correct)]);
  }
  if (published) {
    const { top1_percent, top5_percent, source } = published;
    const where = source ? ` (${source})` : "";
    told.push(["As published", `${top1_percent}%, top five ${top5_percent}%${where}`]);
  }
  if (origin.licence) told.push(["License", origin.licence]);
  if (runtime) told.push(["Computed by", runtime]);
  return told.flatMap(([term, fact]) => [element("dt", "", term), element("dd", "", fact)]);
}

function rightOf({ images, top1, top5 }) {
  const share = (right) => `${percent(right / images)} (${count(right)})`;
  return `${share(top1)} of ${count(images)} images, top five ${share(top5)}`;
}
