/** One photo: shown large, its most probable classes or its boxes, the time that it took. */

import { clearBoxes, colorOf, drawBoxes } from "./boxes.js";
import { chosenModel } from "./models.js";
import { again, sendAll, tooLarge } from "./sending.js";
import { bars, counted, duration, find, firstName, percent, say, showProblem } from "./shown.js";

const WORDS = { decode: "decoding", compute: "computing", wait: "waiting" }; // of Server-Timing

/**
 * Return the functions that classify one photo.
 *
 * @param service As `connect` returns it.
 * @param served A promise of `{limits}`.
 */
export function makeOne(service, served) {
  let running = new AbortController();
  let photo;

  async function classify(given) {
    clear();
    photo = given;
    const { signal } = running;
    say("Looking at the photo …");
    showPhoto(photo);
    try {
      const { limits } = await served;
      const error = tooLarge(photo, limits);
      if (signal.aborted) return;
      if (error) showError(error);
      else await send(given, limits, signal);
    } catch (error) {
      if (!signal.aborted) showError(error.message);
    }
  }

  async function send(given, limits, signal) {
    let took;
    const classify = async (photos) =>
      (took = await service.classify(photos, chosenModel().name, signal));
    const told = {
      answer(_, answer) {
        if (signal.aborted) return;
        if (answer.error === undefined) showAnswer(answer, took);
        else showError(answer.error);
      },
      waiting: (sentence, seconds) => say(again(sentence, seconds)),
    };
    await sendAll([given], classify, { limits, signal, told });
  }

  /** End what is being asked, and show no photo. */
  function clear() {
    running.abort();
    running = new AbortController();
    photo = undefined;
    showProblem("");
    find("classes").replaceChildren();
    hidePhoto();
  }

  /** Classify the photo that is shown, if any, by another model. */
  function repeat() {
    if (photo) classify(photo);
  }

  return { classify, clear, repeat };
}

function showPhoto({ file, path }) {
  const image = find("photo");
  image.onerror = () => {
    hidePhoto();
    find("hint").dataset.name = path; // HEIC, for one, many browsers do not show
  };
  image.src = URL.createObjectURL(file);
  image.hidden = false;
  find("hint").hidden = true;
  find("frame").classList.remove("empty");
}

function hidePhoto() {
  clearBoxes();
  const image = find("photo");
  if (image.src) URL.revokeObjectURL(image.src);
  image.onerror = undefined;
  image.removeAttribute("src");
  image.hidden = true;
  find("hint").hidden = false;
  delete find("hint").dataset.name;
  find("frame").classList.add("empty");
}

function showError(sentence) {
  say("");
  showProblem(sentence);
}

function showAnswer({ predictions, ...boxes }, { milliseconds, parts }) {
  const items = bars(predictions);
  find("classes").replaceChildren(...items);
  find("answer-title").textContent = boxes.detections ? "Found" : "Most probable";
  if (boxes.detections) {
    if (!find("photo").hidden) drawBoxes(boxes); // which the browser can show
    for (const item of items) item.style.setProperty("--accent", colorOf(item.dataset.index));
  }
  const spent = Object.keys(WORDS)
    .filter((name) => name in parts)
    .map((name) => `${duration(parts[name])} ${WORDS[name]}`);
  const took = [`Answered in ${duration(milliseconds)}`, spent.join(", ")].filter(Boolean);
  // Read out with the best class, which is seen below.
  const number = boxes.detections ? `${counted(predictions.length, "thing")} found. ` : "";
  const [best] = predictions;
  const told = best ? `${firstName(best.label)}, ${percent(best.probability)}. ` : "";
  say(`${number}${took.join(": ")}.`, told);
}
