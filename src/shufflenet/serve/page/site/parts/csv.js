/** Answers as CSV: the columns of `shufflenet predict --csv`, and one of errors if there are any. */

const COLUMNS = ["path", "rank", "index", "label", "probability"];
const BOXES = ["path", "rank", "index", "label", "score", "left", "top", "width", "height"];

/** Return the CSV of rows `{path, answer}`; those without an answer yet are left out. */
export function toCsv(rows) {
  const answered = rows.filter(({ answer }) => answer);
  const hasErrors = answered.some(({ answer }) => answer.error !== undefined);
  const columns = answered.some(({ answer }) => answer.detections) ? BOXES : COLUMNS;
  const lines = [hasErrors ? [...columns, "error"] : columns];
  for (const { path, answer } of answered) {
    const empty = columns.slice(1).map(() => "");
    if (answer.error !== undefined) lines.push([text(path), ...empty, text(answer.error)]);
    (answer.predictions ?? []).forEach(({ index, label, probability }, at) => {
      const box = (answer.detections?.[at].box ?? []).map((each) => each.toFixed(2));
      const line = [text(path), at + 1, index, text(label), probability.toFixed(6), ...box];
      lines.push(hasErrors ? [...line, ""] : line);
    });
  }
  return lines.map((line) => `${line.join(",")}\n`).join("");
}

/**
 * Return a text as a field (RFC 4180).
 *
 * A spreadsheet takes what begins with =, +, -, @, a tab or a line's end for a formula, which could
 * send the other cells elsewhere; an apostrophe before it keeps it text (OWASP, CSV injection).
 */
function text(value) {
  const safe = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
