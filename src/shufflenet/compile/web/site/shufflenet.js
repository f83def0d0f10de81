/**
 * A network that `shufflenet compile` wrote, in browsers and in Node: load it, classify images.
 * Its types are in shufflenet.d.ts.
 */

/** Why a network cannot be loaded or an image cannot be classified, in a sentence. */
export class ShuffleNetError extends Error {
  name = "ShuffleNetError";
}

// A module whose function `f` adds a relaxed dot product, -4, to 100: V8's first versions with
// relaxed SIMD get another sum. Without relaxed SIMD the module is not valid.
const RELAXED = "AGFzbQEAAAABBQFgAAF/AwIBAAcFAQFmAAAKFwEVAEF//Q9BAf0PQeQA/RH9kwL9GwAL";
const WEIGHTS = "@WEIGHTS@"; // the file of weights beside this module
const STRIP_PX = 1 << 22; // a canvas holds that many pixels of an image at a time
const LINE_BYTES = 64;

/** Load a network: the one beside this module, or that of a .wasm file's address or bytes. */
export async function load(source) {
  const address = isBytes(source) ? undefined : await addressOf(source ?? besideThis());
  // The weights, most of all bytes, are not left to wait until the code is there.
  const early = source === undefined ? read(new URL(WEIGHTS, import.meta.url)) : undefined;
  early?.catch(() => {}); // told where they are awaited
  let module, instance;
  try {
    module = await WebAssembly.compile(address ? await read(address) : source);
    instance = await WebAssembly.instantiate(module, {});
  } catch (error) {
    if (error instanceof ShuffleNetError) throw error;
    throw new ShuffleNetError(
      `The network cannot be compiled: it is damaged, or this browser has no WebAssembly SIMD (${error.message}).`,
    );
  }
  const [about] = WebAssembly.Module.customSections(module, "shufflenet");
  if (about) {
    const { weights, segments } = JSON.parse(new TextDecoder().decode(about));
    if (!address)
      throw new ShuffleNetError(
        `This WebAssembly needs ${weights} beside it: load it by its address.`,
      );
    const content = await (weights === WEIGHTS && early ? early : read(new URL(weights, address)));
    copyWeights(weights, new Uint8Array(content), segments, instance.exports.memory);
  }
  return new Model(instance.exports);
}

/** A network. Only `load` makes one. */
class Model {
  #memory;
  #longest; // px, of the side of an image that is resized in WebAssembly
  #call; // the functions, by what follows the prefix and its underscore
  #at; // the addresses: of working memory, probabilities, classes and pixels

  constructor(exports) {
    const prefix = Object.keys(exports)
      .find((name) => name.endsWith("_logits_of_image"))
      ?.slice(0, -15);
    if (!prefix)
      throw new ShuffleNetError("This WebAssembly is no network that shufflenet compile wrote.");
    const functions = Object.entries(exports).filter(([name]) => name.startsWith(prefix));
    this.#call = Object.fromEntries(
      functions.map(([name, each]) => [name.slice(prefix.length), each]),
    );
    if (!this.#call.classify)
      throw new ShuffleNetError("This network takes no photos: its preprocessing is not compiled.");
    this.#memory = exports.memory;
    this.card = JSON.parse(this.#text(this.#call.card()));
    const { memory_bytes: bytes, most_source_px: longest } = JSON.parse(
      this.#text(this.#call.proof()),
    );
    this.#longest = longest;
    const work = aligned(exports.__heap_base.value);
    const probabilities = aligned(work + bytes);
    const classes = probabilities + 4 * this.card.labels.length;
    this.#at = {
      work,
      probabilities,
      classes,
      pixels: aligned(classes + 4 * this.card.labels.length),
    };
    this.#reserve(this.#at.pixels);
    this.#check(this.#call.prepare(work, bytes));
  }

