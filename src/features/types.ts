import type { Payment } from '../domain/payment.ts';
import type { CommonFeature } from './common.ts';
import type { DerivedFeature } from './derived.ts';
import type { FeatureMatrix } from './frame.ts';
import type { EntityPlan } from './plan.ts';

/**
 * The compiled feature definitions of a release: which entities a payment touches, what their state bytes hold, and
 * how every feature is computed from them. Made by `compileFeatures` (definitions.ts, program.ts).
 */
export interface FeatureProgram {
  /** Feature names in output order; derived ratios come last. */
  readonly names: readonly string[];
  /** Hash of what shapes the state bytes; state of another shape is migrated or refused, never misread. */
  readonly stateFingerprint: string;
  readonly entities: readonly EntityPlan[];
  /** How states of these entities are read in another role, before the payment is counted; they keep nothing. */
  readonly roles: readonly EntityPlan[];
  /** Derived features but those of values in common, which come first. */
  readonly derived: readonly DerivedFeature[];
  readonly common: readonly CommonFeature[];
  /** Sets of values that a payment's features gather (`ValueSets`). */
  readonly valueSets: number;
}

/** A label as it reaches the velocity state. `occurredAtMs` and the entity keys come from the labelled payment. */
export interface VelocityLabel {
  readonly payment: Payment;
  readonly fraud: boolean;
}

/** What the in-memory velocity store promises; every method is synchronous and deterministic. */
export interface VelocityMemory {
  readonly program: FeatureProgram;
  /**
   * Appends the payments in order to every entity they touch, and writes each payment's features as of its event time,
   * itself included, into row i of `out`. A payment that is already in an entity is not counted twice. `batch` is
   * remembered on each touched entity (see `takeDirty`).
   */
  appendAndRead(tenantId: string, payments: readonly Payment[], out: FeatureMatrix, batch: number): void;
  /** Takes a payment out again that was appended but not recorded (deadline passed before it was durable). */
  retract(tenantId: string, payment: Payment): void;
  /**
   * Sets (or changes) the label of a payment that was appended; repeated calls change nothing more. With `wanted` only
   * of the entities whose key it says so: for recovery, as with `reappend`.
   */
  markLabel(tenantId: string, label: VelocityLabel, batch: number, wanted?: (key: Uint8Array) => boolean): void;
  /**
   * Copies out up to `max` entities changed since they were last taken, oldest change first, whose last change belongs
   * to a batch ≤ `recordedBatch`; the others stay dirty.
   */
  takeDirty(max: number, recordedBatch: number): DirtyEntity[];
  /** Keys of the entities that the payment touches and that wait to be taken: a copy taken before is not what they are now. */
  dirtyKeysOf(tenantId: string, payment: Payment): Uint8Array[];
  /**
   * Appends one payment to those of its entities whose key `wanted` says so, without reading features. For recovery:
   * a stored entity may hold later payments than the journal row that is replayed.
   */
  reappend(tenantId: string, payment: Payment, batch: number, wanted: (key: Uint8Array) => boolean): void;
  /** How many entities wait to be taken, and the oldest batch among them (Infinity when none). */
  dirty(): { count: number; oldestBatch: number };
  /** Puts a stored entity back (at start, or when it is needed again after eviction). */
  load(entity: StoredEntity): void;
  readonly entityCount: number;
  readonly residentBytes: number;
}

/** `key` is unique over tenants and entity kinds; `bytes` is the versioned state, and holds all of it. */
export interface StoredEntity {
  readonly key: Uint8Array;
  readonly bytes: Uint8Array;
}
export interface DirtyEntity extends StoredEntity {
  /** The batch of the last change the bytes contain. */
  readonly batch: number;
}
