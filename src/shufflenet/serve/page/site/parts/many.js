/** Many photos: sent as the service takes them, a table that fills, saved as CSV. */

import { toCsv } from "./csv.js";
import { chosenModel } from "./models.js";
import { again, sendAll, tooLarge } from "./sending.js";
import { count, counted, find, say, showProblem } from "./shown.js";
import { makeTable } from "./table.js";

const SHOWN_EVERY_MS = 150; // how often progress is written

/**
 * Return the functions that classify many photos.
 *
 * @param service As `connect` returns it.
 * @param served A promise of `{limits}`.
 */
export function makeMany(service, served) {
  const table = makeTable();
  let running = new AbortController(); // ends what is being sent
  let filled = new AbortController(); // ends what is being added, when the table is cleared
  let sending = Promise.resolve(); // until what is being sent has ended
  let model = ""; // that classifies the photos of the table
  let due; // whether progress is about to be written

  const unanswered = () => table.rows().filter(({ answer }) => !answer);
  const failed = () => table.rows().filter(({ answer }) => answer?.error !== undefined);

  async function add(photos) {
    const { signal } = filled;
    showProblem("");
    const { limits } = await served;
    if (signal.aborted) return;
    model ||= chosenModel().name;
    await table.add(photos, signal);
    if (signal.aborted) return;
    for (const photo of photos) {
      const error = tooLarge(photo, limits);
      if (error) table.answer(photo, { error });
    }
    await send();
  }

  /** Send what has no answer yet, after what is being sent. */
  function send() {
    if (running.signal.aborted) running = new AbortController();
    const { signal } = running;
    sending = sending.then(() => sendLeft(signal));
    return sending;
  }

  async function sendLeft(signal) {
    const photos = unanswered().map(({ photo }) => photo);
    if (signal.aborted) return;
    const { limits } = await served;
    const started = performance.now();
    const classify = (some) => service.classify(some, model, signal);
    let answered = 0;
    const told = {
      answer(photo, answer) {
        if (signal.aborted) return;
        table.answer(photo, answer);
        answered++;
        showSoon(() => pace(answered, performance.now() - started));
      },
      waiting: (sentence, seconds) => (find("pace").textContent = again(sentence, seconds)),
    };
    if (photos.length) say(`Classifying ${counted(photos.length, "photo")} …`);
    showProblem("");
    show(true);
    try {
      await sendAll(photos, classify, { limits, signal, told });
    } catch (error) {
      if (!signal.aborted) showProblem(error.message);
      running.abort();
    }
    if (signal === running.signal && table.rows().length) end();
  }

  function pace(answered, milliseconds) {
    show(true);
    find("pace").textContent = `${count(Math.round((1000 * answered) / milliseconds))} per second`;
  }

  function showSoon(write) {
    due ??= setTimeout(() => {
      due = undefined;
      if (!find("progress").hidden) write();
    }, SHOWN_EVERY_MS);
  }

  function end() {
    const [all, wrong] = [table.rows().length, failed().length];
    const done = all - unanswered().length;
    const how = done < all ? `${count(done)} of ${counted(all, "photo")}` : counted(all, "photo");
    const but = wrong ? `; ${count(wrong)} could not be classified` : "";
    say(`${done < all ? "Stopped: " : ""}${how} answered${but}.`);
    table.arrange();
    show(false);
  }

  /** Show how far it is, and what can be done. */
  function show(isSending) {
    const [all, missing, wrong] = [table.rows().length, unanswered().length, failed().length];
    find("many-title").textContent = `${counted(all, "photo")} by ${model}`;
    find("progress").max = Math.max(1, all);
    find("progress").value = all - missing;
    for (const id of ["progress", "pace", "cancel"]) find(id).hidden = !isSending;
    if (!isSending) find("pace").textContent = "";
    find("go-on").hidden = isSending || !missing;
    find("errors-label").textContent = wrong ? `Errors only (${count(wrong)})` : "Errors only";
    find("save").disabled = all === missing;
    showAgain(isSending);
  }

  function showAgain(isSending = !find("cancel").hidden) {
    const other = chosenModel().name;
    find("again").hidden = isSending || other === model;
    find("again").textContent = `Classify again by ${other}`;
  }

  async function classifyAgain() {
    const { limits } = await served;
    model = chosenModel().name;
    for (const { photo } of table.rows()) if (!tooLarge(photo, limits)) table.answer(photo);
    await send();
  }

  function clear() {
    running.abort();
    filled.abort();
    filled = new AbortController();
    table.clear();
    model = "";
    find("errors-only").checked = false;
    table.show({ errorsOnly: false });
    find("pace").textContent = "";
  }

  find("cancel").onclick = () => {
    running.abort();
    find("save").focus();
  };
  find("go-on").onclick = () => {
    send();
    find("cancel").focus();
  };
  find("again").onclick = () => {
    classifyAgain();
    find("cancel").focus();
  };
  find("save").onclick = () => save(toCsv(table.rows()));
  find("errors-only").onchange = ({ target }) => table.show({ errorsOnly: target.checked });

  return { add, clear, showAgain };
}

function save(text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "predictions.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // when the browser has read it
}
