/** Boxes over the photo in which a detector found them. */

import { find } from "./shown.js";

const SVG = "http://www.w3.org/2000/svg";
// Those of shufflenet.draw: also told apart by who confuses red and green.
const COLORS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];
const LETTERS = 28; // of a label's height, in the photo's shorter side

/** Return the color of a class. */
export const colorOf = (index) => COLORS[index % COLORS.length];

/** Draw the boxes of an answer `{width, height, detections}`, the best one last. */
export function drawBoxes({ width, height, detections }) {
  const drawn = find("boxes");
  drawn.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const size = Math.min(width, height) / LETTERS;
  drawn.replaceChildren(...detections.toReversed().flatMap((each) => marks(each, size)));
  drawn.removeAttribute("hidden");
}

export function clearBoxes() {
  find("boxes").replaceChildren();
  find("boxes").setAttribute("hidden", "");
}

function marks({ box: [x, y, width, height], index, label }, size) {
  const place = { x, y, width, height };
  const name = make("text", { x, y: Math.max(y - size / 4, size), "font-size": size });
  name.textContent = label;
  name.setAttribute("fill", colorOf(index));
  return [
    make("rect", { ...place, class: "around" }),
    make("rect", { ...place, stroke: colorOf(index) }),
    name,
  ];
}

function make(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
