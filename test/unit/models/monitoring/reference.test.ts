import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import Value from 'typebox/value';
import {
  binsOf,
  countBins,
  referenceBinsMax,
  referenceOf,
  referenceSchema,
} from '../../../../src/models/monitoring/reference.ts';
import { driftOf, populationStability, stabilityByChance } from '../../../../src/models/monitoring/stability.ts';

const value = fc.oneof(fc.integer({ min: -5, max: 20 }), fc.double({ noDefaultInfinity: true }));
const values = fc.array(value, { minLength: 1, maxLength: 400 });
const countsPair = fc
  .integer({ min: 1, max: 12 })
  .chain((bins) =>
    fc.tuple(
      fc.array(fc.nat(1000), { minLength: bins, maxLength: bins }),
      fc.array(fc.nat(1000), { minLength: bins, maxLength: bins }),
    ),
  );

describe('the reference of a model', () => {
  it('counts every row once: in a bin, or as missing', () => {
    fc.assert(
      fc.property(values, (column) => {
        const scores = column.map((_, i) => i / column.length);
        const reference = referenceOf([{ fact: 'a.b', values: column }], scores);
        const [input] = reference.inputs;
        const held = input?.counts.reduce((sum, one) => sum + one, 0) ?? 0;
        expect(held + (input?.missing ?? 0)).toBe(column.length);
        expect(input?.missing).toBe(column.filter(Number.isNaN).length);
        expect(reference.score.counts.reduce((sum, one) => sum + one, 0)).toBe(column.length);
      }),
    );
  });

  it('has ascending edges, no more bins than its bound, nothing below the first edge, and survives JSON', () => {
    fc.assert(
      fc.property(values, (column) => {
        const bins = binsOf(column);
        expect(bins.counts.length).toBe(bins.edges.length + 1);
        expect(bins.counts.length).toBeLessThanOrEqual(referenceBinsMax);
        for (let i = 1; i < bins.edges.length; i++) expect(bins.edges[i]).toBeGreaterThan(bins.edges[i - 1] as number);
        expect(bins.counts[0]).toBe(0);
        const reference = referenceOf(
          [{ fact: 'a', values: column }],
          column.map(() => 0.5),
        );
        expect(JSON.parse(JSON.stringify(reference))).toEqual(reference);
        expect(Value.Check(referenceSchema, reference)).toBe(true);
      }),
    );
  });

  it('gives a value that fills a bin alone a bin of its own', () => {
    const column = [
      ...new Array<number>(80).fill(0),
      ...Array.from({ length: 10 }, (_, i) => i - 20),
      ...Array.from({ length: 10 }, (_, i) => i + 1),
    ];
    const { edges, counts } = binsOf(column);
    expect(edges).toEqual([-20, 0, 1]);
    expect(counts).toEqual([0, 10, 80, 10]);
  });

  it('splits values that do not repeat into ten bins of one size', () => {
    const { counts } = binsOf(Array.from({ length: 1000 }, (_, i) => Math.sin(i)));
    expect(counts).toEqual([0, ...new Array<number>(10).fill(100)]);
  });

  it('counts categories by code: missing apart, other first', () => {
    const codes = [0, 1, 2, 2, 3, 0];
    const { inputs } = referenceOf([{ fact: 'country', codes, vocabularySize: 3 }], codes);
    expect(inputs).toEqual([{ fact: 'country', missing: 2, counts: [1, 2, 1, 0] }]);
  });

  it('refuses columns of different lengths and an empty table', () => {
    expect(() => referenceOf([{ fact: 'a', values: [1] }], [0.1, 0.2])).toThrow(/another length/);
    expect(() => referenceOf([], [])).toThrow(/at least one row/);
  });
});

describe('the population stability index', () => {
  it('is 0 for the same shares however many rows, never negative, finite, and the same both ways', () => {
    fc.assert(
      fc.property(countsPair, fc.integer({ min: 1, max: 50 }), ([expected, actual], times) => {
        const index = populationStability(expected, actual);
        const back = populationStability(actual, expected);
        const rows = (counts: readonly number[]) => counts.reduce((sum, one) => sum + one, 0);
        if (rows(expected) === 0 || rows(actual) === 0) {
          expect(index).toBeUndefined();
          return;
        }
        expect(index).toBeGreaterThanOrEqual(0);
        expect(Number.isFinite(index)).toBe(true);
        expect(index).toBeCloseTo(back ?? Number.NaN, 12);
        const larger = expected.map((one) => one * times);
        expect(populationStability(expected, larger)).toBeLessThan(1e-12);
      }),
    );
  });

  it('is the sum of its formula where no bin is empty', () => {
    // 0.2 to 0.3 and 0.8 to 0.7: 0.1 · ln 1.5 + (−0.1) · ln 0.875
    expect(populationStability([20, 80], [30, 70])).toBeCloseTo(0.1 * Math.log(1.5) - 0.1 * Math.log(0.875), 12);
  });

  it('counts half a row where one side of a bin is empty', () => {
    const index = populationStability([100, 0], [90, 10]) ?? Number.NaN;
    expect(index).toBeCloseTo(-0.1 * Math.log(0.9) + (0.1 - 0.005) * Math.log(0.1 / 0.005), 12);
  });

  it('comes out near what chance is said to give where nothing moved', () => {
    let state = 12345;
    const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
    const sample = (rows: number): number[] => Array.from({ length: rows }, random);
    let seen = 0;
    let said = 0;
    for (let round = 0; round < 60; round++) {
      const reference = binsOf(sample(2000));
      const actual = countBins(reference.edges, sample(500));
      seen += populationStability(reference.counts, actual) ?? 0;
      said += stabilityByChance(reference.counts, actual) ?? 0;
    }
    expect(seen / said).toBeGreaterThan(0.8);
    expect(seen / said).toBeLessThan(1.25);
  });

  it('reads small, middling and large indices as the literature does, and none as unknown', () => {
    expect(driftOf(0.05, 0)).toBe('stable');
    expect(driftOf(0.15, 0)).toBe('moderate');
    expect(driftOf(0.3, 0)).toBe('shifted');
    expect(driftOf(0.3, 0.1)).toBe('moderate');
    expect(driftOf(undefined, undefined)).toBe('unknown');
  });
});
