/** Payments from Kafka, decisions in the journal, while members of the group come and go. */
import { resolve } from 'node:path';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import { decodeRecord } from '../../../src/pipeline/codec.ts';
import { systemClock } from '../../../src/pipeline/clock.ts';
import { createPipelineMetrics } from '../../../src/pipeline/metrics.ts';
import { Pipeline } from '../../../src/pipeline/pipeline.ts';
import type { EventLog } from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { StreamConsumer } from '../../../src/pipeline/stream.ts';
import { compileRelease } from '../../../src/releases/compile.ts';
import type { CompiledRelease } from '../../../src/releases/compile.ts';
import { readReleaseDirectory } from '../../../src/releases/store.ts';
import { Random } from '../../../src/simulator/random.ts';
import { testSeed } from '../../helpers/crashPayments.ts';
import type { EmbeddedUnderTest } from '../../helpers/embedded.ts';
import { makeEmbedded } from '../../helpers/embedded.ts';
import type { KafkaUnderTest } from '../../helpers/kafkaLog.ts';
import { kafkaClients, makeKafkaLog } from '../../helpers/kafkaLog.ts';
import { readAll } from '../../helpers/messages.ts';
import { requires } from '../../helpers/requirements.ts';
import { sharedKafka } from '../../helpers/services/shared.ts';

const seed = testSeed();
const customers = 40;
const payments = 6000;
const appendMessages = 100;
const changes = 10;

describe.skipIf(!requires('kafka').met).each(kafkaClients)(
  'payments from Kafka by %s',
  { timeout: 120_000 },
  (client) => {
    let release: CompiledRelease;
    let embedded: EmbeddedUnderTest;
    let kafka: KafkaUnderTest;
    beforeAll(async () => {
      await sharedKafka();
      release = await compileRelease(
        await readReleaseDirectory(resolve(import.meta.dirname, '../../../config/default')),
      );
      [embedded, kafka] = await Promise.all([makeEmbedded(), makeKafkaLog({ client })]);
    }, 120_000);
    afterAll(() => Promise.all([embedded.dispose(), kafka.dispose()]));

    const failures: string[] = [];

    async function makePipeline(): Promise<Pipeline> {
      return new Pipeline({
        release,
        store: embedded.decisions,
        velocity: await embedded.embedded.velocity((hooks) => createVelocityMemory(release.features, hooks)),
        pool: undefined,
        clock: systemClock,
        metrics: createPipelineMetrics(new Registry()),
        onStageFailure: (stage, failure, error) => failures.push(`${stage} ${failure} ${String(error)}`),
      });
    }
    const startMember = (log: EventLog, pipeline: Pipeline): StreamConsumer => {
      const stream = new StreamConsumer({
        log,
        store: embedded.decisions,
        pipeline,
        clock: systemClock,
        tenantId: 'default',
        onFailure: (error) => failures.push(String(error)),
        onDead: (error) => failures.push(String(error)),
        onDeadLetter: (code) => failures.push(code),
      });
      stream.start();
      return stream;
    };

    const startedAtMs = Date.now() - 60_000;
    const paymentOf = (n: number): { key: string; value: Buffer } => {
      const customerId = `c-${n % customers}`;
      const payment = {
        paymentId: `p-${n}`,
        occurredAt: new Date(startedAtMs + n).toISOString(),
        amountMinor: 100 + n,
        currency: 'EUR',
        customerId,
      };
      return { key: customerId, value: Buffer.from(JSON.stringify(payment)) };
    };

    async function append(): Promise<void> {
      for (let from = 0; from < payments; from += appendMessages) {
        const numbers = Array.from({ length: appendMessages }, (_, i) => from + i);
        await kafka.log.append(topics.payments, numbers.map(paymentOf));
      }
    }

    // Guarantee: whoever joins or leaves the group, whatever is in flight then, each payment has one decision, each counter
    // has counted it once, and the payments of one customer were decided in the order in which they were appended.
    test(`members come and go: nothing is lost, doubled or reordered (seed ${seed})`, async () => {
      const random = new Random(seed);
      const pipeline = await makePipeline();
      const members = [startMember(kafka.log, pipeline)];
      const decided = async (): Promise<number> => (await readAll(embedded.log, topics.decisions)).length;
      const appending = append();
      for (let change = 1; change <= changes; change++) {
        // Each change comes at another point of the backlog.
        const threshold = Math.floor((payments * change) / (changes + 1));
        await expect.poll(decided, { timeout: 60_000 }).toBeGreaterThanOrEqual(threshold);
        if (members.length < 2 || (members.length < 4 && random.below(2) === 0)) {
          members.push(startMember(kafka.log, pipeline));
        } else await members.splice(random.below(members.length), 1)[0]?.stop();
      }
      await appending;
      await expect.poll(decided, { timeout: 60_000 }).toBe(payments);
      await expect
        .poll(async () => (await Promise.all(members.map((member) => member.lag()))).every((lag) => lag === 0), {
          timeout: 60_000,
        })
        .toBe(true);
      await Promise.all(members.map((member) => member.stop()));
      expect(failures).toEqual([]);

      const feature = release.features.names.indexOf('customer.count.1h');
      const seen = new Map<string, number>();
      for (const { value } of await readAll(embedded.log, topics.decisions)) {
        const { paymentId, features } = decodeRecord(value);
        const number = Number(paymentId.slice(2));
        const customer = `c-${number % customers}`;
        const before = seen.get(customer) ?? 0;
        expect(Math.floor(number / customers), `order of ${customer}`).toBe(before);
        expect(features[feature], `count of ${customer} at ${paymentId}`).toBe(before + 1);
        seen.set(customer, before + 1);
      }
      expect([...seen.values()].every((count) => count === payments / customers)).toBe(true);
    });
  },
);
