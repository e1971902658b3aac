/** What a model was given in a time, counted in the bins of its training reference. */
import type { ClickHouseClient } from '@clickhouse/client';
import type { InputCounts, PopulationCounts } from '../../models/monitoring/health.ts';
import type { InputReference, PopulationReference, ReferenceBins } from '../../models/monitoring/reference.ts';
import type { ModelHealthQuery, ModelInputQuery } from '../../pipeline/modelAnalytics.ts';
import { type QueryParameters, quoteName, select } from './client.ts';
import { inWindow, windowParameters } from './outcomes.ts';
import { featureColumn } from './rows.ts';
import { textField } from './tsv.ts';

/** Payments that are looked at, at most about; of more, one in so many by the hash of their id. */
const populationRowsMax = 100_000;
/** Inputs counted by one statement. */
const inputsPerStatement = 64;

const texts = new Set(['channel', 'country', 'currency', 'merchantCategoryCode']);
const numbers: ReadonlyMap<string, string> = new Map([
  ['amountMinor', 'toFloat64(amountMinor)'],
  ['hourOfDay', 'toFloat64(toHour(occurredAt))'],
  ['dayOfWeek', 'toFloat64(toDayOfWeek(occurredAt))'],
  ['duringWeekend', 'toFloat64(toDayOfWeek(occurredAt) >= 6)'],
  ['duringNight', 'toFloat64(toHour(occurredAt) <= 6)'],
]);
const attributePrefix = 'attributes.';
const quoted = (text: string): string => `'${textField(text)}'`;

/** A number of the payment as SQL, NULL where missing; undefined for what the table does not have (membership of lists). */
function numberExpression(fact: string, features: ReadonlySet<string>): string | undefined {
  if (features.has(fact)) return quoteName(featureColumn(fact));
  if (fact.startsWith(attributePrefix)) {
    return `toFloat64OrNull(attributes[${quoted(fact.slice(attributePrefix.length))}])`;
  }
  return numbers.get(fact);
}

interface Counted {
  readonly fact: string;
  readonly bins: number;
  /** An aggregate that answers rows in each bin, then missing rows. */
  readonly aggregate: string;
}

const perBin = (bins: number, bin: string): string => `countResample(0, ${bins + 1}, 1)(1, toInt64(${bin}))`;

function numberCounted(fact: string, expression: string, reference: ReferenceBins | undefined): Counted {
  const bins = reference?.counts.length ?? 1;
  const edges = (reference?.edges ?? []).map((edge) => `toFloat64(${edge})`).join(', ');
  const bin = edges === '' ? '0' : `arrayCount(e -> e <= assumeNotNull(${expression}), [${edges}])`;
  return { fact, bins, aggregate: perBin(bins, `if(${expression} IS NULL, ${bins}, ${bin})`) };
}

/** Bin 0 is "another value", then the vocabulary in order. */
function categoryCounted(fact: string, vocabulary: readonly string[]): Counted {
  const bins = vocabulary.length + 1;
  const values = vocabulary.map(quoted).join(', ');
  const bin = values === '' ? '0' : `indexOf([${values}], toString(${fact}))`;
  return { fact, bins, aggregate: perBin(bins, `if(${fact} = '', ${bins}, ${bin})`) };
}

function countedOf(
  input: ModelInputQuery,
  features: ReadonlySet<string>,
  reference: InputReference | undefined,
): Counted | undefined {
  const { fact, vocabulary } = input;
  if (vocabulary !== undefined) return texts.has(fact) ? categoryCounted(fact, vocabulary) : undefined;
  const expression = numberExpression(fact, features);
  if (expression === undefined) return undefined;
  return numberCounted(fact, expression, reference !== undefined && 'edges' in reference ? reference : undefined);
}

