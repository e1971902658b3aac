/** A release small enough to be run thousands of times: two entities, one rule, no model. */
import { resolve } from 'node:path';
import { compileRelease, type CompiledRelease } from '../../../src/releases/compile.ts';
import { readReleaseDirectory } from '../../../src/releases/store.ts';

/** What the checks read back: how many payments an entity has counted, and which. */
export const counted = {
  customer: { count: 'customer.count.30d', sum: 'customer.sum.amountMinor.30d' },
  terminal: { count: 'terminal.count.30d', sum: 'terminal.sum.amountMinor.30d' },
} as const;

export const fraudRate = 'terminal.fraudRate.30d';

export async function simulatedRelease(): Promise<CompiledRelease> {
  const bundle = await readReleaseDirectory(resolve(import.meta.dirname, '../../../config/default'));
  const sums = { aggregate: 'sum', field: 'amountMinor', windows: ['30d'] };
  return compileRelease({
    ...bundle,
    features: {
      version: 1,
      features: [
        { entity: 'customer', aggregate: 'count', windows: ['30d'] },
        { entity: 'customer', ...sums },
        { entity: 'terminal', aggregate: 'count', windows: ['30d'] },
        { entity: 'terminal', ...sums },
        { entity: 'terminal', aggregate: 'fraudRate', windows: ['30d'] },
      ],
    },
    rules: [
      {
        name: 'R-001',
        priority: 1,
        conditions: { all: [{ fact: counted.customer.count, operator: 'greaterThanInclusive', value: 3 }] },
        event: { type: 'fraud-sign', params: { version: 1, text: 'Many payments', weight: 0.6 } },
      },
    ],
    model: null,
  });
}
