/** What the simulator makes: payments in the contract's JSON form, each with the truth about it. */
export interface PaymentJson {
  readonly paymentId: string;
  readonly occurredAt: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly customerId: string;
  readonly accountId?: string;
  readonly counterpartyAccountId?: string;
  readonly merchantId?: string;
  readonly terminalId?: string;
  readonly cardId?: string;
  readonly deviceId?: string;
  readonly ipAddress?: string;
  readonly channel?: string;
  readonly merchantCategoryCode?: string;
  readonly country?: string;
}

export const scenarios = [
  'normal',
  'handbook-1',
  'handbook-2',
  'handbook-3',
  'card-testing',
  'velocity-burst',
  'account-takeover',
  'impossible-travel',
  'mule',
  'cloned-cards',
] as const;
export type Scenario = (typeof scenarios)[number];

export interface SimulatedPayment {
  readonly payment: PaymentJson;
  readonly occurredAtMs: number;
  readonly label: 'fraud' | 'legitimate';
  readonly scenario: Scenario;
}

/** A payment before it has its id: ids are given in time order, when all of a day's payments are known. */
export interface Draft {
  readonly atMs: number;
  readonly scenario: Scenario;
  readonly fraud: boolean;
  readonly fields: Omit<PaymentJson, 'paymentId' | 'occurredAt'>;
}

export interface Customer {
  readonly index: number;
  readonly customerId: string;
  readonly cardId: string;
  readonly accountId: string;
  readonly deviceId: string;
  readonly ipAddress: string;
  readonly country: string;
  /** Mean of the customer's amounts in whole currency units; the standard deviation is half of it. */
  readonly amountMean: number;
  readonly paymentsPerDay: number;
}

export interface Terminal {
  readonly index: number;
  readonly terminalId: string;
  readonly merchantId: string;
  readonly merchantCategoryCode: string;
  readonly country: string;
}

/** Who pays where. Terminals that a customer uses are those near to the customer. */
export interface Population {
  readonly customerCount: number;
  readonly terminalCount: number;
  customer(index: number): Customer;
  terminal(index: number): Terminal;
  /** How many terminals are near the customer, and the nth of them; 0 for a customer who can pay nowhere. */
  nearbyCount(customer: Customer): number;
  nearby(customer: Customer, nth: number): Terminal;
}
