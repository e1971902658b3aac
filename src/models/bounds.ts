/** Bounds of what a model may be; everything beyond is refused with a sentence, never cut. */

/** Inputs a model may have; also bounds the generated code, which is unrolled over inputs. */
export const modelInputsMax = 256;
/** Units of one layer. */
export const layerUnitsMax = 1024;
/** Layers of a model, counted as TF.js counts them. */
export const layersMax = 32;
/** Bytes of all weights. */
export const weightBytesMax = 16 * 1024 * 1024;
/** Characters of the topology's JSON. */
export const topologyCharactersMax = 1024 * 1024;
/** Rows the kernel takes at a time: the staging area of 128 rows of 20 inputs stays inside a 32 kB first-level cache. */
export const kernelBlockRows = 128;
/**
 * Facts are clamped to ± this before anything else. The largest amount is 9e15; with the clamp no sum inside a sane network
 * can overflow to infinity, so no infinity minus infinity can turn a probability into NaN.
 */
export const factMagnitudeMax = 1e18;
/** Inputs that are categories: each adds a look-up to every row. */
export const categoriesMax = 32;
/** Texts a category may tell apart. */
export const vocabularyMax = 4096;
/** Payments of the background that explanations compare with. */
export const backgroundRowsMax = 100;
