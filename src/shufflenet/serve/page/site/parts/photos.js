/** Photos from what is chosen, dropped or pasted: `{file, path}`; of folders, the image files. */

// As `shufflenet predict FOLDER` takes them: preprocess/_formats.py.
const SUFFIXES = new Set(
  (
    "jpg jpeg jpe jfif jif jfi pjpeg pjp mpo png apng gif bmp dib ppm pgm pbm pnm pfm webp avif " +
    "avifs tif tiff jp2 j2k jpc jpf jpx j2c tga icb vda vst heic heics heif heifs hif"
  ).split(" "),
);

/** Return the photos of a list of files, as they are: whoever chose them wants them tried. */
export function ofFiles(files) {
  return [...files].map((file) => ({ file, path: file.name }));
}

/** Return the photos of a folder that was chosen. */
export function ofFolder(files) {
  const all = [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
  return sorted(all.filter(({ path }) => isImage(path)));
}

/** Return the photos of what was dropped: files as they are, of folders the image files. */
export async function ofDrop({ items, files }) {
  // To be asked for before the first await, after which the list is empty.
  const entries = [...items].map((item) => item.webkitGetAsEntry?.());
  if (entries.every((entry) => !entry?.isDirectory)) return ofFiles(files);
  const found = [];
  for (const entry of entries) {
    if (entry?.isFile) found.push({ file: await fileOf(entry), path: entry.name });
    else if (entry) for (const photo of sorted(await below(entry))) found.push(photo);
  }
  return found;
}

async function below(folder) {
  const found = [];
  for (const entry of await entriesOf(folder)) {
    // One by one: a call takes no hundred thousand arguments.
    if (entry.isDirectory) for (const photo of await below(entry)) found.push(photo);
    else if (isImage(entry.name))
      found.push({ file: await fileOf(entry), path: entry.fullPath.replace(/^\//, "") });
  }
  return found;
}

async function entriesOf(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((yes, no) => reader.readEntries(yes, no)); // at most 100
    if (!some.length) return found;
    found.push(...some);
  }
}

function fileOf(entry) {
  return new Promise((yes, no) => entry.file(yes, no));
}

function isImage(path) {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  return dot > 0 && SUFFIXES.has(name.slice(dot + 1).toLowerCase());
}

/** Sort photos by their path, folder by folder. */
function sorted(photos) {
  const keys = new Map(photos.map((photo) => [photo, photo.path.split("/")]));
  return photos.sort((a, b) => compare(keys.get(a), keys.get(b)));
}

function compare(a, b) {
  for (let at = 0; at < Math.min(a.length, b.length); at++)
    if (a[at] !== b[at]) return a[at] < b[at] ? -1 : 1;
  return a.length - b.length;
}
