/**
 * Which genuine payments of the days learned from are kept, where all are more than memory is to hold. Each has a pseudo-random key;
 * those below a threshold stay, and the threshold sinks as the file goes on, so that at its end every genuine payment has had the same
 * chance, whatever its day. Frauds, which are few, all stay.
 */
import { failed } from '../../config/exit.ts';
import { uniform } from '../../models/training/random.ts';

/** Most bytes of facts that are kept to learn from; training holds them once more as float32. */
const learnBytesMax = 256 * 1024 * 1024;
const bytesPerFact = 8;
/** What the threshold falls to, each time the bound is reached: at the end it is used to four fifths at least. */
const stepDown = 0.8;
const sampleSeed = 20_181;

export class LearnSample {
  readonly rowsMax: number;
  readonly #random = uniform(sampleSeed);
  /** Share of the genuine payments that is kept. */
  share = 1;

  constructor(factsPerRow: number, bytesMax = learnBytesMax) {
    this.rowsMax = Math.max(1, Math.floor(bytesMax / (bytesPerFact * Math.max(1, factsPerRow))));
  }

  /** The next payment's key; a genuine one is kept while its key is below the share. */
  nextKey(): number {
    return this.#random();
  }

  /** Lowers the share. @throws CommandError (exit code 1) where it no longer helps: nearly all kept rows are frauds */
  lower(frauds: number): void {
    if (frauds >= stepDown * this.rowsMax)
      throw failed(
        `The days to learn from have more than ${frauds} frauds, as many as are kept at once; take fewer days (--history-days, --train-days) or fewer inputs.`,
      );
    this.share *= stepDown;
  }
}
