import { expect, it } from 'vitest';
import { compileLists, lintLists } from '../../../src/rules/lists.ts';

it('lists are sets by name; a wrong one is refused with its place', () => {
  const lists = { far: { description: 'Far away', values: ['NZ', 'AU'] } };
  expect(lintLists(lists)).toEqual([]);
  expect([...(compileLists(lists).get('far') ?? [])]).toEqual(['NZ', 'AU']);
  expect(lintLists({ far: { description: 'x', values: ['NZ', 'NZ'] } })[0]?.pointer).toBe('/far/values');
  expect(lintLists({ far: { description: 'x', values: [1] } })[0]?.pointer).toBe('/far/values/0');
  expect(lintLists({ 'Far Away': { description: 'x', values: [] } })).not.toEqual([]);
  expect(lintLists([])).not.toEqual([]);
  expect(() => compileLists({ far: [] })).toThrow(/lists\/far/);
});
