import { amountMinorMax, idCharactersMax } from '../domain/bounds.ts';
import { countryCodes } from '../domain/countries.ts';
import { currencyCodes } from '../domain/currencies.ts';
import { modelProbabilityFact } from './facts.ts';

/** The values a fact can have at all; the lint measures conditions against it. */
export type Domain =
  | {
      readonly kind: 'number';
      readonly min: number;
      readonly max: number;
      readonly integer: boolean;
      readonly optional: boolean;
    }
  | {
      readonly kind: 'string';
      readonly known?: ReadonlySet<string>;
      readonly pattern?: RegExp;
      readonly optional: boolean;
    };

const infinite = Number.POSITIVE_INFINITY;
const anyNumber: Domain = { kind: 'number', min: -infinite, max: infinite, integer: false, optional: true };
const channels = new Set(['card_present', 'ecommerce', 'transfer', 'atm', 'direct_debit', 'other']);
const identifier = new RegExp(`^[^]{1,${idCharactersMax * 2}}$`);

function integers(min: number, max: number, optional = false): Domain {
  return { kind: 'number', min, max, integer: true, optional };
}

function reals(min: number, max: number): Domain {
  return { kind: 'number', min, max, integer: false, optional: true };
}

const paymentDomains = new Map<string, Domain>([
  ['amountMinor', integers(0, amountMinorMax)],
  ['hourOfDay', integers(0, 23)],
  ['dayOfWeek', integers(1, 7)],
  ['duringWeekend', integers(0, 1)],
  ['duringNight', integers(0, 1)],
  [modelProbabilityFact, reals(0, 1)],
  ['paymentId', { kind: 'string', pattern: identifier, optional: false }],
  ['customerId', { kind: 'string', pattern: identifier, optional: false }],
  ['currency', { kind: 'string', known: new Set(currencyCodes), optional: false }],
  ['country', { kind: 'string', known: new Set(countryCodes), optional: true }],
  ['channel', { kind: 'string', known: channels, optional: false }],
  ['merchantCategoryCode', { kind: 'string', pattern: /^\d{4}$/, optional: true }],
]);

/** By the aggregate in a feature's name, `ENTITY.AGGREGATE[.FIELD].WINDOW[.delayD]`. */
const aggregateDomains = new Map<string, Domain>([
  ['count', integers(0, infinite, true)],
  ['distinct', integers(0, infinite, true)],
  ['isFirst', integers(0, 1, true)],
  ['fraudRate', reals(0, 1)],
  ['sinceLast', reals(0, infinite)],
  ['sinceFirst', reals(0, infinite)],
  ['frauds', integers(0, infinite, true)],
  ['unusual', integers(0, infinite, true)],
  ['fraudRun', integers(0, infinite, true)],
  ['sinceFraudRun', reals(0, infinite)],
  ['sinceFraud', reals(0, infinite)],
  ['sinceGenuine', reals(0, infinite)],
  ['stddev', reals(0, infinite)],
  ['std', reals(0, infinite)],
]);
/** Of amounts these are never negative. Other names, ratios and z-scores among them, are taken to be any number. */
const amountAggregates = new Set(['sum', 'mean', 'min', 'max']);

function featureDomain(name: string): Domain {
  const [, aggregate = '', field] = name.split('.');
  if (amountAggregates.has(aggregate) && field === 'amountMinor') return reals(0, infinite);
  return aggregateDomains.get(aggregate) ?? anyNumber;
}

export function stringDomain(fact: string): Domain & { kind: 'string' } {
  const domain = paymentDomains.get(fact);
  return domain?.kind === 'string' ? domain : { kind: 'string', pattern: identifier, optional: true };
}

/** @param fact a numeric fact or the name of a feature. */
export function numberDomain(fact: string): Domain & { kind: 'number' } {
  const domain = paymentDomains.get(fact) ?? featureDomain(fact);
  return domain.kind === 'number'
    ? domain
    : { kind: 'number', min: -infinite, max: infinite, integer: false, optional: true };
}

export function canBe(domain: Domain & { kind: 'string' }, value: string): boolean {
  if (domain.known !== undefined) return domain.known.has(value);
  return domain.pattern === undefined || domain.pattern.test(value);
}

/** Whether a number of the domain lies in [from, below). */
export function reaches(domain: Domain & { kind: 'number' }, from: number, below: number): boolean {
  const low = Math.max(from, domain.min);
  const first = domain.integer ? Math.ceil(low) : low;
  return first < below && first <= domain.max;
}
