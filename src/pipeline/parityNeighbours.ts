/** What was counted about the time of a payment and shares an entity with it: what its features may or may not have seen. */
import type { FeatureProgram } from '../features/types.ts';
import { entitiesOf } from './parityTally.ts';
import type { SharedPayment } from './relatedPayments.ts';
import type { SharedHistory, SharedLabel } from './sharedHistory.ts';

/** Something that was counted: a payment, or a label of one. */
export type Counted = { readonly payment: SharedPayment } | { readonly label: SharedLabel };

/** With its place in the probable order. */
export interface Placed {
  readonly place: number;
  readonly one: Counted;
  readonly payment: SharedPayment;
  readonly fromMs: number;
  readonly toMs: number;
  readonly perhaps: boolean;
}

export interface Neighbours {
  readonly before: readonly Counted[];
  readonly candidates: readonly Counted[];
}

/** Everything that was counted, by the entity that it touches. */
export function byEntity({ payments, labels }: SharedHistory): ReadonlyMap<string, readonly Placed[]> {
  const found = new Map<string, Placed[]>();
  let place = 0;
  const put = (
    one: Counted,
    payment: SharedPayment,
    { fromMs, toMs }: SharedPayment | SharedLabel,
    perhaps: boolean,
  ) => {
    const placed = { place: ++place, one, payment, fromMs, toMs, perhaps };
    for (const entity of payment.entities) {
      const known = found.get(entity);
      if (known === undefined) found.set(entity, [placed]);
      else known.push(placed);
    }
  };
  for (const payment of payments.values()) put({ payment }, payment, payment, false);
  for (const label of labels) put({ label }, label.of, label, label.perhaps);
  return found;
}

type Index = ReadonlyMap<string, readonly Placed[]>;

/** What shares an entity of these kinds with the payment, was counted, and may have been before it. Once each. */
function sharingWith(counted: SharedPayment, plans: FeatureProgram['entities'], index: Index): Placed[] {
  const own = entitiesOf(plans, counted.tenantId, counted.payment);
  const sharing = new Set(own.flatMap((entity) => index.get(entity) ?? []));
  return [...sharing].filter(({ one, payment, fromMs }) => {
    return fromMs <= counted.toMs && !('payment' in one && payment === counted);
  });
}

const isSurelyBefore = ({ toMs, perhaps }: Placed, { fromMs }: SharedPayment): boolean => toMs < fromMs && !perhaps;

/** How many of them were perhaps counted before the payment: what there is to try. */
export function candidatesOf(counted: SharedPayment, plans: FeatureProgram['entities'], index: Index): number {
  return sharingWith(counted, plans, index).filter((placed) => !isSurelyBefore(placed, counted)).length;
}

/** What shares an entity of these kinds with the payment, in the probable order: surely counted before it, and perhaps. */
export function neighboursOf(counted: SharedPayment, plans: FeatureProgram['entities'], index: Index): Neighbours {
  const before: Counted[] = [];
  const candidates: Counted[] = [];
  for (const placed of sharingWith(counted, plans, index).sort((a, b) => a.place - b.place)) {
    (isSurelyBefore(placed, counted) ? before : candidates).push(placed.one);
  }
  return { before, candidates };
}
