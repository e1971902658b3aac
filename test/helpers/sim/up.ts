/** `up` with Kafka as a simulated process, composed as in src/cli/up: the journal is the truth, Kafka gets what it has. */
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import type { VelocityMemory } from '../../../src/features/types.ts';
import { createPaymentDecoder } from '../../../src/domain/decode.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { systemClock } from '../../../src/pipeline/clock.ts';
import { decodeRecord } from '../../../src/pipeline/codec.ts';
import { encodeDecisionMessage } from '../../../src/pipeline/decisionMessage.ts';
import { createDecisionService } from '../../../src/pipeline/decisionService.ts';
import { LabelConsumer } from '../../../src/pipeline/labelConsumer.ts';
import { startOutbox } from '../../../src/pipeline/outbox.ts';
import { Pipeline } from '../../../src/pipeline/pipeline.ts';
import { topics, type VelocityStore } from '../../../src/pipeline/ports.ts';
import { StreamConsumer } from '../../../src/pipeline/stream.ts';
import type { CompiledRelease } from '../../../src/releases/compile.ts';
import { noFaults } from './calls.ts';
import type { SimDisk } from './disk.ts';
import type { SimJournal } from './journal.ts';
import { type Engines, metrics, type SimProcess, tenantId } from './processes.ts';
import type { Actor } from './world.ts';

/** Its first chunk of memory costs more than a history: all processes share one, each as a tenant of its own. */
let shared: { readonly release: CompiledRelease; readonly memory: VelocityMemory } | undefined;
let starts = 0;
const startsMax = 10_000;

function memoryOf(release: CompiledRelease): VelocityMemory {
  if (shared?.release !== release || starts % startsMax === 0)
    shared = { release, memory: createVelocityMemory(release.features) };
  starts++;
  return shared.memory;
}

/** The state as it was before the process died: made anew of what is durable. */
function recoveredVelocity(release: CompiledRelease, journal: SimJournal): VelocityStore {
  const memory = memoryOf(release);
  const tenant = `${tenantId}-${starts}`;
  const decoder = createPaymentDecoder();
  const paymentOf = (bytes: Uint8Array): Payment => {
    const payment = decoder.decode(decodeRecord(bytes).payment, Number.POSITIVE_INFINITY);
    if (!(payment instanceof Payment)) throw new Error('a recorded payment does not decode');
    return payment;
  };
  for (const { value } of journal.of(topics.decisions)) memory.reappend(tenant, paymentOf(value), 0, () => true);
  for (const { paymentId, label } of journal.labels) {
    const bytes = journal.decisions.get(paymentId);
    if (bytes !== undefined) memory.markLabel(tenant, { payment: paymentOf(bytes), fraud: label === 'fraud' }, 0);
  }
  return {
    inProcess: true,
    async appendAndRead(_tenant, payments, out, batch) {
      memory.appendAndRead(tenant, payments, out, batch);
      return [];
    },
    retract: (_tenant, payment) => memory.retract(tenant, payment),
    markLabel: async (_tenant, payment, fraud, batch) => memory.markLabel(tenant, { payment, fraud }, batch),
  };
}

export function startSimUp(engines: Engines, actor: Actor, { journal }: SimDisk, onDead: () => void): SimProcess {
  const { release } = engines;
  const { world } = actor;
  const told = (what: string) => (error: unknown) => world.trace(actor.name, () => `${what}: ${String(error)}`);
  const { log: embedded, store } = journal.open(actor, { ...noFaults, slow: 0.1, refused: engines.diskFaults.refused });
  const velocity = recoveredVelocity(release, journal);
  const pipeline = new Pipeline({
    release,
    store,
    velocity,
    pool: undefined,
    clock: systemClock,
    metrics,
    onStageFailure: (stage, failure, error) => told(`stage ${stage} ${failure}`)(error),
  });
  const service = createDecisionService({
    pipeline,
    store,
    velocity,
    releaseOf: () => Promise.resolve(release),
    dependencies: () => [],
    onFailure: told('labels'),
  });
  const log = engines.kafka.client(actor);
  const stream = (from: typeof log): StreamConsumer =>
    new StreamConsumer({
      log: from,
      store,
      pipeline,
      clock: systemClock,
      tenantId,
      onFailure: told('the stream reads again'),
      onDead,
      onDeadLetter: () => {},
    });
  const [own, payments] = [stream(embedded), stream(log)];
  const labels = new LabelConsumer({
    log,
    clock: systemClock,
    apply: (given) => service.label(tenantId, given),
    onFailure: told('labels are read again'),
    onDead,
    onDeadLetter: () => {},
  });
  own.start();
  const outbox = startOutbox({
    from: embedded,
    to: log,
    topic: topics.decisions,
    translate: ({ value }) => encodeDecisionMessage(decodeRecord(value), release.features.names),
    onFailure: told('decisions wait in the journal'),
  });
  payments.start();
  labels.start();
  return {
    actor,
    decider: { actor, service, memory: velocity, uncounted: () => [] },
    async stop() {
      await Promise.all([payments.stop(), labels.stop()]);
      await outbox.stop();
      await log.close();
      await own.stop();
      await pipeline.close();
    },
  };
}
