/** What must hold once faults have ended and everything is drained. */
import { type Message, topics } from '../../../src/pipeline/ports.ts';
import { type Letter, letterOf } from './book.ts';
import { type Checked, checkCounters, rememberedLabels } from './counters.ts';
import { labelBytes } from './plan.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

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
