/** A scoring worker (piscina): scores frames that lie in shared memory; a task is a message of a few handles. */
import { workerData } from 'node:worker_threads';
import { Frame } from '../src/features/frame.ts';
import type { BindOptions } from '../src/models/types.ts';
import { viewOutput } from '../src/pipeline/batch.ts';
import { scoreFrame } from '../src/pipeline/score.ts';
import type { ReleaseBundle } from '../src/releases/bundle.ts';
import { compileRelease } from '../src/releases/compile.ts';

export interface ScoringTask {
  readonly frame: SharedArrayBuffer;
  readonly output: SharedArrayBuffer;
  readonly capacity: number;
  readonly rows: number;
}

const { bundle, models } = workerData as { bundle: ReleaseBundle; models: BindOptions };
const release = await compileRelease(bundle, models);

interface Views {
  readonly frame: Frame;
  readonly output: ReturnType<typeof viewOutput>;
}
/** Views of each batch's memory, as long as the batch lives. */
const views = new WeakMap<SharedArrayBuffer, Views>();

function viewsOf(task: ScoringTask): Views {
  const known = views.get(task.frame);
  if (known !== undefined && known.output.shared === task.output) return known;
  const made = {
    frame: new Frame(release.layout, task.capacity, task.frame),
    output: viewOutput(task.capacity, release.rules.rules.length, task.output),
  };
  views.set(task.frame, made);
  return made;
}

export default function score(task: ScoringTask): void {
  const { frame, output } = viewsOf(task);
  frame.rows = task.rows;
  scoreFrame(release, frame, output, true);
}
