import { aheadMsMax, labelBytesMax, occurredAtMsMin } from './bounds.ts';
import { addUnknownFields, readObject } from './document.ts';
import { Fault, readId, readOneOf, readTime } from './fieldReaders.ts';
import type { JsonNode } from './jsonTree.ts';
import type { Label, LabelJson } from './label.ts';
import { labelSources, labelValues } from './label.ts';
import type { Refusal } from './refusal.ts';
import { isRefusal, Problems, pointerTo } from './refusal.ts';

const fieldNames = ['paymentId', 'label', 'source', 'labelledAt'] as const satisfies readonly (keyof LabelJson)[];
const valuesByName = new Map(labelValues.map((value) => [value, value]));
const sourcesByName = new Map(labelSources.map((source) => [source, source]));

/**
 * The label in `bytes` (one JSON document), or why it is refused; tell them apart with `isRefusal`. As strict as the
 * decoding of payments. @param nowMs our clock, Unix epoch: a label may be at most five minutes ahead of it.
 */
export function decodeLabel(bytes: Uint8Array, nowMs: number): Label | Refusal {
  const problems = new Problems();
  const members = readObject(bytes, { bytesMax: labelBytesMax, tooLarge: 'body_too_large' }, problems);
  if (isRefusal(members)) return members;
  const times = { minMs: occurredAtMsMin, maxMs: nowMs + aheadMsMax };
  const read = <T>(name: (typeof fieldNames)[number], reader: (node: JsonNode) => T | Fault): T | undefined =>
    readField(members, name, reader, problems);
  if (!problems.fatal) addUnknownFields(members, fieldNames, 'label', problems);
  const paymentId = read('paymentId', readId);
  const label = read('label', (node) => readOneOf(node, valuesByName, `one of ${labelValues.join(', ')}`));
  const source = read('source', (node) => readOneOf(node, sourcesByName, `one of ${labelSources.join(', ')}`));
  const labelledAtMs = read('labelledAt', (node) => readTime(node, times));
  const incomplete =
    paymentId === undefined || label === undefined || source === undefined || labelledAtMs === undefined;
  if (incomplete || problems.list.length > 0) return { code: 'invalid_label', fields: problems.list };
  return { paymentId, label, source, labelledAtMs };
}

function readField<T>(
  members: ReadonlyMap<string, JsonNode>,
  name: string,
  reader: (node: JsonNode) => T | Fault,
  problems: Problems,
): T | undefined {
  if (problems.fatal) return undefined;
  const node = members.get(name);
  if (node === undefined) {
    problems.add(pointerTo('', name), 'required', 'This field is required.');
    return undefined;
  }
  const value = reader(node);
  if (!(value instanceof Fault)) return value;
  problems.add(pointerTo('', name), value.code, value.message);
  return undefined;
}
