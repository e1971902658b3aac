/** What must hold once faults have ended and everything is drained. */
import { RedisVelocityStore } from '../../../src/adapters/redis/velocity.ts';
import { createPaymentDecoder } from '../../../src/domain/decode.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import { type Message, topics, type VelocityStore } from '../../../src/pipeline/ports.ts';
import type { SimAnalytics } from './analytics.ts';
import { type Book, type Letter, letterOf } from './book.ts';
import type { ApiClient } from './client.ts';
import type { Machine } from './machines.ts';
import { labelBytes, type Plan, type PlannedPayment } from './plan.ts';
import { type Engines, tenantId } from './processes.ts';
import { counted, fraudRate } from './release.ts';
import { Actor } from './world.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

export interface Checked {
  readonly plan: Plan;
  readonly engines: Engines;
  readonly book: Book;
  readonly client: ApiClient;
  readonly analytics: SimAnalytics;
  readonly machines: readonly Machine[];
  /** Payments that a process which died was still to count: nobody else knows of them. */
  readonly uncounted: ReadonlySet<string>;
}

/** A log that payments come in by: Kafka or the journal. */
interface PaymentsLog {
  readonly messages: readonly Message[];
  readonly letters: ReadonlyMap<string, Letter>;
}

function logsOf({ engines, book, machines }: Checked): readonly PaymentsLog[] {
  const journals = machines.map(({ disk: { journal } }) => ({
    messages: journal.of(topics.payments),
    letters: new Map(
      journal
        .of(topics.deadletter)
        .map(letterOf)
        .map((letter) => [letter.place, letter]),
    ),
  }));
  return [{ messages: engines.kafka.messages(topics.payments), letters: book.letters }, ...journals];
}

/** Every message on the payments topic is decided with its content, or a dead letter. */
function checkMessages({ book, plan }: Checked, log: PaymentsLog, problems: string[]): void {
  const places = new Set<string>();
  for (const message of log.messages) {
    const place = `${topics.payments}/${message.partition}/${message.offset}`;
    places.add(place);
    const letter = log.letters.get(place);
    const payment = plan.payments.find(({ body }) => text(body) === text(message.value));
    if (letter !== undefined && letter.original !== text(message.value))
      problems.push(`the dead letter of ${place} has other bytes`);
    if (payment === undefined) {
      if (letter === undefined) problems.push(`${place} is no payment and no dead letter`);
      continue;
    }
    const first = book.decided.get(payment.paymentId)?.[0];
    const decided = first?.payment === text(payment.body);
    const alone = book.decidedAlone.has(payment.paymentId);
    if (!decided && letter === undefined && !alone) problems.push(`${payment.paymentId} at ${place} is not decided`);
    if (decided && letter !== undefined && !alone)
      problems.push(`${payment.paymentId} at ${place} is decided and a dead letter (${letter.code})`);
  }
  for (const { place } of log.letters.values())
    if (place.startsWith(topics.payments) && !places.has(place))
      problems.push(`the dead letter of ${place} is of no message`);
}

/** What was answered is what is in the topic. */
function checkAnswers({ book }: Checked, problems: string[]): void {
  for (const { paymentId, body } of book.conflicted)
    if (book.decided.get(paymentId)?.[0]?.payment === text(body) && !book.decidedAlone.has(paymentId))
      problems.push(`${paymentId} is decided, and its sender was told of a conflict`);
  for (const [paymentId, answers] of book.answers) {
    const contents = (book.decided.get(paymentId) ?? []).map(({ decision }) => decision);
    for (const answer of answers)
      if (!contents.includes(answer)) problems.push(`${paymentId} was answered with what is not in the topic`);
  }
}

