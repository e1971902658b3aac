/**
 * `memory`: resident bytes an entity with 20 events, everything counted. A process of its own fills a store with the
 * default release's customers and tells how much its resident set grew.
 */
import { execFileSync } from 'node:child_process';
import { median, printMetric } from './lib.ts';

const entities = 1_000_000;
const child = new URL('./fixtures/memoryChild.ts', import.meta.url).pathname;
const runs = 1;
/** A small nursery: what the driver itself leaves behind must not be taken for the store's. */
const flags = ['--expose-gc', '--max-semi-space-size=1'];

export function run(): Promise<void> {
  const values = Array.from({ length: runs }, () => {
    const output = execFileSync(process.execPath, [...flags, child, String(entities)], { encoding: 'utf8' });
    return (JSON.parse(output) as { bytesPerEntity: number }).bytesPerEntity;
  });
  printMetric({
    bench: 'memory',
    metric: 'bytes_per_entity',
    value: median(values),
    unit: 'B',
    n: runs,
    spread: [Math.min(...values), Math.max(...values)],
    events: 20,
    entities,
  });
  return Promise.resolve();
}
