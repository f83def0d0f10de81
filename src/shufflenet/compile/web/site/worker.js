/** Classifies images away from the page's thread: `{id, image}` in, `{id, answers, milliseconds}` out. */
import { load } from "./shufflenet.js";

const loading = load();
loading.then(
  ({ card }) => postMessage({ card: { ...card, labels: card.labels.length } }),
  ({ message }) => postMessage({ broken: message }),
);

onmessage = async ({ data: { id, image } }) => {
  try {
    const model = await loading;
    const began = performance.now();
    const answers = await model.classify(image);
    postMessage({ id, answers, milliseconds: performance.now() - began });
  } catch ({ message }) {
    postMessage({ id, error: message });
  }
};
