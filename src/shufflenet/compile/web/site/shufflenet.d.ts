/** Why a network cannot be loaded or an image cannot be classified, in a sentence. */
export class ShuffleNetError extends Error {}

/** Pixels, row by row: RGB, RGBA or, for networks that take gray levels, gray, 0 to 255. `ImageData` is one. */
export interface Pixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/**
 * A class that a network sees in an image. The probabilities of all classes sum to 1, unless the
 * card's task is "multi-label": then each is that of its class to be in the image.
 */
export interface Prediction {
  readonly index: number;
  /** The class's identifier, such as `n01443537`. */
  readonly id: string;
  /** The class's name. */
  readonly label: string;
  readonly probability: number;
}

/** Numbers of images: of all, and of those whose class is the most, or among the five most, probable. */
export interface Accuracy {
  readonly images: number;
  readonly top1: number;
  readonly top5: number;
}

/** How well a network finds the classes of images, of which any number may be right. */
export interface MultiLabelAccuracy {
  readonly images: number;
  /** The mean over `classes` of their average precision, 0 to 1. */
  readonly map: number;
  readonly classes: number;
  readonly exact: number;
  readonly found: number;
  readonly answers: number;
  readonly right: number;
}

/** The facts about a network: where it comes from, under which license, how good it is. */
export interface Card {
  readonly name: string;
  readonly network: {
    readonly name: string;
    readonly classes: number;
    readonly [field: string]: unknown;
  };
  readonly preprocess: {
    readonly resize_px: number;
    readonly crop_px: number | readonly [height: number, width: number];
    readonly [field: string]: unknown;
  };
  /** The identifier and the name of each class. */
  readonly labels: readonly (readonly [id: string, name: string])[];
  readonly origin: {
    readonly data: string;
    readonly licence: string;
    readonly [field: string]: unknown;
  };
  /** What the network answers; left out, it is "classification". */
  readonly task?: "classification" | "multi-label";
  readonly accuracy: Accuracy | null;
  readonly multi_label?: MultiLabelAccuracy;
  readonly published: {
    readonly top1_percent: number;
    readonly top5_percent: number;
    readonly source: string;
  } | null;
  readonly int8: { readonly int8_accuracy: Accuracy | MultiLabelAccuracy; readonly [field: string]: unknown } | null;
}

/** A network that classifies images. It computes on the thread that calls it. */
export interface Model {
  readonly card: Card;
  /**
   * Return the most probable classes of an image, the most probable first.
   *
   * Pixels are taken as they are, so that every browser and Node give the same answer. What a
   * browser decodes or draws, such as a file, it decodes as `shufflenet predict` does: upright by
   * EXIF, colors as they are stored; transparent parts are blended with white.
   *
   * @param options.k How many classes; 5 unless given, and at most all.
   * @throws {ShuffleNetError} the image cannot be read, or k is less than 1.
   */
  classify(
    image: Pixels | Blob | CanvasImageSource,
    options?: { k?: number },
  ): Promise<Prediction[]>;
}

/**
 * Load a network.
 *
 * @param source The address of a `.wasm` file, in Node also its path, or the bytes of one that holds
 *   its weights. Without it, the files beside this module are loaded: the faster code where the
 *   browser has relaxed SIMD.
 * @throws {ShuffleNetError} it cannot be loaded, is damaged, or is no network.
 */
export function load(source?: string | URL | ArrayBuffer | Uint8Array): Promise<Model>;