function probeOf(index: number, fields: Readonly<Record<string, string>>): Payment {
  const decoded = createPaymentDecoder().decode(
    Buffer.from(
      JSON.stringify({
        paymentId: `probe-${index}`,
        occurredAt: '2026-01-05T10:00:00.500Z',
        amountMinor: 0,
        currency: 'EUR',
        customerId: `probe-${index}`,
        ...fields,
      }),
    ),
    Number.POSITIVE_INFINITY,
  );
  if (!(decoded instanceof Payment)) throw new Error('a probe does not decode');
  return decoded;
}

/** What each entity has counted, asked as the product asks. */
async function readCounters({ engines, plan, machines }: Checked) {
  const { release, redis, kafka } = engines;
  const actor = new Actor(kafka.world, 'probe');
  const entities = (['customer', 'terminal'] as const).flatMap((kind) =>
    [...new Set(plan.payments.map((payment) => payment[`${kind}Id`]))].map((id) => ({ kind, id })),
  );
  const out = createFeatureMatrix(release.features.names.length, Math.max(1, entities.length));
  const memory = machines[0]?.process?.decider?.memory;
  const store: VelocityStore =
    memory ?? new RedisVelocityStore({ program: release.features, connection: redis.connect(actor, 1000) });
  const probes = entities.map(({ kind, id }, i) => probeOf(i, { [`${kind}Id`]: id }));
  if (probes.length > 0) await actor.run(() => store.appendAndRead(tenantId, probes, out, 1));
  return entities.map(({ kind, id }, row) => {
    const value = (name: string): number => {
      const cell = out.values[row * out.featureCount + release.features.names.indexOf(name)];
      return cell === undefined || Number.isNaN(cell) ? 0 : cell;
    };
    const count = value(counted[kind].count) - 1;
    const frauds = kind === 'terminal' ? Math.round(value(fraudRate) * (count + 1)) : 0;
    return { kind, id, count, sum: value(counted[kind].sum), frauds };
  });
}

const amountsOf = (payments: readonly PlannedPayment[]): Map<number, PlannedPayment> =>
  new Map(payments.map((payment) => [payment.amountMinor, payment]));

/**
 * What may have been counted without being decided: its process died, or its batch failed, and when it comes again another
 * content is decided already; nobody asks for it again; or it was decided twice while the claims were out of reach, and the
 * other decision is first in the topic.
 */
function mayBeExtra({ plan, book, client, engines }: Checked, payment: PlannedPayment): boolean {
  // There, what is counted dies with the process.
  if (plan.composition === 'up') return false;
  const { paymentId } = payment;
  if (engines.kafka.world.interrupted && book.contentsOf(paymentId) > 1) return true;
  // It stands, and is decided when somebody asks again.
  if (book.claimOf(tenantId, paymentId)?.includes(Buffer.from(payment.body)) === true) return true;
  return client.lostCalls.has(payment) || book.decidedAlone.has(paymentId);
}

/** Each decided payment is counted once for each of its entities, and no other payment is. */
async function checkCounters(checked: Checked, problems: string[]): Promise<void> {
  const { plan, book, uncounted, client } = checked;
  const byAmount = amountsOf(plan.payments);
  const isDecided = ({ paymentId, body }: PlannedPayment): boolean =>
    book.decided.get(paymentId)?.[0]?.payment === text(body);
  const mayBeTakenOut = ({ paymentId }: PlannedPayment): boolean =>
    plan.composition === 'roles' && client.outOfTime.has(paymentId);
  for (const { kind, id, count, sum, frauds } of await readCounters(checked)) {
    const bits = [...byAmount.values()].filter(({ amountMinor }) => Math.floor(sum / amountMinor) % 2 === 1);
    if (bits.length !== count) problems.push(`${kind} ${id} has counted ${count} payments that sum to ${sum}`);
    const expected = plan.payments.filter((payment) => payment[`${kind}Id`] === id && isDecided(payment));
    const marked = expected.filter(
      (payment) =>
        bits.includes(payment) &&
        !book.decidedAlone.has(payment.paymentId) &&
        rememberedLabels(checked, payment.paymentId).length > 0,
    );
    // A payment that Redis gets late is not there yet when its label comes.
    if (kind === 'terminal' && !plan.faults.has('redis') && frauds < marked.length)
      problems.push(`${marked.length} payments of terminal ${id} are labelled, ${frauds} are marked`);
    for (const payment of expected)
      if (!bits.includes(payment) && !uncounted.has(payment.paymentId) && !mayBeTakenOut(payment))
        problems.push(`${payment.paymentId} is decided and not counted for ${kind} ${id}`);
    for (const payment of bits)
      if (!expected.includes(payment) && !mayBeExtra(checked, payment))
        problems.push(`${payment.paymentId} is counted for ${kind} ${id} and not decided`);
  }
}

