/** The page: takes photos, lets the worker classify them, shows what it answers. */

const find = (id) => document.getElementById(id);
const percent = new Intl.NumberFormat("en", {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const count = new Intl.NumberFormat("en");
const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
let latest = 0; // the number of the last photo; answers to those before are passed over
let isReady = false;

worker.onmessage = ({ data }) => {
  if (data.card) begin(data.card);
  else if (data.broken) showProblem(data.broken);
  else if (data.id !== latest) return;
  else if (data.error) showProblem(data.error);
  else showAnswers(data.answers, data.milliseconds);
};
worker.onerror = () =>
  showProblem("The page cannot be started: it needs a browser of 2023 or later.");

function begin(card) {
  isReady = true;
  keepFiles();
  showCard(card);
  if (!latest) say(`Ready: it knows ${count.format(card.labels)} classes.`);
}

/** Let the page's files be kept; not before its own loading is over, which that would slow. */
function keepFiles() {
  if (!navigator.serviceWorker) return;
  navigator.serviceWorker.register("service-worker.js").catch(() => {}); // without, it needs its server
  navigator.serviceWorker.ready.then(() => (find("offline").hidden = false));
}

/** Classify an image: a file, or a picture of the camera. */
async function classify(image) {
  const id = ++latest;
  find("problem").textContent = "";
  find("classes").replaceChildren();
  say(isReady ? "Looking at the photo …" : "Loading the network …");
  showPhoto(image);
  worker.postMessage({ id, image });
}

function say(text) {
  find("status").textContent = text;
}

function showPhoto(image) {
  const photo = find("photo");
  URL.revokeObjectURL(photo.src);
  photo.src = URL.createObjectURL(image);
  photo.hidden = false;
  find("hint").hidden = true;
  find("frame").classList.remove("empty");
}

function showProblem(sentence) {
  say("");
  find("classes").replaceChildren();
  find("problem").textContent = sentence;
}

function showAnswers(answers, milliseconds) {
  find("classes").replaceChildren(...answers.map(showAnswer));
  const [{ label, probability }] = answers;
  say(
    `${firstName(label)}, ${percent.format(probability)}. Answered in ${Math.round(milliseconds)} ms on this device.`,
  );
}

function showAnswer({ id, index, label, probability }) {
  const item = document.createElement("li");
  Object.assign(item.dataset, { id, index, label, probability });
  const name = element("span", "name", firstName(label));
  const others = label.slice(firstName(label).length).replace(/^,\s*/, "");
  if (others) name.append(" ", element("span", "also", others));
  const bar = element("span", "bar");
  bar.setAttribute("aria-hidden", "true");
  bar.append(element("i"));
  bar.style.setProperty("--share", `${100 * probability}%`);
  item.append(name, element("span", "percent", percent.format(probability)), bar);
  return item;
}

/** Return the first of a class's names, which WordNet separates by commas. */
function firstName(label) {
  return label.split(",", 1)[0];
}

function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

function showCard(card) {
  const { name, labels, origin, published, int8, preprocess } = card;
  const facts = [
    ["Name", name],
    ["Classes", count.format(labels)],
  ];
  if (origin.data) facts.push(["Trained on", origin.data]);
  if (origin.licence) facts.push(["License", origin.licence]);
  const counted = int8?.int8_accuracy ?? card.accuracy ?? card.multi_label;
  if (counted?.images) {
    const share = (right) => percent.format(right / counted.images);
    const what = int8?.judged_by === "float" ? "The same answer as in float32" : "Accuracy";
    facts.push([
      what,
      card.task === "multi-label"
        ? `${percent.format(counted.map)} mean average precision of ${count.format(counted.classes)} classes`
        : `${share(counted.top1)} of ${count.format(counted.images)} images, ${share(counted.top5)} among its first five`,
    ]);
  } else if (published) {
    facts.push([
      "Accuracy, as published",
      `${published.top1_percent} %, ${published.top5_percent} % among its first five`,
    ]);
  }
  const [height, width] = [preprocess.crop_px, preprocess.crop_px].flat().slice(-2);
  const colors = preprocess.channels === "gray" ? ", in gray" : "";
  facts.push(["Photos are seen at", `${width} × ${height} pixels${colors}`]);
  const rows = facts.map(([term, fact]) => [element("dt", "", term), element("dd", "", fact)]);
  find("card").replaceChildren(...rows.flat());
}

function classifyFirst(files) {
  const [file] = files;
  if (file) classify(file);
}

find("file").onchange = ({ target }) => {
  classifyFirst(target.files);
  target.value = ""; // so that the same file can be chosen again
};
document.onpaste = ({ clipboardData }) => classifyFirst(clipboardData.files);
document.ondragover = (event) => {
  event.preventDefault();
  find("frame").classList.add("over");
};
document.ondragleave = ({ relatedTarget }) =>
  relatedTarget ?? find("frame").classList.remove("over");
document.ondrop = (event) => {
  event.preventDefault();
  find("frame").classList.remove("over");
  classifyFirst(event.dataTransfer.files);
};

const viewfinder = find("viewfinder");
const video = find("video");
find("camera").hidden = !navigator.mediaDevices?.getUserMedia;
find("camera").onclick = async () => {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment" },
    });
  } catch {
    showProblem("The camera cannot be used: there is none, or this page may not use it.");
    return;
  }
  viewfinder.returnValue = "";
  viewfinder.showModal();
};
viewfinder.onclose = async () => {
  const isWanted = viewfinder.returnValue === "take";
  const taken = isWanted && video.videoWidth ? await takePhoto() : undefined;
  for (const track of video.srcObject.getTracks()) track.stop();
  video.srcObject = null;
  if (taken) classify(taken);
  else if (isWanted) showProblem("The camera has shown nothing yet: try again.");
};

/** Return what the camera sees as a file without loss. */
async function takePhoto() {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}
