import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ItemResult } from '../../../src/cli/replay/answer.ts';
import type { ReplayTarget } from '../../../src/cli/replay/client.ts';
import { type ReplayOptions, runReplay } from '../../../src/cli/replay/run.ts';
import type { ReplayItem, ReplaySource } from '../../../src/cli/replay/source.ts';

const hourMs = 3_600_000;
const decided: ItemResult = { kind: 'decided', held: false, degraded: false, repeated: false };

function sourceOf(items: readonly ReplayItem[]): ReplaySource {
  return {
    bytesTotal: items.length,
    bytesRead: () => 0,
    async *items() {
      yield* items;
    },
  };
}

const payment = (n: number, atHours: number, fraud?: boolean): ReplayItem => ({
  kind: 'payment',
  line: n,
  paymentId: `p${n}`,
  json: `"p${n}"`,
  occurredAtMs: atHours * hourMs,
  fraud,
});

/** Writes down what arrives in the order of arrival, and never answers two things at once. */
function recorder(answer: (json: string) => ItemResult = () => decided) {
  const events: string[] = [];
  let inFlight = 0;
  let inFlightMax = 0;
  const batches: number[] = [];
  const client: ReplayTarget = {
    async decide(payments) {
      inFlight += 1;
      inFlightMax = Math.max(inFlightMax, inFlight);
      await new Promise((resolve) => setImmediate(resolve));
      events.push(...payments.map((json) => JSON.parse(json)));
      batches.push(payments.length);
      inFlight -= 1;
      return payments.map(answer);
    },
    async label(label) {
      expect(inFlight).toBe(0);
      events.push(`label ${JSON.parse(label).paymentId}`);
      return true;
    },
    close: () => Promise.resolve(),
  };
  return { client, events, batches, inFlightMax: () => inFlightMax };
}

const options: ReplayOptions = {
  rate: Number.POSITIVE_INFINITY,
  limit: Number.POSITIVE_INFINITY,
  labelsDelayMs: 2 * hourMs,
  signal: new AbortController().signal,
  onProgress: () => undefined,
};

describe('a replay keeps the order of the file', () => {
  test('whatever the file, payments arrive in its order, one batch of at most 500 in flight', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1800 }), async (count) => {
        const { client, events, batches, inFlightMax } = recorder();
        const items = Array.from({ length: count }, (_, n) => payment(n, 0));
        await runReplay(sourceOf(items), client, options);
        expect(events).toEqual(items.map((item) => item.kind === 'payment' && item.paymentId));
        expect(inFlightMax()).toBeLessThanOrEqual(1);
        for (const size of batches) expect(size).toBeLessThanOrEqual(500);
      }),
      { numRuns: 20 },
    );
  });

  test('a label is sent when event time passes its delay: after all earlier payments are decided, before the later ones', async () => {
    const { client, events } = recorder();
    const items = [payment(1, 0, true), payment(2, 1, false), payment(3, 2, true), payment(4, 3), payment(5, 3.5)];
    const { labelsNotDue, tally } = await runReplay(sourceOf(items), client, options);
    expect(events).toEqual(['p1', 'p2', 'label p1', 'p3', 'p4', 'p5']);
    expect(labelsNotDue).toBe(1);
    expect(tally.summary(1).labelsSent).toBe(1);
  });

  test('label lines of an NDJSON file are sent where they stand', async () => {
    const { client, events } = recorder();
    const label: ReplayItem = { kind: 'label', line: 2, paymentId: 'p1', fraud: true, json: '{"paymentId":"p1"}' };
    await runReplay(sourceOf([payment(1, 0), label, payment(3, 0), { ...label, line: 4 }]), client, options);
    expect(events).toEqual(['p1', 'label p1', 'p3', 'label p1']);
  });
});

describe('a replay counts what became of every row', () => {
  test('bad lines and refused payments are counted by code with their line, and the run goes on', async () => {
    const { client } = recorder((json) => (json === '"p3"' ? { kind: 'refused', code: 'invalid_payment' } : decided));
    const items: ReplayItem[] = [
      payment(1, 0),
      { kind: 'bad', line: 2, code: 'malformed_json' },
      payment(3, 0),
      payment(4, 0),
    ];
    const summary = (await runReplay(sourceOf(items), client, options)).tally.summary(1);
    expect(summary).toMatchObject({
      rows: 4,
      decisions: 2,
      refused: 2,
      refusedByCode: { malformed_json: 1, invalid_payment: 1 },
      refusedLines: [
        { line: 2, code: 'malformed_json' },
        { line: 3, code: 'invalid_payment' },
      ],
    });
  });

  test('precision and recall follow from holds and labels, and are unknown without labels', async () => {
    const held = new Set(['"p1"', '"p2"', '"p3"']);
    const { client } = recorder((json) => ({ ...decided, held: held.has(json) }));
    const items = [
      payment(1, 0, true),
      payment(2, 0, false),
      payment(3, 0, false),
      payment(4, 0, true),
      payment(5, 0, false),
    ];
    expect((await runReplay(sourceOf(items), client, options)).tally.summary(1)).toMatchObject({
      holds: 3,
      frauds: 2,
      precision: 1 / 3,
      recall: 1 / 2,
    });
    const unlabelled = await runReplay(sourceOf([payment(1, 0)]), client, options);
    expect(unlabelled.tally.summary(1)).toMatchObject({ precision: null, recall: null });
  });

  test('a payment that could not be decided for now is sent again until it is', async () => {
    let refusals = 2;
    const { client, events } = recorder((json) =>
      json === '"p2"' && refusals-- > 0 ? { kind: 'refused', code: 'overloaded' } : decided,
    );
    const summary = (await runReplay(sourceOf([payment(1, 0), payment(2, 0)]), client, options)).tally.summary(1);
    expect(summary).toMatchObject({ decisions: 2, refused: 0 });
    expect(events).toEqual(['p1', 'p2', 'p2', 'p2']);
  });

  test('a file of which nothing could be decided is a failed run', async () => {
    const { client } = recorder(() => ({ kind: 'refused', code: 'invalid_payment' }));
    await expect(runReplay(sourceOf([payment(1, 0)]), client, options)).rejects.toMatchObject({ exitCode: 1 });
  });

  test('limit and a stop signal end it after whole batches, with everything sent counted', async () => {
    const { client } = recorder();
    const items = Array.from({ length: 2000 }, (_, n) => payment(n, 0));
    expect((await runReplay(sourceOf(items), client, { ...options, limit: 700 })).tally.summary(1)).toMatchObject({
      rows: 700,
      decisions: 700,
    });
    const stop = new AbortController();
    const stopped = await runReplay(sourceOf(items), client, {
      ...options,
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    expect(stopped.tally.rows).toBe(stopped.tally.decisions);
    expect(stopped.tally.rows).toBeLessThan(2000);
  });

  test('a rate is kept: no payment leaves before its time', async () => {
    const { client } = recorder();
    const startedAt = performance.now();
    await runReplay(sourceOf(Array.from({ length: 30 }, (_, n) => payment(n, 0))), client, { ...options, rate: 100 });
    // The last batch of ten leaves 200 ms after the first.
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(195);
  });
});
