/**
 * Payments of an NDJSON file, in the contract's own form. Their labels are lines of their own, `{"paymentId": …, "label": "fraud"}`,
 * anywhere in the file: it is read twice, first for them.
 */
import { failed } from '../../config/exit.ts';
import { paymentBytesMax } from '../../domain/bounds.ts';
import { createPaymentDecoder } from '../../domain/decode.ts';
import { Payment } from '../../domain/payment.ts';
import { Gathered, type LabelledPayments, labels, type PaymentReader, type Refusals } from './labelled.ts';
import { openText } from './text.ts';

/** Labels that are kept while the payments are read. */
const labelsMax = 4_000_000;

interface LabelLine {
  readonly paymentId: string;
  readonly fraud: boolean;
}

/** The label of a line, undefined where it is none. */
function labelOf(line: string): LabelLine | undefined {
  if (!line.includes('"label"')) return undefined;
  let document: unknown;
  try {
    document = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof document !== 'object' || document === null) return undefined;
  const { paymentId, label } = document as { paymentId?: unknown; label?: unknown };
  return typeof paymentId === 'string' && label !== undefined ? { paymentId, fraud: label === 'fraud' } : undefined;
}

function eachLine(piece: string, visit: (line: string) => void): void {
  for (let at = 0; at < piece.length; ) {
    const feed = piece.indexOf('\n', at);
    const end = feed < 0 ? piece.length : feed;
    const line = piece.slice(at, end).trim();
    if (line !== '') visit(line);
    at = end + 1;
  }
}

export function readNdjson(path: string, refusals: Refusals): PaymentReader {
  const [first, second] = [openText(path), openText(path)];
  const known = new Map<string, number>();

  async function readLabels(): Promise<void> {
    for await (const piece of first.pieces()) {
      if (!piece.includes('"label"')) continue;
      eachLine(piece, (line) => {
        const label = labelOf(line);
        if (label !== undefined) known.set(label.paymentId, label.fraud ? labels.fraud : labels.genuine);
      });
      if (known.size > labelsMax)
        throw failed(`${path} has more than ${labelsMax} labels, which are all kept in memory.`);
    }
  }

  async function* payments(): AsyncGenerator<LabelledPayments, void, undefined> {
    await readLabels();
    const decoder = createPaymentDecoder();
    const gathered = new Gathered();
    const visit = (line: string): void => {
      const bytes = Buffer.from(line);
      const payment = bytes.length > paymentBytesMax ? undefined : decoder.decode(bytes, Number.POSITIVE_INFINITY);
      if (payment instanceof Payment) gathered.push(payment, known.get(payment.paymentId) ?? labels.unknown);
      else if (payment === undefined) refusals.add('payment_too_large');
      else if (labelOf(line) === undefined) refusals.add(payment.code);
    };
    for await (const piece of second.pieces()) {
      eachLine(piece, visit);
      if (gathered.count > 0) yield gathered.take();
    }
  }
  return { passes: 2, bytesRead: () => first.bytesRead() + second.bytesRead(), payments };
}