  /** Return the k most probable classes of an image, the most probable first. */
  async classify(image, { k = 5 } = {}) {
    const classes = this.card.labels.length;
    if (!Number.isInteger(k) || k < 1)
      throw new ShuffleNetError(`k is ${k}, but must be a whole number of at least 1.`);
    if (image && ArrayBuffer.isView(image.data))
      return this.#classify(image, [image.data], Math.min(k, classes));
    const bitmap = await decode(image, this.card.preprocess.exif, this.#longest);
    try {
      return this.#classify(bitmap, strips(bitmap), Math.min(k, classes));
    } finally {
      bitmap.close();
    }
  }

  #classify({ width, height }, parts, k) {
    const isGray = this.card.preprocess.channels === "gray";
    let given = 0; // bytes of a pixel of the image
    let taken = 0; // and of one that the network is given
    let end = this.#at.pixels;
    for (const part of parts) {
      if (!given) {
        given = pixelBytes(part, width, height, parts, isGray);
        taken = isGray ? 1 : given;
        this.#reserve(end + width * height * given);
      }
      const place = new Uint8Array(this.#memory.buffer, end, part.length);
      place.set(part);
      if (given === 4) blendWithWhite(place);
      if (taken < given) makeGray(place, given);
      end += (part.length / given) * taken;
    }
    const { work, probabilities, classes, pixels } = this.#at;
    this.#check(
      this.#call.classify(work, pixels, width, height, width * taken, taken, probabilities),
    );
    this.#check(this.#call.top(probabilities, k, classes));
    const values = new Float32Array(this.#memory.buffer, probabilities);
    return [...new Int32Array(this.#memory.buffer, classes, k)].map((index) => {
      const [id, label] = this.card.labels[index];
      return { index, id, label, probability: values[index] };
    });
  }

  #reserve(end) {
    const missing = end - this.#memory.buffer.byteLength;
    if (missing <= 0) return;
    try {
      this.#memory.grow(Math.ceil(missing / 65536));
    } catch {
      throw new ShuffleNetError("Memory does not suffice for this image: take a smaller one.");
    }
  }

  #check(code) {
    if (code) throw new ShuffleNetError(this.#text(this.#call.message(code)));
  }

  #text(address) {
    const bytes = new Uint8Array(this.#memory.buffer, address);
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  }
}

function besideThis() {
  const name = hasRelaxed() ? "shufflenet-relaxed.wasm" : "shufflenet.wasm";
  return new URL(name, import.meta.url);
}

function hasRelaxed() {
  const bytes = Uint8Array.from(atob(RELAXED), (each) => each.charCodeAt(0));
  if (!WebAssembly.validate(bytes)) return false;
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.f() === 96;
}

async function addressOf(source) {
  if (source instanceof URL || /^[a-z][a-z\d+.-]+:/i.test(source)) return new URL(source);
  if (globalThis.location) return new URL(source, globalThis.location.href);
  return (await import("node:url")).pathToFileURL(String(source));
}

async function read(address) {
  try {
    if (address.protocol === "file:" && !globalThis.location)
      return await (await import("node:fs/promises")).readFile(address);
    const response = await fetch(address);
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    return await response.arrayBuffer();
  } catch (error) {
    throw new ShuffleNetError(`Cannot load ${address.href}: ${error.message}.`);
  }
}

/** Copy weights to the addresses that a module of code states. */
function copyWeights(name, weights, segments, { buffer }) {
  const memory = new Uint8Array(buffer);
  for (const [to, from, length] of segments) {
    if (from + length > weights.length)
      throw new ShuffleNetError(`The file ${name} is cut: load it again.`);
    memory.set(weights.subarray(from, from + length), to);
  }
}