/** What is given to a challenger are the decisions of the releases that name it, also where it scores a share of them. */
function givenWhere(database: string, { role }: ModelHealthQuery): string {
  if (role === 'champion') return `${inWindow} AND modelVersion = {version:String}`;
  return `${inWindow} AND releaseId IN (SELECT DISTINCT releaseId FROM ${database}.shadow_scores
    WHERE ${inWindow} AND modelVersion = {version:String})`;
}

async function knownColumns(client: ClickHouseClient, database: string): Promise<ReadonlySet<string>> {
  const rows = await select<{ name: string }>(
    client,
    `SELECT name FROM system.columns WHERE database = {database:String} AND table = 'decisions'`,
    { database },
  );
  return new Set(rows.map(({ name }) => name));
}

async function countInputs(
  client: ClickHouseClient,
  from: string,
  counted: readonly Counted[],
  reference: PopulationReference | undefined,
  parameters: QueryParameters,
): Promise<readonly InputCounts[]> {
  const found: InputCounts[] = [];
  for (let start = 0; start < counted.length; start += inputsPerStatement) {
    const some = counted.slice(start, start + inputsPerStatement);
    const columns = some.map(({ aggregate }, i) => `${aggregate} AS c${i}`).join(', ');
    const [row] = await select<Record<string, number[]>>(client, `SELECT ${columns} ${from}`, parameters);
    some.forEach(({ fact, bins }, i) => {
      const counts = row?.[`c${i}`] ?? [];
      const own = reference?.inputs.find((input) => input.fact === fact);
      const fits = own !== undefined && own.counts.length === bins;
      found.push({ fact, missing: counts[bins] ?? 0, bins: fits ? counts.slice(0, bins) : undefined });
    });
  }
  return found;
}

async function countScores(
  client: ClickHouseClient,
  database: string,
  query: ModelHealthQuery,
  every: number,
): Promise<readonly number[] | undefined> {
  const { reference, role, version } = query;
  if (reference === undefined) return undefined;
  const { aggregate, bins } = numberCounted('score', 'probability', reference.score);
  const table = role === 'champion' ? 'decisions' : 'shadow_scores';
  const [row] = await select<{ counts: number[] }>(
    client,
    `SELECT ${aggregate} AS counts FROM ${database}.${table}
     WHERE ${inWindow} AND modelVersion = {version:String} AND cityHash64(paymentId) % {every:UInt32} = 0`,
    { ...windowParameters(query), version, every },
  );
  return (row?.counts ?? []).slice(0, bins);
}

export async function populationOf(
  client: ClickHouseClient,
  database: string,
  query: ModelHealthQuery,
): Promise<PopulationCounts> {
  const { reference, version } = query;
  const where = givenWhere(database, query);
  const parameters = { ...windowParameters(query), version };
  const count = async (table: string, rows: string): Promise<number> =>
    (
      await select<{ rows: number }>(
        client,
        `SELECT count() AS rows FROM ${database}.${table} WHERE ${rows}`,
        parameters,
      )
    )[0]?.rows ?? 0;
  const given = await count('decisions', where);
  const own = `${inWindow} AND modelVersion = {version:String}`;
  const scored = query.role === 'champion' ? given : await count('shadow_scores', own);
  const every = Math.max(1, Math.ceil(given / populationRowsMax));
  const from = `FROM ${database}.decisions WHERE ${where} AND cityHash64(paymentId) % {every:UInt32} = 0`;
  const columns = await knownColumns(client, database);
  const features = new Set(query.features.filter((name) => columns.has(featureColumn(name))));
  const counted = query.inputs.flatMap((input) => {
    const found = countedOf(
      input,
      features,
      reference?.inputs.find(({ fact }) => fact === input.fact),
    );
    return found === undefined ? [] : [found];
  });
  const inputs = await countInputs(client, from, counted, reference, { ...parameters, every });
  const [looked] = await select<{ rows: number }>(client, `SELECT count() AS rows ${from}`, { ...parameters, every });
  return { scored, sampled: looked?.rows ?? 0, inputs, scoreBins: await countScores(client, database, query, every) };
}
