/** Whoever sends payments over the API: tries again where the answer does not come or is 503. */
import type { Book } from './book.ts';
import type { Machine } from './machines.ts';
import { labelOf, type PlannedLabel, type PlannedPayment, type Sending } from './plan.ts';
import { type SimDecider, tenantId } from './processes.ts';
import type { Actor, World } from './world.ts';

interface Open {
  readonly actor: Actor;
  readonly again: () => void;
}

const triesMax = 60;
/** Beyond its deadline, for an answer. */
const lateMsMax = 400;

export class ApiClient {
  readonly #world: World;
  readonly #book: Book;
  readonly #machines: readonly Machine[];
  readonly #open = new Set<Open>();
  /** Payments whose sender is not done with them. */
  waiting = 0;
  /** Calls that a process died under: whether their payment was counted is nobody's promise. */
  readonly lostCalls = new Set<PlannedPayment>();

  /**
   * Payments that ran out of time somewhere. Known and open: a process that takes such a payment out of the counters again
   * can do so just after another process, which was given it too, has found it there and decided it.
   */
  readonly outOfTime = new Set<string>();
  /** Labels that were taken. */
  readonly labelled: PlannedLabel[] = [];

  constructor(world: World, book: Book, machines: readonly Machine[]) {
    this.#world = world;
    this.#book = book;
    this.#machines = machines;
  }

  send(payment: PlannedPayment, sending: Sending): void {
    this.waiting++;
    this.#try(payment, sending, 0);
  }

  /** Goes on until it is remembered, or the payment is not known. */
  label(label: PlannedLabel, tries = 0): void {
    if (tries === 0) this.waiting++;
    const again = (): void => {
      if (tries === triesMax)
        this.#world.violate(`the label of ${label.paymentId} is not taken after ${triesMax} tries`);
      else this.#world.after(this.#world.random.uniform(5, 800), () => this.label(label, tries + 1));
    };
    const decider = this.#pick();
    if (decider === undefined) {
      again();
      return;
    }
    const { actor, service } = decider;
    const open: Open = { actor, again };
    this.#open.add(open);
    void actor
      .run(() => service.label(tenantId, [labelOf(label)]))
      .then(([outcome]) => {
        if (!actor.alive || !this.#open.delete(open)) return;
        this.#world.trace('client', () => `label of ${label.paymentId} from ${actor.name}: ${outcome}`);
        if (outcome === 'unavailable') {
          again();
          return;
        }
        if (outcome !== 'unknown') this.labelled.push(label);
        this.waiting--;
      });
  }

  /** The connection to a process that died breaks. */
  lost(actor: Actor): void {
    for (const open of [...this.#open]) {
      if (open.actor !== actor) continue;
      this.#open.delete(open);
      open.again();
    }
  }

  #try(payment: PlannedPayment, sending: Sending, tries: number): void {
    const { random } = this.#world;
    const again = (): void => {
      if (!payment.persistent && random.chance(0.5)) this.waiting--;
      else if (tries === triesMax) this.#world.violate(`${payment.paymentId} is not decided after ${triesMax} tries`);
      else this.#world.after(random.uniform(5, 800), () => this.#try(payment, sending, tries + 1));
    };
    const decider = this.#pick();
    if (decider === undefined) {
      again();
      return;
    }
    this.#call(decider, payment, sending, again);
  }

  /** What is on its way to the disk by its deadline is answered by what becomes of it, a little later. */
  #answeredAfter(lateMs: number, paymentId: string): void {
    if (lateMs > lateMsMax) this.#world.violate(`${paymentId} was answered ${lateMs.toFixed(0)} ms after its deadline`);
  }

  #pick(): SimDecider | undefined {
    const up = this.#machines.filter(({ process, stopping }) => process !== undefined && !stopping);
    return up.length === 0 ? undefined : this.#world.random.pick(up).process?.decider;
  }

  #call({ actor, service }: SimDecider, payment: PlannedPayment, { deadlineMs }: Sending, again: () => void): void {
    const lost = (): void => {
      this.lostCalls.add(payment);
      again();
    };
    const open: Open = { actor, again: lost };
    this.#open.add(open);
    const nowMs = actor.monotonicMs();
    const { paymentId, body } = payment;
    this.#world.trace('client', () => `${paymentId} to ${actor.name}, ${deadlineMs} ms`);
    const result = actor.run(() => service.decide(tenantId, body, nowMs, nowMs + deadlineMs));
    void result.then((answer) => {
      if (!actor.alive || !this.#open.delete(open)) return;
      this.#world.trace('client', () => `${paymentId} from ${actor.name}: ${answer.kind}`);
      this.#answeredAfter(actor.monotonicMs() - nowMs - deadlineMs, paymentId);
      this.#book.answered(payment, answer);
      if (answer.kind === 'unavailable' && answer.code === 'deadline_exceeded') this.outOfTime.add(paymentId);
      if (answer.kind === 'unavailable') again();
      else this.waiting--;
    });
  }
}
