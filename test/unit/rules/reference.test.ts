import { Engine } from 'json-rules-engine';
import { describe, expect, it } from 'vitest';
import { ownPath, ReferenceEngine } from '../../../src/rules/reference.ts';

function rule(name: string, conditions: unknown, priority = 1) {
  return { name, priority, conditions, event: { type: 'score', params: { version: 1, text: 'Seen', weight: 0.5 } } };
}

describe('json-rules-engine', () => {
  it('silently drops rules when two runs of one Engine overlap: the trap that ReferenceEngine is there for', async () => {
    const engine = new Engine([], { allowUndefinedFacts: true });
    // Two priorities: between the two sets the first run to finish sets the shared status, and the other run stops.
    for (const [name, priority] of [
      ['first', 2],
      ['second', 1],
    ] as const) {
      engine.addRule({
        name,
        priority,
        conditions: { all: [{ fact: 'slow', operator: 'equal', value: true }] },
        event: { type: 'fired' },
      });
    }
    const gate = Promise.withResolvers<boolean>();
    const held = engine.run({ slow: () => gate.promise });
    const quick = await engine.run({ slow: () => Promise.resolve(true) });
    gate.resolve(true);
    const late = await held;
    expect(quick.results.map((r) => r.name)).toEqual(['first', 'second']);
    expect(
      late.results.map((r) => r.name),
      'the trap is gone: the queue in ReferenceEngine can go too',
    ).toEqual(['first']);
  });

  it('fires every rule for every one of many runs that are asked for at once through ReferenceEngine', async () => {
    const rules = [1, 2, 3].map((n) =>
      rule(`R-${n}`, { all: [{ fact: 'amountMinor', operator: 'greaterThan', value: 0 }] }, n),
    );
    const reference = new ReferenceEngine(rules, new Map());
    const runs = await Promise.all(
      Array.from({ length: 50 }, (_, i) => reference.run(new Map([['amountMinor', i + 1]]))),
    );
    for (const ids of runs) expect(ids).toEqual(['R-3', 'R-2', 'R-1']);
  });

  it('keeps working after a run that failed', async () => {
    const reference = new ReferenceEngine(
      [rule('R-1', { all: [{ fact: 'amountMinor', operator: 'in', value: 5 }] })],
      new Map(),
    );
    await expect(reference.run(new Map([['amountMinor', 1]]))).rejects.toThrow();
    await expect(reference.run(new Map([['amountMinor', 1]]))).rejects.toThrow();
  });

  it('never sees a path: a path that jsonpath would run as code is an own-property name that is not there', () => {
    const payload = '$..[?(@.constructor.constructor("globalThis.pwned=1")())]';
    expect(ownPath({ a: { b: 1 } }, payload)).toBeUndefined();
    expect(Reflect.get(globalThis, 'pwned')).toBeUndefined();
    expect(ownPath({ a: { b: 1 }, 'a.b': 2 }, 'a.b')).toBe(2);
    expect(ownPath({ a: { b: 1 } }, 'a.b')).toBe(1);
    expect(ownPath({ a: 1 }, 'constructor')).toBeUndefined();
    expect(ownPath({ a: 1 }, '__proto__.toString')).toBeUndefined();
    expect(ownPath('text', 'length')).toBeUndefined();
  });

  it('does not change the rules that it is given', () => {
    const rules = [rule('R-1', { all: [{ fact: 'amountMinor', operator: 'equal', value: 1, priority: 2 }] })];
    const before = structuredClone(rules);
    expect(new ReferenceEngine(rules, new Map())).toBeDefined();
    expect(rules).toEqual(before);
  });
});
