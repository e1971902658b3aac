/** Messages of the two topics as what the sinks insert; undefined for one that cannot be read. */
import { decodeLabel } from '../../domain/decodeLabel.ts';
import { isRefusal } from '../../domain/refusal.ts';
import { isDecisionDocument } from '../../pipeline/decisionDocument.ts';
import { decodeDecisionMessage } from '../../pipeline/decisionMessage.ts';
import type { Message } from '../../pipeline/ports.ts';
import type { NamedEntry } from '../../pipeline/sinkBlock.ts';

type Decode = (message: Message) => NamedEntry | undefined;

/** Releases whose names are shared between their decisions; beyond, the one seen first is forgotten. */
const releasesMax = 64;

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i]);

/**
 * Each decision brings the names of its features. Those of one release are one list, which is less memory and faster to
 * insert; what is forgotten of them here loses nothing, since every entry keeps its own.
 */
export function createDecisionDecoder(): Decode {
  const lists = new Map<string, readonly string[]>();
  const shared = (releaseId: string, names: readonly string[]): readonly string[] => {
    const known = lists.get(releaseId);
    if (known !== undefined && same(known, names)) return known;
    if (lists.size >= releasesMax) lists.delete(lists.keys().next().value ?? '');
    lists.set(releaseId, names);
    return names;
  };
  return ({ value }) => {
    try {
      const { record, featureNames, document } = decodeDecisionMessage(value);
      // One row that cannot be made would hold back all that come after it.
      if (!isDecisionDocument(document)) return undefined;
      return { kind: 'decision', record, featureNames: shared(record.releaseId, featureNames) };
    } catch {
      return undefined;
    }
  };
}

export function decodeLabelOf(tenantId: string): Decode {
  return ({ value }) => {
    const label = decodeLabel(value, Date.now());
    return isRefusal(label) ? undefined : { kind: 'label', label: { ...label, tenantId } };
  };
}
