/** The fields of a payment by the way it is made. */
import type { Random } from './random.ts';
import type { Customer, Draft, Terminal } from './types.ts';

type Fields = Draft['fields'];

/** Chooses how a normal payment is made. */
export type Channels = (customer: Customer, terminal: Terminal, amount: number, random: Random) => Fields;

/** Whole currency units to cents. */
export const toMinor = (amount: number): number => Math.max(0, Math.round(amount * 100));

export function atTerminal(customer: Customer, terminal: Terminal, amount: number): Fields {
  return {
    amountMinor: toMinor(amount),
    currency: 'EUR',
    customerId: customer.customerId,
    cardId: customer.cardId,
    terminalId: terminal.terminalId,
    merchantId: terminal.merchantId,
    merchantCategoryCode: terminal.merchantCategoryCode,
    channel: 'card_present',
    country: terminal.country,
  };
}

export function online(customer: Customer, merchant: Terminal, amount: number): Fields {
  return {
    amountMinor: toMinor(amount),
    currency: 'EUR',
    customerId: customer.customerId,
    cardId: customer.cardId,
    merchantId: `W${merchant.merchantId.slice(1)}`,
    merchantCategoryCode: merchant.merchantCategoryCode,
    deviceId: customer.deviceId,
    ipAddress: customer.ipAddress,
    channel: 'ecommerce',
    country: customer.country,
  };
}

export function transfer(from: Customer, counterpartyAccountId: string, amountMinor: number): Fields {
  return {
    amountMinor,
    currency: 'EUR',
    customerId: from.customerId,
    accountId: from.accountId,
    counterpartyAccountId,
    deviceId: from.deviceId,
    ipAddress: from.ipAddress,
    channel: 'transfer',
    country: from.country,
  };
}

const onlineShare = 0.25;
const transferShare = 0.05;
/** Accounts that a customer sends money to: rent, family, power. */
const counterparties = 5;

/** Everyday life: mostly at terminals, a quarter online, a few transfers to the same few accounts. */
export const everydayChannels: Channels = (customer, terminal, amount, random) => {
  const roll = random.fraction();
  if (roll < onlineShare) return online(customer, terminal, amount);
  if (roll >= onlineShare + transferShare) return atTerminal(customer, terminal, amount);
  return transfer(customer, `acct-r${customer.index}-${random.below(counterparties)}`, toMinor(amount * 2));
};
