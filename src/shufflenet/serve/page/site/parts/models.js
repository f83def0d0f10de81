/** Which models there are, which one is chosen, and its card. */

import { facts, find } from "./shown.js";

let models = [];

/** Show the models that are served; their names are those of the service. */
export function showModels(served) {
  models = served;
  const select = find("model");
  select.replaceChildren(...models.map(({ name }) => new Option(name, name)));
  select.value = (models.find((each) => each.default) ?? models[0]).name;
  find("model-label").hidden = models.length === 1;
  find("model-name").hidden = models.length > 1;
  find("model-name").textContent = select.value;
  showCard();
}

/** Return the model that is chosen. */
export function chosenModel() {
  return models.find(({ name }) => name === find("model").value);
}

export function showCard() {
  find("card").replaceChildren(...facts(chosenModel()));
}