/** Labels of a payment as Redis or the journal keeps them. */
function rememberedLabels({ book, engines, machines }: Checked, paymentId: string): readonly string[] {
  const journalled = machines.flatMap(({ disk }) =>
    disk.journal.labels.filter((label) => label.paymentId === paymentId),
  );
  if (journalled.length > 0) return journalled.map(({ labelledAtMs }) => ` ${labelledAtMs}`);
  const key = book.keyOf('l', tenantId, paymentId);
  const list = engines.redis.data.get(key);
  return Array.isArray(list) ? list.map(String) : [];
}

/** A label that was taken is remembered and on its topic; one on the topic is remembered or a dead letter. */
function checkLabels(checked: Checked, problems: string[]): void {
  const { plan, engines, book, client } = checked;
  const messages = engines.kafka.messages(topics.labels);
  for (const { paymentId, labelledAtMs } of client.labelled)
    if (
      !rememberedLabels(checked, paymentId).some((each) => each.endsWith(` ${labelledAtMs}`)) &&
      !messages.some(({ value }) => text(value).includes(new Date(labelledAtMs).toISOString()))
    )
      problems.push(`a label of ${paymentId} was taken and is nowhere`);
  for (const message of messages) {
    const place = `${topics.labels}/${message.partition}/${message.offset}`;
    const label = plan.labels.find((each) => text(labelBytes(each)) === text(message.value));
    if (label === undefined) {
      problems.push(`${place} is a label of nobody`);
      continue;
    }
    const remembered = rememberedLabels(checked, label.paymentId).some((each) =>
      each.endsWith(` ${label.labelledAtMs}`),
    );
    const letter = book.letters.get(place);
    if (!remembered && letter === undefined) problems.push(`${place} is neither remembered nor a dead letter`);
    if (letter !== undefined && letter.code !== 'payment_unknown')
      problems.push(`${place} is a dead letter: ${letter.code}`);
  }
}

/** The store has a row for each decision and label in the topics, the first of each, and no other. */
function checkRows({ plan, engines, book, analytics }: Checked, problems: string[]): void {
  if (plan.sinks === 0) return;
  const rows = new Map<string, string>();
  for (const { key, content } of analytics.rows) {
    if (rows.has(key)) problems.push(`${key} has more than one row`);
    rows.set(key, content);
  }
  for (const [paymentId, contents] of book.decided) {
    const row = rows.get(paymentId);
    if (row === undefined) problems.push(`${paymentId} has no row`);
    else if (row !== contents[0]?.decision) problems.push(`the row of ${paymentId} is not its decision`);
  }
  const labels = new Set(engines.kafka.messages(topics.labels).map(({ value }) => text(value)));
  const known = [...rows.keys()].filter((key) => key.startsWith('label ')).length;
  if (known !== labels.size) problems.push(`${labels.size} labels have ${known} rows`);
  if (rows.size - known !== book.decided.size)
    problems.push(`${book.decided.size} decisions have ${rows.size - known} rows`);
}

export async function checkHistory(checked: Checked): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const log of logsOf(checked)) checkMessages(checked, log, problems);
  checkAnswers(checked, problems);
  checkLabels(checked, problems);
  checkRows(checked, problems);
  await checkCounters(checked, problems);
  return problems;
}
