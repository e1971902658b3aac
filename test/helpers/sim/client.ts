/** Whoever sends payments over the API: tries again where the answer does not come or is 503. */
import type { Book } from './book.ts';
import type { Machine } from './machines.ts';
import type { PlannedPayment, Sending } from './plan.ts';
import { tenantId } from './processes.ts';
import type { Actor, World } from './world.ts';

interface Open {
  readonly actor: Actor;
  readonly again: () => void;
}

const triesMax = 60;

export class ApiClient {
  readonly #world: World;
  readonly #book: Book;
  readonly #machines: readonly Machine[];
  readonly #open = new Set<Open>();
  /** Payments whose sender is not done with them. */
  waiting = 0;
  /** Calls that a process died under: whether their payment was counted is nobody's promise. */
  readonly lostCalls = new Set<PlannedPayment>();

  constructor(world: World, book: Book, machines: readonly Machine[]) {
    this.#world = world;
    this.#book = book;
    this.#machines = machines;
  }

  send(payment: PlannedPayment, sending: Sending): void {
    this.waiting++;
    this.#try(payment, sending, 0);
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
    const up = this.#machines.filter(({ process, stopping }) => process !== undefined && !stopping);
    const decider = up.length === 0 ? undefined : random.pick(up).process?.decider;
    if (decider === undefined) return again();
    this.#call(decider, payment, sending, again);
  }

  #call(
    { actor, service }: NonNullable<NonNullable<Machine['process']>['decider']>,
    payment: PlannedPayment,
    { deadlineMs }: Sending,
    again: () => void,
  ): void {
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
      this.#book.answered(payment, answer);
      if (answer.kind === 'unavailable') again();
      else this.waiting--;
    });
  }
}
