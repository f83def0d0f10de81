/** The service: which models it has, what it answers about photos, the token that it asks for. */

const [MOST_CLASSES, MOST_BOXES] = ["5", "100"]; // of a photo
const KEPT = "shufflenet token"; // in sessionStorage: it ends with the tab

/** What the service refused, in its own sentence; status 0 if it could not be reached. */
export class Refusal extends Error {
  constructor(sentence, status, seconds = 0) {
    super(sentence);
    Object.assign(this, { status, seconds });
  }
}

/**
 * Return the functions that ask the service.
 *
 * @param askForToken Called when the service wants a token, or another one; resolves to it.
 */
export function connect(askForToken) {
  let token = kept();
  let detectors = new Set(); // the names of models that find boxes
  let asking; // one question, however many requests wait for the answer

  async function ask(path, options) {
    for (;;) {
      const used = token;
      const answer = await request(path, used, options);
      if (answer.status !== 401) {
        keep(used);
        return answer;
      }
      if (used !== token) continue;
      asking ??= askForToken(Boolean(used)).finally(() => (asking = undefined));
      token = await unlessAborted(asking, options.signal);
    }
  }

  /** Return `{models, limits}`. */
  async function describe() {
    const answer = await ask("v1/models", {});
    const { models, limits } = await content(answer);
    detectors = new Set(models.filter(({ task }) => task === "detection").map(({ name }) => name));
    return { models, limits: { request_bytes: Infinity, images: 8, ...limits } };
  }

  /**
   * Return the answers for photos `{file, path}`, in order, and the milliseconds they took.
   *
   * Boxes are also answered as predictions, by their classes and scores.
   */
  async function classify(photos, model, signal) {
    const body = new FormData();
    for (const { file, path } of photos) body.append("image", file, path);
    const started = performance.now();
    const findsBoxes = detectors.has(model);
    const query = new URLSearchParams({ model, top: findsBoxes ? MOST_BOXES : MOST_CLASSES });
    const way = findsBoxes ? "detect" : "classify";
    const headers = { Accept: "application/json" };
    const answer = await ask(`v1/${way}?${query}`, { method: "POST", body, headers, signal });
    const answers = (await content(answer)).map(withPredictions);
    const milliseconds = performance.now() - started;
    if (answers.length !== photos.length)
      throw new Refusal("The service answered for another number of photos than it got.", 500);
    return { answers, milliseconds, parts: timing(answer.headers.get("Server-Timing") ?? "") };
  }

  return { describe, classify };
}

function withPredictions(answer) {
  if (!answer.detections) return answer;
  const one = ({ index, label, score }) => ({ index, label, probability: score });
  return { ...answer, predictions: answer.detections.map(one) };
}

function kept() {
  try {
    return sessionStorage.getItem(KEPT) ?? "";
  } catch {
    return ""; // the browser keeps nothing of this page
  }
}

/** Keep a token that was accepted. */
function keep(token) {
  try {
    if (token) sessionStorage.setItem(KEPT, token);
  } catch {
    // It is asked for again.
  }
}

function unlessAborted(promise, signal) {
  if (!signal) return promise;
  const aborted = new Promise((_, no) =>
    signal.addEventListener("abort", () => no(signal.reason), { once: true }),
  );
  return Promise.race([promise, aborted]);
}

async function request(path, token, { headers = {}, ...options }) {
  const own = token ? { ...headers, Authorization: `Bearer ${token}` } : headers;
  try {
    // From the page's own folder: the service may be mounted below another path.
    const address = new URL(path, document.baseURI);
    return await fetch(address, { ...options, headers: own, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The service cannot be reached.", 0, 1);
  }
}

/** Return the JSON of an answer, or throw what it refuses. */
async function content(answer) {
  let found;
  try {
    found = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error.name !== "SyntaxError") throw new Refusal("The service broke off its answer.", 0, 1);
  }
  if (found && answer.ok) return found;
  const sentence = found?.error ?? `The service answered ${answer.status}, without saying why.`;
  throw new Refusal(sentence, answer.status, delay(answer.headers.get("Retry-After")));
}

/** Return the seconds that a Retry-After asks for: a number or a date (RFC 9110, 10.2.3). */
export function delay(text) {
  if (!text) return 1;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 1;
}

/** Return the milliseconds by name of a Server-Timing header. */
function timing(text) {
  const found = text.matchAll(/([\w-]+)\s*;\s*dur=([\d.]+)/g);
  return Object.fromEntries([...found].map(([, name, number]) => [name, Number(number)]));
}
