/** The form that asks for the token. */

import { find } from "./shown.js";

/**
 * Ask for the token, and resolve to it.
 *
 * @param isAnother Whether the one before was refused.
 */
export async function askForToken(isAnother) {
  const form = find("token");
  const field = find("token-field");
  const before = document.activeElement;
  form.hidden = false;
  find("token-told").textContent = isAnother ? "The service does not accept this token." : "";
  field.focus();
  await new Promise((given) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      given();
    };
  });
  const token = field.value.trim();
  field.value = "";
  form.hidden = true;
  before?.focus();
  return token;
}