/** Return an image as a bitmap: upright, its colors as they are stored, not beyond the longest side. */
async function decode(image, upright, longest) {
  if (!globalThis.createImageBitmap)
    throw new ShuffleNetError("Here an image must be pixels: {data, width, height}.");
  // Colors stay as they are stored, as Pillow leaves them, whatever profile the file names.
  const asStored = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const source = image instanceof Blob && !upright ? await withoutExif(image) : image;
  let bitmap;
  try {
    bitmap = await createImageBitmap(source, asStored);
  } catch {
    throw new ShuffleNetError("This is no image that can be read here.");
  }
  const scale = longest / Math.max(bitmap.width, bitmap.height);
  if (scale >= 1) return bitmap;
  const side = (px) => Math.max(1, Math.round(px * scale));
  const [resizeWidth, resizeHeight] = [side(bitmap.width), side(bitmap.height)];
  const smaller = await createImageBitmap(bitmap, {
    resizeWidth,
    resizeHeight,
    resizeQuality: "high",
  });
  bitmap.close();
  return smaller;
}

/** Return a JPEG without its EXIF, by which a browser would turn it; others as they are. */
async function withoutExif(blob) {
  const bytes = new DataView(await blob.arrayBuffer());
  let at = 2;
  while (
    at + 4 <= bytes.byteLength &&
    bytes.getUint16(0) === 0xffd8 &&
    bytes.getUint16(at) >= 0xffe0
  ) {
    const end = at + 2 + bytes.getUint16(at + 2);
    if (bytes.getUint16(at) === 0xffe1)
      return new Blob([blob.slice(0, at), blob.slice(end)], { type: blob.type });
    at = end;
  }
  return blob;
}

/** Yield the pixels of a bitmap, some rows at a time: a canvas of all may be too large for a phone. */
function* strips(bitmap) {
  const { width, height } = bitmap;
  const most = Math.max(1, Math.floor(STRIP_PX / width));
  const context = new OffscreenCanvas(width, Math.min(most, height)).getContext("2d", {
    willReadFrequently: true,
  });
  context.globalCompositeOperation = "copy";
  context.imageSmoothingEnabled = false;
  for (let top = 0; top < height; top += most) {
    const rows = Math.min(most, height - top);
    context.drawImage(bitmap, 0, top, width, rows, 0, 0, width, rows);
    yield context.getImageData(0, 0, width, rows).data;
  }
}

/** Return the bytes of a pixel; of an array, which holds all pixels, they follow from its length. */
function pixelBytes(part, width, height, parts, isGray) {
  const bytes = Array.isArray(parts) ? part.length / (width * height) : 4;
  const known = isGray ? [1, 3, 4] : [3, 4];
  if (part.BYTES_PER_ELEMENT === 1 && known.includes(bytes)) return bytes;
  const expected = isGray ? "1, 3 or 4 bytes each, gray, RGB" : "3 or 4 bytes each, RGB";
  throw new ShuffleNetError(
    `The image's data must be ${width} x ${height} pixels of ${expected} or RGBA.`,
  );
}

/** Write the gray levels of RGB or RGBA pixels over them, rounded as Pillow's `convert("L")` does. */
function makeGray(pixels, bytes) {
  for (let at = 0, gray = 0; at < pixels.length; at += bytes, gray++)
    pixels[gray] =
      (19595 * pixels[at] + 38470 * pixels[at + 1] + 7471 * pixels[at + 2] + 0x8000) >> 16;
}

/** Blend RGBA pixels with white, rounded as Pillow's `alpha_composite` does. */
function blendWithWhite(pixels) {
  for (let at = 0; at < pixels.length; at += 4) {
    const alpha = pixels[at + 3];
    if (alpha === 255) continue;
    for (let color = at; color < at + 3; color++) {
      const sum = 128 * (pixels[color] * alpha + 255 * (255 - alpha) + 128);
      pixels[color] = ((sum >> 8) + sum) >> 15;
    }
  }
}

function aligned(address) {
  return Math.ceil(address / LINE_BYTES) * LINE_BYTES;
}

function isBytes(source) {
  return source instanceof ArrayBuffer || ArrayBuffer.isView(source);
}
