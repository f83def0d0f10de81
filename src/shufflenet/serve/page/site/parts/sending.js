/** Many photos sent in requests of a few, some at a time, as fast as the service takes them. */

import { Refusal } from "./service.js";
import { megabytes } from "./shown.js";

const UNREADABLE = "The browser cannot read this file: it may be gone.";

const AT_ONCE = 4; // requests
const MOST = 8; // photos of a request
const MOST_BYTES = 8e6; // of a request of several photos, so that answers keep coming
const TRIES = 20; // of a photo that is refused because the service is busy
const OWN_BYTES = 9000; // of a request around a photo: its name, the boundaries

/** Return why the service would take a photo of this size in no request, or nothing. */
export function tooLarge({ file }, { request_bytes: most }) {
  if (file.size + OWN_BYTES <= most) return "";
  return `This photo has ${megabytes(file.size)}; the service takes at most ${megabytes(most)}.`;
}

/** Return whether the browser can read a file: it may be gone since it was chosen. */
async function isReadable({ file }) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** Return the sentence about a refusal that is only for now. */
export function again(sentence, seconds) {
  return `${sentence} Trying again in ${Math.ceil(seconds)} s.`;
}

/**
 * Send photos, and pass each answer on as it comes.
 *
 * A request that is refused is sent again in smaller ones, after the time that the service asks for;
 * one photo that is refused is answered by that sentence.
 *
 * @param photos `{file, path}`, in order.
 * @param classify Sends some photos: `(photos, signal) => {answers}`.
 * @param limits `{images, request_bytes}` of a request.
 * @param signal Ends it.
 * @param told `{answer(photo, answer), waiting(sentence, seconds)}`: what came, and why it is tried
 *   again and when.
 * @throws Refusal What would be refused for every photo.
 */
export async function sendAll(photos, classify, { limits, signal, told }) {
  const left = [...photos].reverse(); // the next is the last
  const tries = new Map();
  let size = Math.min(MOST, limits.images);
  let pause = Promise.resolve();

  function take() {
    const some = [];
    let bytes = 0;
    while (left.length && some.length < size) {
      bytes += left.at(-1).file.size + OWN_BYTES;
      if (some.length && bytes > Math.min(MOST_BYTES, limits.request_bytes)) break;
      some.push(left.pop());
    }
    return some;
  }

  async function recover(some, error) {
    if (!(error instanceof Refusal)) throw error;
    const { status, seconds, message } = error;
    if ([403, 404, 405, 421].includes(status)) throw error; // no photo's fault
    const isBusy = [0, 429, 503].includes(status);
    const readable = status ? some : await readableOf(some, told);
    if (signal.aborted) return;
    for (const photo of readable.reverse()) {
      const tried = (tries.get(photo) ?? 0) + (isBusy ? 1 : 0);
      tries.set(photo, tried);
      if (isBusy ? tried < TRIES : some.length > 1) left.push(photo);
      else if (status) told.answer(photo, { error: message });
      else throw error; // it was not reached for some time
    }
    size = Math.max(1, Math.floor(Math.min(size, some.length) / 2));
    if (isBusy && readable.length) {
      told.waiting(status ? "The service is busy." : message, seconds);
      pause = sleep(seconds, signal);
    }
  }

  async function work() {
    for (;;) {
      await pause;
      if (!left.length || signal.aborted) return;
      const some = take();
      try {
        const { answers } = await classify(some, signal);
        some.forEach((photo, at) => told.answer(photo, answers[at]));
        size = Math.min(size + 1, MOST, limits.images);
      } catch (error) {
        if (signal.aborted) return;
        await recover(some, error);
      }
    }
  }

  // One that ends for want of photos may leave some to those that are refused theirs.
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function readableOf(photos, told) {
  const found = [];
  for (const photo of photos) {
    if (await isReadable(photo)) found.push(photo);
    else told.answer(photo, { error: UNREADABLE });
  }
  return found;
}

/** Wait some seconds; not after what the signal ends has ended. */
function sleep(seconds, signal) {
  return new Promise((wake) => {
    const timer = setTimeout(end, 1000 * seconds);
    signal.addEventListener("abort", end);

    function end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", end); // a run of thousands may wait often
      wake();
    }
  });
}
