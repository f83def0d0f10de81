/** The page: photos come in, one alone is shown large, several make a table. */

import { hasCamera, takePhoto } from "./parts/camera.js";
import { makeMany } from "./parts/many.js";
import { chosenModel, showCard, showModels } from "./parts/models.js";
import { makeOne } from "./parts/one.js";
import { ofDrop, ofFiles, ofFolder } from "./parts/photos.js";
import { connect } from "./parts/service.js";
import { count, find, say, showProblem } from "./parts/shown.js";
import { askForToken } from "./parts/token.js";

const LONGEST_WAIT_S = 30;
const WIDE = matchMedia("(min-width: 46rem)"); // a phone's page would be long by the model's facts

const service = connect(askForToken);
const served = describe();
const one = makeOne(service, served);
const many = makeMany(service, served);
find("about").open = WIDE.matches;

/** Return `{models, limits}` once the service has told them. */
async function describe() {
  for (let wait = 1; ; wait = Math.min(2 * wait, LONGEST_WAIT_S)) {
    try {
      const { models, limits } = await service.describe();
      showModels(models);
      showProblem("");
      if (isEmpty()) say(`Ready: it knows ${count(chosenModel().card.network.classes)} classes.`);
      return { models, limits };
    } catch (error) {
      say("");
      showProblem(error.message);
      await new Promise((later) => setTimeout(later, 1000 * wait));
    }
  }
}

function isEmpty() {
  return document.body.dataset.view === "none";
}

function view(name) {
  if (name === document.body.dataset.view) return;
  document.body.dataset.view = name;
  find("many").hidden = name !== "many";
  find("about").open = name === "none" && WIDE.matches;
}

/** Classify photos: a table stays one, which further photos join. */
async function take(photos) {
  if (!photos.length) showProblem("There is no image file in it.");
  else if (document.body.dataset.view === "many") await many.add(photos);
  else if (photos.length === 1) {
    view("one");
    await one.classify(photos[0]);
  } else {
    one.clear();
    view("many");
    await many.add(photos);
  }
}

find("clear").onclick = () => {
  many.clear();
  view("none");
  showProblem("");
  say("");
  find("choose").focus();
};
find("model").onchange = () => {
  showCard();
  if (document.body.dataset.view === "many") many.showAgain();
  else one.repeat();
};

/** Let a button open the chooser of an input, and take what is chosen. */
function choose(button, input, photosOf) {
  find(button).onclick = () => find(input).click();
  find(input).onchange = ({ target }) => {
    const photos = photosOf(target.files);
    target.value = ""; // so that the same file can be chosen again
    take(photos);
  };
}

choose("choose", "files", ofFiles);
choose("choose-folder", "folder", ofFolder);
find("choose-folder").hidden = !("webkitdirectory" in HTMLInputElement.prototype);

// A phone's own camera program is better than a picture of a video; it also needs no https.
if (matchMedia("(pointer: coarse)").matches) {
  choose("take-photo", "capture", ofFiles);
  find("take-photo").hidden = false;
} else {
  find("take-photo").onclick = async () => {
    try {
      const taken = await takePhoto();
      if (taken) take(ofFiles([taken]));
    } catch {
      showProblem("The camera cannot be used: another program may have it, or this page may not.");
    }
  };
  hasCamera().then((isThere) => (find("take-photo").hidden = !isThere));
}

document.onpaste = ({ clipboardData }) => {
  if (clipboardData.files.length) take(ofFiles(clipboardData.files));
};
document.ondragover = (event) => {
  event.preventDefault();
  find("frame").classList.add("over");
};
document.ondragleave = ({ relatedTarget }) =>
  relatedTarget ?? find("frame").classList.remove("over");
document.ondrop = async (event) => {
  event.preventDefault();
  find("frame").classList.remove("over");
  try {
    take(await ofDrop(event.dataTransfer));
  } catch {
    showProblem("The browser cannot read this folder.");
  }
};
